"""The token response generator: what a ticket turns into (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3, §12).

One replaceable service with a method for each grant. To change one, subclass and call the base, or wrap: any object
with `process` serves. It signs and draws random values and writes nothing; the endpoint commits what it names.
"""

from typing import Any, Protocol

import msgspec

from authwright.protocol.ciba import AUTH_REQ_ID_CLAIM, CIBA, RT_HASH_CLAIM
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.errors import ServerError
from authwright.protocol.exchange import (
    ACCESS_TOKEN,
    ISSUED_TOKEN_TYPE,
    NOT_APPLICABLE,
    TOKEN_EXCHANGE,
    MutateParameters,
)
from authwright.protocol.scopes import OFFLINE_ACCESS, OPENID
from authwright.protocol.token import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    PASSWORD,
    REFRESH_TOKEN,
    TokenResponse,
)
from authwright.provider.concluded_ticket import asked_tokens, end_of
from authwright.provider.exchange_checks import TYPES
from authwright.provider.exchanged import EXCHANGED, ORIGIN_GRANT, Exchanged
from authwright.provider.grants.ciba import CibaParameters
from authwright.provider.minting import Minted, Minting, seconds_until
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.sender_constraint import token_type
from authwright.ticket import StoredTicket, Ticket, TokenKind

Request = AuthenticatedTokenRequest[Any]


class Issuance(msgspec.Struct, frozen=True):
    """A response and everything minted for it."""

    response: TokenResponse
    minted: tuple[Minted, ...]

    def records(self) -> tuple[StoredTicket, ...]:
        """What must be stored: a value that was taken out of the response takes its record with it."""
        sent = {self.response.access_token, self.response.refresh_token, self.response.id_token}
        return tuple(
            minted.record for minted in self.minted if minted.record is not None and minted.value in sent
        )


class TokenResponseGenerator(Protocol):
    async def process(self, request: Request, ticket: Ticket) -> Issuance:
        """The response for what was granted. Raises an OAuthError; nothing is spent then."""


class DefaultTokenResponseGenerator:
    """What the provider uses when it is given no other."""

    def __init__(self, *, minting: Minting) -> None:
        self._minting = minting

    async def process(self, request: Request, ticket: Ticket) -> Issuance:
        """Dispatch by grant type."""
        grant_type = request.request.grant_type
        if grant_type == CLIENT_CREDENTIALS:
            return await self.process_client_credentials(request, ticket)
        if grant_type == AUTHORIZATION_CODE:
            return await self.process_authorization_code(request, ticket)
        if grant_type == REFRESH_TOKEN:
            return await self.process_refresh_token(request, ticket)
        if grant_type == PASSWORD:
            return await self.process_password(request, ticket)
        if grant_type == DEVICE_CODE:
            return await self.process_device_code(request, ticket)
        if grant_type == CIBA:
            return await self.process_ciba(request, ticket)
        if grant_type == TOKEN_EXCHANGE:
            return await self.process_token_exchange(request, ticket)
        if isinstance(request.request.grant, MutateParameters):
            return await self.process_token_exchange_mutate(request, ticket)
        return await self.process_extension_grant(request, ticket)

    async def process_client_credentials(self, request: Request, ticket: Ticket) -> Issuance:
        """An access token, never an ID token or a refresh token: there is no user."""
        access, _ = await self.create_access_token(request, ticket)
        return issuance(ticket, access=access)

    async def process_authorization_code(self, request: Request, ticket: Ticket) -> Issuance:
        """An access token, a refresh token with offline_access, an ID token with openid."""
        return await self._for_user(request, ticket)

    async def process_password(self, request: Request, ticket: Ticket) -> Issuance:
        """As for a code: what the ticket's scopes call for."""
        return await self._for_user(request, ticket)

    async def process_refresh_token(self, request: Request, ticket: Ticket) -> Issuance:
        """As for a code; a client whose refresh tokens rotate gets the next one."""
        access, refresh = await self.create_access_token(request, ticket)
        id_token = await self.create_id_token_from_refresh_token_request(request, ticket, access)
        return issuance(ticket, access=access, refresh=refresh, id_token=id_token)

    async def process_device_code(self, request: Request, ticket: Ticket) -> Issuance:
        """As for a code, without a nonce: there was no authentication request that had one (RFC 8628 §3.5)."""
        return await self._for_user(request, msgspec.structs.replace(ticket, nonce=None))

    async def process_ciba(self, request: Request, ticket: Ticket) -> Issuance:
        """As for a device code, and always with an ID token: the client asked for an authentication (CIBA Core §10.1)."""
        access, refresh = await self.create_access_token(request, ticket)
        told = msgspec.structs.replace(ticket, scopes=tuple(dict.fromkeys((*ticket.scopes, OPENID))))
        if isinstance(request.request.grant, CibaParameters) and request.request.grant.pushed:
            told = self._with_push_claims(request, told, refresh)
        id_token = await self.create_id_token(request, told, access)
        return issuance(ticket, access=access, refresh=refresh, id_token=id_token)

    def _with_push_claims(self, request: Request, ticket: Ticket, refresh: Minted | None) -> Ticket:
        """CIBA Core §10.3.1: what ties a pushed ID token to its request and to the refresh token beside it."""
        bound = {AUTH_REQ_ID_CLAIM: request.request.grant.auth_req_id}
        if refresh is not None:
            bound[RT_HASH_CLAIM] = self._minting.id_token_hash(request.client, refresh.value)
        only = frozenset({TokenKind.ID_TOKEN})
        return msgspec.structs.replace(
            ticket,
            claims={**ticket.claims, **bound},
            destinations={**ticket.destinations, **dict.fromkeys(bound, only)},
        )

    async def process_token_exchange(self, request: Request, ticket: Ticket) -> Issuance:
        """One token of the type that was asked for, as `access_token`; beside an access token, perhaps a refresh token.

        RFC 8693 §2.2.1: the answer always says what was issued.
        """
        asked = ticket.carry.get(EXCHANGED)
        exchanged = asked if isinstance(asked, Exchanged) else Exchanged()
        told = {**ticket.response, ISSUED_TOKEN_TYPE: TYPES[exchanged.kind]}
        if exchanged.kind is TokenKind.ACCESS_TOKEN:
            access, refresh = await self.create_access_token(request, ticket)
            return issuance(msgspec.structs.replace(ticket, response=told), access=access, refresh=refresh)
        if exchanged.kind is TokenKind.ID_TOKEN:
            only = await self._minting.id_token(
                _with_origin(ticket), request.client, request.now, access_token=None, nonce=None
            )
        else:
            kept = kept_for_refresh(request, ticket)
            only = await self._minting.refresh_token(
                kept, request.client, request.request.grant_type, request.now
            )
        return Issuance(
            TokenResponse(
                access_token=only.value,
                token_type=NOT_APPLICABLE,
                expires_in=only.expires_in,
                scope=ticket.scopes or None,
                custom=told,
            ),
            (only,),
        )

    async def process_token_exchange_mutate(self, request: Request, ticket: Ticket) -> Issuance:
        """Nothing is minted: the token that was sent, what it allows now, and how long it still lives.

        Never a refresh token: whoever was given it has it.
        """
        stored = ticket.rewrites
        if stored is None:
            raise ServerError(detail="generator.nothing_to_rewrite")
        response = TokenResponse(
            access_token=request.request.grant.subject_token,
            token_type=token_type(ticket),
            expires_in=seconds_until(end_of(stored, ticket), request.now),
            # RFC 8693 §2.2.1: what is not said would count as granted, so nothing left is said too.
            scope=ticket.scopes,
            custom={**ticket.response, ISSUED_TOKEN_TYPE: ACCESS_TOKEN},
        )
        return Issuance(response, ())

    async def process_extension_grant(self, request: Request, ticket: Ticket) -> Issuance:
        """Any other grant: what the ticket's scopes call for."""
        return await self._for_user(request, ticket)

    async def _for_user(self, request: Request, ticket: Ticket) -> Issuance:
        access, refresh = await self.create_access_token(request, ticket)
        id_token = await self.create_id_token(request, ticket, access)
        return issuance(ticket, access=access, refresh=refresh, id_token=id_token)

    async def create_access_token(
        self, request: Request, ticket: Ticket
    ) -> tuple[Minted | None, Minted | None]:
        """The access token and, where the ticket calls for one, the refresh token."""
        grant_type = request.request.grant_type
        access = refresh = None
        if wanted(ticket, TokenKind.ACCESS_TOKEN):
            access = await self._minting.access_token(ticket, request.client, grant_type, request.now)
        if self.gets_refresh_token(request, ticket):
            kept = kept_for_refresh(request, ticket)
            refresh = await self._minting.refresh_token(kept, request.client, grant_type, request.now)
        # An event may leave a refresh token out by making an empty one.
        return access, refresh if refresh is not None and refresh.value else None

    async def create_id_token(self, request: Request, ticket: Ticket, access: Minted | None) -> Minted | None:
        """The ID token, when openid was granted to a user."""
        if ticket.subject is None or OPENID not in ticket.scopes or not wanted(ticket, TokenKind.ID_TOKEN):
            return None
        minted = await self._minting.id_token(
            ticket,
            request.client,
            request.now,
            access_token=access.value if access is not None else None,
            nonce=ticket.nonce,
        )
        if not minted.value:
            raise ServerError(detail="generator.no_id_token")
        return minted

    async def create_id_token_from_refresh_token_request(
        self, request: Request, ticket: Ticket, access: Minted | None
    ) -> Minted | None:
        """The ID token of a refresh: same issuer, subject, audience and auth_time, and no nonce (Core §12.2)."""
        return await self.create_id_token(request, msgspec.structs.replace(ticket, nonce=None), access)

    def gets_refresh_token(self, request: Request, ticket: Ticket) -> bool:
        """Whether a refresh token goes out: a user allowed offline_access, and the client may use it."""
        if ticket.subject is None or REFRESH_TOKEN not in request.client.grant_types:
            return False
        if not wanted(ticket, TokenKind.REFRESH_TOKEN):
            return False
        if ticket.redeems is not None and ticket.redeems.kind is TokenKind.REFRESH_TOKEN:
            return request.client.refresh_rotation
        return OFFLINE_ACCESS in ticket.scopes


EXCHANGE_ISSUES = frozenset((TokenKind.ACCESS_TOKEN, TokenKind.REFRESH_TOKEN))
"""What comes of the refresh token of an exchange, whatever was issued beside it."""


def wanted(ticket: Ticket, kind: TokenKind) -> bool:
    """Whether the ticket asks for a token of that kind; one that says nothing asks for all."""
    return ticket.issues is None or kind in ticket.issues


def _with_origin(ticket: Ticket) -> Ticket:
    """The ticket of an ID token that says it came of an exchange, since it has no record that could."""
    return msgspec.structs.replace(
        ticket,
        claims={**ticket.claims, ORIGIN_GRANT: TOKEN_EXCHANGE},
        destinations={**ticket.destinations, ORIGIN_GRANT: frozenset((TokenKind.ID_TOKEN,))},
    )


def kept_for_refresh(request: Request, ticket: Ticket) -> Ticket:
    """The ticket a new refresh token keeps: all that was granted, however little this request asked for (RFC 6749 §6).

    What an event took away or added in this request stays away or added.
    """
    exchanged = ticket.carry.get(EXCHANGED)
    if isinstance(exchanged, Exchanged):
        return msgspec.structs.replace(ticket, not_after=exchanged.refresh_until, issues=EXCHANGE_ISSUES)
    if ticket.issues is not None and ticket.issues == asked_tokens(request):
        # `response_type` speaks of this response, not of those to come.
        before = ticket.redeems.ticket.issues if ticket.redeems is not None else None
        ticket = msgspec.structs.replace(ticket, issues=before)
    if ticket.redeems is None:
        return ticket
    granted = ticket.redeems.ticket
    asked_scopes = request.request.scope if ticket.redeems.kind is TokenKind.REFRESH_TOKEN else None
    return msgspec.structs.replace(
        ticket,
        scopes=_kept(granted.scopes, asked_scopes, ticket.scopes),
        resources=_kept(granted.resources, request.request.resource or None, ticket.resources),
    )


def _kept(
    granted: tuple[str, ...], asked: tuple[str, ...] | None, decided: tuple[str, ...]
) -> tuple[str, ...]:
    expected = granted if asked is None else asked
    if decided == expected:
        return granted
    remaining = (item for item in granted if item in decided or item not in expected)
    return tuple(dict.fromkeys((*remaining, *decided)))


def issuance(
    ticket: Ticket,
    *,
    access: Minted | None = None,
    refresh: Minted | None = None,
    id_token: Minted | None = None,
) -> Issuance:
    """Put a response together from what was minted."""
    minted = tuple(item for item in (access, refresh, id_token) if item is not None)
    # RFC 6749 §5.1: access_token is what a token response is for, unless the grant decided otherwise.
    if (access is None or not access.value) and wanted(ticket, TokenKind.ACCESS_TOKEN):
        raise ServerError(detail="generator.no_access_token")
    response = TokenResponse(
        access_token=access.value if access is not None else None,
        token_type=token_type(ticket) if access is not None else None,
        expires_in=access.expires_in if access is not None else None,
        refresh_token=refresh.value if refresh is not None else None,
        id_token=id_token.value if id_token is not None else None,
        scope=ticket.scopes or None,
        custom=ticket.response,
    )
    return Issuance(response, minted)
