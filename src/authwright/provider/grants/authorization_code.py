"""The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6, OpenID Connect Core §3.1.3)."""

import hmac
from typing import ClassVar

import msgspec

from authwright.crypto.handles import Handles
from authwright.protocol.errors import InvalidGrant, InvalidRequest, OAuthError, ServerError
from authwright.protocol.params import Params
from authwright.protocol.pkce import check_verifier
from authwright.protocol.token import AUTHORIZATION_CODE
from authwright.provider.accounts import Accounts
from authwright.provider.events import ProviderEvents
from authwright.provider.grants.base import BindingFailed, Grant, Replayed, narrowed_resource
from authwright.provider.requests import AuthenticatedTokenRequest, TokenRequest
from authwright.provider.sender_constraint import check_code_key
from authwright.provider.stored_tickets import find_stored
from authwright.stores.protocols import TicketStore
from authwright.ticket import CodeBinding, StoredTicket, Ticket, TokenKind

MAX_FAILURES = 10


class CodeParameters(msgspec.Struct, frozen=True):
    code: str
    redirect_uri: str | None
    code_verifier: str | None

    def __repr__(self) -> str:
        return "CodeParameters(…)"


class AuthorizationCodeGrant(Grant[CodeParameters]):
    grant_type: ClassVar[str] = AUTHORIZATION_CODE

    def __init__(
        self,
        *,
        tickets: TicketStore,
        handles: Handles,
        accounts: Accounts,
        events: ProviderEvents | None = None,
    ) -> None:
        self._events = events
        self._tickets = tickets
        self._handles = handles
        self._accounts = accounts

    def parse(self, params: Params) -> CodeParameters:
        return CodeParameters(params.require("code"), params.one("redirect_uri"), params.one("code_verifier"))

    async def find(self, request: TokenRequest[CodeParameters]) -> StoredTicket | None:
        return await find_stored(
            self._tickets,
            self._handles,
            TokenKind.AUTHORIZATION_CODE,
            request.grant.code,
            self._events,
        )

    async def authorize(
        self, request: AuthenticatedTokenRequest[CodeParameters], found: StoredTicket | None
    ) -> Ticket:
        # 1. It exists and belongs to this client. Unknown and foreign codes get one answer, so that nobody can probe.
        if found is None or not isinstance(found.binding, CodeBinding):
            raise InvalidGrant("The specified authorization code is invalid.", detail="code.unknown")
        check_presenter(found, request.client.client_id, "authorization code")
        # 2. It was never used. RFC 6749 §4.1.2: reuse by its own client revokes what it gave.
        if found.used_at is not None:
            raise Replayed("The specified authorization code is invalid.", stored=found, detail="code.reuse")
        # 3. It is alive.
        if found.expired(request.now) or found.binding.failures >= MAX_FAILURES:
            raise InvalidGrant("The specified authorization code is no longer valid.", detail="code.expired")
        # 4. It comes back the way it was asked for; a failure here is counted, and does not spend the code.
        try:
            check_redirect_uri(request.request.grant, found.binding)
            check_verifier(request.request.grant.code_verifier, found.binding.code_challenge)
            check_code_key(found.binding, request.confirmation)
        except OAuthError as refusal:
            if isinstance(refusal, InvalidRequest):
                raise
            raise BindingFailed(refusal.description, stored=found, detail=refusal.detail) from None
        # 5. Its user is still there.
        subject = found.ticket.subject
        if subject is None or await self._accounts.get(subject) is None:
            raise InvalidGrant("The specified authorization code is invalid.", detail="code.user_gone")
        # 6. What it grants.
        return msgspec.structs.replace(
            found.ticket,
            resources=narrowed_resource(request.request.resource, found.ticket.resources),
            confidential=found.ticket.confidential or request.authentication.confidential,
            redeems=found,
        )


def check_presenter(found: StoredTicket, client_id: str, what: str) -> None:
    """Raise unless `client_id` may redeem what was found."""
    presenters = found.ticket.presenters
    if not presenters:
        raise ServerError(detail=f"ticket.no_presenters: {found.kind.value}")
    if client_id not in presenters:
        raise InvalidGrant(
            f"The specified {what} cannot be used by this client application.",
            detail=f"{found.kind.value}.wrong_client",
        )


def check_redirect_uri(parameters: CodeParameters, binding: CodeBinding) -> None:
    """Raise unless the redirect URI is the one the code was sent to (RFC 6749 §4.1.3)."""
    if parameters.redirect_uri is None:
        # OAuth 2.1 §10.2: a code bound by PKCE may come back without it; a code bound by nothing never does.
        if binding.code_challenge is None:
            raise InvalidRequest(
                "The mandatory 'redirect_uri' parameter is missing.", detail="code.redirect_missing"
            )
        return
    if not hmac.compare_digest(parameters.redirect_uri.encode(), binding.redirect_uri.encode()):
        raise InvalidGrant(
            "The specified 'redirect_uri' parameter doesn't match the client redirection endpoint "
            "the authorization code was initially sent to.",
            detail="code.redirect_mismatch",
        )
