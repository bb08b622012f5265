"""The provider's events: one awaited method each, which may change, answer or refuse what the provider is about to do.

Subclass `ProviderEvents` and override what is needed, or hand functions over: `ProviderEvents(token_endpoint=fn)`.
A method may return

- None: go on;
- its amended object (a `Ticket`, a `TokenResponse`, …), which is what the next step uses;
- an `HttpResponse`: the application has answered;
- `PASS`: not ours after all, the wrapped application answers;

or raise `Refused`, whose code defaults to the one named at the event. Events that nobody overrode are found once, at
construction, and never awaited. To only watch, use an audit sink instead.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from authwright.protocol.authorization import AuthorizationRequest, AuthorizationResponse
from authwright.protocol.errors import OAuthError, Refused
from authwright.protocol.http import HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.logout import LogoutRequest
from authwright.protocol.params import Params
from authwright.protocol.token import TokenResponse
from authwright.provider.requests import AuthenticatedTokenRequest, ClientAuthentication, TokenRequest
from authwright.provider.serialization import Deserialized, Serialization
from authwright.records import Client, Session
from authwright.ticket import StoredTicket, Ticket

TicketOutcome: TypeAlias = Ticket | HttpResponse | Pass | None
Outcome: TypeAlias = HttpResponse | Pass | None
SerializationOutcome: TypeAlias = Serialization | HttpResponse | Pass | None
DeserializationOutcome: TypeAlias = Deserialized | HttpResponse | Pass | None
JsonOutcome: TypeAlias = Mapping[str, Json] | HttpResponse | Pass | None
T = TypeVar("T")


class AnsweredByEvent(Exception):
    """An event answered in the provider's stead; carries the answer to the end of the request."""

    def __init__(self, answer: HttpResponse | Pass) -> None:
        super().__init__("answered by an event")
        self.answer = answer


class ProviderEvents:
    """The events of reference order; the default of each is that the built-in decides."""

    def __init__(self, **overrides: Callable[..., Awaitable[Any]]) -> None:
        named = {name: getattr(self, name) for name in REFERENCE_NAMES if hasattr(self, name)} | overrides
        overrides = {REFERENCE_NAMES.get(name, name): event for name, event in named.items()}
        unknown = overrides.keys() - EVENT_NAMES
        if unknown:
            raise TypeError(
                f"there is no event named {sorted(unknown)[0]!r}; there are {', '.join(sorted(EVENT_NAMES))}"
            )
        self.__dict__.update(overrides)
        overridden = {
            name for name in EVENT_NAMES if getattr(type(self), name) is not getattr(ProviderEvents, name)
        }
        self.wanted: frozenset[str] = frozenset(overridden | overrides.keys())

    async def ask(self, name: str, default: type[OAuthError], *arguments: Any) -> Any:
        """Await event `name`. Raises AnsweredByEvent when it answered, and its refusal under `default` if it chose no code."""
        try:
            outcome = await getattr(self, name)(*arguments)
        except Refused as refusal:
            raise refusal.or_default(default) from None
        if isinstance(outcome, HttpResponse | Pass):
            raise AnsweredByEvent(outcome)
        return outcome

    async def amend(self, name: str, default: type[OAuthError], *arguments: Any) -> Any:
        """The last of `arguments`, as event `name` leaves it; itself when nobody wants the event. Raises like `ask`."""
        if name not in self.wanted:
            return arguments[-1]
        outcome = await self.ask(name, default, *arguments)
        return arguments[-1] if outcome is None else outcome

    # -- every endpoint -------------------------------------------------------------------------------------------

    async def match_endpoint(self, http: HttpRequest, path: str | None) -> str | HttpResponse | Pass | None:
        """Before anything else: which endpoint is meant. `path` is the one that matches, None for a path not ours.

        The full path of an endpoint: that one answers. None: the match stands. Refusal: invalid_request.
        """
        return None

    # -- token endpoint, in order ---------------------------------------------------------------------------------

    async def extract_token_request(
        self, params: Params, http: HttpRequest
    ) -> Params | HttpResponse | Pass | None:
        """The form as it was read, before anything is made of it. Refusal: invalid_request."""
        return None

    async def validate_client_authentication(
        self, request: TokenRequest[Any]
    ) -> ClientAuthentication | HttpResponse | Pass | None:
        """Before the client is believed. None: its registered method decides. Refusal: invalid_client."""
        return None

    async def deserialize_authorization_code(self, value: str) -> DeserializationOutcome:
        """A code that was presented. None: the store decides. Refusal: invalid_grant."""
        return None

    async def deserialize_refresh_token(self, value: str) -> DeserializationOutcome:
        """A refresh token that was presented, here or elsewhere. None: the store decides. Refusal: invalid_grant."""
        return None

    async def validate_token_request(
        self, request: AuthenticatedTokenRequest[Any], found: StoredTicket | None
    ) -> Outcome:
        """For a code or refresh token: after `found` was checked. For other grants: before anything is granted.

        Refusal: invalid_request.
        """
        return None

    async def grant_authorization_code(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket
    ) -> TicketOutcome:
        """The ticket a code gives. Refusal: invalid_grant."""
        return None

    async def grant_refresh_token(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket
    ) -> TicketOutcome:
        """The ticket a refresh token gives. Refusal: invalid_grant."""
        return None

    async def grant_client_credentials(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket
    ) -> TicketOutcome:
        """The ticket a client gets for itself. Refusal: unauthorized_client."""
        return None

    async def grant_token_exchange(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket
    ) -> TicketOutcome:
        """The ticket a token is exchanged for, after services decided their scopes. Refusal: invalid_request.

        Its `grant_id` says what it was made from, and is best kept: it is revoked with that.
        """
        return None

    async def grant_resource_owner_credentials(
        self, request: AuthenticatedTokenRequest[Any]
    ) -> TicketOutcome:
        """A username and a password. A ticket replaces the built-in check of accounts. Refusal: invalid_grant."""
        return None

    async def grant_custom_extension(self, request: AuthenticatedTokenRequest[Any]) -> TicketOutcome:
        """A grant type that no Grant object serves. None: `token_endpoint` may still supply a ticket.

        Without one, and as the refusal: unsupported_grant_type.
        """
        return None

    async def token_endpoint(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket | None
    ) -> TicketOutcome:
        """The last look before tokens are made. Refusal: invalid_grant.

        `ticket` is None when a grant type that the client is registered for gave none; one may be supplied here, and
        without it the answer is server_error.
        """
        return None

    async def serialize_authorization_code(self, making: Serialization) -> SerializationOutcome:
        """A code before it is made, at the authorization endpoint. Refusal: server_error."""
        return None

    async def serialize_access_token(self, making: Serialization) -> SerializationOutcome:
        """An access token before it is made. Refusal: server_error."""
        return None

    async def serialize_identity_token(self, making: Serialization) -> SerializationOutcome:
        """An ID token before it is made. Refusal: server_error."""
        return None

    async def serialize_refresh_token(self, making: Serialization) -> SerializationOutcome:
        """A refresh token before it is made; an empty value leaves it out. Refusal: server_error."""
        return None

    async def token_endpoint_response(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket, response: TokenResponse
    ) -> TokenResponse | HttpResponse | Pass | None:
        """The response before it is committed and sent; what is taken out leaves no record. Refusal: invalid_request."""
        return None

    # -- authorization endpoint -----------------------------------------------------------------------------------

    async def validate_client_redirect_uri(
        self, client: Client, redirect_uri: str | None
    ) -> str | HttpResponse | Pass | None:
        """Before the redirect URI is compared. Refusal: invalid_client, shown as a page.

        A URI is taken without comparison: the one that was sent, or one to use where none was. None: it must have been
        sent and be registered.
        """
        return None

    async def validate_authorization_request(
        self, request: AuthorizationRequest, client: Client, http: HttpRequest
    ) -> Outcome:
        """After client, redirect URI and parameters were checked. Refusal: invalid_request, sent to the client."""
        return None

    async def authorization_endpoint(
        self, request: AuthorizationRequest, client: Client, ticket: Ticket
    ) -> TicketOutcome:
        """The ticket a user granted, before the code is made. Refusal: access_denied."""
        return None

    async def authorization_endpoint_response(
        self, request: AuthorizationRequest, client: Client, response: AuthorizationResponse
    ) -> AuthorizationResponse | HttpResponse | Pass | None:
        """The response before it is sent."""
        return None

    # -- other endpoints ------------------------------------------------------------------------------------------

    async def deserialize_access_token(self, value: str) -> DeserializationOutcome:
        """An access token that was presented. None: the store decides. Refusal: invalid_token."""
        return None

    async def deserialize_identity_token(self, value: str) -> Mapping[str, Json] | HttpResponse | Pass | None:
        """An id_token_hint: the claims of an own form. None: it must be signed by us. Refusal: invalid_request."""
        return None

    async def userinfo_endpoint(self, token: StoredTicket, claims: Mapping[str, Json]) -> JsonOutcome:
        """The claims of a UserInfo answer. Refusal: invalid_request."""
        return None

    async def userinfo_endpoint_response(
        self, token: StoredTicket, claims: Mapping[str, Json]
    ) -> JsonOutcome:
        """The UserInfo answer before it is sent. Refusal: invalid_request."""
        return None

    async def validate_client_audiences(
        self, caller: Client, token: StoredTicket
    ) -> bool | HttpResponse | Pass | None:
        """May a client introspect a token as one it is for? None: it must be named for a resource of the token.

        False leaves the answer at `{"active": false}`. Refusal: invalid_request.
        """
        return None

    async def validate_client_presenters(
        self, caller: Client, token: StoredTicket
    ) -> bool | HttpResponse | Pass | None:
        """May a client introspect a token as one that presents it? None: it must be the one it was issued to.

        False leaves it to `validate_client_audiences`. Refusal: invalid_request.
        """
        return None

    async def introspection_endpoint(
        self, caller: Client, token: StoredTicket, members: Mapping[str, Json]
    ) -> JsonOutcome:
        """The answer for a live token. Refusal: invalid_request."""
        return None

    async def introspection_endpoint_response(
        self, caller: Client, members: Mapping[str, Json]
    ) -> JsonOutcome:
        """The answer before it is sent, whether the token is live or not. Refusal: invalid_request."""
        return None

    async def validate_client_logout_redirect_uri(
        self, client: Client | None, uri: str
    ) -> str | HttpResponse | Pass | None:
        """Before a post_logout_redirect_uri is compared. Refusal: invalid_request, shown as a page.

        The URI itself: it is taken without comparison. None: it must be registered for the client.
        """
        return None

    async def validate_logout_request(
        self, request: LogoutRequest, client: Client | None, session: Session | None
    ) -> Outcome:
        """Before a session ends. Refusal: invalid_request, shown as a page."""
        return None

    async def logout_endpoint(
        self, request: LogoutRequest, client: Client | None, session: Session | None
    ) -> Outcome:
        """After the session ended, before the browser is sent on. Refusal: invalid_request, shown as a page."""
        return None

    async def logout_endpoint_response(
        self, request: LogoutRequest, client: Client | None, response: HttpResponse
    ) -> HttpResponse | Pass | None:
        """The redirect or the page that ends a sign-out, before it is sent. Refusal: invalid_request, as a page."""
        return None

    async def configuration_endpoint(self, metadata: Mapping[str, Json]) -> JsonOutcome:
        """The discovery document. Refusal: invalid_request."""
        return None

    async def configuration_endpoint_response(self, metadata: Mapping[str, Json]) -> JsonOutcome:
        """The discovery document before it is sent. Refusal: invalid_request."""
        return None

    async def cryptography_endpoint(self, jwks: Mapping[str, Json]) -> JsonOutcome:
        """The JWK Set. Refusal: invalid_request."""
        return None

    async def cryptography_endpoint_response(self, jwks: Mapping[str, Json]) -> JsonOutcome:
        """The JWK Set before it is sent. Refusal: invalid_request."""
        return None


EVENT_NAMES = frozenset(
    name for name in vars(ProviderEvents) if not name.startswith("_") and name not in ("ask", "amend")
)

# Two endpoints were named otherwise where these events come from; `ProviderEvents(profile_endpoint=fn)` works too.
REFERENCE_NAMES: Mapping[str, str] = {
    "profile_endpoint": "userinfo_endpoint",
    "profile_endpoint_response": "userinfo_endpoint_response",
    "validation_endpoint": "introspection_endpoint",
    "validation_endpoint_response": "introspection_endpoint_response",
}
