"""Who we are at the provider, and where our own endpoints are (RFC 7591 §2, RFC 6749 §2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, get_args
from urllib.parse import urlsplit

from authwright.crypto.keys import SigningKey
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.relying_party.encrypted import Encrypted
from authwright.relying_party.return_to import local_path, safe_return_to
from authwright.remote.client_authentication import (
    ClientAuth,
    ClientSecretJwt,
    PrivateKeyJwt,
    Public,
    SecretBasic,
    SecretPost,
    TlsClientCertificate,
)

__all__ = [
    "ClientAuth",
    "ClientSecretJwt",
    "Paths",
    "PrivateKeyJwt",
    "Public",
    "RelyingPartyClient",
    "SecretBasic",
    "SecretPost",
    "Site",
    "TlsClientCertificate",
]

SIGNING_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
"""Signatures an ID token may have; the provider's metadata narrows them, never widens them."""

UNSIGNED = "none"
"""An ID token without a signature: only straight from the token endpoint, and only where it is registered so."""

UserInfo = Literal["always", "missing", "never"]
UserInfoToken = Literal["header", "body"]
ResponseType = Literal[
    "code", "id_token", "code id_token", "id_token token", "code token", "code id_token token"
]
ResponseMode = Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
PushedAuthorization = Literal["auto", "require", "never"]
AuthenticationMethod = Literal["redirect", "form_post"]

RESPONSE_TYPES: tuple[ResponseType, ...] = get_args(ResponseType)
LEEWAY = timedelta(seconds=60)
IAT_SLACK = timedelta(seconds=600)
_CHECKABLE = frozenset({"acr", "amr", "auth_time", "azp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingPartyClient:
    """The client as it is registered at the provider, and what it asks for by default."""

    client_id: str
    auth: ClientAuth = field(default_factory=Public)
    scopes: tuple[str, ...] = ("openid", "profile")
    id_token_algorithms: tuple[str, ...] = SIGNING_ALGORITHMS
    """Narrow it to one where the registration names `id_token_signed_response_alg`. "none" is taken only in the
    code flow, from the token endpoint."""
    trusted_audiences: frozenset[str] = frozenset()
    """Audiences an ID token may name beside our client_id (OpenID Connect Core §3.1.3.7)."""
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    """Seconds."""
    acr_values: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    """RFC 8707."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Further parameters of every authorization request."""
    userinfo: UserInfo = "always"
    """"always": whenever there is an endpoint and an access token; "missing": when the ID token lacks a claim of a
    requested scope; "never"."""
    userinfo_token: UserInfoToken = "header"
    """Where the access token is in that request. "body": for a provider that reads it nowhere else (RFC 6750 §2.2)."""
    leeway: timedelta = LEEWAY
    """How far apart our clock and the provider's may be."""
    iat_slack: timedelta = IAT_SLACK
    """How old the `iat` of an ID token may be."""
    required_claims: frozenset[str] = frozenset()
    """Which of `acr`, `amr`, `auth_time` and `azp` an ID token must have."""
    response_type: ResponseType = "code"
    front_channel_access_tokens: bool = False
    """Response types with `token` are taken: an access token passes through the browser (RFC 9700 §2.1.2)."""
    response_mode: ResponseMode | None = None
    """None: what fits the response type, `query` for a code alone, else `form_post`."""
    authentication_method: AuthenticationMethod = "redirect"
    """How the request reaches the provider: in a redirect, or in a form that sends itself."""
    par: PushedAuthorization = "auto"
    """Whether the request is pushed (RFC 9126): "auto" where the provider can take it; "require"; "never"."""
    request_object: SigningKey | None = None
    """The key to sign requests with (RFC 9101); its public half is registered. Needed where the provider wants
    `require_signed_request_object`."""
    dpop: Literal["require"] | None = None
    """"require": tokens are bound to a key of the session (RFC 9449), and those that are not are refused."""
    encrypted: Encrypted | None = None
    """What comes encrypted, and the keys it is encrypted to."""
    userinfo_algorithms: tuple[str, ...] = ()
    """`userinfo_signed_response_alg` as registered: the UserInfo answer must then be signed, with one of these. Empty:
    a signed answer is verified, one in JSON is taken."""

    @property
    def posts_back(self) -> bool:
        """Whether the answer comes as a form, across sites (OAuth 2.0 Form Post Response Mode)."""
        return self.response_mode in ("form_post", "form_post.jwt") or (
            self.response_mode is None and self.response_type != "code"
        )

    @property
    def signed_response(self) -> bool:
        """Whether the answer comes as a JWT (JARM), and no other is taken."""
        return self.response_mode in ("jwt", "query.jwt", "form_post.jwt")

    def __post_init__(self) -> None:
        if not self.client_id:
            raise ValueError("client_id is empty")
        if "openid" not in self.scopes:
            raise ValueError("scopes: signing in needs 'openid'")
        if self.max_age is not None and self.max_age < 0:
            raise ValueError("max_age is negative")
        unknown = set(self.id_token_algorithms).difference(SIGNING_ALGORITHMS, (UNSIGNED,))
        if unknown or not self.id_token_algorithms:
            raise ValueError(f"id_token_algorithms: some of {', '.join(SIGNING_ALGORITHMS)}, {UNSIGNED}")
        if not self.required_claims <= _CHECKABLE:
            raise ValueError(f"required_claims: some of {', '.join(sorted(_CHECKABLE))}")
        _check_response(self.response_type, self.response_mode, self.front_channel_access_tokens)
        if self.authentication_method not in get_args(AuthenticationMethod):
            raise ValueError("authentication_method: redirect or form_post")
        if self.par not in get_args(PushedAuthorization):
            raise ValueError("par: auto, require or never")
        if self.dpop not in (None, "require"):
            raise ValueError("dpop: None or require")
        # RFC 9449 §5: a token that comes through the browser is bound to nothing.
        if self.dpop and "token" in self.response_type.split():
            raise ValueError(f"dpop is not for response_type {self.response_type}")
        if self.userinfo_token not in get_args(UserInfoToken):
            raise ValueError("userinfo_token: header or body")
        # RFC 9449 §7.1: the scheme of the header is what says that a proof comes with the token.
        if self.dpop and self.userinfo_token == "body":
            raise ValueError("userinfo_token: a bound token goes in the header")
        if not set(self.userinfo_algorithms) <= set(SIGNING_ALGORITHMS):
            raise ValueError(f"userinfo_algorithms: some of {', '.join(SIGNING_ALGORITHMS)}")
        # JARM §3: there is no encrypting without a signed response to encrypt.
        if self.encrypted is not None and self.encrypted.response and not self.signed_response:
            raise ValueError("encrypted: response needs a response_mode with jwt")


def _check_response(response_type: str, response_mode: str | None, access_tokens: bool) -> None:
    if response_type not in RESPONSE_TYPES:
        raise ValueError(f"response_type: one of {', '.join(RESPONSE_TYPES)}")
    # RFC 9700 §2.1.2: an access token in the front channel leaks easily, so nobody gets there by accident.
    if "token" in response_type.split() and not access_tokens:
        raise ValueError(f"response_type {response_type} needs front_channel_access_tokens")
    if response_mode is not None and response_mode not in get_args(ResponseMode):
        raise ValueError(f"response_mode: one of {', '.join(get_args(ResponseMode))}")
    # Multiple Response Types §3: tokens never travel in a query, where logs and histories keep them.
    if response_mode in ("query", "query.jwt", "jwt") and response_type != "code":
        raise ValueError(f"response_mode query is not for response_type {response_type}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where our endpoints are, below the base URL."""

    prefix: str = "/auth"

    def __post_init__(self) -> None:
        if not self.prefix.startswith("/") or self.prefix.endswith("/") or not self.prefix.isascii():
            raise ValueError("paths: the prefix starts with / and does not end with it")

    @property
    def login(self) -> str:
        return self.prefix + "/login"

    @property
    def initiate_login(self) -> str:
        return self.prefix + "/initiate"

    @property
    def callback(self) -> str:
        return self.prefix + "/callback"

    @property
    def logout(self) -> str:
        return self.prefix + "/logout"

    @property
    def logout_callback(self) -> str:
        return self.prefix + "/logout/callback"

    @property
    def backchannel_logout(self) -> str:
        return self.prefix + "/backchannel-logout"

    @property
    def frontchannel_logout(self) -> str:
        return self.prefix + "/frontchannel-logout"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPolicy:
    """How a login attempt may go."""

    lifetime: timedelta = timedelta(minutes=15)
    """How long a user may take at the provider."""
    return_to_origins: tuple[str, ...] = ()
    """Other origins an attempt may end at, as "https://spa.example"; our own always may."""
    return_url_parameter: str = "return_to"
    """The query parameter of `access_denied_path` that says where the user wanted to go; empty for none."""
    skip_unrecognized: bool = False
    """What comes to the callback and is no answer of an attempt goes on to the application, instead of a page of ours."""
    initiate_login: bool = False
    """Others may start a login here, as OpenID Connect Core §4 has it."""

    def __post_init__(self) -> None:
        if self.lifetime <= timedelta(0):
            raise ValueError("flow: the lifetime must be longer than nothing")
        for origin in self.return_to_origins:
            parts = urlsplit(origin)
            if origin != f"{parts.scheme}://{parts.netloc}" or not parts.hostname or "@" in parts.netloc:
                raise ValueError("flow: return_to_origins are origins, such as https://spa.example")
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback_host(parts.netloc)):
                raise ValueError("flow: return_to_origins use https, except on loopback")


class Site:
    """The application as browsers know it: its base URL, our paths below it, and what its cookies are called."""

    __slots__ = ("base_path", "base_url", "origin", "paths", "return_to_origins", "secure")

    def __init__(self, base_url: str, paths: Paths, return_to_origins: tuple[str, ...] = ()) -> None:
        """Raises ValueError unless `base_url` is https, or http on loopback, without query or fragment."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("base_url must be an absolute https URL")
        if parts.scheme == "http" and not is_loopback_host(parts.netloc):
            raise ValueError("base_url must use https, except on loopback")
        if parts.query or parts.fragment or "?" in base_url or "#" in base_url:
            raise ValueError("base_url must have no query and no fragment")
        self.origin: str = f"{parts.scheme}://{parts.netloc}"
        self.base_path: str = parts.path.rstrip("/")
        self.base_url: str = self.origin + self.base_path
        self.secure: bool = parts.scheme == "https"
        self.paths: Paths = paths
        self.return_to_origins: tuple[str, ...] = return_to_origins

    def url(self, path: str) -> str:
        """The absolute URL of one of our endpoints."""
        return self.base_url + path

    def path(self, path: str) -> str:
        """The full path of one of our endpoints, as a request has it."""
        return self.base_path + path

    @property
    def home(self) -> str:
        """The path of the application's front page."""
        return self.base_path + "/"

    def return_to(self, text: str | None) -> str:
        """`text` when it is a path of ours, or a URL of an allowed origin, that a browser may be sent to; else the
        front page."""
        for origin in self.return_to_origins:
            if text is not None and text.startswith(origin + "/"):
                path = local_path(text[len(origin) :])
                return self.home if path is None else origin + path
        return safe_return_to(text, home=self.home, prefix=self.path(self.paths.prefix))

    def absolute(self, target: str) -> str:
        """The URL of a path of ours; what is a URL already stays one."""
        return self.origin + target if target.startswith("/") else target

    def cookie_name(self, name: str) -> str:
        """With the prefix that binds it to this host, where https makes that possible (RFC 6265bis §4.1.3.2)."""
        return f"__Host-{name}" if self.secure else name
