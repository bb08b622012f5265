"""The configuration of the server, as frozen types: what may stand in `authwright.toml`, and nothing else.

`load` reads the file and the environment. Every mistake is a `ConfigurationError`, one line that names the file (or
the variable), the path of the key, what was found and what is allowed. The value of a secret is never in it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from authwright.protocol.ciba import CIBA, DELIVERY_MODES
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.exchange import (
    ACCESS_TOKEN,
    ID_TOKEN,
    JWT,
    REFRESH_TOKEN,
    TOKEN_EXCHANGE,
)
from authwright.protocol.http import Json
from authwright.provider.client_authentication import ASSERTION_ALGORITHMS, METHODS_BEHIND_A_PROXY
from authwright.provider.profiles import INCOMPLETE, OIDC, PROFILES
from authwright.server import config_checks, consent_service_checks, credential_checks
from authwright.server.config_file import (
    ConfigurationError,
    Key,
    Section,
    Source,
    read_table,
    with_environment,
)

__all__ = [
    "ApplyFile",
    "ClientTable",
    "Configuration",
    "ConfigurationError",
    "ConsentServiceTable",
    "ResourceTable",
    "TrustedIssuerTable",
    "UserTable",
    "load",
    "load_apply_file",
]

ALGORITHMS = ("ES256", "RS256")
GRANT_TYPES = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "password",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    DEVICE_CODE,
    CIBA,
    TOKEN_EXCHANGE,
    *consent_service_checks.MUTATE_GRANT_TYPES,
)
LATER_GRANT_TYPES = ("implicit",)
AUTH_METHODS = METHODS_BEHIND_A_PROXY
RESPONSE_TYPES = ("code",)
LATER_RESPONSE_TYPES = (
    "none",
    "id_token",
    "token",
    "id_token token",
    "code id_token",
    "code token",
    "code id_token token",
)
SUBJECT_TOKEN_TYPES = (ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN, JWT)

LATER_PROFILES = tuple(INCOMPLETE)
Profile = Annotated[str, Key(allowed=PROFILES, later=LATER_PROFILES, lacks=tuple(INCOMPLETE.items()))]
Seconds = Annotated[int, Key(least=1, most=10 * 366 * 86400)]
CacheSeconds = Annotated[int, Key(least=0, most=366 * 86400)]
Algorithm = Annotated[str, Key(allowed=ALGORITHMS)]


class StoreSection(Section, frozen=True):
    url: Annotated[str, Key(secret=True)] = "sqlite:authwright.db"
    cache_url: Annotated[str, Key(secret=True)] = ""
    key_file: str = "authwright.key"


class LogSection(Section, frozen=True):
    level: Annotated[str, Key(allowed=("debug", "info", "warning", "error"))] = "info"
    format: Annotated[str, Key(allowed=("text", "json"))] = "text"


class KeysSection(Section, frozen=True):
    algorithms: tuple[Algorithm, ...] = ALGORITHMS


class HttpSection(Section, frozen=True):
    trusted_proxies: tuple[str, ...] = ()
    client_certificate_header: str = "Client-Cert"


class OutboundSection(Section, frozen=True):
    allow: tuple[str, ...] = ()
    ca_file: str = ""


class ManagementSection(Section, frozen=True):
    port: Annotated[int, Key(least=0, most=65535)] = 0


class TokensSection(Section, frozen=True):
    access_token_lifetime: Seconds = 600
    refresh_token_lifetime: Seconds = 2592000
    refresh_absolute_lifetime: Annotated[int, Key(least=0, most=10 * 366 * 86400)] = 0
    """How long a family of refresh tokens lives, however often it is used; 0 = no such end."""
    sliding_refresh: bool = True
    dpop_nonce: bool = False


class RegistrationSection(Section, frozen=True):
    enabled: Annotated[bool, Key(unavailable=True)] = False
    initial_access_token: Annotated[str, Key(secret=True, unavailable=True)] = ""
    profile: Annotated[str, Key(unavailable=True)] = "oidc"
    client_id_metadata_documents: Annotated[bool, Key(unavailable=True)] = False


class TokenExchangeSection(Section, frozen=True):
    base_scope: str = ""
    services_cache: CacheSeconds = 300
    discovery_cache: CacheSeconds = 86400
    discovery_error_cache: CacheSeconds = 60
    mutate_grant_types: tuple[
        Annotated[str, Key(allowed=consent_service_checks.MUTATE_GRANT_TYPES)], ...
    ] = ()
    """Empty = what was exchanged stays as it is."""


class ClientTable(Section, frozen=True):
    """One of `[[clients]]`: RFC 7591 metadata names, plus ours."""

    client_id: str
    client_secret: Annotated[str, Key(secret=True)] = ""
    client_secret_file: str = ""
    client_secret_hash: Annotated[str, Key(secret=True)] = ""
    jwks: Mapping[str, Json] = {}
    jwks_uri: str = ""
    client_name: str = ""
    description: str = ""
    namespace: str = ""
    tenant: str = ""
    enabled: bool = True
    application_type: Annotated[str, Key(allowed=("web", "native"))] = "web"
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[Annotated[str, Key(allowed=GRANT_TYPES, later=LATER_GRANT_TYPES)], ...] = (
        "authorization_code",
    )
    response_types: tuple[Annotated[str, Key(allowed=RESPONSE_TYPES, later=LATER_RESPONSE_TYPES)], ...] = (
        "code",
    )
    token_endpoint_auth_method: Annotated[str, Key(allowed=("", *AUTH_METHODS))] = ""
    """Empty: client_secret_basic for a client with a secret, private_key_jwt for one with keys, none for others."""
    tls_client_auth_subject_dn: str = ""
    tls_client_auth_san_dns: str = ""
    tls_client_auth_san_uri: str = ""
    tls_client_auth_san_ip: str = ""
    tls_client_auth_san_email: str = ""
    token_endpoint_auth_signing_alg: Annotated[str, Key(allowed=("", *ASSERTION_ALGORITHMS))] = ""
    scope: str = "openid"
    require_pkce: bool = True
    require_consent: bool = True
    profile: Annotated[
        str, Key(allowed=("", *PROFILES), later=LATER_PROFILES, lacks=tuple(INCOMPLETE.items()))
    ] = ""
    refresh_rotation: bool = True
    refresh_grace: Annotated[int, Key(least=0, most=30)] = 0
    refresh_absolute_lifetime: Annotated[int, Key(least=0, most=10 * 366 * 86400)] = 0
    """0 = the issuer's."""
    refresh_claims: Annotated[str, Key(allowed=("frozen", "refreshed", "re_evaluated"))] = "frozen"
    token_response_type: bool = False
    access_token_format: Annotated[str, Key(allowed=("jwt", "opaque"))] = "jwt"
    access_token_lifetime: Annotated[int, Key(least=0, most=10 * 366 * 86400)] = 0
    """0 = the issuer's."""
    refresh_token_lifetime: Annotated[int, Key(least=0, most=10 * 366 * 86400)] = 0
    id_token_signed_response_alg: Annotated[str, Key(allowed=("", *ALGORITHMS))] = ""
    introspection_signed_response_alg: Annotated[str, Key(allowed=("", *ALGORITHMS))] = ""
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    backchannel_token_delivery_mode: Annotated[str, Key(allowed=DELIVERY_MODES)] = "poll"
    backchannel_client_notification_endpoint: str = ""
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    logo_uri: str = ""
    client_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    allowed_consent_services: tuple[str, ...] = ()
    allowed_subject_token_types: tuple[Annotated[str, Key(allowed=SUBJECT_TOKEN_TYPES)], ...] = (
        ACCESS_TOKEN,
    )
    exchange_from: tuple[str, ...] = ()
    exchange_to: tuple[str, ...] = ()
    mutate_for: tuple[str, ...] = ()

    @property
    def auth_method(self) -> str:
        """How it authenticates, with the default filled in."""
        return credential_checks.auth_method(self)

    @property
    def scopes(self) -> tuple[str, ...]:
        """`scope` as a list, in the order written."""
        return tuple(dict.fromkeys(self.scope.split()))


class UserTable(Section, frozen=True):
    """One of `[[users]]`."""

    username: str
    password: Annotated[str, Key(secret=True)] = ""
    password_hash: Annotated[str, Key(secret=True)] = ""
    enabled: bool = True
    claims: Mapping[str, Json] = {}


class ResourceTable(Section, frozen=True):
    """One of `[[resources]]`: an API that tokens are for (RFC 8707)."""

    uri: str
    scopes: tuple[str, ...] = ()
    introspected_by: tuple[str, ...] = ()
    access_token_lifetime: Annotated[int, Key(least=0, most=10 * 366 * 86400)] = 0
    """0 = no say."""
    access_token_format: Annotated[str, Key(allowed=("", "jwt", "opaque"))] = ""


class ConsentServiceTable(Section, frozen=True):
    """One of `[[consent_services]]`: a service that decides about its own scopes when a token is exchanged."""

    name: str
    authority: str
    description: str = ""
    enabled: bool = True
    tenant: str = ""
    """Empty = the issuer's."""
    timeout: float = 1.0
    """Seconds."""
    may_add_scopes: bool = False
    on_failure: Annotated[str, Key(allowed=("omit", "fail"))] = "omit"
    endpoint_hosts: tuple[str, ...] = ()


class TrustedIssuerTable(Section, frozen=True):
    """One of `[[trusted_issuers]]`: whose signed statements about users are believed (RFC 7523)."""

    issuer: str
    jwks_uri: str
    audience: str = ""
    """Empty = our own issuer."""


class Configuration(Section, frozen=True):
    """All of it. Relative paths are already counted from the file's directory by `path`."""

    issuer: str
    tenant: str = "main"
    profile: Profile = "oidc"
    store: StoreSection = StoreSection()
    log: LogSection = LogSection()
    keys: KeysSection = KeysSection()
    http: HttpSection = HttpSection()
    outbound: OutboundSection = OutboundSection()
    management: ManagementSection = ManagementSection()
    tokens: TokensSection = TokensSection()
    registration: RegistrationSection = RegistrationSection()
    clients: tuple[ClientTable, ...] = ()
    users: tuple[UserTable, ...] = ()
    resources: tuple[ResourceTable, ...] = ()
    token_exchange: TokenExchangeSection = TokenExchangeSection()
    consent_services: tuple[ConsentServiceTable, ...] = ()
    trusted_issuers: tuple[TrustedIssuerTable, ...] = ()


class ApplyFile(Section, frozen=True):
    """What `authwright apply` takes: the tables that can live in the store."""

    clients: tuple[ClientTable, ...] = ()
    users: tuple[UserTable, ...] = ()
    resources: Annotated[tuple[Mapping[str, Json], ...], Key(unavailable=True)] = ()
    consent_services: tuple[ConsentServiceTable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration and the file it came from."""

    file: Path
    values: Configuration

    def path(self, written: str) -> Path:
        """A path of the configuration; a relative one counts from the file's directory."""
        return self.file.parent / written


def load(file: Path, environment: Mapping[str, str] | None = None) -> Loaded:
    """The configuration in `file`, overridden by `AUTHWRIGHT__…` variables. Raises ConfigurationError."""
    given = os.environ if environment is None else environment
    source = Source.of(file, given)
    source = with_environment(source, Configuration, given)
    values = read_table(Configuration, source)
    config_checks.check_configuration(values, source)
    consent_service_checks.check_base_scope(values, source)
    consent_service_checks.check_consent_services(values.consent_services, source)
    consent_service_checks.check_mutate(values, source)
    return Loaded(file=file, values=_with_secret_files(values, source))


def load_apply_file(
    file: Path, environment: Mapping[str, str] | None = None, *, profile: str = OIDC
) -> ApplyFile:
    """The declarations in `file`, for an issuer of that profile; variables do not override them. Raises ConfigurationError."""
    source = Source.of(file, os.environ if environment is None else environment)
    values = read_table(ApplyFile, source)
    config_checks.check_clients(values.clients, source, profile)
    config_checks.check_users(values.users, source)
    consent_service_checks.check_consent_services(values.consent_services, source)
    config_checks.check_names(values.clients, values.users, source)
    return msgspec.structs.replace(
        values, clients=tuple(_with_secret_file(client, source, i) for i, client in enumerate(values.clients))
    )


def _with_secret_files(values: Configuration, source: Source) -> Configuration:
    clients = tuple(_with_secret_file(client, source, index) for index, client in enumerate(values.clients))
    return msgspec.structs.replace(values, clients=clients)


def _with_secret_file(client: ClientTable, source: Source, index: int) -> ClientTable:
    if not client.client_secret_file:
        return client
    secret = source.read_file(client.client_secret_file, f"clients[{index}].client_secret_file")
    return msgspec.structs.replace(client, client_secret=secret, client_secret_file="")
