"""What no single key can tell: whether the parts of a configuration fit together. Pure, but for the key path."""

import ipaddress
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authwright.protocol.errors import OAuthError
from authwright.protocol.redirect_uri import check_registrable
from authwright.protocol.scopes import parse_scope
from authwright.provider.settings import check_issuer
from authwright.server.config_file import Source

if TYPE_CHECKING:
    from authwright.server.config import ClientTable, Configuration, ResourceTable, UserTable

_FIELD_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_IDENTIFIER = re.compile(r"[\x20-\x7E]{1,255}")
_PHC = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_RESERVED_CLAIMS = ("iss", "aud", "exp", "iat", "nonce", "auth_time", "sid", "acr", "amr", "azp")


def check_configuration(values: "Configuration", source: Source) -> None:
    """Raises ConfigurationError for the first thing that does not fit."""
    try:
        check_issuer(values.issuer)
    except ValueError as error:
        raise source.error("issuer", str(error).removeprefix("issuer: ")) from None
    _check_store_url(values.store.url, source)
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
    check_clients(values.clients, source)
    check_users(values.users, source)
    _check_resources(values.resources, source)


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


def check_clients(clients: "Sequence[ClientTable]", source: Source) -> None:
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
        _check_secret(client, at, source)
        _check_uris(client, at, source)
        _check_grants(client, at, source)


def _check_secret(client: "ClientTable", at: str, source: Source) -> None:
    given = [
        name
        for name in ("client_secret", "client_secret_file", "client_secret_hash")
        if getattr(client, name)
    ]
    if len(given) > 1:
        raise source.error(f"{at}.{given[1]}", f"stands beside {given[0]}; allowed: one of them")
    method = client.token_endpoint_auth_method
    if method == "none" and given:
        raise source.error(
            f"{at}.{given[0]}",
            "is set, but token_endpoint_auth_method is 'none'; allowed: a method with a secret",
        )
    if method in ("client_secret_basic", "client_secret_post") and not given:
        raise source.error(
            f"{at}.client_secret",
            f"is missing; {method} needs one (client_secret, client_secret_file or client_secret_hash)",
        )
    if client.client_secret_hash and not _PHC.fullmatch(client.client_secret_hash):
        raise source.error(
            f"{at}.client_secret_hash", "is not an Argon2id PHC string; allowed: '$argon2id$v=19$…'"
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
    public = client.token_endpoint_auth_method == "none" or not (
        client.client_secret or client.client_secret_file or client.client_secret_hash
    )
    if public and "client_credentials" in client.grant_types:
        # RFC 6749 §4.4: only a confidential client may use it.
        raise source.error(
            f"{at}.grant_types", "'client_credentials' needs a client with a secret (RFC 6749 §4.4)"
        )
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
