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
from authwright.protocol.token import TokenResponse
from authwright.provider.requests import AuthenticatedTokenRequest, ClientAuthentication, TokenRequest
from authwright.records import Client, Session
from authwright.ticket import StoredTicket, Ticket

TicketOutcome: TypeAlias = Ticket | HttpResponse | Pass | None
Outcome: TypeAlias = HttpResponse | Pass | None
T = TypeVar("T")


class AnsweredByEvent(Exception):
    """An event answered in the provider's stead; carries the answer to the end of the request."""

    def __init__(self, answer: HttpResponse | Pass) -> None:
        super().__init__("answered by an event")
        self.answer = answer


class ProviderEvents:
    """The events of reference order; the default of each is that the built-in decides."""

    def __init__(self, **overrides: Callable[..., Awaitable[Any]]) -> None:
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

    # -- token endpoint, in order ---------------------------------------------------------------------------------

    async def validate_client_authentication(
        self, request: TokenRequest[Any]
    ) -> ClientAuthentication | HttpResponse | Pass | None:
        """Before the client is believed. None: its registered method decides. Refusal: invalid_client."""
        return None

    async def validate_token_request(
        self, request: AuthenticatedTokenRequest[Any], found: StoredTicket | None
    ) -> Outcome:
        """After the client is known; `found` is the code or refresh token that was looked up. Refusal: invalid_request."""
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

    async def grant_custom_extension(self, request: AuthenticatedTokenRequest[Any]) -> TicketOutcome:
        """A grant type that no Grant object serves. None: unsupported_grant_type."""
        return None

    async def token_endpoint(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket | None
    ) -> TicketOutcome:
        """The last look before tokens are made; may supply a ticket that is missing. Refusal: invalid_grant."""
        return None

    async def token_endpoint_response(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket, response: TokenResponse
    ) -> TokenResponse | HttpResponse | Pass | None:
        """The response before it is committed and sent; what is taken out leaves no record. Refusal: invalid_request."""
        return None

    # -- authorization endpoint -----------------------------------------------------------------------------------

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

    async def userinfo_endpoint(
        self, token: StoredTicket, claims: Mapping[str, Json]
    ) -> Mapping[str, Json] | HttpResponse | Pass | None:
        """The claims of a UserInfo answer. Refusal: invalid_request."""
        return None

    async def introspection_endpoint(
        self, caller: Client, token: StoredTicket, members: Mapping[str, Json]
    ) -> Mapping[str, Json] | HttpResponse | Pass | None:
        """The answer for a live token. Refusal: invalid_request."""
        return None

    async def validate_logout_request(
        self, request: LogoutRequest, client: Client | None, session: Session | None
    ) -> Outcome:
        """Before a session ends. Refusal: invalid_request, shown as a page."""
        return None

    async def logout_endpoint(
        self, request: LogoutRequest, client: Client | None, session: Session | None
    ) -> Outcome:
        """After the session ended, before the browser is sent on."""
        return None

    async def configuration_endpoint(
        self, metadata: Mapping[str, Json]
    ) -> Mapping[str, Json] | HttpResponse | Pass | None:
        """The discovery document."""
        return None

    async def cryptography_endpoint(
        self, jwks: Mapping[str, Json]
    ) -> Mapping[str, Json] | HttpResponse | Pass | None:
        """The JWK Set."""
        return None


EVENT_NAMES = frozenset(name for name in vars(ProviderEvents) if not name.startswith("_") and name != "ask")
