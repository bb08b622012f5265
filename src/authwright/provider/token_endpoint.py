"""The token endpoint (RFC 6749 §3.2): read, authenticate, find, decide, generate, commit.

It alone conducts; grant, generator and store never call each other. Nothing is written before the last phase, so a
failed check, a refusing event, a failing signer or a caller that hung up spends nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import random_id
from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    MethodNotAllowed,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, json_response
from authwright.protocol.params import Params, parse_form, parse_params
from authwright.protocol.token import build_token_response, parse_token_request
from authwright.provider.audit import (
    Audit,
    CodeReplayed,
    RefreshReplayed,
    TokenIssued,
    TokenRefused,
    log_refusal,
)
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.grants.base import AnyGrant, BindingFailed, Replayed
from authwright.provider.requests import AuthenticatedTokenRequest, ClientAuthentication, TokenRequest
from authwright.provider.settings import Settings
from authwright.provider.token_response import Issuance, TokenResponseGenerator
from authwright.stores.protocols import AlreadyConsumed, Change, Committed, Conflict, Revoked, TicketStore
from authwright.ticket import NOTHING, StoredTicket, Ticket, TokenKind

Request = AuthenticatedTokenRequest[Any]

# The events of the grants that have one of their own, with the code they refuse with when they choose none.
GRANT_EVENTS: Mapping[str, tuple[str, type[OAuthError]]] = {
    "authorization_code": ("grant_authorization_code", InvalidGrant),
    "refresh_token": ("grant_refresh_token", InvalidGrant),
    "client_credentials": ("grant_client_credentials", UnauthorizedClient),
}

# RFC 6749 §2.3.1, §3.2: what must never stand in a URL.
NEVER_IN_QUERY = frozenset(
    {"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "password", "grant_type"}
)

ROUNDS = 2
FAILURE_ROUNDS = 8


class TokenEndpoint:
    def __init__(
        self,
        *,
        settings: Settings,
        grants: Iterable[AnyGrant],
        authenticator: ClientAuthenticator,
        generator: TokenResponseGenerator,
        tickets: TicketStore,
        events: ProviderEvents,
        audit: Audit,
        clock: Clock = utcnow,
    ) -> None:
        self._settings = settings
        self._grants: Mapping[str, AnyGrant] = {grant.grant_type: grant for grant in grants}
        self._authenticator = authenticator
        self._generator = generator
        self._tickets = tickets
        self._events = events
        self._audit = audit
        self._clock = clock

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        """Answer a token request. Raises OAuthError for every refusal."""
        grant_type = client_id = None
        try:
            # 1. Read: the whole message, bounded, and the parameters of its grant.
            params = read_form(http)
            grant_type = params.one("grant_type")
            token_request = self._read(params, http)
            client_id = token_request.credentials.client_id
            # 2. Authenticate: who asks.
            request = await self._authenticate(token_request)
            # 3. Is this grant for this client, and what would it redeem?
            grant = self._grant_for(request)
            found = await grant.find(token_request) if grant is not None else None
            # Once more when another request spends the same token meanwhile: it is then decided as what it now is.
            for _ in range(ROUNDS):
                # 4. Decide: what is granted. Nothing is written.
                ticket = await self._decide(request, grant, found)
                # 5. Generate: the tokens, made but not yet valid.
                issuance = await self._generate(request, ticket)
                # 6. Commit: spend what is redeemed and store what was made, as one; then answer.
                found = await self._commit(ticket, issuance.records(), request)
                if found is None:
                    self._issued(request, ticket, issuance)
                    return json_response(200, build_token_response(issuance.response))
            raise TemporarilyUnavailable("Try again.", detail="store.contention")
        except AnsweredByEvent as event:
            return event.answer
        except OAuthError as refusal:
            self._refused(refusal, http, client_id, grant_type)
            raise

    def _read(self, params: Params, http: HttpRequest) -> TokenRequest[Any]:
        shared = parse_token_request(params)
        grant = self._grants.get(shared.grant_type)
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
            authentication = await self._authenticator.authenticate(
                token_request.credentials, token_request.http, now
            )
        elif authentication.client.client_id != token_request.credentials.client_id:
            raise ServerError(
                detail="event.other_client: validate_client_authentication answered another client"
            )
        return AuthenticatedTokenRequest(
            self._settings.issuer, self._settings.tenant, now, authentication, token_request
        )

    def _grant_for(self, request: Request) -> AnyGrant | None:
        """The grant, or None for a type that only the event `grant_custom_extension` may serve."""
        grant_type = request.request.grant_type
        grant = self._grants.get(grant_type)
        if grant is None and "grant_custom_extension" not in self._events.wanted:
            raise UnsupportedGrantType("The specified 'grant_type' parameter is not supported.")
        if grant_type not in request.client.grant_types:
            raise UnauthorizedClient(
                "The client may not use the specified 'grant_type'.", detail="client.grant_not_allowed"
            )
        return grant

    async def _decide(self, request: Request, grant: AnyGrant | None, found: StoredTicket | None) -> Ticket:
        if grant is None:
            await self._validate(request, None)
            ticket = await self._ask_custom_extension(request)
        else:
            ticket = await self._authorize(request, grant, found)
            await self._validate(request, found)
        event, default = GRANT_EVENTS.get(request.request.grant_type, ("", InvalidGrant))
        if event in self._events.wanted:
            ticket = await self._ask_with_ticket(event, default, request, ticket)
        if "token_endpoint" in self._events.wanted:
            ticket = await self._ask_with_ticket("token_endpoint", InvalidGrant, request, ticket)
        return ticket

    async def _authorize(self, request: Request, grant: AnyGrant, found: StoredTicket | None) -> Ticket:
        try:
            return await grant.authorize(request, found)
        except Replayed as replay:
            await self._revoke_replayed(replay.stored, request)
            raise
        except BindingFailed as failure:
            await self._count_failure(failure.stored, request)
            raise

    async def _ask_custom_extension(self, request: Request) -> Ticket:
        ticket: Ticket | None = await self._events.ask(
            "grant_custom_extension", UnsupportedGrantType, request
        )
        if ticket is None:
            raise UnsupportedGrantType("The specified 'grant_type' parameter is not supported.")
        return ticket

    async def _validate(self, request: Request, found: StoredTicket | None) -> None:
        if "validate_token_request" in self._events.wanted:
            await self._events.ask("validate_token_request", InvalidRequest, request, found)

    async def _ask_with_ticket(
        self, event: str, default: type[OAuthError], request: Request, ticket: Ticket
    ) -> Ticket:
        """What the event makes of the ticket; when it answers itself, what the ticket redeems is spent all the same."""
        try:
            amended: Ticket | None = await self._events.ask(event, default, request, ticket)
        except AnsweredByEvent:
            await self._commit(ticket, (), request)
            raise
        if amended is None:
            return ticket
        # An event describes what is granted; what is spent for it stays decided.
        return msgspec.structs.replace(amended, redeems=ticket.redeems, rewrites=ticket.rewrites)

    async def _generate(self, request: Request, ticket: Ticket) -> Issuance:
        issuance = await self._generator.process(request, ticket)
        if "token_endpoint_response" not in self._events.wanted:
            return issuance
        try:
            amended = await self._events.ask(
                "token_endpoint_response", InvalidRequest, request, ticket, issuance.response
            )
        except AnsweredByEvent:
            await self._commit(ticket, issuance.records(), request)
            raise
        return issuance if amended is None else msgspec.structs.replace(issuance, response=amended)

    async def _commit(
        self, ticket: Ticket, records: tuple[StoredTicket, ...], request: Request
    ) -> StoredTicket | None:
        """None when all of it is stored; what the ticket redeems, as it now stands, when another request spent it first.

        Raises InvalidGrant when the grant was revoked meanwhile.
        """
        redeems = spent(ticket, request)
        if redeems is None and not records and ticket.rewrites is None:
            return None
        changes = (Change(ticket.rewrites, _rewritten(ticket.rewrites, ticket)),) if ticket.rewrites else ()
        outcome = await self._tickets.commit(
            id=random_id(),
            now=request.now,
            consume=redeems,
            replace=changes,
            add=records,
            live=() if ticket.redeems is None else (ticket.redeems.grant_id,),
        )
        match outcome:
            case Committed():
                return None
            case AlreadyConsumed(stored):
                return stored
            case Revoked():
                raise InvalidGrant("The specified grant is no longer valid.", detail="grant.revoked")
            case Conflict():
                # It changed under us and may still be good: nothing was spent, so trying again is right.
                raise TemporarilyUnavailable("Try again.", detail="store.conflict")

    async def _revoke_replayed(self, stored: StoredTicket, request: Request) -> None:
        """RFC 6749 §4.1.2, RFC 9700 §4.14.2: everything the grant ever gave stops working."""
        await self._tickets.revoke(now=request.now, grant_id=stored.grant_id)
        replayed = CodeReplayed if stored.kind is TokenKind.AUTHORIZATION_CODE else RefreshReplayed
        self._audit.record(replayed(client_id=request.client.client_id, grant_id=stored.grant_id))

    async def _count_failure(self, stored: StoredTicket, request: Request) -> None:
        """One more failed redemption of a code by its own client; the tenth is its last."""
        current: StoredTicket | None = stored
        for _ in range(FAILURE_ROUNDS):
            if current is None or current.binding is None or current.used_at is not None:
                return
            binding = msgspec.structs.replace(current.binding, failures=current.binding.failures + 1)
            change = Change(current, msgspec.structs.replace(current, binding=binding))
            outcome = await self._tickets.commit(id=random_id(), now=request.now, replace=(change,))
            if not isinstance(outcome, Conflict):
                return
            current = await self._tickets.get(stored.kind, stored.digest)

    def _issued(self, request: Request, ticket: Ticket, issuance: Issuance) -> None:
        if self._audit.watched:
            self._audit.record(
                TokenIssued(
                    client_id=request.client.client_id,
                    grant_type=request.request.grant_type,
                    grant_id=ticket.grant_id,
                    subject=ticket.subject,
                    kinds=tuple(minted.kind for minted in issuance.minted),
                )
            )

    def _refused(
        self, refusal: OAuthError, http: HttpRequest, client_id: str | None, grant_type: str | None
    ) -> None:
        log_refusal("token", refusal, http, client_id)
        if self._audit.watched:
            self._audit.record(
                TokenRefused(
                    client_id=client_id,
                    grant_type=grant_type,
                    error=refusal.code,
                    reason=refusal.detail or refusal.code,
                )
            )


def read_form(http: HttpRequest) -> Params:
    """The form of a POST. Raises MethodNotAllowed, InvalidRequest or PayloadTooLarge."""
    if http.method != "POST":
        raise MethodNotAllowed("POST")
    params = parse_form(http.headers.get("content-type"), http.body)
    if http.query:
        # Nothing is read from the URL; what would be ambiguous or leak a credential is refused.
        in_query = frozenset(parse_params(http.query.encode("utf-8", "surrogateescape")).names())
        if in_query & (NEVER_IN_QUERY | frozenset(params.names())):
            raise InvalidRequest("Parameters of this request belong in its body.", detail="req.in_query")
    return params


def spent(ticket: Ticket, request: Request) -> StoredTicket | None:
    """What the ticket spends: a code always, a refresh token when the client's rotate and it was not spent before."""
    redeems = ticket.redeems
    if redeems is None or redeems.kind is not TokenKind.REFRESH_TOKEN:
        return redeems
    return redeems if request.client.refresh_rotation and redeems.used_at is None else None


def _rewritten(stored: StoredTicket, ticket: Ticket) -> StoredTicket:
    kept = msgspec.structs.replace(ticket, redeems=None, rewrites=None, carry=NOTHING, response=NOTHING)
    return msgspec.structs.replace(stored, ticket=kept)
