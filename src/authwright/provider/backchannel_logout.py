"""Telling clients' servers that a session is over (OpenID Connect Back-Channel Logout 1.0 §2.5).

Each client that signed in with the session and has registered a `backchannel_logout_uri` is sent a logout token. The
person does not wait for it: it is sent after the answer, and tried again for a while where that may help. What is still
under way when the process ends is lost; a client's own session then lasts until it expires.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import random_id
from authwright.crypto.jwt import sign_jwt
from authwright.protocol.errors import OAuthError
from authwright.protocol.http import Fetch, HttpRequest
from authwright.protocol.logout import (
    LOGOUT_TOKEN_TYPE,
    LogoutToken,
    build_backchannel_logout,
    build_logout_token,
)
from authwright.provider.audit import logger
from authwright.provider.clients import Clients
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing
from authwright.records import Client, Session
from authwright.stores.protocols import StoreUnavailable

LIFETIME = timedelta(minutes=2)
SECONDS = 5.0
"""How long one call may take."""
PAUSES = (1.0, 5.0, 25.0)
"""Seconds before each further attempt."""
PARALLEL = 8
MAX_WAITING = 10_000
"""Notices at once; beyond them new ones are dropped and logged, so that dead receivers do not fill the memory."""


class BackchannelLogout:
    """Sends logout tokens in the background. `close` gives what is under way a moment to end."""

    def __init__(
        self,
        *,
        settings: Settings,
        clients: Clients,
        signing: Signing,
        fetch: Fetch,
        clock: Clock = utcnow,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._signing = signing
        self._fetch = fetch
        self._clock = clock
        self._pauses = tuple(pauses)
        self._room = asyncio.Semaphore(PARALLEL)
        self._under_way: set[asyncio.Task[None]] = set()

    def tell(self, session: Session) -> None:
        """Have every client of `session` told that it is over. Returns at once."""
        if not session.clients:
            return
        if len(self._under_way) >= MAX_WAITING:
            logger.warning("logout.not_delivered", extra={"client_id": None, "reason": "too_many"})
            return
        self._start(self._tell_all(session))

    async def settled(self) -> None:
        """Return when nothing is under way any more."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def close(self, seconds: float = SECONDS) -> None:
        """Wait a moment for what is under way, then give it up."""
        waiting = asyncio.ensure_future(self.settled())
        await asyncio.wait([waiting], timeout=seconds)
        for task in (waiting, *self._under_way):
            task.cancel()
        await asyncio.gather(waiting, *self._under_way, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _tell_all(self, session: Session) -> None:
        for client_id in sorted(session.clients):
            try:
                client = await self._clients.get(client_id)
            except StoreUnavailable:
                logger.warning(
                    "logout.not_delivered", extra={"client_id": client_id, "reason": "StoreUnavailable"}
                )
                continue
            if client is not None and client.backchannel_logout_uri:
                self._start(self._deliver(client, session))

    async def _deliver(self, client: Client, session: Session) -> None:
        """Until it is taken, refused, or there is no further attempt."""
        reason = ""
        for pause in (0.0, *self._pauses):
            if pause:
                await asyncio.sleep(pause)
            reason, again = await self._attempt(client, session)
            if not again:
                break
        if reason:
            logger.warning("logout.not_delivered", extra={"client_id": client.client_id, "reason": reason})

    async def _attempt(self, client: Client, session: Session) -> tuple[str, bool]:
        """Why it was not taken, empty when it was; and whether trying again may help."""
        try:
            async with self._room:
                request = HttpRequest.to(
                    "POST",
                    client.backchannel_logout_uri,
                    headers={"content-type": "application/x-www-form-urlencoded"},
                    body=build_backchannel_logout(await self._token(client, session)).encoded().encode(),
                )
                answer = await asyncio.wait_for(self._fetch(request), SECONDS)
        except ValueError:
            return "ValueError", False
        except (OSError, TimeoutError, OAuthError, StoreUnavailable) as failure:
            return type(failure).__name__, True
        # Back-Channel Logout §2.8: 200, or 204 from some frameworks; 400 is the client's last word.
        if answer.status in (200, 204):
            return "", False
        return f"status {answer.status}", answer.status >= 500 or answer.status == 429

    async def _token(self, client: Client, session: Session) -> str:
        # A new one for each attempt: the client may have seen the last one and taken note of its `jti`.
        now = self._clock()
        claims = build_logout_token(
            LogoutToken(
                issuer=self._settings.issuer,
                audience=client.client_id,
                jti=random_id(),
                issued_at=now,
                expires_at=now + LIFETIME,
                subject=session.subject,
                session_id=session.session_id,
            )
        )
        algorithm = client.id_token_signed_response_alg or self._settings.algorithms[0]
        return sign_jwt(await self._signing.key(algorithm), claims, typ=LOGOUT_TOKEN_TYPE)
