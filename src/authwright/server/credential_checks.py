"""Whether a declared client can authenticate the way it says (RFC 7591 §2, RFC 8705 §2, OpenID Connect Core §9). Pure."""

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authwright.crypto.client_certificates import certificates_of, parse_distinguished_name
from authwright.crypto.keys import KeySet
from authwright.crypto.shared_secrets import SharedSecret
from authwright.protocol.client_credentials import (
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_JWT,
    CLIENT_SECRET_POST,
    NONE,
    PRIVATE_KEY_JWT,
    SELF_SIGNED_TLS_CLIENT_AUTH,
    TLS_CLIENT_AUTH,
)
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.server.config_file import Source

if TYPE_CHECKING:
    from authwright.server.config import ClientTable

_PHC = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
_SECRET_METHODS = (CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, CLIENT_SECRET_JWT)
CERTIFICATE_NAMES = (
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)
_PRIVATE_MEMBERS = frozenset({"d", "k"})


def check_credentials(client: "ClientTable", at: str, source: Source) -> None:
    """Raises ConfigurationError for the first thing that does not fit."""
    _check_keys(client, at, source)
    given = [
        name
        for name in ("client_secret", "client_secret_file", "client_secret_hash")
        if getattr(client, name)
    ]
    if len(given) > 1:
        raise source.error(f"{at}.{given[1]}", f"stands beside {given[0]}; allowed: one of them")
    method = auth_method(client)
    if given and method not in _SECRET_METHODS:
        raise source.error(
            f"{at}.{given[0]}",
            f"is set, but token_endpoint_auth_method is {method!r}; allowed: a method with a secret",
        )
    if method in _SECRET_METHODS and not given:
        raise source.error(
            f"{at}.client_secret",
            f"is missing; {method} needs one (client_secret, client_secret_file or client_secret_hash)",
        )
    if client.client_secret_hash and not _PHC.fullmatch(client.client_secret_hash):
        raise source.error(
            f"{at}.client_secret_hash", "is not an Argon2id PHC string; allowed: '$argon2id$v=19$…'"
        )
    if method == CLIENT_SECRET_JWT:
        _check_shared(client, at, source)
    if method == PRIVATE_KEY_JWT and not (client.jwks or client.jwks_uri):
        raise source.error(f"{at}.jwks", f"is missing; {method} needs the client's keys (jwks or jwks_uri)")
    _check_algorithm(client, method, at, source)
    _check_certificate(client, method, at, source)


def auth_method(client: "ClientTable") -> str:
    """How it authenticates, with the default filled in: by its secret, else by its keys, else not at all."""
    if client.token_endpoint_auth_method:
        return client.token_endpoint_auth_method
    if client.client_secret or client.client_secret_file or client.client_secret_hash:
        return CLIENT_SECRET_BASIC
    return PRIVATE_KEY_JWT if client.jwks or client.jwks_uri else NONE


def _check_shared(client: "ClientTable", at: str, source: Source) -> None:
    if client.client_secret_hash:
        raise source.error(
            f"{at}.client_secret_hash",
            "is set, but client_secret_jwt needs the secret itself; allowed: client_secret or client_secret_file",
        )
    if client.client_secret:
        try:
            SharedSecret.of(client.client_secret)
        except ValueError as error:
            raise source.error(f"{at}.client_secret", f"{error} (RFC 7518 §3.2)") from None


def _check_algorithm(client: "ClientTable", method: str, at: str, source: Source) -> None:
    algorithm = client.token_endpoint_auth_signing_alg
    fits = {PRIVATE_KEY_JWT: algorithm != "HS256", CLIENT_SECRET_JWT: algorithm == "HS256"}
    if algorithm and not fits.get(method, False):
        raise source.error(
            f"{at}.token_endpoint_auth_signing_alg",
            f"found {algorithm!r}; allowed: an asymmetric one with private_key_jwt, 'HS256' with client_secret_jwt",
        )


def _check_certificate(client: "ClientTable", method: str, at: str, source: Source) -> None:
    given = [name for name in CERTIFICATE_NAMES if getattr(client, name)]
    if method == SELF_SIGNED_TLS_CLIENT_AUTH:
        if not client.jwks_uri and not certificates_of(client.jwks):
            raise source.error(
                f"{at}.jwks", f"{method} needs the client's certificate, as 'x5c' of a key in jwks"
            )
    elif method == TLS_CLIENT_AUTH and len(given) != 1:
        raise source.error(
            f"{at}.{given[1] if given else CERTIFICATE_NAMES[0]}",
            f"{method} needs exactly one of {', '.join(CERTIFICATE_NAMES)} (RFC 8705 §2.1.2)",
        )
    if given and method != TLS_CLIENT_AUTH:
        raise source.error(f"{at}.{given[0]}", f"is set, but token_endpoint_auth_method is {method!r}")
    for name, check in (
        ("tls_client_auth_subject_dn", parse_distinguished_name),
        ("tls_client_auth_san_ip", ip_address),
    ):
        value = getattr(client, name)
        try:
            if value:
                check(value)
        except ValueError:
            raise source.error(
                f"{at}.{name}", f"found {value!r}; allowed: one as in 'CN=client,O=Example' or '10.0.0.1'"
            ) from None


def _check_keys(client: "ClientTable", at: str, source: Source) -> None:
    if client.jwks and client.jwks_uri:
        # RFC 7591 §2: they must not both be present.
        raise source.error(f"{at}.jwks_uri", "stands beside jwks; allowed: one of them")
    if client.jwks_uri:
        check_key_address(client.jwks_uri, f"{at}.jwks_uri", source)
    if not client.jwks:
        return
    try:
        usable = KeySet.from_jwks(client.jwks).keys
    except ValueError as error:
        raise source.error(
            f"{at}.jwks", f"{error}; allowed: a table with a list 'keys' (RFC 7517 §5)"
        ) from None
    if any(isinstance(key, dict) and _PRIVATE_MEMBERS & key.keys() for key in client.jwks["keys"]):
        raise source.error(f"{at}.jwks", "holds a private or symmetric key; allowed: public keys")
    if not usable:
        raise source.error(
            f"{at}.jwks", "has no key that can be used; allowed: P-256, RSA of 2048 to 4096 bits, Ed25519"
        )


def check_key_address(url: str, at: str, source: Source) -> None:
    """Raises ConfigurationError unless keys can be fetched from `url`."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.netloc:
        return
    if parts.scheme == "http" and is_loopback_host(parts.netloc):
        return
    raise source.error(at, f"found {url!r}; allowed: an https URL")
