"""DPoP where a token is used (RFC 9449 §7), rows D1, D2, D3 and D5 of the attack table."""

import asyncio

import pytest

from authwright.protocol.http import HttpRequest
from authwright.testing.clock import FrozenClock
from tests.provider.installation import ISSUER, Installation
from tests.provider.sender_constrained.bound_clients import USERINFO, bound_tokens, error_of, redeem, userinfo
from tests.provider.sender_constrained.peers import Prover, hash_of
from tests.provider.sender_constrained.wrong_proofs import GOOD_PROOFS, WRONG_PROOFS


@pytest.fixture
async def token(op: Installation, prover: Prover) -> str:
    return str((await bound_tokens(op, prover))["access_token"])


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "dPOP"])
async def test_a_bound_token_with_its_proof_is_let_in(
    op: Installation, prover: Prover, token: str, scheme: str
) -> None:
    """RFC 9449 §7.1; the case of the scheme does not count (RFC 9110 §11.1)."""
    answer = await userinfo(op, token, prover.proof("GET", USERINFO, access_token=token), scheme=scheme)
    assert (answer.status, answer.json()["sub"]) == (200, "u-alice")


async def test_the_proof_names_the_method_that_is_used(op: Installation, prover: Prover, token: str) -> None:
    """A POST needs a proof for POST."""
    proof = prover.proof("GET", USERINFO, access_token=token)
    assert error_of(await userinfo(op, token, proof, method="POST")) == (401, "invalid_dpop_proof")
    proof = prover.proof("POST", USERINFO, access_token=token)
    assert (await userinfo(op, token, proof, method="POST")).status == 200


@pytest.mark.parametrize("wrong", WRONG_PROOFS)
async def test_sec_D1_a_wrong_proof_is_401_invalid_dpop_proof(
    op: Installation, prover: Prover, token: str, wrong: str
) -> None:
    """D1: every wrong proof at a resource: 401 with `WWW-Authenticate: DPoP error="invalid_dpop_proof"`; a good one still works."""
    answer = await userinfo(op, token, WRONG_PROOFS[wrong](prover, "GET", USERINFO, token))
    assert error_of(answer) == (401, "invalid_dpop_proof")
    challenge = answer.headers.get("www-authenticate") or ""
    assert challenge.startswith("DPoP ")
    assert 'error="invalid_dpop_proof"' in challenge
    assert 'algs="ES256 PS256 EdDSA"' in challenge
    assert (await userinfo(op, token, prover.proof("GET", USERINFO, access_token=token))).status == 200


async def test_sec_D1_two_proofs_or_none_are_refused(op: Installation, prover: Prover, token: str) -> None:
    """D1: two DPoP headers, or none at all: 401 invalid_dpop_proof."""
    proofs = [prover.proof("GET", USERINFO, access_token=token) for _ in range(2)]
    assert error_of(await userinfo(op, token, *proofs)) == (401, "invalid_dpop_proof")
    assert error_of(await userinfo(op, token)) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize("good", GOOD_PROOFS)
async def test_sec_D2_what_is_the_same_request_is_accepted(
    op: Installation, prover: Prover, token: str, good: str
) -> None:
    """D2: htu with query, fragment, upper-case host, default port: accepted after normalisation."""
    assert (await userinfo(op, token, GOOD_PROOFS[good](prover, "GET", USERINFO, token))).status == 200


async def test_sec_D2_a_query_of_the_request_does_not_count(
    op: Installation, prover: Prover, token: str
) -> None:
    """RFC 9449 §4.2: htu is without query, whatever the request has."""
    proof = prover.proof("GET", USERINFO, access_token=token)
    headers = {"authorization": f"DPoP {token}", "dpop": proof}
    answer = await op.provider.handle(HttpRequest.to("GET", f"{USERINFO}?x=1", headers=headers))
    assert answer.status == 200


async def test_sec_D3_of_32_uses_of_one_proof_one_succeeds(
    op_on_each_store: Installation, clock: FrozenClock
) -> None:
    """D3: jti replay at a resource, in parallel, on every store: one accepted."""
    op, prover = op_on_each_store, Prover(clock)
    token = (await bound_tokens(op, prover))["access_token"]
    proof = prover.proof("GET", USERINFO, access_token=token)
    answers = await asyncio.gather(*(userinfo(op, token, proof) for _ in range(32)))
    assert sorted(answer.status for answer in answers) == [200, *[401] * 31]


async def test_sec_D5_the_proof_is_for_this_token(op: Installation, prover: Prover, token: str) -> None:
    """D5: ath missing, wrong, or of another token of the same key: 401 invalid_dpop_proof."""
    other = (await bound_tokens(op, prover))["access_token"]
    for ath in (None, "", "x", hash_of(other), hash_of(token) + "=", token):
        proof = prover.proof("GET", USERINFO, access_token=token, ath=ath)
        assert error_of(await userinfo(op, token, proof)) == (401, "invalid_dpop_proof"), ath


async def test_sec_D5_the_proof_is_of_the_token_s_key(op: Installation, token: str) -> None:
    """D5: a good proof of another key: 401."""
    thief = Prover(op.clock)
    answer = await userinfo(op, token, thief.proof("GET", USERINFO, access_token=token))
    assert error_of(answer) == (401, "invalid_dpop_proof")


async def test_sec_D5_a_bound_token_is_no_bearer_token(op: Installation, prover: Prover, token: str) -> None:
    """D5: a bound token sent as `Bearer`, in the header or the body, even with a proof: 401 invalid_token and a DPoP challenge."""
    for proofs in ((), (prover.proof("GET", USERINFO, access_token=token),)):
        answer = await userinfo(op, token, *proofs, scheme="Bearer")
        assert error_of(answer) == (401, "invalid_token")
        assert (answer.headers.get("www-authenticate") or "").startswith("DPoP ")
    in_body = await op.post_raw(
        "/userinfo",
        f"access_token={token}".encode(),
        {"content-type": "application/x-www-form-urlencoded"},
    )
    assert error_of(in_body) == (401, "invalid_token")


async def test_sec_D5_an_unbound_token_is_no_dpop_token(op: Installation, prover: Prover) -> None:
    """D5: an unbound token sent as `DPoP`: 401 invalid_token."""
    token = (await redeem(op, await op.code())).json()["access_token"]
    answer = await userinfo(op, token, prover.proof("GET", USERINFO, access_token=token))
    assert error_of(answer) == (401, "invalid_token")
    assert (answer.headers.get("www-authenticate") or "").startswith("DPoP ")
    assert (await userinfo(op, token, scheme="Bearer")).status == 200


async def test_sec_D5_a_dead_token_is_refused_before_its_proof_is_looked_at(
    op: Installation, prover: Prover, token: str
) -> None:
    """D5: an expired bound token: 401 invalid_token, as a DPoP challenge."""
    op.clock.advance(601)
    answer = await userinfo(op, token, prover.proof("GET", USERINFO, access_token=token))
    assert error_of(answer) == (401, "invalid_token")
    assert (answer.headers.get("www-authenticate") or "").startswith("DPoP ")


async def test_a_caller_without_a_token_learns_both_schemes(op: Installation) -> None:
    """RFC 9449 §7.1: Bearer and DPoP, each a challenge of its own, without an error."""
    answer = await op.get("/userinfo")
    assert answer.status == 401
    assert answer.headers.many("www-authenticate") == (
        f'Bearer realm="{ISSUER}"',
        f'DPoP realm="{ISSUER}", algs="ES256 PS256 EdDSA"',
    )
