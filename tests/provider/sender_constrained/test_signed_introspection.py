"""Introspection answers that are signed (RFC 9701), verified by PyJWT with the published keys."""

from typing import Any

import jwt
import pytest

from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.http import HttpResponse
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import API, CLIENTS, ISSUER, SECRET, Installation, install
from tests.provider.sender_constrained.bound_clients import redeem

SIGNED = "application/token-introspection+jwt"


async def introspect(op: Installation, token: str, accept: str, client_id: str = "api") -> HttpResponse:
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "authorization": basic_authorization(client_id, SECRET),
        "accept": accept,
    }
    return await op.post_raw("/introspect", f"token={token}".encode(), headers)


async def verified(op: Installation, answer: HttpResponse, audience: str = "api") -> dict[str, Any]:
    """The claims, as PyJWT verifies them with the JWK Set."""
    token = answer.body.decode()
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "token-introspection+jwt"
    keys = jwt.PyJWKSet.from_dict((await op.get("/jwks")).json())
    claims: dict[str, Any] = jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=[header["alg"]],
        audience=audience,
        issuer=ISSUER,
        options={"require": ["iss", "aud", "iat", "token_introspection"], "verify_iat": False},
    )
    return claims


async def test_a_caller_who_accepts_it_gets_a_signed_answer(op: Installation) -> None:
    """RFC 9701 §5: typ, iss, aud = the caller, iat, and the members inside token_introspection; neither sub nor exp outside."""
    token = (await redeem(op, await op.code())).json()["access_token"]
    answer = await introspect(op, token, SIGNED)
    assert (answer.status, answer.headers.get("content-type")) == (200, SIGNED)
    assert answer.headers.get("cache-control") == "no-store"
    claims = await verified(op, answer)
    assert set(claims) == {"iss", "aud", "iat", "token_introspection"}
    assert claims["token_introspection"] == (await introspect(op, token, "application/json")).json()
    assert (claims["token_introspection"]["active"], claims["token_introspection"]["aud"]) == (True, API)


async def test_of_a_dead_token_the_signed_answer_says_no_more(op: Installation) -> None:
    """RFC 9701 §5: `active: false` and nothing else inside."""
    claims = await verified(op, await introspect(op, "unknown", SIGNED))
    assert claims["token_introspection"] == {"active": False}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (SIGNED, SIGNED),
        ("Application/Token-Introspection+JWT", SIGNED),
        (f"application/json;q=0.5, {SIGNED};q=0.9", SIGNED),
        (f"{SIGNED}; q=0", "application/json"),
        (f"{SIGNED};q=0.000", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/jwt", "application/json"),
        ("", "application/json"),
    ],
)
async def test_json_is_the_answer_unless_the_signed_one_is_named(
    op: Installation, accept: str, content_type: str
) -> None:
    """RFC 9701 §4: asked for by Accept."""
    answer = await introspect(op, "unknown", accept)
    assert answer.headers.get("content-type") == content_type


async def test_a_refusal_is_json(op: Installation) -> None:
    """RFC 7662 §2.3: an error is not an introspection answer."""
    answer = await introspect(op, "unknown", SIGNED, client_id="nobody")
    assert (answer.status, answer.headers.get("content-type")) == (401, "application/json")


async def test_a_client_may_choose_its_algorithm(clock: FrozenClock) -> None:
    """RFC 9701 §6: introspection_signed_response_alg; discovery says what there is (§7)."""
    from authwright.registrations import client

    clients = (
        *CLIENTS,
        client("old-api", SECRET, grant_types=[], scope="", introspection_signed_response_alg="RS256"),
    )
    op = await install(memory_stores(clock), clock, clients=clients, algorithms=("ES256", "RS256"))
    answer = await introspect(op, "unknown", SIGNED, client_id="old-api")
    await verified(op, answer, audience="old-api")
    assert jwt.get_unverified_header(answer.body.decode())["alg"] == "RS256"
    document = (await op.get("/.well-known/openid-configuration")).json()
    assert document["introspection_signing_alg_values_supported"] == ["ES256", "RS256"]


async def test_sec_J6_a_signed_answer_is_no_access_token(op: Installation) -> None:
    """J6: typ confusion: the signed answer of an introspection opens no door."""
    token = (await redeem(op, await op.code())).json()["access_token"]
    answer = await introspect(op, token, SIGNED)
    refused = await op.get("/userinfo", authorization=f"Bearer {answer.body.decode()}")
    assert (refused.status, refused.json()["error"]) == (401, "invalid_token")
