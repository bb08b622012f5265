"""What an operator decides once, for the whole issuer; policy per client is in `records.Client`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from authwright.protocol.redirect_uri import is_loopback_host
from authwright.provider.profiles import check_profile
from authwright.ticket import TokenKind

DEFAULT_LIFETIMES: Mapping[TokenKind, timedelta] = {
    # RFC 9700 §4.2.4 and the FAPI profiles: a code is for the next request, not for a history.
    TokenKind.AUTHORIZATION_CODE: timedelta(seconds=60),
    TokenKind.ACCESS_TOKEN: timedelta(minutes=10),
    TokenKind.ID_TOKEN: timedelta(minutes=10),
    TokenKind.REFRESH_TOKEN: timedelta(days=30),
    TokenKind.DEVICE_CODE: timedelta(minutes=10),
    TokenKind.AUTH_REQ_ID: timedelta(minutes=5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """An API that access tokens are for (RFC 8707)."""

    uri: str
    scopes: tuple[str, ...] = ()
    introspected_by: frozenset[str] = frozenset()
    """Clients that may introspect tokens for it."""
    access_token_lifetime: timedelta | None = None
    """Of the lifetimes that a token's resources and its client set, the shortest counts; None = no say."""
    access_token_format: str = ""
    """"jwt" or "opaque", before the client's choice; opaque where two resources differ. Empty = no say."""

    def __post_init__(self) -> None:
        # One string would count as a sequence of letters.
        if isinstance(self.scopes, str) or isinstance(self.introspected_by, str):
            raise ValueError(f"resource {self.uri}: scopes and introspected_by are sequences of strings")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """Another issuer whose signed statements about users are believed (RFC 7523 §3)."""

    issuer: str
    """Exact, as it stands in `iss`. It must name users as we do."""
    jwks_uri: str
    audience: str = ""
    """What its statements must name as `aud`; empty = our issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Raises ValueError, in words for an operator, when something does not fit together."""

    issuer: str
    """Exact, as it stands in tokens; http only on loopback."""
    tenant: str = "main"
    profile: str = "oidc"
    algorithms: tuple[str, ...] = ("ES256", "RS256")
    """Signing algorithms to keep a key for; the first is the default."""
    lifetimes: Mapping[TokenKind, timedelta] = field(default_factory=dict)
    """Overrides of `DEFAULT_LIFETIMES`."""
    sliding_refresh: bool = True
    """Whether a refresh token made by rotation gets a full lifetime, instead of what was left of the first."""
    refresh_absolute_lifetime: timedelta | None = None
    """How long a family of refresh tokens lives from its first on, however often it is used. None = no such end."""
    resources: tuple[Resource, ...] = ()
    base_scope: str = ""
    """What the scopes of consent services begin with; empty = there are none."""
    dpop_nonce: bool = False
    """Whether DPoP proofs must carry a nonce of ours (RFC 9449 §8)."""
    acr_values: tuple[str, ...] = ("urn:authwright:acr:password",)
    """What a sign-in with the built-in login page amounts to."""
    session_lifetime: timedelta = timedelta(hours=12)
    interaction_lifetime: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        check_issuer(self.issuer)
        check_profile(self.profile, self.resources)
        if not self.algorithms:
            raise ValueError(
                "algorithms: at least one signing algorithm is needed; allowed are ES256 and RS256"
            )
        for algorithm in self.algorithms:
            if algorithm not in ("ES256", "RS256"):
                raise ValueError(f"algorithms: {algorithm!r} is not supported; allowed are ES256 and RS256")

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies carry `Secure` and the `__Host-` prefix; not on http loopback, where neither would work."""
        return self.issuer.startswith("https://")

    @property
    def origin(self) -> str:
        """Scheme and host of the issuer."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def base_path(self) -> str:
        """The issuer's path without a trailing slash; empty when it has none. Every endpoint lies below it."""
        return urlsplit(self.issuer).path.removesuffix("/")

    def url(self, path: str) -> str:
        """The absolute URL of an endpoint, given as "/token"."""
        return self.origin + self.base_path + path

    def lifetime(self, kind: TokenKind) -> timedelta:
        """The issuer's lifetime for a kind of token."""
        return self.lifetimes.get(kind, DEFAULT_LIFETIMES[kind])


def check_issuer(issuer: str) -> str:
    """`issuer` if it may be one (RFC 8414 §2). Raises ValueError that says what is wrong."""
    parts = urlsplit(issuer)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise ValueError(
            f"issuer: {issuer!r} is not an absolute URL; it should look like https://auth.example.com"
        )
    if parts.query or parts.fragment or "?" in issuer or "#" in issuer or "@" in parts.netloc:
        raise ValueError(f"issuer: {issuer!r} must not have a query, a fragment or a user name (RFC 8414 §2)")
    if parts.scheme == "http" and not is_loopback_host(parts.netloc):
        raise ValueError(f"issuer: {issuer!r} uses http, which is allowed on loopback only; use https")
    return issuer
