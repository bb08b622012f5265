"""Who we are at the provider, and where our own endpoints are (RFC 7591 §2, RFC 6749 §2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from authwright.protocol.redirect_uri import is_loopback_host
from authwright.relying_party.return_to import safe_return_to
from authwright.remote.client_authentication import ClientAuth, Public, SecretBasic, SecretPost

__all__ = ["ClientAuth", "Paths", "Public", "RelyingPartyClient", "SecretBasic", "SecretPost", "Site"]

SIGNING_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
"""Signatures an ID token may have; the provider's metadata narrows them, never widens them."""

UserInfo = Literal["always", "missing", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingPartyClient:
    """The client as it is registered at the provider, and what it asks for by default."""

    client_id: str
    auth: ClientAuth = field(default_factory=Public)
    scopes: tuple[str, ...] = ("openid", "profile")
    id_token_algorithms: tuple[str, ...] = SIGNING_ALGORITHMS
    """Narrow it to one where the registration names `id_token_signed_response_alg`."""
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
    leeway: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        if not self.client_id:
            raise ValueError("client_id is empty")
        if "openid" not in self.scopes:
            raise ValueError("scopes: signing in needs 'openid'")
        if self.max_age is not None and self.max_age < 0:
            raise ValueError("max_age is negative")
        unknown = set(self.id_token_algorithms).difference(SIGNING_ALGORITHMS)
        if unknown or not self.id_token_algorithms:
            raise ValueError(f"id_token_algorithms: some of {', '.join(SIGNING_ALGORITHMS)}")


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
    def callback(self) -> str:
        return self.prefix + "/callback"

    @property
    def logout(self) -> str:
        return self.prefix + "/logout"

    @property
    def logout_callback(self) -> str:
        return self.prefix + "/logout/callback"


class Site:
    """The application as browsers know it: its base URL, our paths below it, and what its cookies are called."""

    __slots__ = ("base_path", "base_url", "origin", "paths", "secure")

    def __init__(self, base_url: str, paths: Paths) -> None:
        """Raises ValueError unless `base_url` is https, or http on loopback, without query or fragment."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("base_url must be an absolute https URL")
        if parts.scheme == "http" and not is_loopback_host(parts.netloc):
            raise ValueError("base_url must use https, except on loopback")
        if parts.query or parts.fragment or "?" in base_url or "#" in base_url:
            raise ValueError("base_url must have no query and no fragment")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.base_path = parts.path.rstrip("/")
        self.base_url = self.origin + self.base_path
        self.secure = parts.scheme == "https"
        self.paths = paths

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
        """`text` when it is a path of ours that a browser may be sent to, else the front page."""
        return safe_return_to(text, home=self.home, prefix=self.path(self.paths.prefix))

    def cookie_name(self, name: str) -> str:
        """With the prefix that binds it to this host, where https makes that possible (RFC 6265bis §4.1.3.2)."""
        return f"__Host-{name}" if self.secure else name
