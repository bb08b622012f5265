"""The provider that both relying parties talk to, without a network: ready answers, and ID tokens signed beforehand."""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from authwright.crypto.dpop import sign_proof
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.dpop import build_proof

OP, APP, API = "https://op.example", "https://app.example", "https://api.example/orders"
CLIENT_ID, SECRET = "web", "bench-secret-bench-secret-bench-secret-0"
SCOPES = ("openid", "profile", "email")
API_SCOPE = "orders:read"

METADATA: Mapping[str, object] = {
    "issuer": OP,
    "authorization_endpoint": f"{OP}/authorize",
    "token_endpoint": f"{OP}/token",
    "jwks_uri": f"{OP}/jwks",
    "response_types_supported": ["code"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["ES256"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    "code_challenge_methods_supported": ["S256"],
}


class Provider:
    """Answers a request by its URL; a code was given its answer before it is redeemed."""

    def __init__(self) -> None:
        self._key = SigningKey.generate("ES256")
        self.jwks: Any = {"keys": [dict(self._key.public_jwk)]}
        self._documents = {
            f"{OP}/.well-known/openid-configuration": msgspec.json.encode(METADATA),
            f"{OP}/jwks": msgspec.json.encode(self.jwks),
        }
        self._tokens: dict[str, bytes] = {}

    def answer(self, url: str, body: bytes) -> bytes:
        """JSON. Raises KeyError for what nobody prepared."""
        if url == f"{OP}/token":
            # What this costs is in the figures of both sides, so it is little.
            return self._tokens.pop(body.partition(b"&code=")[2].partition(b"&")[0].decode())
        return self._documents[url]

    def sign_in(self, location: str) -> str:
        """The query that comes back after the authorization request at `location`, with its tokens prepared."""
        asked = dict(parse_qsl(urlsplit(location).query))
        code = secrets.token_urlsafe(24)
        now = int(time.time())
        claims = {
            "iss": OP,
            "sub": "u-alice",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 3600,
            "auth_time": now,
            "nonce": asked["nonce"],
            "name": "Alice Example",
            "email": "alice@example.com",
        }
        tokens = {
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": " ".join(SCOPES),
            "id_token": sign_jwt(self._key, claims, typ="JWT"),
        }
        self._tokens[code] = msgspec.json.encode(tokens)
        return f"code={code}&state={asked['state']}"

    def access_token(self, jkt: str | None = None) -> str:
        """A JWT for the API (RFC 9068), bound to a key if one is named."""
        now = int(time.time())
        claims = {
            "iss": OP,
            "sub": "u-alice",
            "aud": API,
            "client_id": CLIENT_ID,
            "scope": API_SCOPE,
            "iat": now,
            "exp": now + 3600,
            "jti": secrets.token_urlsafe(16),
            **({} if jkt is None else {"cnf": {"jkt": jkt}}),
        }
        return sign_jwt(self._key, claims, typ="at+jwt")


class Holder:
    """A client with a key, and a token bound to it."""

    def __init__(self, provider: Provider) -> None:
        self._key = SigningKey.generate("ES256")
        self.token = provider.access_token(self._key.kid)

    def proof(self) -> str:
        """For one request to the API."""
        jti, now = secrets.token_urlsafe(16), datetime.now(UTC)
        return sign_proof(self._key, build_proof("GET", API, jti=jti, now=now, access_token=self.token))
