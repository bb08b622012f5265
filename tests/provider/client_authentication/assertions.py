"""Assertions as a client makes them, with PyJWT: an oracle that shares no code with the provider."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.provider.clients import ClientRegistration
from authwright.registrations import client
from tests.provider.installation import ISSUER, SECRET, Installation

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JWKS_URI = "https://far.example/jwks"

EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def ec_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    return {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


JWKS = {
    "keys": [
        ec_jwk(EC_KEY, "ec-1"),
        {**json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "rsa-1", "use": "sig"},
    ]
}
MACHINE: dict[str, Any] = {"grant_types": ["client_credentials"], "scope": "read"}

CLIENTS: tuple[ClientRegistration, ...] = (
    client("signer", jwks=JWKS, **MACHINE),
    client("twin", jwks=JWKS, **MACHINE),
    client("es-only", jwks=JWKS, token_endpoint_auth_signing_alg="ES256", **MACHINE),
    client("far", jwks_uri=JWKS_URI, **MACHINE),
    client("keyless", token_endpoint_auth_method="private_key_jwt", **MACHINE),
    client("hs", SECRET, token_endpoint_auth_method="client_secret_jwt", **MACHINE),
    client("basic", SECRET, **MACHINE),
    client("poster", SECRET, token_endpoint_auth_method="client_secret_post", **MACHINE),
    client("spa", grant_types=["authorization_code"], redirect_uris=["https://spa.example/cb"]),
)


STRICT = client("strict", jwks=JWKS, profile="fapi2", **MACHINE).client
"""The rules of fapi2 about assertions are there, the profile is not yet whole: only in a store can there be such a client."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Another server's key set, and how often it was asked for."""

    asked: list[str] = field(default_factory=list)
    answers: dict[str, HttpResponse | OSError] = field(default_factory=dict)

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request.url)
        answer = self.answers[request.url]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def publish(self, content: object, url: str = JWKS_URI) -> None:
        self.answers[url] = HttpResponse(200, body=json.dumps(content).encode())


def claims(op: Installation, client_id: str, **changes: Any) -> dict[str, Any]:
    """Good claims, but for `changes`; a change to None leaves the claim out."""
    now = int(op.clock().timestamp())
    members = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": f"jti-{next(_numbers)}",
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


_numbers = iter(range(10**9))


def assertion(
    op: Installation,
    client_id: str = "signer",
    *,
    key: Any = EC_KEY,
    alg: str = "ES256",
    headers: Mapping[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A signed assertion; `changes` as in `claims`."""
    named = {"kid": "rsa-1" if alg.startswith(("RS", "PS")) else "ec-1"} if headers is None else dict(headers)
    return jwt.encode(claims(op, client_id, **changes), key, algorithm=alg, headers=named)


async def post(op: Installation, path: str = "/token", **params: str) -> HttpResponse:
    """A form POST with nothing but these parameters."""
    return await op.post_raw(path, encode(params.items()).encode(), FORM)


async def ask(op: Installation, signed: str, **params: str) -> HttpResponse:
    """A client_credentials request authenticated by `signed`."""
    members = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
        **params,
    }
    return await post(op, **members)


def outcome(answer: HttpResponse) -> tuple[int, str | None]:
    """Status and error code."""
    return answer.status, answer.json().get("error")


REFUSED = (401, "invalid_client")
