"""Events: where an application may change or refuse what a sign-in does.

Each takes a frozen context and returns None (go on), the changed context (whatever it holds is what the next step
uses), an HttpResponse (handled), PASS (the application behind us answers) or `Accept` (signed in as that user), or
raises `Denied`. Which of them an event may give is in `ALLOWED`; anything else is a programming error, TypeError.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from authwright.crypto.keys import SigningKey
from authwright.protocol.authorization import AuthorizationRequest, AuthorizationResponse
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.logout import LogoutRequest
from authwright.protocol.token import TokenResponse
from authwright.relying_party.errors import Failure
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
    dpop_key: SigningKey | None = field(default=None, repr=False)
    """The key the tokens are to be bound to (RFC 9449 §5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectToIdentityProvider:
    """Before the browser is sent to the authorization endpoint."""

    request: HttpRequest
    message: AuthorizationRequest
    properties: Properties
    authorization_endpoint: str | None
    """None when the metadata has none; the event may supply it."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """An event pushed the authorization request itself (RFC 9126 §2.2): the browser gets this reference."""

    request_uri: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAuthorization:
    """Before the authorization request is pushed (RFC 9126); PASS: do not push it, send it with the browser.

    A `Pushed` returned here says "I pushed it".
    """

    request: HttpRequest
    message: AuthorizationRequest
    properties: Properties
    endpoint: str
    """The pushed authorization request endpoint."""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further parameters of the push."""
    authenticated: bool = False
    """True: the event put the client's authentication into the parameters, and none of ours is added."""
    fetch: Fetch = field(repr=False)


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
    user: User | None = None
    """In a hybrid flow: who the front channel's ID token speaks of. Without one, a user put here changes nothing."""
    id_token: Mapping[str, Json] | None = field(default=None, repr=False)
    """Its claims."""


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
class SignOutNotice:
    """What the provider says of a session of its own that is over."""

    iss: str | None
    sid: str | None
    sub: str | None = None
    claims: Mapping[str, Json] = field(default_factory=dict, repr=False)
    """All claims of the logout token; empty on the front channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSignOut:
    """The provider says that a session is over, before any session here ends."""

    request: HttpRequest
    channel: Literal["front", "back"]
    """"front": through the browser, believed only as far as `iss` and `sid` fit its session. "back": a logout token,
    verified."""
    notice: SignOutNotice | None
    """None when the request holds no message."""


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

    async def push_authorization(
        self, context: PushAuthorization
    ) -> PushAuthorization | Pushed | Pass | None:
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

    async def remote_sign_out(self, context: RemoteSignOut) -> HandledOrPassed[RemoteSignOut]:
        return None

    async def signed_out_callback_redirect(
        self, context: SignedOutCallbackRedirect
    ) -> HandledOrPassed[SignedOutCallbackRedirect]:
        return None


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
