"""Events: where an application may change or refuse what a sign-in does.

Each takes a frozen context and returns None (go on), the changed context (whatever it holds is what the next step
uses), an HttpResponse (handled), PASS (the application behind us answers) or `Accept` (signed in as that user), or
raises `Denied`. Which of them an event may give is in `ALLOWED`; anything else is a programming error, TypeError.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from authwright.protocol.authorization import AuthorizationRequest, AuthorizationResponse
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.logout import LogoutRequest
from authwright.protocol.token import TokenResponse
from authwright.relying_party.errors import Denied, Failure
from authwright.relying_party.user import User

Properties: TypeAlias = Mapping[str, Json]
"""Items given at the challenge: they travel in the flow, through every event, into the session."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Success, decided by an event: sign this user in."""

    user: User
    properties: Properties | None = None
    """None keeps those of the flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRedemption:
    """The token request of a sign-in: what `redeem_code` sends."""

    token_endpoint: str
    code: str = field(repr=False)
    redirect_uri: str
    code_verifier: str | None = field(repr=False)
    resource: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectToIdentityProvider:
    """Before the browser is sent to the authorization endpoint."""

    request: HttpRequest
    message: AuthorizationRequest
    properties: Properties
    authorization_endpoint: str | None
    """None when the metadata has none; the event may supply it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """The callback is parsed, nothing of it is believed yet."""

    request: HttpRequest
    message: AuthorizationResponse
    properties: Properties | None
    """None when no flow belongs to the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDenied:
    """The provider answered access_denied."""

    request: HttpRequest
    properties: Properties
    return_to: str
    access_denied_path: str | None
    """Where to go; None: on to `remote_failure`."""
    return_url_parameter: str
    """The query parameter of that path that says where the user wanted to go; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCodeReceived:
    """Before the code is redeemed; a TokenResponse returned here says "I redeemed it"."""

    request: HttpRequest
    redemption: CodeRedemption
    properties: Properties
    fetch: Fetch = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponseReceived:
    """The token endpoint answered; its ID token is not yet verified."""

    request: HttpRequest
    token_response: TokenResponse
    properties: Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenValidated:
    """The ID token is verified."""

    request: HttpRequest
    user: User
    id_token: Mapping[str, Json] = field(repr=False)
    """All its claims."""
    nonce: str | None = field(repr=False)
    token_response: TokenResponse | None
    properties: Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInformationReceived:
    """The UserInfo endpoint answered."""

    request: HttpRequest
    user: User
    user_information: Mapping[str, Json] = field(repr=False)
    properties: Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationFailed:
    """Something after the flow was found went wrong; `Accept` rescues the login."""

    request: HttpRequest
    failure: Failure
    properties: Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFailure:
    """The last look at any failure, before its page."""

    request: HttpRequest
    failure: Failure
    properties: Properties | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketReceived:
    """Before the session begins."""

    request: HttpRequest
    user: User
    properties: Properties
    return_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectToIdentityProviderForSignOut:
    """Before the browser is sent to the end-session endpoint; the local session is over already."""

    request: HttpRequest
    message: LogoutRequest
    properties: Properties
    end_session_endpoint: str | None
    """None when the metadata has none; the event may supply it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutCallbackRedirect:
    """Back from the end-session endpoint."""

    request: HttpRequest
    state: str | None = field(repr=False)
    properties: Properties | None
    """None when the state is missing or not ours."""
    return_to: str | None


C = TypeVar("C")
Answer: TypeAlias = C | HttpResponse | Pass | Accept | None
Handled: TypeAlias = C | HttpResponse | None
HandledOrPassed: TypeAlias = C | HttpResponse | Pass | None


class RelyingPartyEvents:
    """Subclass and override. Methods nobody overrode are found once and never awaited."""

    async def redirect_to_identity_provider(
        self, context: RedirectToIdentityProvider
    ) -> Handled[RedirectToIdentityProvider]:
        return None

    async def message_received(self, context: MessageReceived) -> Answer[MessageReceived]:
        return None

    async def access_denied(self, context: AccessDenied) -> HandledOrPassed[AccessDenied]:
        return None

    async def authorization_code_received(
        self, context: AuthorizationCodeReceived
    ) -> Answer[AuthorizationCodeReceived] | TokenResponse:
        return None

    async def token_response_received(self, context: TokenResponseReceived) -> Answer[TokenResponseReceived]:
        return None

    async def token_validated(self, context: TokenValidated) -> Answer[TokenValidated]:
        return None

    async def user_information_received(
        self, context: UserInformationReceived
    ) -> Answer[UserInformationReceived]:
        return None

    async def authentication_failed(self, context: AuthenticationFailed) -> Answer[AuthenticationFailed]:
        return None

    async def remote_failure(self, context: RemoteFailure) -> HandledOrPassed[RemoteFailure]:
        return None

    async def ticket_received(self, context: TicketReceived) -> HandledOrPassed[TicketReceived]:
        return None

    async def redirect_to_identity_provider_for_sign_out(
        self, context: RedirectToIdentityProviderForSignOut
    ) -> Handled[RedirectToIdentityProviderForSignOut]:
        return None

    async def signed_out_callback_redirect(
        self, context: SignedOutCallbackRedirect
    ) -> HandledOrPassed[SignedOutCallbackRedirect]:
        return None


_FULL: tuple[type, ...] = (HttpResponse, Pass, Accept, Denied)

ALLOWED: Mapping[type, tuple[str, tuple[type, ...]]] = {
    RedirectToIdentityProvider: ("redirect_to_identity_provider", (HttpResponse,)),
    MessageReceived: ("message_received", _FULL),
    AccessDenied: ("access_denied", (HttpResponse, Pass)),
    AuthorizationCodeReceived: ("authorization_code_received", (*_FULL, TokenResponse)),
    TokenResponseReceived: ("token_response_received", _FULL),
    TokenValidated: ("token_validated", _FULL),
    UserInformationReceived: ("user_information_received", _FULL),
    AuthenticationFailed: ("authentication_failed", _FULL),
    RemoteFailure: ("remote_failure", (HttpResponse, Pass)),
    TicketReceived: ("ticket_received", (HttpResponse, Pass)),
    RedirectToIdentityProviderForSignOut: ("redirect_to_identity_provider_for_sign_out", (HttpResponse,)),
    SignedOutCallbackRedirect: ("signed_out_callback_redirect", (HttpResponse, Pass, Denied)),
}
"""Context to the name of its event and what it may give besides None and the changed context."""


class Answered(Exception):
    """An event answered in our place: the step that asked ends here."""

    def __init__(self, answer: HttpResponse | Pass) -> None:
        super().__init__("answered by an event")
        self.answer = answer


class Accepted(Exception):
    """An event decided who is signed in: what follows is the beginning of the session."""

    def __init__(self, accept: Accept) -> None:
        super().__init__("accepted by an event")
        self.accept = accept


Listener: TypeAlias = Callable[[Any], Any] | Callable[[Any], Awaitable[Any]]


class EventLine:
    """Who listens to what: the overridden methods of one `RelyingPartyEvents`, then functions added one by one."""

    __slots__ = ("_listeners",)

    def __init__(self, events: RelyingPartyEvents | None) -> None:
        self._listeners: dict[type, tuple[Listener, ...]] = {}
        for context_type, (name, _) in ALLOWED.items():
            if events is not None and getattr(type(events), name) is not getattr(RelyingPartyEvents, name):
                self._listeners[context_type] = (getattr(events, name),)

    def add(self, context_type: type, listener: Listener) -> None:
        """Have `listener` called too, after those before it. Raises TypeError for a type that is no event."""
        if context_type not in ALLOWED:
            raise TypeError(f"{context_type!r} is not an event of the relying party")
        self._listeners[context_type] = (*self._listeners.get(context_type, ()), listener)

    async def ask(self, context: C) -> C:
        """The context after all listeners. Raises Answered, Accepted or Denied when one of them decided.

        Only for events whose outcomes are these; see `ask_code` for the one that has another.
        """
        outcome = await self._ask(context)
        if isinstance(outcome, TokenResponse):
            raise TypeError("only authorization_code_received may return a TokenResponse")
        return outcome

    async def ask_or_answer(self, context: C) -> C | HttpResponse:
        """As `ask`, for the events before a redirect: what a listener answered in its place is returned."""
        try:
            return await self.ask(context)
        except Answered as answered:
            if isinstance(answered.answer, HttpResponse):
                return answered.answer
            raise

    async def ask_code(self, context: AuthorizationCodeReceived) -> AuthorizationCodeReceived | TokenResponse:
        """As `ask`; a TokenResponse means that a listener redeemed the code itself."""
        return await self._ask(context)

    async def _ask(self, context: C) -> C | TokenResponse:
        listeners = self._listeners.get(type(context))
        if listeners is None:
            return context
        name, allowed = ALLOWED[type(context)]
        for listener in listeners:
            try:
                given = listener(context)
                outcome = await given if inspect.isawaitable(given) else given
            except Denied as denied:
                if Denied not in allowed:
                    raise TypeError(f"{name} cannot deny") from denied
                raise
            if outcome is None:
                continue
            if isinstance(outcome, type(context)):
                context = outcome
                continue
            if isinstance(outcome, allowed):
                if isinstance(outcome, TokenResponse):
                    return outcome
                if isinstance(outcome, Accept):
                    raise Accepted(outcome)
                if isinstance(outcome, HttpResponse | Pass):
                    raise Answered(outcome)
            raise TypeError(f"{name} cannot return {type(outcome).__name__}")
        return context
