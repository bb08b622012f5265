"""private_key_jwt and client_secret_jwt: row T9 in every variant (RFC 7523, OpenID Connect Core §9)."""

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from jwt.utils import base64url_encode

from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.crypto.shared_secrets import SharedSecret
from authwright.protocol.http import HttpResponse
from authwright.provider.audit import TokenRefused
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.client_authentication.assertions import (
    ASSERTION_TYPE,
    EC_KEY,
    JWKS,
    JWKS_URI,
    MACHINE,
    OTHER_EC_KEY,
    REFUSED,
    RSA_KEY,
    Remote,
    ask,
    assertion,
    ec_jwk,
    outcome,
    post,
)
from tests.provider.installation import ISSUER, SECRET, Installation, install

MINUTE = 60


def at(op: Installation, seconds: float) -> float:
    """That many seconds from now."""
    return op.clock().timestamp() + seconds


def reason(op: Installation) -> str:
    """What the audit says of the last refusal."""
    refused = [event for event in op.audit if isinstance(event, TokenRefused)]
    return refused[-1].reason


@pytest.mark.parametrize(("key", "alg"), [(EC_KEY, "ES256"), (RSA_KEY, "RS256"), (RSA_KEY, "PS256")])
async def test_an_assertion_by_a_registered_key_authenticates(op: Installation, key: Any, alg: str) -> None:
    """RFC 7523 §2.2: with and without the client_id beside it, which RFC 7521 §4.2 leaves optional."""
    for params in ({}, {"client_id": "signer"}):
        answer = await ask(op, assertion(op, key=key, alg=alg), **params)
        assert answer.status == 200
        assert answer.json()["scope"] == "read"


async def test_an_assertion_by_a_shared_secret_authenticates(op: Installation) -> None:
    """OpenID Connect Core §9, client_secret_jwt: HS256 over the client secret."""
    assert (await ask(op, assertion(op, "hs", key=SECRET, alg="HS256", headers={}))).status == 200
    wrong = assertion(op, "hs", key=SECRET + "x", alg="HS256", headers={})
    assert outcome(await ask(op, wrong)) == REFUSED


async def test_the_secret_of_client_secret_jwt_is_sealed_and_never_shown(op: Installation) -> None:
    """The secret is needed back, so it is kept, but encrypted under the key-encryption key."""
    keys = RootKeys([bytes(range(32))])
    registration = client("hs", SECRET, token_endpoint_auth_method="client_secret_jwt")
    digested = registration.digested(Handles(keys.derive("handles")), seal=Seal(keys, "client-secret"))
    assert digested.secrets[0].sealed
    assert SECRET not in repr(digested) + digested.secrets[0].sealed + digested.secrets[0].digest
    plain = client("b", SECRET).digested(Handles(keys.derive("handles")))
    assert plain.secrets[0].sealed == ""


@pytest.mark.parametrize(
    "secret", ["short-secret-of-31-bytes-0123456", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0C"]
)
async def test_sec_J2_a_short_secret_or_a_key_is_no_secret_for_hs256(secret: str) -> None:
    """J12: oct <256 bit; J2: HS* with a public key as secret: both are refused when the client is set up."""
    with pytest.raises(ValueError, match="a secret for HS256"):
        SharedSecret.of(secret[:31] if secret.startswith("short") else secret)


async def test_sec_T9_a_replayed_assertion_is_refused(op: Installation) -> None:
    """T9: jti replay: 401 invalid_client, whatever the request; the log tells of a replay."""
    signed = assertion(op)
    assert (await ask(op, signed)).status == 200
    answer = await ask(op, signed)
    assert outcome(answer) == REFUSED
    assert (answer.headers.get("www-authenticate") or "").startswith("Basic realm=")
    assert reason(op) == "client.assertion_replay"
    members = {"token": "x", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
    assert outcome(await post(op, "/introspect", **members)) == REFUSED
    assert outcome(await post(op, "/revoke", **members)) == REFUSED


async def test_sec_T9_an_assertion_is_replayable_for_no_moment_of_its_life(op: Installation) -> None:
    """T9: the id is kept until the assertion itself is too old, its leeway included."""
    signed = assertion(op, exp=int(at(op, 60)))
    assert (await ask(op, signed)).status == 200
    for _ in range(13):
        op.clock.advance(10)
        assert outcome(await ask(op, signed)) == REFUSED


async def test_sec_T9_ids_are_unique_to_their_client(op: Installation) -> None:
    """T9: another client may use the same jti; the key of the claim includes the client_id."""
    assert (await ask(op, assertion(op, "signer", jti="same"))).status == 200
    assert (await ask(op, assertion(op, "twin", jti="same"))).status == 200
    assert outcome(await ask(op, assertion(op, "twin", jti="same"))) == REFUSED


async def test_sec_T9_of_32_requests_with_one_assertion_one_is_answered(
    op_on_each_store: Installation,
) -> None:
    """T9, in parallel and on each store: one gets a token, the others invalid_client."""
    op = op_on_each_store
    signed = assertion(op)
    answers = await asyncio.gather(*(ask(op, signed) for _ in range(32)))
    statuses = sorted(answer.status for answer in answers)
    # Past the limit of failures for one client the refusal is a 429.
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 401, 429}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "https://other.example"}, id="aud-other"),
        pytest.param({"aud": ISSUER + "/"}, id="aud-slash"),
        pytest.param({"aud": ISSUER[:-1]}, id="aud-prefix"),
        pytest.param({"aud": [ISSUER, "https://other.example"]}, id="aud-list-with-another"),
        pytest.param({"aud": []}, id="aud-empty"),
        pytest.param({"aud": ISSUER + "/introspect"}, id="aud-another-endpoint"),
        pytest.param({"aud": None}, id="aud-missing"),
        pytest.param({"iss": "twin"}, id="iss-other"),
        pytest.param({"iss": None}, id="iss-missing"),
        pytest.param({"sub": "twin"}, id="sub-other"),
        pytest.param({"sub": None}, id="sub-missing"),
        pytest.param({"exp": -5 * MINUTE}, id="exp-5-minutes-ago"),
        pytest.param({"exp": -61}, id="exp-beyond-leeway"),
        pytest.param({"exp": 10 * MINUTE + 1}, id="exp-far"),
        pytest.param({"exp": None}, id="exp-missing"),
        pytest.param({"iat": 61}, id="iat-ahead"),
        pytest.param({"nbf": 61}, id="nbf-ahead"),
        pytest.param({"jti": None}, id="jti-missing"),
        pytest.param({"jti": ""}, id="jti-empty"),
    ],
)
async def test_sec_T9_a_claim_that_is_not_right_refuses_the_assertion(
    op: Installation, changes: dict[str, Any]
) -> None:
    """T9: aud≠issuer, iss≠sub, exp past, exp >10 min ahead: 401 invalid_client, and the id is not used up."""
    timed: dict[str, Any] = {
        name: at(op, value) if name in ("exp", "iat", "nbf") and value is not None else value
        for name, value in changes.items()
    }
    signed = assertion(op, **{"jti": "kept", **timed})
    assert outcome(await ask(op, signed, client_id="signer")) == REFUSED
    assert reason(op).startswith("client.assertion_")
    assert (await ask(op, assertion(op, jti="kept"))).status == 200


@pytest.mark.parametrize("value", ["1900000000", True, -1, 1e300, [1]])
async def test_sec_J8_a_time_that_is_no_number_refuses_the_assertion(op: Installation, value: Any) -> None:
    """J8: bool or str exp, negative or out of range: reject."""
    header = base64url_encode(json.dumps({"alg": "ES256", "kid": "ec-1"}).encode())
    members = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": "j", "exp": value}
    signed = header + b"." + base64url_encode(json.dumps(members).encode())
    algorithm = jwt.get_algorithm_by_name("ES256")
    token = signed + b"." + base64url_encode(algorithm.sign(signed, EC_KEY))
    assert outcome(await ask(op, token.decode())) == REFUSED


@pytest.mark.parametrize("seconds", [8, 60])
async def test_a_clock_that_is_a_little_ahead_is_forgiven(op: Installation, seconds: int) -> None:
    """fapi2 …-nbf-8-seconds-in-the-future-is-accepted; up to a minute for iat, nbf and exp."""
    assert (await ask(op, assertion(op, nbf=at(op, seconds), iat=at(op, seconds)))).status == 200
    assert (await ask(op, assertion(op, exp=at(op, 1 - seconds)))).status == 200
    assert (await ask(op, assertion(op, exp=at(op, 10 * MINUTE)))).status == 200


async def test_sec_T9_the_oidc_profile_takes_the_token_endpoint_as_audience(op: Installation) -> None:
    """T9: a client of the oidc profile may name the issuer, the token endpoint, or both, and nobody else."""
    for audience in (ISSUER, ISSUER + "/token", [ISSUER], [ISSUER, ISSUER + "/token"]):
        assert (await ask(op, assertion(op, aud=audience))).status == 200


@pytest.mark.parametrize(
    "audience", [[ISSUER], ISSUER + "/token", ISSUER + "/par", [ISSUER, ISSUER + "/token"]]
)
async def test_sec_T9_fapi2_takes_the_issuer_as_one_string_only(op: Installation, audience: Any) -> None:
    """T9: aud array, aud=token/PAR endpoint URL: 401 invalid_client."""
    assert outcome(await ask(op, assertion(op, "strict", aud=audience))) == REFUSED
    assert (await ask(op, assertion(op, "strict"))).status == 200


@pytest.mark.parametrize(
    ("client_id", "key", "alg"),
    [
        ("strict", RSA_KEY, "RS256"),
        ("es-only", RSA_KEY, "RS256"),
        ("es-only", RSA_KEY, "PS256"),
        ("signer", RSA_KEY, "RS512"),
        ("signer", SECRET, "HS256"),
        ("hs", EC_KEY, "ES256"),
        ("hs", SECRET * 2, "HS512"),
    ],
)
async def test_sec_T9_an_algorithm_the_client_may_not_use_refuses_the_assertion(
    op: Installation, client_id: str, key: Any, alg: str
) -> None:
    """T9: wrong alg: RS256 for FAPI 2, another one than the registered one, one of the other method."""
    assert outcome(await ask(op, assertion(op, client_id, key=key, alg=alg))) == REFUSED
    assert reason(op) == "client.assertion_alg"


async def test_sec_T9_a_public_key_is_never_an_hmac_secret(op: Installation) -> None:
    """T9, J2: HS256 with the public key, in any form, as secret: 401 invalid_client."""
    public = EC_KEY.public_key()
    forms = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
        json.dumps(JWKS["keys"][0]).encode(),
    ]
    for form in forms:
        header = base64url_encode(json.dumps({"alg": "HS256", "kid": "ec-1"}).encode())
        parts = assertion(op).encode().split(b".")
        signed = header + b"." + parts[1]
        # PyJWT refuses to make such a token, so its HMAC is called directly.
        forged = signed + b"." + base64url_encode(jwt.get_algorithm_by_name("HS256").sign(signed, form))
        for client_id in ("signer", "hs"):
            assert outcome(await ask(op, forged.decode(), client_id=client_id)) == REFUSED


async def test_sec_J1_an_unsigned_assertion_is_refused(op: Installation) -> None:
    """J1: alg none in any spelling, missing alg, empty signature."""
    payload = assertion(op).split(".")[1]
    for header in ({"alg": "none"}, {"alg": "nOnE"}, {}, {"alg": "ES256", "kid": "ec-1"}, {"alg": ""}):
        opening = base64url_encode(json.dumps(header).encode()).decode()
        for client_id in ("signer", "hs"):
            assert outcome(await ask(op, f"{opening}.{payload}.", client_id=client_id)) == REFUSED


async def test_sec_J3_a_key_in_the_header_plays_no_part(op: Installation, remote: Remote) -> None:
    """J3: jwk, jku, x5u and x5c are ignored for trust and never fetched."""
    forged = {"kid": "ec-1", "jwk": ec_jwk(OTHER_EC_KEY, "ec-1"), "jku": "https://evil.example/jwks"}
    assert outcome(await ask(op, assertion(op, key=OTHER_EC_KEY, headers=forged))) == REFUSED
    assert remote.asked == []


@pytest.mark.parametrize("headers", [{"crit": ["exp"]}, {"crit": []}, {"b64": True}, {"zip": "DEF"}])
async def test_sec_J4_a_critical_extension_refuses_the_assertion(
    op: Installation, headers: dict[str, Any]
) -> None:
    """J4: unknown or empty crit, b64; J7: zip."""
    payload = assertion(op).split(".")[1]
    opening = base64url_encode(json.dumps({"alg": "ES256", "kid": "ec-1", **headers}).encode())
    signed = opening + b"." + payload.encode()
    signature = base64url_encode(jwt.get_algorithm_by_name("ES256").sign(signed, EC_KEY))
    assert outcome(await ask(op, (signed + b"." + signature).decode())) == REFUSED


@pytest.mark.parametrize("typ", ["dpop+jwt", "at+jwt", "logout+jwt", "token-introspection+jwt"])
async def test_sec_J6_a_token_of_another_kind_is_no_assertion(op: Installation, typ: str) -> None:
    """J6: a DPoP proof, an access token or a logout token as assertion: refused by its typ."""
    assert outcome(await ask(op, assertion(op, headers={"kid": "ec-1", "typ": typ}))) == REFUSED
    typed = {"kid": "ec-1", "typ": "client-authentication+jwt"}
    assert (await ask(op, assertion(op, headers=typed))).status == 200


async def test_sec_J8_an_oversized_or_malformed_assertion_is_refused(op: Installation) -> None:
    """J8, J13: size and form are looked at before anything is decoded; never a 5xx."""
    signed = assertion(op)
    assert outcome(await ask(op, "a" * 16_385))[0] == 400
    for broken in (
        "a",
        "a.b",
        "..",
        "a.b.c.d",
        signed + "A",
        signed[:-1],
        signed + "=",
        signed.replace(".", "..", 1),
        "é.é.é",
        signed.split(".")[0] + "." + base64.urlsafe_b64encode(b'{"sub":1}').decode() + ".x",
        signed.split(".")[0] + "." + base64.urlsafe_b64encode(b"[" * 2000).decode() + ".x",
    ):
        assert outcome(await ask(op, broken)) == REFUSED
        assert outcome(await ask(op, broken, client_id="signer")) in (REFUSED, (429, "slow_down"))


async def test_sec_J8_a_member_named_twice_refuses_the_assertion(op: Installation) -> None:
    """J8: duplicate JSON members: nobody reads one value while another is checked."""
    header = base64url_encode(json.dumps({"alg": "ES256", "kid": "ec-1"}).encode())
    exp = int(at(op, 60))
    payload = f'{{"iss":"signer","sub":"twin","aud":"{ISSUER}","jti":"j","exp":{exp},"sub":"signer"}}'
    signed = header + b"." + base64url_encode(payload.encode())
    signature = base64url_encode(jwt.get_algorithm_by_name("ES256").sign(signed, EC_KEY))
    assert outcome(await ask(op, (signed + b"." + signature).decode())) == REFUSED
    assert reason(op) == "client.assertion_claims"


async def test_another_key_or_another_client_does_not_authenticate(op: Installation) -> None:
    """A key that is not registered, and an assertion of one client shown under another's name."""
    assert outcome(await ask(op, assertion(op, key=OTHER_EC_KEY))) == REFUSED
    assert outcome(await ask(op, assertion(op, "twin"), client_id="signer")) == REFUSED
    assert outcome(await ask(op, assertion(op, "nobody"))) == REFUSED
    assert outcome(await ask(op, assertion(op, "keyless"))) == REFUSED


async def test_the_two_parameters_belong_together(op: Installation) -> None:
    """RFC 7521 §4.2: half a credential is invalid_request, an unknown type of assertion invalid_client."""
    base = {"grant_type": "client_credentials"}
    alone = await post(op, **base, client_assertion=assertion(op))
    assert outcome(alone) == (400, "invalid_request")
    typed = await post(op, **base, client_id="signer", client_assertion_type=ASSERTION_TYPE)
    assert outcome(typed) == (400, "invalid_request")
    saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    assert outcome(await ask(op, assertion(op), client_assertion_type=saml)) == REFUSED
    doubled = await ask(op, assertion(op), client_id="signer", client_secret="x")
    assert outcome(doubled) == (400, "invalid_request")


async def test_a_refused_request_does_not_use_up_its_assertion(op: Installation) -> None:
    """The id is claimed after every other check: what was refused may be sent again, mended."""
    signed = assertion(op)
    assert outcome(await ask(op, signed, scope="admin")) == (400, "invalid_scope")
    assert outcome(await ask(op, signed, resource="https://unknown.example")) == (400, "invalid_target")
    assert outcome(await ask(op, signed, grant_type="refresh_token", refresh_token="x"))[0] == 400
    assert (await ask(op, signed)).status == 200
    assert outcome(await ask(op, signed)) == REFUSED


async def test_an_assertion_authenticates_at_introspection_and_revocation(op: Installation) -> None:
    """RFC 7662 §2.1, RFC 7009 §2.1: the same methods as at the token endpoint."""
    token = (await ask(op, assertion(op))).json()["access_token"]
    seen = await post(
        op, "/introspect", token=token, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion(op)
    )
    assert seen.json()["active"] is True
    done = await post(
        op, "/revoke", token=token, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion(op)
    )
    assert done.status == 200


async def test_keys_at_a_jwks_uri_are_fetched_once(op: Installation, remote: Remote) -> None:
    """RFC 7591 §2, jwks_uri: fetched when needed, then kept."""
    for _ in range(3):
        assert (await ask(op, assertion(op, "far"))).status == 200
    assert remote.asked == [JWKS_URI]


async def test_sec_G5_a_flood_of_unknown_keys_brings_one_fetch_a_minute(
    op: Installation, remote: Remote
) -> None:
    """G5: unknown-kid flood against a jwks_uri client: at most one refetch in 60 seconds."""
    assert (await ask(op, assertion(op, "far"))).status == 200
    for number in range(5):
        assert outcome(await ask(op, assertion(op, "far", headers={"kid": f"made-up-{number}"}))) == REFUSED
    assert len(remote.asked) == 2
    op.clock.advance(61)
    remote.publish({"keys": [*JWKS["keys"], ec_jwk(OTHER_EC_KEY, "new")]})
    assert (await ask(op, assertion(op, "far", key=OTHER_EC_KEY, headers={"kid": "new"}))).status == 200
    assert len(remote.asked) == 3


@pytest.mark.parametrize(
    "answer", [OSError("refused"), HttpResponse(500), HttpResponse(302), HttpResponse(200, body=b"[]")]
)
async def test_keys_that_cannot_be_had_are_no_fault_of_the_client(
    op: Installation, remote: Remote, answer: HttpResponse | OSError
) -> None:
    """Our outbound faults are 503 with Retry-After, never invalid_client; what is cached serves on."""
    remote.answers[JWKS_URI] = answer
    refused = await ask(op, assertion(op, "far"))
    assert outcome(refused) == (503, "temporarily_unavailable")
    assert int(refused.headers.get("retry-after") or 0) >= 1
    op.clock.advance(5)
    remote.publish(JWKS)
    signed = assertion(op, "far")
    assert (await ask(op, signed)).status == 200
    remote.answers[JWKS_URI] = answer
    op.clock.advance(3600)
    assert (await ask(op, assertion(op, "far"))).status == 200


async def test_discovery_names_the_methods_and_their_algorithms(op: Installation) -> None:
    """OpenID Connect Discovery §3; what needs a trusted proxy is not named without one."""
    document = (await op.get("/.well-known/openid-configuration")).json()
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "client_secret_jwt", "none"]
    assert document["token_endpoint_auth_methods_supported"] == methods
    assert document["introspection_endpoint_auth_methods_supported"] == methods[:-1]
    algorithms = document["token_endpoint_auth_signing_alg_values_supported"]
    assert algorithms == ["ES256", "RS256", "PS256", "EdDSA", "HS256"]
    assert "none" not in algorithms


async def test_sec_G1_keys_at_a_private_address_are_not_fetched(clock: FrozenClock) -> None:
    """G1: what is fetched for clients goes through the guard, unless the application hands over a Fetch of its own."""
    op = await install(
        memory_stores(clock),
        clock,
        clients=[client("inside", jwks_uri="https://127.0.0.1:1/jwks", **MACHINE)],
    )
    assert outcome(await ask(op, assertion(op, "inside"))) == (503, "temporarily_unavailable")
    assert reason(op) == "jwks_uri.unreachable"
    await op.provider.close()
