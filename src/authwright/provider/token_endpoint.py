"""The token endpoint (RFC 6749 §3.2): read, authenticate, find, decide, generate, commit.

It alone conducts; grant, generator and store never call each other. Nothing is written before the last phase, so a
failed check, a refusing event, a failing signer or a caller that hung up spends nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import msgspec

from authwright.clock import Clock, utcnow
from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from authwright.protocol.exchange import TOKEN_EXCHANGE
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, json_response
from authwright.protocol.params import REPEATABLE, Params
from authwright.protocol.token import (
    AUTHORIZATION_CODE,
    PASSWORD,
    build_token_response,
    parse_token_request,
)
from authwright.provider.audit import (
    Audit,
    TokenRefused,
    log_refusal,
    outcome_of,
)
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.client_form import read_form
from authwright.provider.concluded_ticket import asked_tokens, bound, concluded, following
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.grants.base import AnyGrant, BindingFailed, Polled, Replayed
from authwright.provider.presented import presented
from authwright.provider.redemptions import Redemptions
from authwright.provider.requests import AuthenticatedTokenRequest, ClientAuthentication, TokenRequest
from authwright.provider.sender_constraint import SenderConstraint
from authwright.provider.settings import Settings
from authwright.provider.token_response import Issuance, TokenResponseGenerator
from authwright.stores.protocols import OnceStore, TicketStore
from authwright.ticket import StoredTicket, Ticket, TokenKind

Request = AuthenticatedTokenRequest[Any]

# The events of the grants that have one of their own, with the code they refuse with when they choose none.
GRANT_EVENTS: Mapping[str, tuple[str, type[OAuthError]]] = {
    "authorization_code": ("grant_authorization_code", InvalidGrant),
    "refresh_token": ("grant_refresh_token", InvalidGrant),
    "client_credentials": ("grant_client_credentials", UnauthorizedClient),
    TOKEN_EXCHANGE: ("grant_token_exchange", InvalidRequest),
}

# The events that give a ticket instead of amending one.
PASSWORD_EVENT = "grant_resource_owner_credentials"
CUSTOM_EVENT = "grant_custom_extension"

ROUNDS = 2


class TokenEndpoint:
    def __init__(
        self,
        *,
        settings: Settings,
        grants: Iterable[AnyGrant],
        authenticator: ClientAuthenticator,
        generator: TokenResponseGenerator,
        sender: SenderConstraint,
        tickets: TicketStore,
        once: OnceStore,
        events: ProviderEvents,
        audit: Audit,
        fingerprint: Callable[[str], str],
        clock: Clock = utcnow,
    ) -> None:
        self._settings = settings
        self._grants: Mapping[str, AnyGrant] = {grant.grant_type: grant for grant in grants}
        self._grant_events = {
            **GRANT_EVENTS,
            **{name: (grant.event, grant.refusal) for name, grant in self._grants.items() if grant.event},
        }
        self._authenticator = authenticator
        self._generator = generator
        self._sender = sender
        self._redemptions = Redemptions(tickets=tickets, once=once, audit=audit)
        self._events = events
        self._audit = audit
        self._fingerprint = fingerprint
        self._clock = clock

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        """Answer a token request. Raises OAuthError for every refusal."""
        grant_type = client_id = None
        try:
            # 1. Read: the whole message, bounded, and the parameters of its grant.
            params = await self._extract(read_form(http), http)
            grant_type = params.one("grant_type")
            token_request = self._read(params, http)
            client_id = token_request.credentials.client_id
            # 2. Authenticate: who asks, and which key it proves to hold.
            request = await self._authenticate(token_request)
            # 3. Is this grant for this client, and what would it redeem?
            grant = self._grant_for(request)
            found = await grant.find(token_request) if grant is not None else None
            # Once more when another request spends or changes the same token meanwhile: it is decided as what it now is.
            for _ in range(ROUNDS):
                # 4. Decide: what is granted. Nothing is written.
                ticket = await self._decide(request, grant, found)
                # 5. Generate: the tokens, made but not yet valid.
                issuance = await self._generate(request, ticket)
                answer = json_response(200, build_token_response(issuance.response))
                # 6. Claim what is good for one request: only now, so that a refused one has not used it up.
                request = await self._claim(request)
                # 7. Commit: spend what is redeemed and store what was made, as one; then answer.
                found = await self._commit(request, ticket, issuance.records())
                if found is None:
                    self._issued(request, ticket, issuance)
                    return answer
            raise self._contended(request, ticket)
        except AnsweredByEvent as event:
            return event.answer
        except OAuthError as refusal:
            self._refused(refusal, http, client_id, grant_type)
            raise

    async def give(self, request: Request, found: StoredTicket) -> Issuance | None:
        """Phases 4, 5 and 7 for a request that the provider itself makes; None when `found` was spent meanwhile.

        So that what is pushed passes every check and every event that what is fetched passes.
        """
        ticket = await self._decide(request, self._grant_for(request), found)
        issuance = await self._generate(request, ticket)
        if await self._commit(request, ticket, issuance.records()) is not None:
            return None
        self._issued(request, ticket, issuance)
        return issuance

    async def _extract(self, params: Params, http: HttpRequest) -> Params:
        if "extract_token_request" not in self._events.wanted:
            return params
        return await self._events.ask("extract_token_request", InvalidRequest, params, http) or params

    def _read(self, params: Params, http: HttpRequest) -> TokenRequest[Any]:
        grant = self._grants.get(params.one("grant_type") or "")
        shared = parse_token_request(params, REPEATABLE | grant.repeatable if grant else REPEATABLE)
        return TokenRequest(
            grant_type=shared.grant_type,
            credentials=parse_client_credentials(http.headers, params),
            scope=shared.scope,
            resource=shared.resource,
            grant=grant.parse(params) if grant is not None else None,
            params=params,
            http=http,
        )

    async def _authenticate(self, token_request: TokenRequest[Any]) -> Request:
        now = self._clock()
        authentication: ClientAuthentication | None = None
        if "validate_client_authentication" in self._events.wanted:
            authentication = await self._events.ask(
                "validate_client_authentication", InvalidClient, token_request
            )
        if authentication is None:
            authentication = await self._authenticator.identify(
                token_request.credentials, token_request.http, now
            )
        elif authentication.client.client_id != token_request.credentials.client_id:
            raise ServerError(
                detail="event.other_client: validate_client_authentication answered another client"
            )
        confirmation, proof = self._sender.identify(token_request.http, authentication.client, now)
        return AuthenticatedTokenRequest(
            self._settings.issuer,
            self._settings.tenant,
            now,
            authentication,
            token_request,
            confirmation,
            proof,
        )

    def _grant_for(self, request: Request) -> AnyGrant | None:
        """The grant, or None for a type that only an event may serve."""
        grant_type = request.request.grant_type
        registered = grant_type in request.client.grant_types
        grant = self._grants.get(grant_type)
        if grant is None and not self._events_serve(grant_type, registered):
            raise UnsupportedGrantType(
                "The authorization code grant is not allowed by this authorization server."
                if grant_type == AUTHORIZATION_CODE
                else "The specified 'grant_type' parameter is not supported."
            )
        if not registered:
            raise UnauthorizedClient(
                "The client may not use the specified 'grant_type'.", detail="client.grant_not_allowed"
            )
        if grant is not None:
            grant.check(request)
        return grant

    def _events_serve(self, grant_type: str, registered: bool) -> bool:
        """Whether an event may give a ticket where no grant object does."""
        wanted = self._events.wanted
        if (PASSWORD_EVENT if grant_type == PASSWORD else CUSTOM_EVENT) in wanted:
            return True
        return "token_endpoint" in wanted and registered

    async def _decide(self, request: Request, grant: AnyGrant | None, found: StoredTicket | None) -> Ticket:
        asked = asked_tokens(request)
        ticket: Ticket | None
        if grant is not None and grant.redeems:
            ticket = await self._authorize(request, grant, found)
            await self._validate(request, found)
        else:
            await self._validate(request, None)
            ticket = await self._granted(request, grant)
        if ticket is not None:
            ticket = bound(ticket, request)
            ticket = ticket if asked is None else msgspec.structs.replace(ticket, issues=asked)
            event, default = self._grant_events.get(request.request.grant_type, ("", InvalidGrant))
            if event in self._events.wanted:
                ticket = await self._ask_with_ticket(event, default, request, ticket)
        if "token_endpoint" in self._events.wanted:
            ticket = await self._ask_with_ticket("token_endpoint", InvalidGrant, request, ticket)
        if ticket is None:
            raise ServerError(detail="event.no_ticket: token_endpoint supplied none")
        return concluded(ticket, request)

    async def _granted(self, request: Request, grant: AnyGrant | None) -> Ticket | None:
        """What a grant that redeems nothing gives; None when it is left to `token_endpoint`."""
        ticket: Ticket | None = None
        event: str = CUSTOM_EVENT
        default: type[OAuthError] = UnsupportedGrantType
        if request.request.grant_type == PASSWORD:
            event, default = PASSWORD_EVENT, InvalidGrant
        if event in self._events.wanted and (grant is None or event == PASSWORD_EVENT):
            ticket = await self._events.ask(event, default, request)
        if ticket is None and grant is not None:
            ticket = await self._authorize(request, grant, None)
        if ticket is None and "token_endpoint" not in self._events.wanted:
            raise default("The specified 'grant_type' parameter is not supported.")
        return ticket

    async def _authorize(self, request: Request, grant: AnyGrant, found: StoredTicket | None) -> Ticket:
        try:
            return await grant.authorize(request, found)
        except Replayed as replay:
            await self._claim(request)
            await self._redemptions.revoke_replayed(replay.stored, request)
            raise
        except BindingFailed as failure:
            await self._claim(request)
            await self._redemptions.count_failure(failure.stored, request)
            raise
        except Polled as poll:
            await self._claim(request)
            raise await self._redemptions.note_poll(poll, request) from None

    async def _validate(self, request: Request, found: StoredTicket | None) -> None:
        if "validate_token_request" in self._events.wanted:
            await self._events.ask("validate_token_request", InvalidRequest, request, found)

    @overload
    async def _ask_with_ticket(
        self, event: str, default: type[OAuthError], request: Request, ticket: Ticket
    ) -> Ticket: ...
    @overload
    async def _ask_with_ticket(
        self, event: str, default: type[OAuthError], request: Request, ticket: Ticket | None
    ) -> Ticket | None: ...
    async def _ask_with_ticket(
        self, event: str, default: type[OAuthError], request: Request, ticket: Ticket | None
    ) -> Ticket | None:
        """What the event makes of the ticket; when it answers itself, what the ticket redeems is spent all the same."""
        try:
            amended: Ticket | None = await self._events.ask(event, default, request, ticket)
        except AnsweredByEvent:
            await self._answered(request, ticket)
            raise
        if amended is None or ticket is None:
            return amended or ticket
        # An event describes what is granted; which grant that is of, and what is spent for it, stays decided.
        return msgspec.structs.replace(
            amended,
            grant_id=ticket.grant_id,
            redeems=ticket.redeems,
            rewrites=ticket.rewrites,
            rewrites_beside=following(ticket, amended),
            single_use=ticket.single_use,
        )

    async def _generate(self, request: Request, ticket: Ticket) -> Issuance:
        try:
            issuance = await self._generator.process(request, ticket)
        except AnsweredByEvent:
            await self._answered(request, ticket)
            raise
        if "token_endpoint_response" not in self._events.wanted:
            return issuance
        try:
            amended = await self._events.ask(
                "token_endpoint_response", InvalidRequest, request, ticket, issuance.response
            )
        except AnsweredByEvent:
            await self._answered(request, ticket, issuance.records())
            raise
        return issuance if amended is None else msgspec.structs.replace(issuance, response=amended)

    async def _commit(
        self, request: Request, ticket: Ticket, records: tuple[StoredTicket, ...]
    ) -> StoredTicket | None:
        """As `Redemptions.commit`, with the refusal of the grant."""
        return await self._redemptions.commit(ticket, records, request, self._refusal_of(request))

    def _refusal_of(self, request: Request) -> type[OAuthError]:
        grant = self._grants.get(request.request.grant_type)
        return grant.refusal if grant is not None else InvalidGrant

    def _contended(self, request: Request, ticket: Ticket) -> OAuthError:
        """Every round met another request; nothing was written."""
        if ticket.rewrites is not None:
            # Whoever changes a token in place must know that somebody else does.
            return self._refusal_of(request)("concurrent update", detail="store.concurrent_update")
        return TemporarilyUnavailable("Try again.", detail="store.contention")

    async def _answered(
        self, request: Request, ticket: Ticket | None, records: tuple[StoredTicket, ...] = ()
    ) -> None:
        """An event answered once it was decided: an answered code is a spent code, and is answered once."""
        await self._claim(request)
        stored = await self._commit(request, ticket, records) if ticket is not None else None
        if stored is None or ticket is None:
            return
        if stored.used_at is None:
            raise self._contended(request, ticket)
        # Another request spent it meanwhile. Inside a grace window the client may ask again; else it is reuse.
        if stored.kind is not TokenKind.REFRESH_TOKEN or not request.client.refresh_grace:
            await self._redemptions.revoke_replayed(stored, request)
        raise InvalidGrant("The specified grant is no longer valid.", detail="event.answered_late")

    async def _claim(self, request: Request) -> Request:
        """The request with its client assertion and its DPoP proof used up.

        Raises InvalidClient or InvalidDpopProof for one that was used before.
        """
        if request.authentication.single_use is None and request.proof is None:
            return request
        authentication = await self._authenticator.claim(
            request.authentication, request.request.http, request.now
        )
        await self._sender.claim(request.proof)
        return msgspec.structs.replace(request, authentication=authentication, proof=None)

    def _issued(self, request: Request, ticket: Ticket, issuance: Issuance) -> None:
        if self._audit.watched:
            kinds = tuple(minted.kind for minted in issuance.minted)
            self._audit.record(
                outcome_of(request.client.client_id, request.request.grant_type, ticket, kinds)
            )

    def _refused(
        self, refusal: OAuthError, http: HttpRequest, client_id: str | None, grant_type: str | None
    ) -> None:
        fingerprint = presented(http, self._fingerprint).fingerprint
        log_refusal("token", refusal, http, client_id, fingerprint)
        if self._audit.watched:
            self._audit.record(
                TokenRefused(
                    client_id=client_id,
                    grant_type=grant_type,
                    error=refusal.code,
                    reason=refusal.detail or refusal.code,
                    fingerprint=fingerprint,
                )
            )
