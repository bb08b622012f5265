"""Clients for every way to authenticate, each with every grant, and what a peer must know to be one of them."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from authwright.protocol.ciba import CIBA
from authwright.protocol.device import DEVICE_CODE
from authwright.provider.clients import ClientRegistration
from authwright.registrations import client

# Basic authentication as RFC 6749 §2.3.1 wants it encodes the secret first, which not every peer does: this one is
# the same either way. `provider_app.SECRET` is the one that is not.
SECRET = "a-shared-secret-of-more-than-thirty-two-bytes"
SCOPE = "openid profile email offline_access"
CALLBACK = "https://app.example/callback"
SIGNED_OUT = "https://app.example/signed-out"
API = "https://api.example"
USERNAME, PASSWORD, SUBJECT = "alice", "alice-secret", "u-alice"
NOTIFICATION_TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"
PINGED = "pinged"
"""The client that is told when a backchannel request is decided."""

SETTINGS_VARIABLE = "AUTHWRIGHT_INTEROP_FLEET"
METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
)
USER_GRANTS = (
    "authorization_code",
    "refresh_token",
    "password",
    DEVICE_CODE,
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
)
MACHINE_GRANTS = ("client_credentials", CIBA)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """What the provider's process is told."""

    issuer: str
    notified: str
    """Where `PINGED` is told."""
    ca_file: str
    jwk: Mapping[str, Any]
    """The public key of the clients that sign."""
    self_signed: str
    """A certificate, base64 of DER."""
    self_signed_jwk: Mapping[str, Any]
    client_dns: str

    def dumped(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loaded(cls, text: str) -> "FleetSettings":
        return cls(**json.loads(text))

    def clients(self) -> list[ClientRegistration]:
        """One for each method, and three for what a method cannot show."""
        return [
            *(self._client(method, token_endpoint_auth_method=method) for method in METHODS),
            self._client(
                PINGED,
                token_endpoint_auth_method="client_secret_basic",
                backchannel_token_delivery_mode="ping",
                backchannel_client_notification_endpoint=self.notified,
            ),
            self._client(
                "bound", token_endpoint_auth_method="client_secret_basic", dpop_bound_access_tokens=True
            ),
            client("api", SECRET, grant_types=[], scope=""),
        ]

    def _client(self, client_id: str, *, token_endpoint_auth_method: str, **more: Any) -> ClientRegistration:
        method = token_endpoint_auth_method
        if method in ("private_key_jwt", "none"):
            more["jwks"] = {"keys": [self.jwk]}
        if method == "tls_client_auth":
            more["tls_client_auth_san_dns"] = self.client_dns
        if method == "self_signed_tls_client_auth":
            more["jwks"] = {"keys": [{**self.self_signed_jwk, "x5c": [self.self_signed]}]}
        return client(
            client_id,
            SECRET if method.startswith("client_secret") else None,
            redirect_uris=[CALLBACK],
            post_logout_redirect_uris=[SIGNED_OUT],
            scope=f"{SCOPE} read",
            grant_types=[*USER_GRANTS, *(() if method == "none" else MACHINE_GRANTS)],
            token_endpoint_auth_method=method,
            **more,
        )


def der_text(der: bytes) -> str:
    return base64.b64encode(der).decode()
