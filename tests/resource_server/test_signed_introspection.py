"""Introspection answers the issuer signs, as an API reads them (RFC 9701)."""

from typing import Any

import pytest

from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json
from authwright.remote.client_authentication import SecretBasic
from authwright.resource_server.introspection import Introspection
from tests.relying_party.hostile_provider import ISSUER, Clock, HostileProvider
from tests.resource_server.test_bearer_guard import claims, guard_of, refused, request

SIGNED = "application/token-introspection+jwt"
INTROSPECTION = Introspection("api", SecretBasic("secret"), signed=True)


class SignedIntrospection:
    """The issuer's introspection endpoint."""

    def __init__(self, provider: HostileProvider) -> None:
        self.provider = provider
        self.members: dict[str, Json] = {
            "iss": ISSUER,
            "aud": "api",
            "iat": int(provider.clock().timestamp()),
            "token_introspection": {"active": True, **claims(provider)},
        }
        self.typ = "token-introspection+jwt"
        self.key: SigningKey = provider.key
        self.content_type = SIGNED
        provider.answers["/introspect"] = self

    def __call__(self, asked: HttpRequest) -> HttpResponse:
        assert asked.headers.many("accept") == (SIGNED,)
        body = sign_jwt(self.key, self.members, typ=self.typ).encode()
        return HttpResponse(200, Headers.of({"content-type": self.content_type}), body)


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


async def test_a_signed_answer_is_verified_and_believed(provider: HostileProvider) -> None:
    """RFC 9701 §5: signed by the issuer, for us."""
    endpoint = SignedIntrospection(provider)
    token = await guard_of(provider, introspection=INTROSPECTION).guard(request("opaque"), ["read"])
    assert token.sub == "u-alice"
    endpoint.members["token_introspection"] = {"active": False}
    error = await refused(guard_of(provider, introspection=INTROSPECTION), request("opaque"))
    assert (error.status, error.reason) == (401, "inactive")


@pytest.mark.parametrize(
    "fault",
    [
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"content_type": "application/json"},
        {"key": SigningKey.generate("ES256")},
        {"iss": "https://evil.example"},
        {"aud": "other"},
        {"aud": ["api", "other"]},
        {"token_introspection": None},
        {"token_introspection": {"active": "yes"}},
    ],
    ids=repr,
)
async def test_any_other_answer_is_503(provider: HostileProvider, fault: dict[str, Any]) -> None:
    """RFC 9701 §8.1: another signer, addressee, issuer or type, or no signature: nobody is let in, nothing is said of the token."""
    endpoint = SignedIntrospection(provider)
    for name, value in fault.items():
        if hasattr(endpoint, name):
            setattr(endpoint, name, value)
        else:
            endpoint.members[name] = value
    error = await refused(guard_of(provider, introspection=INTROSPECTION), request("opaque"))
    assert error.status == 503
