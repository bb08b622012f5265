"""DPoP at the token endpoint (RFC 9449 §4, §5, §10), rows D1, D2, D3 and D6 of the attack table."""

import asyncio
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest

from authwright.crypto.handles import random_id
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import StoreUnavailable
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from authwright.ticket import CodeBinding, Ticket
from tests.provider.installation import CALLBACK, VERIFIER, Installation, install
from tests.provider.sender_constrained.bound_clients import (
    BOUND_CLIENTS,
    TOKEN,
    ask,
    bound_tokens,
    error_of,
    redeem,
    refresh,
)
from tests.provider.sender_constrained.peers import Prover
from tests.provider.sender_constrained.wrong_proofs import GOOD_PROOFS, WRONG_PROOFS


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
async def test_a_proof_binds_the_token_to_its_key(op: Installation, algorithm: str) -> None:
    """RFC 9449 §5, §6: token_type DPoP; cnf.jkt in the JWT and in the introspection answer, as jwcrypto reckons it."""
    prover = Prover(op.clock, algorithm)
    tokens = await bound_tokens(op, prover)
    assert tokens["token_type"] == "DPoP"
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": prover.jkt}
    about = (await op.post("/introspect", client_id="api", token=tokens["access_token"])).json()
    assert (about["active"], about["token_type"], about["cnf"]) == (True, "DPoP", {"jkt": prover.jkt})


async def test_an_opaque_token_is_bound_as_well(op: Installation, prover: Prover) -> None:
    """RFC 9449 §6.2: the binding of an opaque token is seen by introspection."""
    answer = await ask(op, prover.proof("POST", TOKEN))
    assert (answer.status, answer.json()["token_type"]) == (200, "DPoP")
    about = (await op.post("/introspect", client_id="machine", token=answer.json()["access_token"])).json()
    assert (about["token_type"], about["cnf"]) == ("DPoP", {"jkt": prover.jkt})


async def test_without_a_proof_nothing_is_bound(op: Installation) -> None:
    """RFC 9449 §5: a client that sends no proof gets a Bearer token."""
    answer = await ask(op)
    assert (answer.status, answer.json()["token_type"]) == (200, "Bearer")
    assert answer.headers.get("dpop-nonce") is None
    about = (await op.post("/introspect", client_id="machine", token=answer.json()["access_token"])).json()
    assert "cnf" not in about


@pytest.mark.parametrize("wrong", WRONG_PROOFS)
async def test_sec_D1_a_wrong_proof_is_400_invalid_dpop_proof(
    op: Installation, prover: Prover, wrong: str
) -> None:
    """D1: no or bad typ, alg none or HS*, no jwk, jwk with private part, bad signature, no jti, htm, htu or iat, iat an hour off, htm or htu of another request: 400 at the authorization server."""
    answer = await ask(op, WRONG_PROOFS[wrong](prover, "POST", TOKEN, None))
    assert error_of(answer) == (400, "invalid_dpop_proof")
    assert answer.headers.get("cache-control") == "no-store"
    assert (await ask(op, prover.proof("POST", TOKEN))).status == 200


async def test_sec_D1_two_proofs_are_refused(op: Installation, prover: Prover) -> None:
    """D1: two DPoP headers: 400 invalid_dpop_proof, though each is good."""
    answer = await ask(op, prover.proof("POST", TOKEN), prover.proof("POST", TOKEN))
    assert error_of(answer) == (400, "invalid_dpop_proof")


async def test_sec_D1_the_case_of_the_header_does_not_count(op: Installation, prover: Prover) -> None:
    """dpop-negative-tests: the header's name in capitals is the same header."""
    answer = await ask(op, prover.proof("POST", TOKEN), header="DPOP")
    assert answer.json()["token_type"] == "DPoP"


@pytest.mark.parametrize("good", GOOD_PROOFS)
async def test_sec_D2_what_is_the_same_request_is_accepted(
    op: Installation, prover: Prover, good: str
) -> None:
    """D2: htu with query or fragment, upper-case host, default port: accepted after normalisation; clocks ten seconds apart and unknown members are accepted too."""
    answer = await ask(op, GOOD_PROOFS[good](prover, "POST", TOKEN, None))
    assert (answer.status, answer.json()["token_type"]) == (200, "DPoP")


async def test_sec_D3_a_proof_serves_once(op: Installation, prover: Prover) -> None:
    """D3: jti replay: refused as long as the proof could be accepted; the same jti of another key is another."""
    proof = prover.proof("POST", TOKEN, jti="one")
    assert (await ask(op, proof)).status == 200
    for seconds in (0, 30, 30):
        op.clock.advance(seconds)
        assert error_of(await ask(op, proof)) == (400, "invalid_dpop_proof")
        assert error_of(await ask(op, prover.proof("POST", TOKEN, jti="one"))) == (400, "invalid_dpop_proof")
    assert (await ask(op, Prover(op.clock).proof("POST", TOKEN, jti="one"))).status == 200


async def test_sec_D3_of_32_requests_with_one_proof_one_succeeds(
    op_on_each_store: Installation, clock: FrozenClock
) -> None:
    """D3: jti replay in parallel: one accepted, on every store."""
    proof = Prover(clock).proof("POST", TOKEN)
    answers = await asyncio.gather(*(ask(op_on_each_store, proof) for _ in range(32)))
    outcomes = sorted(error_of(answer) for answer in answers)
    assert outcomes == [(200, ""), *[(400, "invalid_dpop_proof")] * 31]


async def test_sec_D3_a_restart_does_not_make_a_proof_good_again(tmp_path: Path, clock: FrozenClock) -> None:
    """D3: replay after the server and its store were closed and opened again."""
    proof = Prover(clock).proof("POST", TOKEN)
    for expected in (200, 400):
        async with SqliteDatabase(tmp_path / "authwright.db", clock=clock) as database:
            op = await install(database.stores, clock, clients=BOUND_CLIENTS)
            assert (await ask(op, proof)).status == expected


async def test_a_proof_that_was_refused_is_not_spent(
    op: Installation, prover: Prover, clock: FrozenClock
) -> None:
    """The jti is claimed last: a proof that is refused for another reason, or comes unauthenticated, spends nothing."""
    ahead = prover.proof("POST", TOKEN, iat=int(clock().timestamp()) + 31)
    assert error_of(await ask(op, ahead)) == (400, "invalid_dpop_proof")
    stranger = await ask(op, ahead, client_id="nobody")
    assert error_of(stranger) == (401, "invalid_client")
    clock.advance(5)
    assert (await ask(op, ahead)).status == 200


async def test_a_store_that_cannot_be_reached_is_503(clock: FrozenClock, prover: Prover) -> None:
    """Rule R(c): a fault of ours is never told as a wrong proof."""

    class Unreachable:
        async def claim(self, key: str, until: Any) -> bool:
            raise StoreUnavailable

    stores = msgspec.structs.replace(memory_stores(clock), once=Unreachable())
    op = await install(stores, clock, clients=BOUND_CLIENTS)
    answer = await ask(op, prover.proof("POST", TOKEN))
    assert error_of(answer) == (503, "temporarily_unavailable")
    assert answer.headers.get("retry-after")


async def test_a_client_may_be_bound_to_proofs(op: Installation, prover: Prover) -> None:
    """RFC 9449 §5.2: dpop_bound_access_tokens refuses a request without a proof."""
    assert error_of(await ask(op, client_id="bound")) == (400, "invalid_dpop_proof")
    answer = await ask(op, prover.proof("POST", TOKEN), client_id="bound")
    assert answer.json()["token_type"] == "DPoP"


# --- codes


async def code_for(op: Installation, jkt: str, client_id: str = "web") -> str:
    """A code that was asked for with `dpop_jkt`."""
    from authwright.protocol.pkce import challenge_of

    now = op.clock()
    ticket = Ticket(
        grant_id=random_id(),
        client_id=client_id,
        subject="u-alice",
        scopes=("openid", "offline_access"),
        presenters=frozenset((client_id,)),
        auth_time=now,
    )
    binding = CodeBinding(redirect_uri=CALLBACK, code_challenge=challenge_of(VERIFIER), dpop_jkt=jkt)
    minted = await op.minting.authorization_code(ticket, binding, op.clients[client_id], now)
    assert minted.record is not None
    await op.stores.tickets.commit(id=random_id(), now=now, add=(minted.record,))
    return minted.value


@pytest.mark.parametrize("client_id", ["web", "spa"])
async def test_sec_D6_a_code_with_dpop_jkt_needs_that_key(
    op: Installation, prover: Prover, client_id: str
) -> None:
    """D6: dpop_jkt is not the token request's key: 400 invalid_grant, and the code is not spent by it."""
    code = await code_for(op, prover.jkt, client_id)
    other = Prover(op.clock).proof("POST", TOKEN)
    assert error_of(await redeem(op, code, other, client_id=client_id)) == (400, "invalid_grant")
    assert error_of(await redeem(op, code, client_id=client_id)) == (400, "invalid_grant")
    answer = await redeem(op, code, prover.proof("POST", TOKEN), client_id=client_id)
    assert (answer.status, answer.json()["token_type"]) == (200, "DPoP")


async def test_sec_D6_ten_tries_with_other_keys_kill_the_code(op: Installation, prover: Prover) -> None:
    """D6: wrong keys count as failed redemptions."""
    code = await code_for(op, prover.jkt)
    for _ in range(10):
        await redeem(op, code, Prover(op.clock).proof("POST", TOKEN))
    assert error_of(await redeem(op, code, prover.proof("POST", TOKEN))) == (400, "invalid_grant")


# --- refresh tokens


async def test_sec_D6_a_public_client_s_refresh_token_needs_its_key(op: Installation, prover: Prover) -> None:
    """D6: the refresh token of a public client with a new key: 400; it is not rebound, and not revoked either."""
    first = await bound_tokens(op, prover, "spa")
    thief = Prover(op.clock)
    stolen = await refresh(op, first["refresh_token"], thief.proof("POST", TOKEN), client_id="spa")
    assert error_of(stolen) == (400, "invalid_grant")
    bare = await refresh(op, first["refresh_token"], client_id="spa")
    assert error_of(bare) == (400, "invalid_dpop_proof")
    for _ in range(3):
        answer = await refresh(op, first["refresh_token"], prover.proof("POST", TOKEN), client_id="spa")
        first = answer.json()
        assert first["token_type"] == "DPoP"
    claims = jwt.decode(first["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": prover.jkt}


async def test_a_confidential_client_may_come_with_a_new_key(op: Installation, prover: Prover) -> None:
    """RFC 9449 §5: its refresh token is bound by its authentication; the access token is bound to the new key."""
    first = await bound_tokens(op, prover)
    new = Prover(op.clock)
    second = (await refresh(op, first["refresh_token"], new.proof("POST", TOKEN))).json()
    assert second["token_type"] == "DPoP"
    claims = jwt.decode(second["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": new.jkt}
    assert error_of(await refresh(op, second["refresh_token"])) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("client_id", ["web", "spa"])
async def test_sec_D6_what_is_unbound_stays_unbound(op: Installation, prover: Prover, client_id: str) -> None:
    """D6: whoever holds an unbound refresh token cannot bind it to a key of theirs; without a proof it still works."""
    first = (await redeem(op, await op.code(client_id), client_id=client_id)).json()
    assert first["token_type"] == "Bearer"
    proven = await refresh(op, first["refresh_token"], prover.proof("POST", TOKEN), client_id=client_id)
    assert error_of(proven) == (400, "invalid_grant")
    again = await refresh(op, first["refresh_token"], client_id=client_id)
    assert (again.status, again.json()["token_type"]) == (200, "Bearer")


async def test_discovery_says_which_proofs_are_taken(op: Installation) -> None:
    """RFC 9449 §5.1; certificates only where a proxy hands them on (RFC 8705 §3.3)."""
    document = (await op.get("/.well-known/openid-configuration")).json()
    assert document["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "EdDSA"]
    assert "tls_client_certificate_bound_access_tokens" not in document
    proxied = await install(memory_stores(op.clock), op.clock, trusted_proxies=["10.0.0.1"])
    document = (await proxied.get("/.well-known/openid-configuration")).json()
    assert document["tls_client_certificate_bound_access_tokens"] is True


async def test_a_proof_of_a_refused_grant_is_not_spent(op: Installation, prover: Prover) -> None:
    """Decide, then act: a wrong code uses up neither the code nor the proof that came with it."""
    proof = prover.proof("POST", TOKEN)
    assert error_of(await redeem(op, "no-such-code", proof)) == (400, "invalid_grant")
    assert (await redeem(op, await op.code(), proof)).status == 200
    assert error_of(await redeem(op, await op.code(), proof)) == (400, "invalid_dpop_proof")
