"""A whole sign-in whose code is bound to a key from the start (RFC 9449 §10)."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.authorize.sign_in import open_site
from tests.provider.sender_constrained.bound_clients import TOKEN, USERINFO, error_of, redeem, userinfo
from tests.provider.sender_constrained.peers import Prover


async def test_sec_D6_a_code_asked_for_with_dpop_jkt_is_for_that_key(
    clock: FrozenClock, prover: Prover
) -> None:
    """D6: the key named in the authorization request, and no other, redeems the code; then it opens UserInfo."""
    site = await open_site(memory_stores(clock), clock)
    page = await site.sign_in(dpop_jkt=prover.jkt)
    code = page.params.require("code")
    assert error_of(await redeem(site.op, code)) == (400, "invalid_grant")
    other = Prover(clock).proof("POST", TOKEN)
    assert error_of(await redeem(site.op, code, other)) == (400, "invalid_grant")
    answer = await redeem(site.op, code, prover.proof("POST", TOKEN))
    assert (answer.status, answer.json()["token_type"]) == (200, "DPoP")
    token = answer.json()["access_token"]
    shown = await userinfo(site.op, token, prover.proof("GET", USERINFO, access_token=token))
    assert shown.json()["sub"] == "u-alice"


@pytest.mark.parametrize("jkt", ["short", "x" * 42, "x" * 44, "é" * 43, "a b" + "x" * 40])
async def test_a_malformed_dpop_jkt_is_refused(clock: FrozenClock, jkt: str) -> None:
    """RFC 9449 §10: a SHA-256 thumbprint in base64url."""
    site = await open_site(memory_stores(clock), clock)
    page = await site.authorize(dpop_jkt=jkt)
    assert page.params.require("error") == "invalid_request"
