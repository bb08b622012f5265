"""The refresh token grant, with rotation and reuse detection (RFC 6749 §6, RFC 9700 §4.14.2)."""

from typing import ClassVar

import msgspec

from authwright.crypto.handles import Handles
from authwright.protocol.errors import InvalidGrant
from authwright.protocol.params import Params
from authwright.protocol.token import REFRESH_TOKEN
from authwright.provider.accounts import Accounts
from authwright.provider.grants.authorization_code import check_presenter
from authwright.provider.grants.base import Grant, Replayed, narrowed_resource, narrowed_scope
from authwright.provider.requests import AuthenticatedTokenRequest, TokenRequest
from authwright.provider.settings import Settings
from authwright.provider.stored_tickets import find_stored
from authwright.stores.protocols import TicketStore
from authwright.ticket import StoredTicket, Ticket, TokenKind


class RefreshParameters(msgspec.Struct, frozen=True):
    refresh_token: str

    def __repr__(self) -> str:
        return "RefreshParameters(…)"


class RefreshTokenGrant(Grant[RefreshParameters]):
    grant_type: ClassVar[str] = REFRESH_TOKEN

    def __init__(
        self, *, settings: Settings, tickets: TicketStore, handles: Handles, accounts: Accounts
    ) -> None:
        self._settings = settings
        self._tickets = tickets
        self._handles = handles
        self._accounts = accounts

    def parse(self, params: Params) -> RefreshParameters:
        return RefreshParameters(params.require("refresh_token"))

    async def find(self, request: TokenRequest[RefreshParameters]) -> StoredTicket | None:
        return await find_stored(
            self._tickets, self._handles, TokenKind.REFRESH_TOKEN, request.grant.refresh_token
        )

    async def authorize(
        self, request: AuthenticatedTokenRequest[RefreshParameters], found: StoredTicket | None
    ) -> Ticket:
        # 1. It exists and belongs to this client.
        if found is None:
            raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.unknown")
        check_presenter(found, request.client.client_id, "refresh token")
        # 2. It was never used. RFC 9700 §4.14.2: reuse means that one of two holders is a thief.
        if found.used_at is not None:
            raise Replayed("The specified refresh token is invalid.", stored=found, detail="refresh.reuse")
        # 3. A token that an authenticated client obtained is of use to an authenticated client only.
        if found.ticket.confidential and not request.authentication.confidential:
            raise InvalidGrant(
                "Client authentication is required to use the specified refresh token.",
                detail="refresh.confidential",
            )
        # 4. It is alive.
        if found.expired(request.now):
            raise InvalidGrant("The specified refresh token is no longer valid.", detail="refresh.expired")
        # 5. Its user is still there, and the client is still registered for what was granted.
        subject = found.ticket.subject
        if subject is not None and await self._accounts.get(subject) is None:
            raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.user_gone")
        if any(scope not in request.client.scopes for scope in found.ticket.scopes):
            raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.scope_withdrawn")
        # 6. What it grants: no more than was granted before. The next refresh token keeps all of it (RFC 6749 §6).
        return msgspec.structs.replace(
            found.ticket,
            scopes=narrowed_scope(request.request.scope, found.ticket.scopes),
            resources=narrowed_resource(request.request.resource, found.ticket.resources),
            confidential=found.ticket.confidential or request.authentication.confidential,
            # Without sliding expiration nothing made here outlives the refresh token it came from.
            not_after=found.ticket.not_after if self._settings.sliding_refresh else found.expires_at,
            redeems=found,
        )
