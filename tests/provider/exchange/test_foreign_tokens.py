"""Token exchange, row E6: JWTs and ID tokens of other issuers that the operator trusts; attacks with them (RFC 8725)."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest

from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, JWT
from authwright.protocol.http import HttpResponse
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.client_authentication.assertions import EC_KEY, OTHER_EC_KEY, claims, ec_jwk
from tests.provider.exchange.exchanging import (
    IDP,
    IDP_JWKS,
    access_token,
    claims_of,
    exchange,
    exchanging,
    introspected,
    refusal,
    sign_in,
    statement,
    tokens_of,
    trusted,
)
from tests.provider.installation import API, ISSUER, Installation


async def bring(op: Installation, token: str, token_type: str = JWT, **params: Any) -> HttpResponse:
    return await exchange(op, token, subject_token_type=token_type, **{"scope": "read", **params})


@pytest.mark.parametrize("token_type", [JWT, ID_TOKEN])
async def test_tx_E6_a_trusted_issuers_statement_gives_a_token_of_ours(
    op: Installation, token_type: str
) -> None:
    """E6, E16: the user is ours, the issuer is ours, and it does not outlive the statement."""
    answer = await bring(
        op, statement(op, auth_time=int(op.clock().timestamp()) - 5, acr="urn:high"), token_type
    )
    assert (answer.status, answer.json()["expires_in"]) == (200, 60)
    after = claims_of(answer.json()["access_token"])
    assert (after["iss"], after["sub"], after["client_id"]) == (ISSUER, "u-alice", "web")
    assert (after["auth_time"], after["acr"]) == (int(op.clock().timestamp()) - 5, "urn:high")
    assert "sid" not in after


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": EC_KEY}, "signature"),
        ({"headers": {"kid": "unknown"}}, "kid"),
        ({"iss": "https://nobody.example"}, "issuer_unknown"),
        ({"iss": None}, "issuer_unknown"),
        ({"aud": "https://else.example"}, "aud"),
        ({"aud": [ISSUER, "https://else.example"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"exp": 1}, "exp"),
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": 1_600_000_000}, "too_old"),
        ({"jti": None}, "jti"),
        ({"nbf": 4_000_000_000}, "nbf"),
        ({"cnf": {"jwk": {}}}, "cnf"),
        ({"headers": {"kid": "idp-1", "typ": "logout+jwt"}}, "typ"),
        ({"headers": {"kid": "idp-1", "typ": "dpop+jwt"}}, "typ"),
    ],
)
async def test_tx_E6_what_is_wrong_with_it_is_for_the_log(
    op: Installation, changes: Any, reason: str
) -> None:
    """E6, T14, RFC 8693 §2.2.2: invalid_request in one fixed text, whatever the reason; no token in it."""
    answer = await bring(op, statement(op, **changes))
    assert refusal(op, answer) == (400, "invalid_request", f"exchange.subject_{reason}")
    assert answer.json()["error_description"] == "The specified subject_token is invalid."


async def test_tx_E6_one_that_lives_too_long_is_refused(op: Installation) -> None:
    """E6: max age: it is remembered until it expires."""
    answer = await bring(op, statement(op, exp=int(op.clock().timestamp()) + 7200))
    assert refusal(op, answer)[2] == "exchange.subject_exp_far"


async def test_tx_E7_a_subject_nobody_here_is_is_refused(op: Installation) -> None:
    """E7: external subjects map to an active account; unknown: denied."""
    answer = await bring(op, statement(op, sub="u-nobody"))
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_user_unknown")


async def test_attack_replay_of_an_external_jwt(op: Installation) -> None:
    """Attack: the same JWT again; and at the same moment, only one of many gets a token."""
    signed = statement(op)
    assert (await bring(op, signed)).status == 200
    assert refusal(op, await bring(op, signed)) == (400, "invalid_request", "assertion.replay")
    signed = statement(op)
    answers = await asyncio.gather(*(bring(op, signed) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200, *[400] * 7]


async def test_a_refused_request_does_not_use_the_jwt_up(op: Installation) -> None:
    """Decide, then act: it is claimed when tokens are about to be given."""
    signed = statement(op)
    assert (await bring(op, signed, scope="admin")).status == 400
    assert (await bring(op, signed)).status == 200


async def test_an_external_id_token_may_be_shown_again(op: Installation) -> None:
    """RFC 8693 §1: exchange does not change the validity of its input; an ID token is bound by its time."""
    signed = statement(op, jti=None)
    assert (await bring(op, signed, ID_TOKEN)).status == 200
    assert (await bring(op, signed, ID_TOKEN)).status == 200


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
@pytest.mark.parametrize("token_type", [JWT, ID_TOKEN])
async def test_attack_algorithm_confusion(op: Installation, algorithm: str, token_type: str) -> None:
    """Attack: the public key used as an HMAC secret, or no signature at all (RFC 8725 §3.1)."""
    members = claims(op, IDP, sub="u-alice")
    # What is published is known to everybody, as text in any form.
    secret: Any = ec_jwk(OTHER_EC_KEY, "idp-1")["x"] if algorithm == "HS256" else None
    signed = jwt.encode(members, secret, algorithm=algorithm, headers={"kid": "idp-1"})
    answer = await bring(op, signed, token_type)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_alg")


async def test_attack_our_own_id_token_with_another_algorithm(op: Installation) -> None:
    """Attack: the same on ours: nobody but our key says who signed in."""
    await sign_in(op)
    tokens = await tokens_of(op)
    jwks = (await op.get("/jwks")).json()["keys"][0]
    forged = jwt.encode(
        claims_of(tokens["id_token"]), jwks["x"], algorithm="HS256", headers={"kid": jwks["kid"]}
    )
    answer = await bring(op, forged, ID_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_alg")


async def test_sec_T14_a_token_of_one_kind_is_not_taken_as_another(op: Installation) -> None:
    """T14 "typed wrong", "ID token taken as AT": each of our tokens under every type it is not of."""
    await sign_in(op)
    tokens = await tokens_of(op)
    for value, wrong in (
        (tokens["id_token"], (ACCESS_TOKEN, JWT)),
        (tokens["access_token"], (ID_TOKEN, JWT, "urn:ietf:params:oauth:token-type:refresh_token")),
        (tokens["refresh_token"], (ACCESS_TOKEN, ID_TOKEN, JWT)),
    ):
        for token_type in wrong:
            assert refusal(op, await bring(op, value, token_type))[:2] == (400, "invalid_request"), token_type


async def test_sec_T14_codes_are_not_exchanged(op: Installation) -> None:
    """T14: a code is for the grant it was made for (OpenIddict refuses it too)."""
    code = await op.code()
    assert refusal(op, await bring(op, code, ACCESS_TOKEN))[2] == "exchange.subject_unknown"


async def test_tx_bug_23_an_id_token_for_another_client_is_refused(op: Installation) -> None:
    """Defect 23: the reference looks at no audience, so any client's ID token works (confused deputy)."""
    await sign_in(op)
    others = await tokens_of(op, "other")
    answer = await bring(op, others["id_token"], ID_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_other_clients_token")
    answer = await bring(op, statement(op, aud="https://else.example"), ID_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_aud")


async def test_an_external_name_is_not_a_client_of_ours(op: Installation) -> None:
    """E8: that the foreign token was issued to a client called `api` gives ours of that name nothing to point to."""
    answer = await bring(op, statement(op, azp="api"), ID_TOKEN)
    assert answer.status == 200
    seen = await introspected(op, answer.json()["access_token"])
    assert seen["client_id"] == "web"


async def test_a_key_set_that_cannot_be_had_is_no_fault_of_the_token(clock: FrozenClock) -> None:
    """Our trouble is a 503 and Retry-After, never invalid_request."""
    remote, _ = trusted()
    remote.answers[IDP_JWKS] = OSError("down")
    op = await exchanging(memory_stores(clock), clock, fetch=remote.fetch)
    answer = await bring(op, statement(op))
    assert (answer.status, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers.get("retry-after")


async def test_an_external_actor_is_told_apart_from_ours(op: Installation) -> None:
    """E10: an actor of another issuer carries its `iss`, and may_act without one does not name it."""
    from tests.provider.exchange.exchanging import with_may_act

    params = {"actor_token": statement(op, sub="robot"), "actor_token_type": JWT, "scope": "read"}
    token = await access_token(op, **with_may_act({"sub": "robot"}))
    assert refusal(op, await exchange(op, token, **params))[2] == "exchange.actor_not_allowed"
    token = await access_token(op, resources=(API,), **with_may_act({"sub": "robot", "iss": IDP}))
    answer = await exchange(op, token, **params)
    assert claims_of(answer.json()["access_token"])["act"] == {"sub": "robot", "iss": IDP}
    answer = await exchange(op, token, **params)
    assert refusal(op, answer) == (400, "invalid_request", "assertion.replay")


async def test_two_tokens_that_are_good_once_are_not_taken_together(op: Installation) -> None:
    """One request uses one thing up."""
    answer = await bring(
        op,
        statement(op, may_act={"sub": "robot"}),
        actor_token=statement(op, sub="robot"),
        actor_token_type=JWT,
    )
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_single_use_twice")


async def test_a_bound_external_jwt_needs_its_key(op: Installation) -> None:
    """E9 for another issuer's token: its `cnf` is honoured (RFC 7800)."""
    answer = await bring(op, statement(op, cnf={"jkt": "k" * 43}))
    assert refusal(op, answer) == (400, "invalid_dpop_proof", "exchange.proof_missing")


async def test_old_statements_stay_used_until_they_expire(op: Installation, clock: FrozenClock) -> None:
    """The claim outlasts the token."""
    signed = statement(op)
    assert (await bring(op, signed)).status == 200
    clock.advance(timedelta(seconds=59))
    assert refusal(op, await bring(op, signed))[:2] == (400, "invalid_request")
