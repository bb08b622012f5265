"""How a client hears of an answer without asking: ping and push (CIBA Core 1.0 §10.2, §10.3, §12)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from authwright.protocol.ciba import CIBA, PING, build_ping, build_push, build_push_error
from authwright.protocol.client_credentials import OfferedIdentifier
from authwright.protocol.errors import AccessDenied, OAuthError
from authwright.protocol.http import Fetch, HttpRequest
from authwright.protocol.params import NO_PARAMS
from authwright.protocol.token import build_token_response
from authwright.provider.audit import logger
from authwright.provider.backchannel_requests import BackchannelRequests, Callback
from authwright.provider.events import AnsweredByEvent
from authwright.provider.grants.ciba import CibaParameters
from authwright.provider.requests import AuthenticatedTokenRequest, ClientAuthentication, TokenRequest
from authwright.provider.settings import Settings
from authwright.provider.token_response import Issuance
from authwright.records import Client
from authwright.stores.protocols import TicketStore
from authwright.ticket import BackchannelBinding, Decision, StoredTicket

SECONDS = 10.0

Give = Callable[[AuthenticatedTokenRequest[CibaParameters], StoredTicket], Awaitable[Issuance | None]]
"""Decides, makes and commits tokens as the token endpoint does; None when they were given before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelDelivery:
    """Calls a client's notification endpoint: once, and never where a redirect points."""

    settings: Settings
    requests: BackchannelRequests
    tickets: TicketStore
    fetch: Fetch
    give: Give

    async def deliver(self, stored: StoredTicket, client: Client, now: datetime) -> None:
        """Tell the client what its user answered. What cannot be delivered is logged; a pinged client may still poll."""
        callback = self.requests.callback(stored)
        binding = stored.binding
        if callback is None or not isinstance(binding, BackchannelBinding):
            return
        if binding.delivery == PING:
            await self._post(client, callback, build_ping(callback.auth_req_id))
        elif binding.polling.decision is Decision.APPROVED:
            await self._push(stored, client, callback, now)
        else:
            denied = AccessDenied("The user denied the request.", detail="auth_req_id.denied")
            await self._post(client, callback, build_push_error(callback.auth_req_id, denied))

    async def _push(self, stored: StoredTicket, client: Client, callback: Callback, now: datetime) -> None:
        try:
            issuance = await self.give(self._token_request(client, callback, now), stored)
        except OAuthError as refusal:
            await self._post(client, callback, build_push_error(callback.auth_req_id, refusal))
            return
        except AnsweredByEvent:
            # The application answers in our stead, and there is no request here that it could answer.
            return
        if issuance is None:
            return
        body = build_push(callback.auth_req_id, build_token_response(issuance.response))
        if not await self._post(client, callback, body):
            # Nobody has them, and nobody will ask for them: they end here.
            await self.tickets.revoke(now=now, grant_id=stored.grant_id)

    def _token_request(
        self, client: Client, callback: Callback, now: datetime
    ) -> AuthenticatedTokenRequest[CibaParameters]:
        """What the client would have sent had it come for the tokens; it authenticated when it made the request."""
        return AuthenticatedTokenRequest(
            self.settings.issuer,
            self.settings.tenant,
            now,
            ClientAuthentication(client, client.token_endpoint_auth_method),
            TokenRequest(
                grant_type=CIBA,
                credentials=OfferedIdentifier(client_id=client.client_id),
                scope=None,
                resource=(),
                grant=CibaParameters(callback.auth_req_id, pushed=True),
                params=NO_PARAMS,
                http=HttpRequest("POST", self.settings.base_path + "/token"),
            ),
        )

    async def _post(self, client: Client, callback: Callback, body: bytes) -> bool:
        """Whether the client took it. CIBA Core §10.2: 204 or 200; nothing else is tried again or followed."""
        reason = ""
        try:
            request = HttpRequest.to(
                "POST",
                client.backchannel_client_notification_endpoint,
                headers={
                    "authorization": f"Bearer {callback.notification_token}",
                    "content-type": "application/json",
                },
                body=body,
            )
            answer = await asyncio.wait_for(self.fetch(request), SECONDS)
            reason = "" if answer.status in (200, 204) else f"status {answer.status}"
        except (OSError, TimeoutError, ValueError, OAuthError) as failure:
            reason = type(failure).__name__
        if reason and logger.isEnabledFor(logging.WARNING):
            logger.warning("ciba.not_delivered", extra={"client_id": client.client_id, "reason": reason})
        return not reason
