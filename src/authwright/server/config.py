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

from authwright.protocol.http import Json
from authwright.server import config_checks
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
    "ResourceTable",
    "UserTable",
    "load",
    "load_apply_file",
]

ALGORITHMS = ("ES256", "RS256")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
LATER_GRANT_TYPES = (
    "password",
    "implicit",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:openid:params:grant-type:ciba",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:authwright:params:oauth:grant-type:token-exchange-mutate",
)
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
LATER_AUTH_METHODS = (
    "private_key_jwt",
    "client_secret_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)
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
PROFILES = ("oidc",)
LATER_PROFILES = ("oauth21", "fapi2", "mcp")
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

Profile = Annotated[str, Key(allowed=PROFILES, later=LATER_PROFILES)]
Seconds = Annotated[int, Key(least=1, most=10 * 366 * 86400)]
Algorithm = Annotated[str, Key(allowed=ALGORITHMS)]


class StoreSection(Section, frozen=True):
    url: Annotated[str, Key(secret=True)] = "sqlite:authwright.db"
    cache_url: Annotated[str, Key(secret=True, unavailable=True)] = ""
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
    # The provider calls nobody yet, so there is nothing to allow.
    allow: Annotated[tuple[str, ...], Key(unavailable=True)] = ()
    ca_file: Annotated[str, Key(unavailable=True)] = ""


class ManagementSection(Section, frozen=True):
    port: Annotated[int, Key(least=0, most=65535)] = 0


class TokensSection(Section, frozen=True):
    access_token_lifetime: Seconds = 600
    refresh_token_lifetime: Seconds = 2592000


class RegistrationSection(Section, frozen=True):
    enabled: Annotated[bool, Key(unavailable=True)] = False
    initial_access_token: Annotated[str, Key(secret=True, unavailable=True)] = ""
    profile: Annotated[str, Key(unavailable=True)] = "oidc"
    client_id_metadata_documents: Annotated[bool, Key(unavailable=True)] = False


class TokenExchangeSection(Section, frozen=True):
    base_scope: Annotated[str, Key(unavailable=True)] = ""
    services_cache: Annotated[int, Key(unavailable=True)] = 300
    discovery_cache: Annotated[int, Key(unavailable=True)] = 86400
    discovery_error_cache: Annotated[int, Key(unavailable=True)] = 60
    mutate_grant_types: Annotated[tuple[str, ...], Key(unavailable=True)] = ()


class ClientTable(Section, frozen=True):
    """One of `[[clients]]`: RFC 7591 metadata names, plus ours."""

    client_id: str
    client_secret: Annotated[str, Key(secret=True)] = ""
    client_secret_file: str = ""
    client_secret_hash: Annotated[str, Key(secret=True)] = ""
    jwks: Annotated[Mapping[str, Json], Key(unavailable=True)] = {}
    jwks_uri: Annotated[str, Key(unavailable=True)] = ""
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
    token_endpoint_auth_method: Annotated[str, Key(allowed=("", *AUTH_METHODS), later=LATER_AUTH_METHODS)] = (
        ""
    )
    """Empty: client_secret_basic for a client with a secret, none for one without."""
    scope: str = "openid"
    require_pkce: bool = True
    require_consent: bool = True
    profile: Annotated[str, Key(allowed=("", *PROFILES), later=LATER_PROFILES)] = ""
    refresh_rotation: bool = True
    refresh_grace: Annotated[int, Key(least=0, most=30)] = 0
    access_token_format: Annotated[str, Key(allowed=("jwt", "opaque"))] = "jwt"
    access_token_lifetime: Annotated[int, Key(least=0, most=10 * 366 * 86400)] = 0
    """0 = the issuer's."""
    refresh_token_lifetime: Annotated[int, Key(least=0, most=10 * 366 * 86400)] = 0
    id_token_signed_response_alg: Annotated[str, Key(allowed=("", *ALGORITHMS))] = ""
    logo_uri: str = ""
    client_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    allowed_consent_services: Annotated[tuple[str, ...], Key(unavailable=True)] = ()
    allowed_subject_token_types: Annotated[tuple[str, ...], Key(unavailable=True)] = (ACCESS_TOKEN,)
    exchange_from: Annotated[tuple[str, ...], Key(unavailable=True)] = ()
    mutate_for: Annotated[tuple[str, ...], Key(unavailable=True)] = ()

    @property
    def auth_method(self) -> str:
        """How it authenticates, with the default filled in."""
        if self.token_endpoint_auth_method:
            return self.token_endpoint_auth_method
        return "client_secret_basic" if self.client_secret or self.client_secret_hash else "none"

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
    consent_services: Annotated[tuple[Mapping[str, Json], ...], Key(unavailable=True)] = ()
    trusted_issuers: Annotated[tuple[Mapping[str, Json], ...], Key(unavailable=True)] = ()


class ApplyFile(Section, frozen=True):
    """What `authwright apply` takes: the tables that can live in the store."""

    clients: tuple[ClientTable, ...] = ()
    users: tuple[UserTable, ...] = ()
    resources: Annotated[tuple[Mapping[str, Json], ...], Key(unavailable=True)] = ()
    consent_services: Annotated[tuple[Mapping[str, Json], ...], Key(unavailable=True)] = ()


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
    return Loaded(file=file, values=_with_secret_files(values, source))


def load_apply_file(file: Path, environment: Mapping[str, str] | None = None) -> ApplyFile:
    """The declarations in `file`; variables do not override them. Raises ConfigurationError."""
    source = Source.of(file, os.environ if environment is None else environment)
    values = read_table(ApplyFile, source)
    config_checks.check_clients(values.clients, source)
    config_checks.check_users(values.users, source)
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
