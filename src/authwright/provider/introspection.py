"""Token introspection (RFC 7662): what a resource server may know about a token it was shown."""

from collections.abc import Mapping

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.errors import InvalidClient, InvalidRequest
from authwright.protocol.http import HttpRequest, HttpResponse, Json, Pass, json_response
from authwright.protocol.introspection import INACTIVE, parse_token_reference
from authwright.protocol.scopes import format_scope
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.minting import Minting, claims_for
from authwright.provider.settings import Settings
from authwright.provider.stored_tickets import find_access_token, find_stored
from authwright.provider.token_endpoint import read_form
from authwright.records import Client
from authwright.stores.protocols import TicketStore
from authwright.ticket import StoredTicket, TokenKind


class IntrospectionEndpoint:
    def __init__(
        self,
        *,
        settings: Settings,
        authenticator: ClientAuthenticator,
        tickets: TicketStore,
        handles: Handles,
        minting: Minting,
        events: ProviderEvents,
        clock: Clock = utcnow,
    ) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._tickets = tickets
        self._handles = handles
        self._minting = minting
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
            return json_response(200, INACTIVE)
        if not self._may_know(caller.client, token):
            return json_response(200, INACTIVE)
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
        return json_response(200, members)

    async def _find(self, value: str) -> StoredTicket | None:
        # The hint is not needed: the value itself says what it is.
        token = await find_access_token(self._tickets, self._handles, value)
        return token or await find_stored(self._tickets, self._handles, TokenKind.REFRESH_TOKEN, value)

    def _may_know(self, caller: Client, token: StoredTicket) -> bool:
        """The client it was issued to, and clients named for a resource it is for."""
        if caller.client_id == token.ticket.client_id:
            return True
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
            "token_type": "Bearer" if token.kind is TokenKind.ACCESS_TOKEN else "refresh_token",
        }
        if token.expires_at is not None:
            members["exp"] = int(token.expires_at.timestamp())
        if ticket.scopes:
            members["scope"] = format_scope(ticket.scopes)
        if ticket.auth_time is not None:
            members["auth_time"] = int(ticket.auth_time.timestamp())
        if ticket.acr is not None:
            members["acr"] = ticket.acr
        if ticket.session_id is not None:
            members["sid"] = ticket.session_id
        if ticket.confirmation is not None:
            members["cnf"] = ticket.confirmation.claim()
        if ticket.act is not None:
            members["act"] = ticket.act
        for name, value in claims_for(TokenKind.ACCESS_TOKEN, ticket).items():
            members.setdefault(name, value)
        return members
