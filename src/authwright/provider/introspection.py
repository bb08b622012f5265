"""Token introspection (RFC 7662, RFC 9701): what a resource server may know about a token it was shown."""

from collections.abc import Mapping
from datetime import datetime

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.jwt import sign_jwt
from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.errors import InvalidClient, InvalidRequest
from authwright.protocol.http import (
    NO_STORE,
    Headers,
    HttpRequest,
    HttpResponse,
    Json,
    Pass,
    json_response,
)
from authwright.protocol.introspection import (
    INACTIVE,
    SIGNED_MEDIA_TYPE,
    SIGNED_TYPE,
    accepts_signed,
    build_signed_introspection,
    parse_token_reference,
)
from authwright.protocol.scopes import format_scope
from authwright.protocol.token import CLIENT_SUBJECT, SUBJECT_TYPE
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.client_form import read_form
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.minting import Minting, claims_for
from authwright.provider.sender_constraint import token_type
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing
from authwright.provider.stored_tickets import find_access_token, find_stored
from authwright.records import Client
from authwright.stores.protocols import TicketStore
from authwright.ticket import StoredTicket, TokenKind

SIGNED_HEADERS = Headers(((b"content-type", SIGNED_MEDIA_TYPE.encode("ascii")), *NO_STORE))


class IntrospectionEndpoint:
    def __init__(
        self,
        *,
        settings: Settings,
        authenticator: ClientAuthenticator,
        tickets: TicketStore,
        handles: Handles,
        minting: Minting,
        signing: Signing,
        events: ProviderEvents,
        clock: Clock = utcnow,
    ) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._tickets = tickets
        self._handles = handles
        self._minting = minting
        self._signing = signing
        self._events = events
        self._clock = clock
        self._introspected_by = {resource.uri: resource.introspected_by for resource in settings.resources}

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        """Answer an introspection request. Raises OAuthError only for what is wrong with the request or the caller."""
        # 1. Read.
        params = read_form(http)
        reference = parse_token_reference(params)
        credentials = parse_client_credentials(http.headers, params)
        # 2. Authenticate. RFC 7662 §2.1: without it, anyone could try tokens out.
        now = self._clock()
        caller = await self._authenticator.authenticate(credentials, http, now)
        if not caller.confidential:
            raise InvalidClient("Client authentication is required.", detail="introspection.public_client")
        # 3. Find it, and decide whether this caller may know of it.
        token = await self._find(reference.token)
        if token is None or token.used_at is not None or token.expired(now):
            return await self._answer(http, caller.client, INACTIVE, now)
        if not await self._may_know(caller.client, token):
            return await self._answer(http, caller.client, INACTIVE, now)
        # 4. Answer.
        members = self._members(token)
        if "introspection_endpoint" in self._events.wanted:
            try:
                arguments = (caller.client, token, members)
                members = (
                    await self._events.ask("introspection_endpoint", InvalidRequest, *arguments) or members
                )
            except AnsweredByEvent as event:
                return event.answer
        return await self._answer(http, caller.client, members, now)

    async def _answer(
        self, http: HttpRequest, caller: Client, members: Mapping[str, Json], now: datetime
    ) -> HttpResponse:
        """As JSON, or signed for the caller who asks for that (RFC 9701 §4, §5)."""
        members = await self._events.amend("introspection_endpoint_response", InvalidRequest, caller, members)
        if not accepts_signed(http.headers.get("accept")):
            return json_response(200, members)
        algorithm = caller.introspection_signed_response_alg or self._settings.algorithms[0]
        claims = build_signed_introspection(
            issuer=self._settings.issuer, audience=caller.client_id, now=now, members=members
        )
        token = sign_jwt(await self._signing.key(algorithm), claims, typ=SIGNED_TYPE)
        return HttpResponse(200, SIGNED_HEADERS, token.encode("ascii"))

    async def _find(self, value: str) -> StoredTicket | None:
        # The hint is not needed: the value itself says what it is.
        token = await find_access_token(self._tickets, self._handles, value, self._events)
        return token or await find_stored(
            self._tickets, self._handles, TokenKind.REFRESH_TOKEN, value, self._events
        )

    async def _may_know(self, caller: Client, token: StoredTicket) -> bool:
        """The client it was issued to, and clients named for a resource it is for, unless events say otherwise."""
        presents = await self._said("validate_client_presenters", caller, token)
        if presents or (presents is None and caller.client_id == token.ticket.client_id):
            return True
        is_for = await self._said("validate_client_audiences", caller, token)
        return self._is_for(caller, token) if is_for is None else is_for

    async def _said(self, event: str, caller: Client, token: StoredTicket) -> bool | None:
        """What the event says; None when it leaves it to us."""
        if event not in self._events.wanted:
            return None
        said: bool | None = await self._events.ask(event, InvalidRequest, caller, token)
        return said

    def _is_for(self, caller: Client, token: StoredTicket) -> bool:
        if token.kind is not TokenKind.ACCESS_TOKEN:
            return False
        audience = self._minting.audience(token.ticket)
        return any(caller.client_id in self._introspected_by.get(uri, ()) for uri in audience)

    def _members(self, token: StoredTicket) -> Mapping[str, Json]:
        """RFC 7662 §2.2."""
        ticket = token.ticket
        audience = self._minting.audience(ticket)
        members: dict[str, Json] = {
            "active": True,
            "iss": self._settings.issuer,
            "client_id": ticket.client_id,
            "sub": ticket.subject if ticket.subject is not None else ticket.client_id,
            "aud": audience[0] if len(audience) == 1 else list(audience),
            "iat": int(token.issued_at.timestamp()),
            "token_type": token_type(ticket) if token.kind is TokenKind.ACCESS_TOKEN else "refresh_token",
        }
        if ticket.subject is None:
            members[SUBJECT_TYPE] = CLIENT_SUBJECT
        if token.expires_at is not None:
            members["exp"] = int(token.expires_at.timestamp())
        if ticket.scopes:
            members["scope"] = format_scope(ticket.scopes)
        if ticket.auth_time is not None:
            members["auth_time"] = int(ticket.auth_time.timestamp())
        if ticket.acr is not None:
            members["acr"] = ticket.acr
        if ticket.amr:
            members["amr"] = list(ticket.amr)
        if ticket.session_id is not None:
            members["sid"] = ticket.session_id
        if ticket.confirmation is not None:
            members["cnf"] = ticket.confirmation.claim()
        if ticket.act is not None:
            members["act"] = ticket.act
        for name, value in claims_for(TokenKind.ACCESS_TOKEN, ticket).items():
            members.setdefault(name, value)
        return members
