"""Nonces of the server (RFC 9449 §8, §9), row D4 of the attack table."""

from datetime import timedelta
from pathlib import Path

import pytest

from authwright.crypto.dpop_nonces import DpopNonces
from authwright.stores.memory import memory_stores
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from tests.provider.installation import Installation, install
from tests.provider.sender_constrained.bound_clients import (
    BOUND_CLIENTS,
    TOKEN,
    USERINFO,
    ask,
    error_of,
    redeem,
    userinfo,
)
from tests.provider.sender_constrained.peers import Prover


async def first_nonce(op: Installation, prover: Prover) -> str:
    answer = await ask(op, prover.proof("POST", TOKEN))
    assert error_of(answer) == (400, "use_dpop_nonce")
    nonce = answer.headers.get("dpop-nonce")
    assert nonce
    return nonce


async def test_sec_D4_a_proof_without_our_nonce_is_told_to_use_it(
    op_with_nonces: Installation, prover: Prover
) -> None:
    """D4: nonce required: 400 use_dpop_nonce with `DPoP-Nonce`; the very same proof with the nonce is accepted."""
    op = op_with_nonces
    nonce = await first_nonce(op, prover)
    answer = await ask(op, prover.proof("POST", TOKEN, nonce=nonce))
    assert (answer.status, answer.json()["token_type"]) == (200, "DPoP")
    assert answer.headers.many("dpop-nonce") == (nonce,)


@pytest.mark.parametrize("forged", ["", "x", "é", "A" * 24, "A" * 2000])
async def test_sec_D4_a_forged_nonce_is_refused(
    op_with_nonces: Installation, prover: Prover, forged: str
) -> None:
    """D4: forged nonce: 400 use_dpop_nonce."""
    answer = await ask(op_with_nonces, prover.proof("POST", TOKEN, nonce=forged))
    assert error_of(answer) == (400, "use_dpop_nonce")


async def test_sec_D4_a_stale_nonce_is_refused(
    op_with_nonces: Installation, prover: Prover, clock: FrozenClock
) -> None:
    """D4: stale nonce: good for at least a minute, refused after two, and the next one comes with every answer."""
    op = op_with_nonces
    nonce = await first_nonce(op, prover)
    clock.advance(60)
    answer = await ask(op, prover.proof("POST", TOKEN, nonce=nonce))
    assert answer.status == 200
    newer = answer.headers.get("dpop-nonce")
    assert newer not in (None, nonce)
    clock.advance(60)
    answer = await ask(op, prover.proof("POST", TOKEN, nonce=nonce))
    assert error_of(answer) == (400, "use_dpop_nonce")
    assert (await ask(op, prover.proof("POST", TOKEN, nonce=newer))).status == 200


async def test_sec_D4_a_nonce_of_one_worker_is_good_at_another(clock: FrozenClock, prover: Prover) -> None:
    """D4: a nonce of node A must not be refused by node B: two providers with the same root keys and one store."""
    stores = memory_stores(clock)
    one = await install(stores, clock, clients=BOUND_CLIENTS, dpop_nonce=True)
    other = await install(stores, clock, clients=BOUND_CLIENTS, dpop_nonce=True)
    nonce = await first_nonce(one, prover)
    assert (await ask(other, prover.proof("POST", TOKEN, nonce=nonce))).status == 200


def test_workers_with_clocks_apart_and_rotated_keys_accept_each_other(clock: FrozenClock) -> None:
    """D4: a worker whose clock is a minute ahead, or that has the new root key already, hands out good nonces."""
    old, both = DpopNonces([b"o" * 32]), DpopNonces([b"n" * 32, b"o" * 32])
    now = clock()
    assert old.accepts(old.current(now + timedelta(seconds=60)), now)
    assert old.accepts(old.current(now), now + timedelta(seconds=59))
    assert both.accepts(old.current(now), now)
    assert not old.accepts(both.current(now), now)
    assert not old.accepts(old.current(now + timedelta(seconds=121)), now)
    assert not old.accepts(old.current(now - timedelta(seconds=121)), now)


async def test_every_answer_to_a_dpop_client_has_the_next_nonce(
    op_with_nonces: Installation, prover: Prover
) -> None:
    """RFC 9449 §8.2: refusals too; a client that sends no proof gets none."""
    op = op_with_nonces
    nonce = await first_nonce(op, prover)
    refused = await redeem(op, "no-code", prover.proof("POST", TOKEN, nonce=nonce))
    assert error_of(refused) == (400, "invalid_grant")
    assert refused.headers.get("dpop-nonce") == nonce
    assert (await ask(op)).headers.get("dpop-nonce") is None


async def test_sec_D4_userinfo_answers_401_with_a_nonce(op_with_nonces: Installation, prover: Prover) -> None:
    """D4: at a resource: 401 use_dpop_nonce with `DPoP-Nonce` and a DPoP challenge."""
    op = op_with_nonces
    nonce = await first_nonce(op, prover)
    answer = await redeem(op, await op.code(), prover.proof("POST", TOKEN, nonce=nonce))
    token = answer.json()["access_token"]
    refused = await userinfo(op, token, prover.proof("GET", USERINFO, access_token=token))
    assert error_of(refused) == (401, "use_dpop_nonce")
    assert refused.headers.get("dpop-nonce") == nonce
    challenge = refused.headers.get("www-authenticate") or ""
    assert challenge.startswith("DPoP ")
    assert 'error="use_dpop_nonce"' in challenge
    good = await userinfo(op, token, prover.proof("GET", USERINFO, access_token=token, nonce=nonce))
    assert (good.status, good.headers.get("dpop-nonce")) == (200, nonce)


async def test_sec_D3_a_flushed_store_asks_for_a_new_nonce(clock: FrozenClock, prover: Prover) -> None:
    """D3: replay after the store was flushed: use_dpop_nonce is forced; a durable store keeps nonce and memory."""
    before = await install(memory_stores(clock), clock, clients=BOUND_CLIENTS, dpop_nonce=True)
    proof = prover.proof("POST", TOKEN, nonce=await first_nonce(before, prover))
    assert (await ask(before, proof)).status == 200
    after = await install(memory_stores(clock), clock, clients=BOUND_CLIENTS, dpop_nonce=True)
    assert error_of(await ask(after, proof)) == (400, "use_dpop_nonce")


async def test_a_nonce_from_before_a_restart_is_good_where_used_proofs_are_kept(
    tmp_path: Path, clock: FrozenClock, prover: Prover
) -> None:
    """D4: with a durable store, restarting asks nobody for a new nonce."""
    nonce = None
    for _ in range(2):
        async with SqliteDatabase(tmp_path / "authwright.db", clock=clock) as database:
            op = await install(database.stores, clock, clients=BOUND_CLIENTS, dpop_nonce=True)
            nonce = nonce or await first_nonce(op, prover)
            assert (await ask(op, prover.proof("POST", TOKEN, nonce=nonce))).status == 200


async def test_a_document_that_caches_keep_carries_no_nonce(op_with_nonces: Installation) -> None:
    """RFC 9449 §8: answers with a nonce are not to be cached."""
    answer = await op_with_nonces.get("/jwks", dpop="x")
    assert (answer.status, answer.headers.get("dpop-nonce")) == (200, None)


async def test_a_nonce_nobody_asked_for_is_ignored(op: Installation, prover: Prover) -> None:
    """A client may still hold one from when nonces were asked for."""
    assert (await ask(op, prover.proof("POST", TOKEN, nonce="old"))).status == 200
