"""The refresh token grant, with rotation and reuse detection (RFC 6749 §6, RFC 9700 §4.14.2)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

import msgspec

from authwright.crypto.handles import Handles
from authwright.protocol.errors import InvalidGrant
from authwright.protocol.http import Json
from authwright.protocol.params import Params
from authwright.protocol.token import REFRESH_TOKEN
from authwright.protocol.userinfo import SCOPE_CLAIMS
from authwright.provider.accounts import Accounts
from authwright.provider.events import ProviderEvents
from authwright.provider.grants.authorization_code import check_presenter
from authwright.provider.grants.base import Grant, Replayed, narrowed_resource, narrowed_scope
from authwright.provider.minting import ROTATION, Rotation
from authwright.provider.requests import AuthenticatedTokenRequest, TokenRequest
from authwright.provider.sender_constraint import check_refresh_binding
from authwright.provider.service_scopes import decided_claims, is_decided_scope
from authwright.provider.settings import Settings
from authwright.provider.stored_tickets import find_stored
from authwright.records import Account, Client
from authwright.stores.protocols import OnceStore, TicketStore
from authwright.ticket import StoredTicket, Ticket, TokenKind

STANDARD_CLAIMS = frozenset(name for names in SCOPE_CLAIMS.values() for name in names)

# The policies of `Client.refresh_claims`; the third is "refreshed".
FROZEN = "frozen"
RE_EVALUATED = "re_evaluated"

MAX_RETRIES = 3
"""How often a spent token may come back inside the grace window."""


class RefreshParameters(msgspec.Struct, frozen=True):
    refresh_token: str

    def __repr__(self) -> str:
        return "RefreshParameters(…)"


class RefreshTokenGrant(Grant[RefreshParameters]):
    grant_type: ClassVar[str] = REFRESH_TOKEN

    def __init__(
        self,
        *,
        settings: Settings,
        tickets: TicketStore,
        once: OnceStore,
        handles: Handles,
        accounts: Accounts,
        events: ProviderEvents | None = None,
    ) -> None:
        self._events = events
        self._settings = settings
        self._tickets = tickets
        self._once = once
        self._handles = handles
        self._accounts = accounts

    def parse(self, params: Params) -> RefreshParameters:
        return RefreshParameters(params.require("refresh_token"))

    async def find(self, request: TokenRequest[RefreshParameters]) -> StoredTicket | None:
        return await find_stored(
            self._tickets,
            self._handles,
            TokenKind.REFRESH_TOKEN,
            request.grant.refresh_token,
            self._events,
        )

    async def authorize(
        self, request: AuthenticatedTokenRequest[RefreshParameters], found: StoredTicket | None
    ) -> Ticket:
        # 1. It exists and belongs to this client.
        if found is None:
            raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.unknown")
        check_presenter(found, request.client.client_id, "refresh token")
        # 2. It was never used, or a moment ago and its answer may have been lost.
        # RFC 9700 §4.14.2: any other reuse means that one of two holders is a thief.
        successor = await self._missed_successor(request, found) if found.used_at is not None else None
        if found.used_at is not None and successor is None:
            raise Replayed("The specified refresh token is invalid.", stored=found, detail="refresh.reuse")
        # 3. A token that an authenticated client obtained is of use to an authenticated client only.
        if found.ticket.confidential and not request.authentication.confidential:
            raise InvalidGrant(
                "Client authentication is required to use the specified refresh token.",
                detail="refresh.confidential",
            )
        # A stolen one is of use to nobody who has not the key it is bound to.
        check_refresh_binding(found.ticket, request.confirmation)
        # 4. It is alive.
        if found.expired(request.now):
            raise InvalidGrant("The specified refresh token is no longer valid.", detail="refresh.expired")
        # 5. Its user is still there, and the client is still registered for what was granted.
        subject = found.ticket.subject
        account = await self._accounts.get(subject) if subject is not None else None
        if subject is not None and account is None:
            raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.user_gone")
        # What followed a spent token may have been changed in place since; a retry gets no more than that allows.
        standing = found.ticket if successor is None else successor.ticket
        granted = still_granted(request.client, standing, self._settings.base_scope)
        # 6. What it grants: no more than was granted before. The next refresh token keeps all of it (RFC 6749 §6).
        return msgspec.structs.replace(
            standing,
            scopes=narrowed_scope(request.request.scope, granted),
            claims=claims_now(request.client, standing, account),
            resources=narrowed_resource(request.request.resource, standing.resources),
            confidential=found.ticket.confidential or request.authentication.confidential,
            # Without sliding expiration nothing made here outlives the refresh token it came from.
            not_after=found.ticket.not_after if self._settings.sliding_refresh else found.expires_at,
            carry={ROTATION: Rotation(request.request.grant.refresh_token, successor)},
            redeems=found,
        )

    async def _missed_successor(
        self, request: AuthenticatedTokenRequest[RefreshParameters], found: StoredTicket
    ) -> StoredTicket | None:
        """What followed a spent token, when its own client comes back with it inside the grace window.

        Only the immediate parent of the live, unused refresh token counts, and only a few times. Raises InvalidGrant
        when it came more often: a client of many processes gets no more tokens, and those it has go on.
        """
        grace = timedelta(seconds=request.client.refresh_grace)
        if found.used_at is None or not grace or request.now - found.used_at > grace:
            return None
        current = await self._tickets.current(found.grant_id, TokenKind.REFRESH_TOKEN)
        if current is None or current.parent != found.digest:
            return None
        for retry in range(MAX_RETRIES):
            if await self._once.claim(f"refresh-retry|{found.digest}|{retry}", found.used_at + grace):
                return current
        raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.retries")


def still_granted(client: Client, ticket: Ticket, base_scope: str) -> tuple[str, ...]:
    """The scopes of the grant. Raises InvalidGrant when the client lost one, unless its policy is to do without.

    What services decided in an exchange is not the registration's to give or take.
    """
    scopes = ticket.scopes
    kept = tuple(
        scope for scope in scopes if scope in client.scopes or is_decided_scope(scope, ticket, base_scope)
    )
    if len(kept) < len(scopes) and client.refresh_claims != RE_EVALUATED:
        raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.scope_withdrawn")
    return kept


def claims_now(client: Client, ticket: Ticket, account: Account | None) -> Mapping[str, Json]:
    """The claims of the ticket as the client's policy has them at a refresh; what services said stays said."""
    claims = ticket.claims
    if client.refresh_claims == FROZEN or not claims:
        return claims
    if client.refresh_claims == RE_EVALUATED:
        return decided_claims(ticket)
    known = account.claims if account is not None else {}
    # A claim of the account that is gone from there is gone; one that only the application knows stays.
    return {
        name: known.get(name, value)
        for name, value in claims.items()
        if name in known or name not in STANDARD_CLAIMS
    }
