"""The life of signing keys: announced before they sign, published after, one active for each algorithm."""

import asyncio
from datetime import timedelta

import pytest

from authwright.crypto.jwt import JwtRejected, sign_jwt, unverified_claims, verify_jwt
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import RootKeys, Seal
from authwright.provider.signing import KeyLife, Signing
from authwright.records import KeyState
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import KeyStore, Stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import Installation

SEAL = Seal(RootKeys([b"k" * 32]), "signing-key")
LIFE = KeyLife(rotate_after=timedelta(days=90), announce=timedelta(days=1), retain=timedelta(days=2))


def signing(store: KeyStore, clock: FrozenClock, *algorithms: str) -> Signing:
    return Signing(store, SEAL, algorithms=algorithms or ("ES256",), clock=clock, life=LIFE)


async def states(store: KeyStore) -> list[KeyState]:
    return [record.state for record in await store.list()]


async def test_workers_that_start_together_share_one_key(each_store: Stores, clock: FrozenClock) -> None:
    """Whoever adds first wins; the others read that one."""
    workers = [signing(each_store.keys, clock) for _ in range(8)]
    keys = await asyncio.gather(*(worker.key("ES256") for worker in workers))
    assert len({key.kid for key in keys}) == 1
    assert await states(each_store.keys) == [KeyState.ACTIVE]


async def test_a_key_is_announced_then_signs_then_retires_then_goes(
    each_store: Stores, clock: FrozenClock
) -> None:
    """pending (published) → active → retiring (published) → gone."""
    store, worker = each_store.keys, signing(each_store.keys, clock)
    first = await worker.key("ES256")
    clock.advance(timedelta(days=88))
    await worker.maintain()
    assert await states(store) == [KeyState.ACTIVE]
    clock.advance(timedelta(days=1))
    await worker.maintain()
    await worker.maintain()
    assert await states(store) == [KeyState.ACTIVE, KeyState.PENDING]
    assert (await worker.key("ES256")).kid == first.kid
    assert len((await worker.ring()).jwks["keys"]) == 2
    clock.advance(timedelta(days=1))
    await worker.maintain()
    assert await states(store) == [KeyState.RETIRING, KeyState.ACTIVE]
    second = await worker.key("ES256")
    assert second.kid != first.kid
    old_token = sign_jwt(first, {"sub": "x"}, typ="JWT")
    assert (
        verify_jwt(old_token, await worker.verification_keys(), algorithms=("ES256",), types=("jwt",)).claims[
            "sub"
        ]
        == "x"
    )
    clock.advance(timedelta(days=2))
    await worker.maintain()
    assert await states(store) == [KeyState.ACTIVE]
    assert [key["kid"] for key in (await worker.ring()).jwks["keys"]] == [second.kid]


async def test_rotating_by_hand_takes_effect_in_every_worker_and_keeps_old_tokens_good(
    each_store: Stores, clock: FrozenClock
) -> None:
    """`keys rotate`: new keys sign at once, the old stay published."""
    here, there = signing(each_store.keys, clock), signing(each_store.keys, clock)
    before = await there.key("ES256")
    await here.rotate()
    assert (await here.key("ES256")).kid != before.kid
    clock.advance(10)
    assert (await there.key("ES256")).kid == (await here.key("ES256")).kid
    assert (await there.verification_keys()).has(before.kid)


async def test_keys_survive_in_the_store_sealed(clock: FrozenClock) -> None:
    """The private part is readable with the key-encryption key only."""
    stores = memory_stores(clock)
    await signing(stores.keys, clock).ring()
    [record] = await stores.keys.list()
    assert "d" not in record.public_jwk
    assert "PRIVATE" not in record.sealed_private_key
    other = Signing(
        stores.keys, Seal(RootKeys([b"x" * 32]), "signing-key"), algorithms=("ES256",), clock=clock
    )
    with pytest.raises(ValueError, match="key"):
        await other.ring()


async def test_a_revoked_key_is_gone_with_all_it_signed_and_another_signs(
    each_store: Stores, clock: FrozenClock
) -> None:
    """`keys revoke`: the key that signs is replaced, and no longer published from one reading of the store to the next."""
    here, there = signing(each_store.keys, clock), signing(each_store.keys, clock)
    stolen = await there.key("ES256")
    token = sign_jwt(stolen, {"sub": "x"}, typ="JWT")
    assert await here.revoke(stolen.kid)
    clock.advance(10)
    for worker in (here, there):
        assert (await worker.key("ES256")).kid != stolen.kid
        assert stolen.kid not in [key["kid"] for key in (await worker.ring()).jwks["keys"]]
        with pytest.raises(JwtRejected):
            verify_jwt(token, await worker.verification_keys(), algorithms=("ES256",), types=("jwt",))
    assert await states(each_store.keys) == [KeyState.ACTIVE]
    assert not await here.revoke(stolen.kid)


async def test_a_retiring_key_is_revoked_without_another_rotation(clock: FrozenClock) -> None:
    """Only the one that signs needs a successor."""
    stores = memory_stores(clock)
    worker = signing(stores.keys, clock)
    old = await worker.key("ES256")
    await worker.rotate()
    current = await worker.key("ES256")
    assert await worker.revoke(old.kid)
    assert (await worker.key("ES256")).kid == current.kid
    assert await states(stores.keys) == [KeyState.ACTIVE]


async def test_a_key_that_two_revoke_at_once_has_one_successor_that_signs(
    each_store: Stores, clock: FrozenClock
) -> None:
    """However they meet, the key is gone and exactly one is active."""
    workers = [signing(each_store.keys, clock) for _ in range(4)]
    stolen = await workers[0].key("ES256")
    await asyncio.gather(*(worker.revoke(stolen.kid) for worker in workers))
    records = await each_store.keys.list()
    assert stolen.kid not in {record.kid for record in records}
    assert [record.state for record in records].count(KeyState.ACTIVE) == 1


async def test_what_a_revoked_key_signed_is_no_hint_any_more_and_what_was_issued_is_still_known(
    op: Installation, clock: FrozenClock
) -> None:
    """Who checks a signature refuses it. An access token is known here by its digest, which no thief of a key can forge."""
    tokens = (await op.redeem(await op.code())).json()
    kid = (await op.get("/jwks")).json()["keys"][0]["kid"]
    seal = Seal(RootKeys([bytes(range(32))]), "signing-key")
    thief = SigningKey.unseal(
        (await op.stores.keys.list())[0].sealed_private_key, seal, kid=kid, algorithm="ES256"
    )
    await Signing(op.stores.keys, seal, algorithms=("ES256",), clock=clock).revoke(kid)
    clock.advance(10)
    assert kid not in {key["kid"] for key in (await op.get("/jwks")).json()["keys"]}
    assert (await op.get(f"/end_session?id_token_hint={tokens['id_token']}")).status == 400
    claims = dict(unverified_claims(tokens["access_token"]) or {})
    forged = sign_jwt(thief, {**claims, "sub": "u-admin"}, typ="at+jwt")
    assert (await op.get("/userinfo", authorization=f"Bearer {forged}")).status == 401
    assert not await op.is_active(forged)
    assert await op.is_active(tokens["access_token"])
    assert (await op.refresh(tokens["refresh_token"])).status == 200
