"""What no single key can tell: whether the parts of a configuration fit together. Pure, but for the key path."""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authwright.protocol.ciba import CIBA, POLL, PUSH
from authwright.protocol.errors import OAuthError
from authwright.protocol.exchange import TOKEN_EXCHANGE
from authwright.protocol.redirect_uri import check_registrable, is_loopback_host
from authwright.protocol.scopes import parse_scope
from authwright.provider.client_certificates import CERTIFICATE_METHODS
from authwright.provider.profiles import MCP, check_profile, unmet
from authwright.provider.settings import check_issuer
from authwright.server.config_file import Source
from authwright.server.consent_service_checks import MUTATE_GRANT_TYPES
from authwright.server.credential_checks import auth_method, check_credentials, check_key_address

if TYPE_CHECKING:
    from authwright.server.config import ClientTable, Configuration, ResourceTable, UserTable

_FIELD_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_IDENTIFIER = re.compile(r"[\x20-\x7E]{1,255}")
_BASE_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,200}")
_PHC = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_RESERVED_CLAIMS = ("iss", "aud", "exp", "iat", "nonce", "auth_time", "sid", "acr", "amr", "azp", "sub_type")


def check_configuration(values: "Configuration", source: Source) -> None:
    """Raises ConfigurationError for the first thing that does not fit."""
    try:
        check_issuer(values.issuer)
    except ValueError as error:
        raise source.error("issuer", str(error).removeprefix("issuer: ")) from None
    _check_store_url(values.store.url, source)
    _check_cache_url(values.store.cache_url, source)
    if not values.tenant:
        raise source.error("tenant", "found ''; allowed: a name")
    if not values.keys.algorithms:
        raise source.error("keys.algorithms", "found []; allowed: at least one of 'ES256', 'RS256'")
    if len(set(values.keys.algorithms)) < len(values.keys.algorithms):
        raise source.error(
            "keys.algorithms", "names an algorithm twice; allowed: each of 'ES256', 'RS256' once"
        )
    for index, proxy in enumerate(values.http.trusted_proxies):
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            raise source.error(
                f"http.trusted_proxies[{index}]",
                f"found {proxy!r}; allowed: an address or a network, such as '10.0.0.0/8'",
            ) from None
    if not _FIELD_NAME.fullmatch(values.http.client_certificate_header):
        raise source.error("http.client_certificate_header", "allowed: the name of a header field")
    _check_outbound(values, source)
    _check_profile(values, source)
    check_clients(values.clients, source, values.profile)
    _check_bindings(values, source)
    check_users(values.users, source)
    check_names(values.clients, values.users, source)
    _check_resources(values.resources, source)
    _check_trusted_issuers(values, source)
    _check_base_scope(values, source)


def _check_outbound(values: "Configuration", source: Source) -> None:
    for index, host in enumerate(values.outbound.allow):
        if not host or "/" in host or "@" in host or not host.isascii() or not host.isprintable():
            raise source.error(
                f"outbound.allow[{index}]",
                f"found {host!r}; allowed: 'host' or 'host:port', such as '10.0.0.1'",
            )
    ca_file = values.outbound.ca_file
    if ca_file and "-----BEGIN CERTIFICATE-----" not in source.read_file(ca_file, "outbound.ca_file"):
        raise source.error("outbound.ca_file", f"found no certificate in {ca_file!r}; allowed: a PEM file")


def _check_store_url(url: str, source: Source) -> None:
    # The URL may hold a password, so only its scheme is shown.
    scheme, colon, rest = url.partition(":")
    if scheme == "sqlite" and rest.strip("/") not in ("", ":memory:"):
        return
    if scheme in ("postgresql", "postgres"):
        try:
            parts = urlsplit(url)
            good = bool(parts.path.strip("/")) and rest.startswith("//") and (parts.port or 1) > 0
        except ValueError:
            good = False
        if good:
            return
    found = f"found the scheme {scheme!r}" if colon and scheme.isalnum() else "found no usable URL"
    raise source.error(
        "store.url", f"{found}; allowed: 'sqlite:FILE' or 'postgresql://USER:PASSWORD@HOST/DATABASE'"
    )


def _check_cache_url(url: str, source: Source) -> None:
    # As above: a password may be in it.
    scheme, _, rest = url.partition("://")
    if url and (scheme not in ("valkey", "valkeys", "redis", "rediss", "unix") or not rest):
        raise source.error(
            "store.cache_url", "found no usable URL; allowed: 'valkey://HOST:PORT/0', 'valkeys://…' for TLS"
        )


def _check_profile(values: "Configuration", source: Source) -> None:
    try:
        check_profile(values.profile, values.resources)
    except ValueError as error:
        raise source.error("profile", str(error).removeprefix("profile: ")) from None
    for index, client in enumerate(values.clients):
        if client.profile == MCP and not values.resources:
            raise source.error(
                f"clients[{index}].profile", "found 'mcp', which needs one of [[resources]] to name"
            )


def check_clients(clients: "Sequence[ClientTable]", source: Source, profile: str) -> None:
    """Raises ConfigurationError for the first client that cannot work."""
    seen: set[str] = set()
    for index, client in enumerate(clients):
        at = f"clients[{index}]"
        if not _IDENTIFIER.fullmatch(client.client_id):
            raise source.error(
                f"{at}.client_id", "allowed: 1 to 255 printable ASCII characters (RFC 6749 A.1)"
            )
        if client.client_id in seen:
            raise source.error(f"{at}.client_id", f"{client.client_id!r} stands here twice; allowed: once")
        seen.add(client.client_id)
        check_credentials(client, at, source)
        _check_uris(client, at, source)
        _check_grants(client, at, source)
        _check_demands(client, at, source, profile)
        if client.dpop_bound_access_tokens and client.tls_client_certificate_bound_access_tokens:
            raise source.error(
                f"{at}.tls_client_certificate_bound_access_tokens",
                "stands beside dpop_bound_access_tokens; allowed: one of them",
            )


def _check_bindings(values: "Configuration", source: Source) -> None:
    for index, client in enumerate(values.clients):
        if client.tls_client_certificate_bound_access_tokens and not values.http.trusted_proxies:
            raise source.error(
                f"clients[{index}].tls_client_certificate_bound_access_tokens",
                "found true, and nobody hands certificates on; it needs http.trusted_proxies",
            )
        if auth_method(client) in CERTIFICATE_METHODS and not values.http.trusted_proxies:
            raise source.error(
                f"clients[{index}].token_endpoint_auth_method",
                f"found {auth_method(client)!r}, and nobody hands certificates on; it needs http.trusted_proxies",
            )
        algorithm = client.introspection_signed_response_alg
        if algorithm and algorithm not in values.keys.algorithms:
            raise source.error(
                f"clients[{index}].introspection_signed_response_alg",
                f"found {algorithm!r}; allowed: one of keys.algorithms",
            )


def _check_uris(client: "ClientTable", at: str, source: Source) -> None:
    for key in ("redirect_uris", "post_logout_redirect_uris"):
        for index, uri in enumerate(getattr(client, key)):
            try:
                check_registrable(uri, native=client.application_type == "native")
            except OAuthError as error:
                raise source.error(f"{at}.{key}[{index}]", f"found {uri!r}: {error}") from None
    for key in ("logo_uri", "client_uri", "policy_uri", "tos_uri"):
        uri = getattr(client, key)
        if uri and urlsplit(uri).scheme not in ("https", "http"):
            raise source.error(f"{at}.{key}", f"found {uri!r}; allowed: an http or https URL")


def _check_grants(client: "ClientTable", at: str, source: Source) -> None:
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise source.error(
            f"{at}.redirect_uris", "is missing; the authorization_code grant needs at least one"
        )
    public = auth_method(client) == "none"
    if public and "client_credentials" in client.grant_types:
        # RFC 6749 §4.4: only a confidential client may use it.
        raise source.error(
            f"{at}.grant_types", "'client_credentials' needs a client with a secret (RFC 6749 §4.4)"
        )
    _check_logout_uri(client, at, source)
    for name in (TOKEN_EXCHANGE, *MUTATE_GRANT_TYPES):
        if name in client.grant_types and public:
            # RFC 8693 §5: what a stolen token is good for must not grow by whoever brings it.
            raise source.error(f"{at}.grant_types", f"{name!r} needs a client with a secret or keys")
    if CIBA in client.grant_types:
        _check_backchannel(client, at, source)
    if public and not client.require_pkce:
        raise source.error(
            f"{at}.require_pkce", "found false; a client without a secret cannot do without PKCE (RFC 9700)"
        )
    if client.scope:
        try:
            parse_scope(client.scope)
        except OAuthError:
            raise source.error(
                f"{at}.scope", f"found {client.scope!r}; allowed: scopes with one space between"
            ) from None


def _check_demands(client: "ClientTable", at: str, source: Source, profile: str) -> None:
    for member, demand in unmet(
        client.profile or profile,
        public=auth_method(client) == "none",
        grant_types=client.grant_types,
        require_pkce=client.require_pkce,
        refresh_rotation=client.refresh_rotation,
        bound=client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens,
    ):
        raise source.error(f"{at}.{member}", demand)


def _check_logout_uri(client: "ClientTable", at: str, source: Source) -> None:
    uri = client.backchannel_logout_uri
    parts = urlsplit(uri)
    local = parts.scheme == "http" and is_loopback_host(parts.netloc)
    # Back-Channel Logout §2.2: absolute, without a fragment; http would show the token to the network.
    if uri and ("#" in uri or not ((parts.scheme == "https" and parts.netloc) or local)):
        raise source.error(
            f"{at}.backchannel_logout_uri", f"found {uri!r}; allowed: an https URL without a fragment"
        )


def _check_backchannel(client: "ClientTable", at: str, source: Source) -> None:
    if auth_method(client) == "none":
        # CIBA Core 1.0 §7: only a client that authenticates may use it.
        raise source.error(
            f"{at}.grant_types", f"{CIBA!r} needs a client with a secret or keys (CIBA Core §7)"
        )
    mode, endpoint = client.backchannel_token_delivery_mode, client.backchannel_client_notification_endpoint
    parts = urlsplit(endpoint)
    local = parts.scheme == "http" and is_loopback_host(parts.netloc)
    if mode != POLL and not ((parts.scheme == "https" and parts.netloc) or local):
        raise source.error(
            f"{at}.backchannel_client_notification_endpoint",
            f"found {endpoint!r}; {mode} needs an https URL (CIBA Core §4)",
        )
    bound = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
    if mode == PUSH and bound:
        raise source.error(
            f"{at}.backchannel_token_delivery_mode",
            "found 'push'; tokens that are bound to a key cannot be pushed",
        )


def check_users(users: "Sequence[UserTable]", source: Source) -> None:
    """Raises ConfigurationError for the first user that cannot work."""
    seen: set[str] = set()
    subjects: set[str] = set()
    for index, user in enumerate(users):
        at = f"users[{index}]"
        if not user.username.strip():
            raise source.error(f"{at}.username", "found ''; allowed: a name")
        if user.username in seen:
            raise source.error(f"{at}.username", f"{user.username!r} stands here twice; allowed: once")
        seen.add(user.username)
        if user.password and user.password_hash:
            raise source.error(f"{at}.password_hash", "stands beside password; allowed: one of them")
        if not user.password and not user.password_hash:
            raise source.error(f"{at}.password", "is missing; a user needs password or password_hash")
        if len(user.password.encode()) > 1024:
            raise source.error(f"{at}.password", "is too long; allowed: up to 1024 bytes")
        if user.password_hash and not _PHC.fullmatch(user.password_hash):
            raise source.error(
                f"{at}.password_hash", "is not an Argon2id PHC string; allowed: '$argon2id$v=19$…'"
            )
        subject = user.claims.get("sub")
        if subject is not None and not (isinstance(subject, str) and _IDENTIFIER.fullmatch(subject)):
            raise source.error(f"{at}.claims.sub", "allowed: 1 to 255 printable ASCII characters")
        if subject in subjects:
            raise source.error(f"{at}.claims.sub", f"{subject!r} stands here twice; allowed: once")
        if subject is not None:
            subjects.add(subject)
        for name in user.claims:
            if name in _RESERVED_CLAIMS:
                raise source.error(f"{at}.claims.{name}", "is a claim the issuer sets; allowed: others")


def check_names(clients: "Sequence[ClientTable]", users: "Sequence[UserTable]", source: Source) -> None:
    """Raises ConfigurationError for a user whose `sub` is a client's id (RFC 9700 §4.15)."""
    names = {client.client_id for client in clients}
    for index, user in enumerate(users):
        if subject_of(user) in names:
            raise source.error(
                f"users[{index}].claims.sub",
                f"{subject_of(user)!r} is the client_id of a client; allowed: another name, for one of the two",
            )


def subject_of(user: "UserTable", known: str = "") -> str:
    """Its `sub`: the one it declares, else `known`, else one that is always the same for the username."""
    written = user.claims.get("sub")
    if isinstance(written, str):
        return written
    if known:
        return known
    # OpenID Connect Core §2: `sub` is ASCII and at most 255 characters.
    name = user.username
    if name.isascii() and name.isprintable() and len(name) <= 200:
        return f"u-{name}"
    return "u-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _check_base_scope(values: "Configuration", source: Source) -> None:
    found = values.token_exchange.base_scope
    # RFC 6749 §3.3: what a scope may be made of.
    if found and not _BASE_SCOPE.fullmatch(found):
        raise source.error(
            "token_exchange.base_scope",
            f"found {found!r}; allowed: what a scope may begin with, such as a URL",
        )


def _check_trusted_issuers(values: "Configuration", source: Source) -> None:
    clients = {client.client_id for client in values.clients}
    seen: set[str] = set()
    for index, trusted in enumerate(values.trusted_issuers):
        at = f"trusted_issuers[{index}]"
        parts = urlsplit(trusted.issuer)
        if parts.scheme not in ("https", "http") or not parts.netloc:
            raise source.error(
                f"{at}.issuer", f"found {trusted.issuer!r}; allowed: a URL, exactly as it stands in 'iss'"
            )
        if trusted.issuer in seen:
            raise source.error(f"{at}.issuer", f"{trusted.issuer!r} stands here twice; allowed: once")
        if trusted.issuer in clients:
            raise source.error(f"{at}.issuer", "is the client_id of a client; allowed: another issuer")
        seen.add(trusted.issuer)
        check_key_address(trusted.jwks_uri, f"{at}.jwks_uri", source)


def _check_resources(resources: "Sequence[ResourceTable]", source: Source) -> None:
    seen: set[str] = set()
    for index, resource in enumerate(resources):
        at = f"resources[{index}]"
        # RFC 8707 §2: an absolute URI without a fragment.
        if not urlsplit(resource.uri).scheme or "#" in resource.uri or not resource.uri.isascii():
            raise source.error(
                f"{at}.uri", f"found {resource.uri!r}; allowed: an absolute URI without a fragment"
            )
        if resource.uri in seen:
            raise source.error(f"{at}.uri", f"{resource.uri!r} stands here twice; allowed: once")
        seen.add(resource.uri)
        for number, scope in enumerate(resource.scopes):
            try:
                good = parse_scope(scope) == (scope,)
            except OAuthError:
                good = False
            if not good:
                raise source.error(f"{at}.scopes[{number}]", f"found {scope!r}; allowed: one scope")
