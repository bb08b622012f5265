"""What stores hold beside tickets: clients, accounts, consents, sessions, signing keys, consent services."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from authwright.protocol.http import Json
from authwright.ticket import TokenKind


class ClientSecret(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One secret of a client, as a digest. A client may have two that work, so that it can be rotated."""

    digest: str
    """Hex of a keyed digest for a secret that a machine made, or an Argon2id PHC string for an imported one."""
    created_at: datetime
    expires_at: datetime | None = None
    sealed: str = ""
    """The secret itself, encrypted under the key-encryption key; only for client_secret_jwt, which needs it back."""

    def __repr__(self) -> str:
        return "ClientSecret(…)"


class Client(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A registered client, in the names of RFC 7591 where it has one."""

    client_id: str
    secrets: tuple[ClientSecret, ...] = ()
    client_name: str = ""
    description: str = ""
    namespace: str = ""
    tenant: str = ""
    """Empty = the issuer's."""
    enabled: bool = True
    application_type: str = "web"
    """"web" or "native"; only a native client may use any port on a loopback redirect (RFC 8252 §7.3)."""
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    response_types: frozenset[str] = frozenset({"code"})
    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: str = ""
    """The one algorithm its assertions may have; empty = any of ours that its profile allows."""
    jwks: Mapping[str, Json] = {}
    """Its public keys (and certificates, in `x5c`), or `jwks_uri` where they are."""
    jwks_uri: str = ""
    tls_client_auth_subject_dn: str = ""
    """RFC 8705 §2.1.2: exactly one of these five names the certificate of tls_client_auth; this one as in RFC 4514."""
    tls_client_auth_san_dns: str = ""
    tls_client_auth_san_uri: str = ""
    tls_client_auth_san_ip: str = ""
    tls_client_auth_san_email: str = ""
    scopes: tuple[str, ...] = ("openid",)
    """All it may ever be granted, in registration order."""
    require_pkce: bool = True
    require_consent: bool = True
    """False for a first-party client whose users are not asked."""
    profile: str = ""
    """Empty = the issuer's."""
    refresh_rotation: bool = True
    refresh_grace: int = 0
    """Seconds, up to 30."""
    access_token_format: str = "jwt"
    """"jwt" or "opaque"."""
    id_token_signed_response_alg: str = ""
    """Empty = the issuer's first algorithm."""
    introspection_signed_response_alg: str = ""
    """RFC 9701 §6; empty = the issuer's first algorithm."""
    dpop_bound_access_tokens: bool = False
    """RFC 9449 §5.2: every token request must prove a key."""
    tls_client_certificate_bound_access_tokens: bool = False
    """RFC 8705 §3.4: its tokens are bound to the certificate it shows."""
    backchannel_token_delivery_mode: str = "poll"
    """CIBA Core 1.0 §4: "poll", "ping" or "push"."""
    backchannel_client_notification_endpoint: str = ""
    """Where ping and push go; https."""
    backchannel_logout_uri: str = ""
    """OpenID Connect Back-Channel Logout §2.2: where it is told that a session is over; https."""
    backchannel_logout_session_required: bool = False
    """Whether a logout token must name the session; ours always do."""
    lifetimes: Mapping[TokenKind, timedelta] = {}
    """Overrides of the issuer's lifetimes."""
    refresh_absolute_lifetime: timedelta | None = None
    """How long a family of refresh tokens lives from its first on, however often it is used. None = the issuer's."""
    refresh_claims: str = "frozen"
    """The claims in tokens made by a refresh: "frozen", as at sign-in; "refreshed", where the account has them now;
    "re_evaluated", none but what events put there anew, and scopes the client has lost are left out."""
    allowed_consent_services: tuple[str, ...] = ()
    """The services whose scopes it may ask for when it exchanges a token."""
    allowed_subject_token_types: tuple[str, ...] = ("urn:ietf:params:oauth:token-type:access_token",)
    """What it may exchange, and show as an actor token (RFC 8693 §3)."""
    exchange_from: tuple[str, ...] = ()
    """Clients whose tokens it may exchange, besides its own and those addressed to it."""
    exchange_to: tuple[str, ...] = ()
    """Resources, and clients, that it may get tokens for by exchange though the subject token is not for them."""
    mutate_for: tuple[str, ...] = ()
    """Clients whose exchanged tokens it may have decided again, besides its own."""
    token_response_type: bool = False
    """Whether `response_type` at the token endpoint says which tokens it wants."""
    logo_uri: str = ""
    client_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""

    @property
    def confidential(self) -> bool:
        """Whether it authenticates at the token endpoint (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method != "none"


class Account(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A user as the provider's own store knows one."""

    subject: str
    username: str
    password_hash: str = ""
    """Argon2id PHC string; empty = cannot sign in with a password."""
    claims: Mapping[str, Json] = {}
    """OpenID Connect Core §5.1 names; `sub` is not among them."""
    enabled: bool = True

    def __repr__(self) -> str:
        return f"Account(subject={self.subject!r})"


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What a user allowed a client, remembered."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    granted_at: datetime


class Session(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A user's session at the provider. The cookie's value is known only by its digest."""

    digest: str
    session_id: str
    """The `sid` claim: the same for the life of the session, whatever the cookie's value."""
    subject: str
    auth_time: datetime
    created_at: datetime
    expires_at: datetime
    acr: str | None = None
    amr: tuple[str, ...] = ()
    clients: frozenset[str] = frozenset()
    """Clients that were signed in to in this session."""


class KeyState(StrEnum):
    """The life of a signing key: published before it signs, and after."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    GONE = "gone"


class SigningKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key at rest; the private part is encrypted under the key-encryption key."""

    kid: str
    """RFC 7638 thumbprint."""
    algorithm: str
    state: KeyState
    sealed_private_key: str
    public_jwk: Mapping[str, Json]
    created_at: datetime
    changed_at: datetime
    """When it entered `state`."""
    version: int = 0


class ConsentService(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A service that decides, when asked, which of its scopes a token gets. Its scopes are `base_scope` + `name`."""

    name: str
    """Without a dot: it ends where a permission begins. Unique within the tenant."""
    authority: str
    """The URL it publishes its discovery document below, or of the document itself; http on loopback only."""
    tenant: str
    description: str = ""
    enabled: bool = True
    timeout: timedelta = timedelta(seconds=1)
    """For everything it is asked within one request."""
    may_add_scopes: bool = False
    """Whether it may grant scopes of its own namespace that were not asked for."""
    on_failure: str = "omit"
    """"omit" leaves its scopes out when it cannot be asked; "fail" fails the whole request."""
    endpoint_hosts: tuple[str, ...] = ()
    """Hosts ("host" or "host:port") its endpoint may have beside that of `authority`."""


class RelyingPartySession(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A user's session at a relying party. Tokens and claims are inside `sealed`; the rest is for finding it."""

    digest: str
    """Keyed digest of the cookie's value."""
    issuer: str
    subject: str
    session_id: str | None
    """The provider's `sid`, when the ID token had one."""
    client_id: str = ""
    """Which client of that issuer the user signed in to: a store may be shared by several."""
    sealed: str
    created_at: datetime
    expires_at: datetime
    version: int = 0
