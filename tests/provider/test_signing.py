"""The life of signing keys: announced before they sign, published after, one active for each algorithm."""

import asyncio
from datetime import timedelta

import pytest

from authwright.crypto.jwt import sign_jwt, verify_jwt
from authwright.crypto.seal import RootKeys, Seal
from authwright.provider.signing import KeyLife, Signing
from authwright.records import KeyState
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import KeyStore, Stores
from authwright.testing.clock import FrozenClock

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
