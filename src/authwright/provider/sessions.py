"""The provider's sessions: a random value in a cookie, stored by digest, new at every sign-in (OpenID Connect Core §3.1.2)."""

from datetime import datetime

import msgspec

from authwright.crypto.handles import Handles, random_id
from authwright.protocol.cookies import cookie_header, read_cookies
from authwright.protocol.http import HttpRequest
from authwright.provider.browser_binding import cookie_name
from authwright.provider.settings import Settings
from authwright.records import Session
from authwright.stores.protocols import SessionStore

SESSION_COOKIE = "authwright_session"


class ProviderSessions:
    """Raises StoreUnavailable when the store cannot answer."""

    __slots__ = ("_handles", "_name", "_settings", "_store")

    def __init__(self, store: SessionStore, handles: Handles, settings: Settings) -> None:
        self._store = store
        self._handles = handles
        self._settings = settings
        self._name = cookie_name(SESSION_COOKIE, settings)

    async def current(self, request: HttpRequest, now: datetime) -> Session | None:
        """The live session of the browser that sent `request`, or None."""
        value = read_cookies(request.headers).get(self._name)
        if value is None:
            return None
        for digest in self._handles.digests("session", value):
            session = await self._store.get(digest)
            if session is not None:
                return session if now < session.expires_at else None
        return None

    async def begin(
        self,
        *,
        before: Session | None,
        subject: str,
        now: datetime,
        acr: str | None = None,
        amr: tuple[str, ...] = (),
    ) -> tuple[Session, tuple[str, str]]:
        """Sign `subject` in; the session, and the header that sets its cookie.

        The cookie's value is new, whatever the browser had: a value planted before the sign-in is worth nothing after
        it. `before`, the browser's session until now, ends in the same step; when it was the same person's, `sid` and
        the list of clients go on.
        """
        value, digest = self._handles.mint("session")
        session = Session(
            digest=digest,
            session_id=random_id(),
            subject=subject,
            auth_time=now,
            created_at=now,
            expires_at=now + self._settings.session_lifetime,
            acr=acr,
            amr=amr,
        )
        if before is not None:
            goes_on = session
            if before.subject == subject:
                goes_on = msgspec.structs.replace(
                    session, session_id=before.session_id, clients=before.clients
                )
            if await self._store.replace(before.digest, goes_on):
                return goes_on, self._cookie(value)
        # Without one, or when it ended meanwhile: what was signed out must not come back to life under its old `sid`.
        await self._store.replace(None, session)
        return session, self._cookie(value)

    async def note_client(self, session: Session, client_id: str) -> bool:
        """Remember that `client_id` was signed in to; False when the session ended meanwhile."""
        if client_id in session.clients:
            return True
        return await self._store.note_client(session.digest, client_id)

    async def end(self, session: Session) -> None:
        """Sign out. The value of the cookie is worth nothing from now on."""
        await self._store.remove(session_id=session.session_id)

    def no_cookie(self) -> tuple[str, str]:
        """The header that takes the session's cookie from the browser."""
        return cookie_header(self._name, "", secure=self._settings.secure_cookies, max_age=0)

    def _cookie(self, value: str) -> tuple[str, str]:
        return cookie_header(self._name, value, secure=self._settings.secure_cookies)
