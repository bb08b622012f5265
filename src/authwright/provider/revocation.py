"""Token revocation (RFC 7009): a refresh token takes its whole grant with it, an access token only itself."""

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles, random_id
from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.errors import UnauthorizedClient
from authwright.protocol.http import NO_STORE, Headers, HttpRequest, HttpResponse, Pass
from authwright.protocol.introspection import parse_token_reference
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.client_form import read_form
from authwright.provider.events import ProviderEvents
from authwright.provider.serialization import UnrecordedTicket
from authwright.provider.stored_tickets import find_access_token, find_stored
from authwright.stores.protocols import TicketStore
from authwright.ticket import TokenKind

_DONE = HttpResponse(200, Headers((*NO_STORE, (b"content-length", b"0"))))


class RevocationEndpoint:
    def __init__(
        self,
        *,
        authenticator: ClientAuthenticator,
        tickets: TicketStore,
        handles: Handles,
        events: ProviderEvents | None = None,
        clock: Clock = utcnow,
    ) -> None:
        self._authenticator = authenticator
        self._tickets = tickets
        self._handles = handles
        self._events = events
        self._clock = clock

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        """Answer a revocation request. Raises OAuthError for what is wrong with the request or the caller."""
        # 1. Read.
        params = read_form(http)
        reference = parse_token_reference(params)
        credentials = parse_client_credentials(http.headers, params)
        # 2. Authenticate; a public client names itself (RFC 7009 §2.1).
        now = self._clock()
        caller = await self._authenticator.authenticate(credentials, http, now)
        # 3. Find it. RFC 7009 §2.2: a token nobody knows is answered like one that was revoked.
        refresh = await find_stored(
            self._tickets, self._handles, TokenKind.REFRESH_TOKEN, reference.token, self._events
        )
        token = refresh or await find_access_token(
            self._tickets, self._handles, reference.token, self._events
        )
        if token is None:
            return _DONE
        if token.ticket.client_id != caller.client.client_id:
            raise UnauthorizedClient(
                "The token was issued to another client.", detail="revocation.wrong_client"
            )
        # 4. Revoke.
        if token.kind is TokenKind.REFRESH_TOKEN or isinstance(token, UnrecordedTicket):
            # RFC 7009 §2.1: what has no record of its own can only be revoked with its grant.
            await self._tickets.revoke(now=now, grant_id=token.grant_id)
        elif token.used_at is None:
            await self._tickets.commit(id=random_id(), now=now, consume=token)
        return _DONE
