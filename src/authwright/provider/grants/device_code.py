"""The device code grant: a device polls until its user has decided on another one (RFC 8628 §3.4, §3.5)."""

from typing import ClassVar

import msgspec

from authwright.crypto.handles import Handles
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.errors import InvalidGrant
from authwright.protocol.params import Params
from authwright.provider.accounts import Accounts
from authwright.provider.grants.authorization_code import check_presenter
from authwright.provider.grants.base import Grant, narrowed_resource, narrowed_scope
from authwright.provider.polling import check_approved
from authwright.provider.requests import AuthenticatedTokenRequest, TokenRequest
from authwright.provider.stored_tickets import find_stored
from authwright.stores.protocols import TicketStore
from authwright.ticket import DeviceBinding, StoredTicket, Ticket, TokenKind


class DeviceCodeParameters(msgspec.Struct, frozen=True):
    device_code: str

    def __repr__(self) -> str:
        return "DeviceCodeParameters(…)"


class DeviceCodeGrant(Grant[DeviceCodeParameters]):
    grant_type: ClassVar[str] = DEVICE_CODE

    def __init__(self, *, tickets: TicketStore, handles: Handles, accounts: Accounts) -> None:
        self._tickets = tickets
        self._handles = handles
        self._accounts = accounts

    def parse(self, params: Params) -> DeviceCodeParameters:
        return DeviceCodeParameters(params.require("device_code"))

    async def find(self, request: TokenRequest[DeviceCodeParameters]) -> StoredTicket | None:
        return await find_stored(
            self._tickets, self._handles, TokenKind.DEVICE_CODE, request.grant.device_code
        )

    async def authorize(
        self, request: AuthenticatedTokenRequest[DeviceCodeParameters], found: StoredTicket | None
    ) -> Ticket:
        # 1. It exists and belongs to this client.
        if found is None or not isinstance(found.binding, DeviceBinding):
            raise InvalidGrant("The specified device code is invalid.", detail="device_code.unknown")
        check_presenter(found, request.client.client_id, "device code")
        # 2. Its user approved, in time, and nothing was given for it yet.
        check_approved(found, found.binding, request.now)
        # 3. Its user is still there, and the client is still registered for what was granted.
        subject = found.ticket.subject
        if subject is None or await self._accounts.get(subject) is None:
            raise InvalidGrant("The specified device code is invalid.", detail="device_code.user_gone")
        if any(scope not in request.client.scopes for scope in found.ticket.scopes):
            raise InvalidGrant("The specified device code is invalid.", detail="device_code.scope_withdrawn")
        # 4. What it grants, in the grant that the approval began.
        return msgspec.structs.replace(
            found.ticket,
            grant_id=found.binding.grant_id,
            scopes=narrowed_scope(request.request.scope, found.ticket.scopes),
            resources=narrowed_resource(request.request.resource, found.ticket.resources),
            confidential=request.authentication.confidential,
            redeems=found,
        )
