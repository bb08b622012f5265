"""Our tokens under other people's libraries, and what they say: RFC 9068, OpenID Connect Core §2."""

import base64
import hashlib
import json

import jwt as pyjwt
import pytest
from jwcrypto import jwk as jwcrypto_jwk  # type: ignore[import-untyped]
from jwcrypto import jwt as jwcrypto_jwt

from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import API, ISSUER, Installation, install


@pytest.fixture(params=["ES256", "RS256"])
async def signed(request: pytest.FixtureRequest, clock: FrozenClock) -> tuple[Installation, str]:
    """A provider whose first algorithm is each of the two."""
    algorithms = (request.param, *({"ES256", "RS256"} - {request.param}))
    return await install(memory_stores(clock), clock, algorithms=algorithms), request.param


def at_hash(token: str) -> str:
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


async def test_pyjwt_verifies_id_token_and_access_token(signed: tuple[Installation, str]) -> None:
    """PyJWT, from our published keys, with every check it has but the clock, which is frozen here."""
    op, algorithm = signed
    members = (await op.redeem(await op.code())).json()
    keys = pyjwt.PyJWKSet.from_dict((await op.get("/jwks")).json())

    def verified(token: str, audience: str, typ: str) -> dict[str, object]:
        header = pyjwt.get_unverified_header(token)
        assert (header["alg"], header["typ"]) == (algorithm, typ)
        claims: dict[str, object] = pyjwt.decode(
            token,
            keys[header["kid"]].key,
            algorithms=[algorithm],
            audience=audience,
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "sub"]},
        )
        return claims

    id_token = verified(members["id_token"], "web", "JWT")
    now = int(op.clock().timestamp())
    assert id_token == {
        "iss": ISSUER,
        "sub": "u-alice",
        "aud": "web",
        "exp": now + 600,
        "iat": now,
        "auth_time": now,
        "nonce": "n-1",
        "acr": "urn:authwright:acr:password",
        "amr": ["pwd"],
        "sid": "sid-1",
        "at_hash": at_hash(members["access_token"]),
    }
    access_token = verified(members["access_token"], API, "at+jwt")
    assert access_token["client_id"] == "web"
    assert access_token["scope"] == "openid profile offline_access read"
    assert len(str(access_token["jti"])) >= 22


async def test_jwcrypto_verifies_them_too(signed: tuple[Installation, str]) -> None:
    """jwcrypto, an independent implementation."""
    op, _ = signed
    members = (await op.redeem(await op.code())).json()
    keys = jwcrypto_jwk.JWKSet.from_json((await op.get("/jwks")).body.decode())
    for name in ("id_token", "access_token"):
        token = jwcrypto_jwt.JWT(jwt=members[name], key=keys, check_claims={"iss": ISSUER, "exp": 0})
        assert json.loads(token.claims)["sub"] == "u-alice"


async def test_a_refreshed_id_token_is_about_the_same_sign_in(op: Installation) -> None:
    """OpenID Connect Core §12.2: same iss, sub, aud and auth_time, a later iat, no nonce."""
    first = (await op.redeem(await op.code())).json()
    op.clock.advance(100)
    second = (await op.refresh(first["refresh_token"])).json()
    before, after = (
        pyjwt.decode(t["id_token"], options={"verify_signature": False}) for t in (first, second)
    )
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert before[name] == after[name]
    assert after["iat"] == before["iat"] + 100
    assert "nonce" not in after


async def test_the_published_keys_are_public_and_named(signed: tuple[Installation, str]) -> None:
    """RFC 7517: no private members, a distinct kid each, the algorithm named."""
    op, _ = signed
    answer = await op.get("/jwks")
    keys = answer.json()["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256"}
    assert len({key["kid"] for key in keys}) == len(keys) == 2
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()
        assert key["use"] == "sig"
    assert answer.headers.get("content-type") == "application/jwk-set+json"
    assert "max-age=300" in (answer.headers.get("cache-control") or "")
