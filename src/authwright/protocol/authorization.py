"""The authorization request and its response, built and parsed (RFC 6749 §4.1, OpenID Connect Core §3.1.2, RFC 9207)."""

import re
from dataclasses import dataclass, field

from authwright.protocol.errors import InvalidRequest, OAuthError
from authwright.protocol.params import NO_PARAMS, Params, encode
from authwright.protocol.scopes import format_scope, parse_scope

QUERY = "query"
FRAGMENT = "fragment"
FORM_POST = "form_post"

MAX_STATE = 2048
MAX_NONCE = 512
_PROMPTS = ("none", "login", "consent", "select_account", "create")
_DIGITS = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What a client asks for on behalf of a browser. None and empty mean absent."""

    client_id: str
    redirect_uri: str | None = None
    response_type: str | None = None
    response_mode: str | None = None
    scope: tuple[str, ...] = ()
    state: str | None = field(default=None, repr=False)
    nonce: str | None = field(default=None, repr=False)
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    """Seconds since the user last proved who they are, at most."""
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    login_hint: str | None = field(default=None, repr=False)
    id_token_hint: str | None = field(default=None, repr=False)
    acr_values: tuple[str, ...] = ()
    display: str | None = None
    ui_locales: tuple[str, ...] = ()
    claims: str | None = field(default=None, repr=False)
    """The raw JSON text of OpenID Connect Core §5.5."""
    resource: tuple[str, ...] = ()
    dpop_jkt: str | None = None
    request: str | None = field(default=None, repr=False)
    request_uri: str | None = field(default=None, repr=False)
    extra: Params = NO_PARAMS
    """Parameters that have no member here."""

    @property
    def openid(self) -> bool:
        """Whether it is an OpenID Connect request (Core §3.1.2.1)."""
        return "openid" in self.scope


_PLAIN = (
    "client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge",
    "code_challenge_method", "login_hint", "id_token_hint", "display", "claims", "dpop_jkt", "request", "request_uri",
)  # fmt: skip
_LISTS = ("prompt", "acr_values", "ui_locales")
_KNOWN = frozenset((*_PLAIN, *_LISTS, "scope", "max_age", "resource"))


def parse_authorization_request(params: Params) -> AuthorizationRequest:
    """Read a request. Raises InvalidRequest or InvalidScope.

    `client_id` and `redirect_uri` come first, so that a caller can check them on their own with `params.one` and know
    where an error may be sent before this is called.
    """
    params.refuse_repeated()
    plain = {name: params.one(name) for name in _PLAIN}
    client_id = plain.pop("client_id")
    if client_id is None:
        raise InvalidRequest("The mandatory 'client_id' parameter is missing.")
    for name, limit in (("state", MAX_STATE), ("nonce", MAX_NONCE)):
        if len(plain[name] or "") > limit:
            raise InvalidRequest(f"The '{name}' parameter is too long.", detail="dos.limit")
    # Only a space separates: str.split() would take further characters, and a value could change on its way.
    lists = {name: tuple(filter(None, (params.one(name) or "").split(" "))) for name in _LISTS}
    scope = params.one("scope")
    return AuthorizationRequest(
        client_id=client_id,
        scope=parse_scope(scope) if scope is not None else (),
        prompt=_parse_prompt(lists["prompt"]),
        max_age=_parse_max_age(params.one("max_age")),
        acr_values=lists["acr_values"],
        ui_locales=lists["ui_locales"],
        resource=params.many("resource"),
        extra=Params({name: params.many(name) for name in params.names() if name not in _KNOWN}),
        **plain,
    )


def _parse_prompt(values: tuple[str, ...]) -> tuple[str, ...]:
    # OpenID Connect Core §3.1.2.1: "none" with any other value is an error.
    if "none" in values and len(values) > 1:
        raise InvalidRequest("The 'prompt' parameter cannot combine 'none' with another value.")
    if any(value not in _PROMPTS for value in values):
        raise InvalidRequest("The 'prompt' parameter has a value that is not supported.")
    return values


def _parse_max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not _DIGITS.fullmatch(text):
        raise InvalidRequest("The 'max_age' parameter is not a number of seconds.")
    return int(text)


def build_authorization_request(request: AuthorizationRequest) -> Params:
    """The parameters of a request, absent members left out."""
    pairs = [(name, getattr(request, name)) for name in _PLAIN]
    pairs.insert(3, ("scope", format_scope(request.scope)))
    pairs += [(name, " ".join(getattr(request, name))) for name in _LISTS]
    if request.max_age is not None:
        pairs.append(("max_age", str(request.max_age)))
    pairs += [("resource", value) for value in request.resource]
    return Params.of([(name, value) for name, value in (*pairs, *request.extra.pairs()) if value])


def add_to_url(url: str, params: Params) -> str:
    """`url` with `params` in its query, whatever query it had kept (RFC 6749 §3.1)."""
    encoded = params.encoded()
    if not encoded:
        return url
    return f"{url}{'&' if '?' in url else '?'}{encoded}"


def add_to_fragment(url: str, params: Params) -> str:
    """`url` with `params` as its fragment (OAuth 2.0 Multiple Response Type Encoding Practices §2.1)."""
    return f"{url}#{encode(params.pairs())}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponse:
    """What comes back to the redirect URI: either `error` or what the response type promised."""

    code: str | None = field(default=None, repr=False)
    state: str | None = field(default=None, repr=False)
    iss: str | None = None
    session_state: str | None = None
    id_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    token_type: str | None = None
    expires_in: str | None = None
    scope: str | None = None
    response: str | None = field(default=None, repr=False)
    """JARM: the whole response as a JWT."""
    error: str | None = None
    error_description: str | None = None
    error_uri: str | None = None


_RESPONSE = (
    "code", "access_token", "token_type", "expires_in", "scope", "id_token", "response", "error", "error_description",
    "error_uri", "state", "iss", "session_state",
)  # fmt: skip


def build_authorization_response(response: AuthorizationResponse) -> Params:
    """The parameters of a response, absent members left out."""
    return Params.of([(name, value) for name in _RESPONSE if (value := getattr(response, name))])


def error_response(error: OAuthError, *, state: str | None, iss: str) -> AuthorizationResponse:
    """A refusal as a response; the issuer is named in it too (RFC 9207 §2)."""
    return AuthorizationResponse(
        error=error.code,
        error_description=error.description or None,
        error_uri=error.uri or None,
        state=state,
        iss=iss,
    )


def parse_authorization_response(params: Params) -> AuthorizationResponse:
    """Read a response. Raises InvalidRequest for a repeated parameter."""
    return AuthorizationResponse(**{name: params.one(name) for name in params.names() if name in _RESPONSE})
