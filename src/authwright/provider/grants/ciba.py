"""The CIBA grant: a client asks whether its user has decided elsewhere (CIBA Core 1.0 §10.1, §11)."""

from typing import ClassVar

import msgspec

from authwright.crypto.handles import Handles
from authwright.protocol.ciba import CIBA, PUSH
from authwright.protocol.errors import InvalidClient, InvalidGrant, UnauthorizedClient
from authwright.protocol.params import Params
from authwright.provider.accounts import Accounts
from authwright.provider.grants.authorization_code import check_presenter
from authwright.provider.grants.base import Grant, narrowed_resource, narrowed_scope
from authwright.provider.polling import check_approved
from authwright.provider.requests import AuthenticatedTokenRequest, TokenRequest
from authwright.provider.stored_tickets import find_stored
from authwright.stores.protocols import TicketStore
from authwright.ticket import BackchannelBinding, StoredTicket, Ticket, TokenKind


class CibaParameters(msgspec.Struct, frozen=True):
    auth_req_id: str
    pushed: bool = False
    """Whether the provider itself makes the request, for a client that has its tokens pushed."""

    def __repr__(self) -> str:
        return "CibaParameters(…)"


class CibaGrant(Grant[CibaParameters]):
    grant_type: ClassVar[str] = CIBA

    def __init__(self, *, tickets: TicketStore, handles: Handles, accounts: Accounts) -> None:
        self._tickets = tickets
        self._handles = handles
        self._accounts = accounts

    def parse(self, params: Params) -> CibaParameters:
        return CibaParameters(params.require("auth_req_id"))

    async def find(self, request: TokenRequest[CibaParameters]) -> StoredTicket | None:
        return await find_stored(
            self._tickets, self._handles, TokenKind.AUTH_REQ_ID, request.grant.auth_req_id
        )

    async def authorize(
        self, request: AuthenticatedTokenRequest[CibaParameters], found: StoredTicket | None
    ) -> Ticket:
        # 1. CIBA Core §7: only a client that authenticates may take part.
        if not request.authentication.confidential:
            raise InvalidClient("Client authentication is required.", detail="ciba.public_client")
        # 2. It exists and belongs to this client, which does not wait for a push.
        if found is None or not isinstance(found.binding, BackchannelBinding):
            raise InvalidGrant("The specified auth_req_id is invalid.", detail="auth_req_id.unknown")
        check_presenter(found, request.client.client_id, "auth_req_id")
        if found.binding.delivery == PUSH and not request.request.grant.pushed:
            # CIBA Core §11: a client in push mode does not come here.
            raise UnauthorizedClient("The tokens of this request are pushed.", detail="auth_req_id.push")
        # 3. Its user approved, in time, and nothing was given for it yet.
        check_approved(found, found.binding, request.now)
        # 4. Its user is still there, and the client is still registered for what was granted.
        subject = found.ticket.subject
        if subject is None or await self._accounts.get(subject) is None:
            raise InvalidGrant("The specified auth_req_id is invalid.", detail="auth_req_id.user_gone")
        if any(scope not in request.client.scopes for scope in found.ticket.scopes):
            raise InvalidGrant("The specified auth_req_id is invalid.", detail="auth_req_id.scope_withdrawn")
        # 5. What it grants.
        return msgspec.structs.replace(
            found.ticket,
            scopes=narrowed_scope(request.request.scope, found.ticket.scopes),
            resources=narrowed_resource(request.request.resource, found.ticket.resources),
            confidential=True,
            redeems=found,
        )
