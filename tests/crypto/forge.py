"""Tokens no careful signer would make: any header, any bytes, and still a true signature under them."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from authwright.crypto.keys import SigningKey

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ISSUER = "https://op.example"
ALL = ("ES256", "RS256", "PS256", "EdDSA")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "alice",
    "aud": "client",
    "iat": SECONDS,
    "exp": SECONDS + 300,
}


def b64(data: bytes) -> str:
    """base64url without padding, by the standard library."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge_raw(key: SigningKey, header: bytes, payload: bytes) -> str:
    """A compact JWS over exactly these bytes."""
    signed = f"{b64(header)}.{b64(payload)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def forge(key: SigningKey, claims: Mapping[str, Any] = CLAIMS, /, **header: Any) -> str:
    """A truly signed token; `header` is put over alg, typ and kid, and a value of None leaves the member out."""
    members = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **header}
    kept = {name: value for name, value in members.items() if value is not None}
    return forge_raw(key, json.dumps(kept).encode(), json.dumps(claims).encode())
