"""What a peer may do with our provider, by the names of the rows in docs/reference/interoperability.md."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

DEEDS = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "password",
    "device_code",
    "ciba_poll",
    "ciba_ping",
    "jwt_bearer",
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
    "dpop",
    "userinfo",
    "introspection",
    "signed_introspection",
    "revocation",
    "logout",
)


def shows(*deeds: str) -> Callable[[F], F]:
    """Says which rows of the table a test shows for its peer."""
    unknown = set(deeds) - set(DEEDS)
    if unknown:
        raise ValueError(f"no row of the table: {sorted(unknown)}")

    def mark(test: F) -> F:
        test.__dict__["shows"] = deeds
        return test

    return mark
