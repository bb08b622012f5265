"""What was read from a store a moment ago may go unseen for two seconds, and never for longer."""

from authwright.crypto.seal import RootKeys, Seal
from authwright.provider.clients import Clients
from authwright.provider.cors import RegisteredOrigins
from authwright.provider.recent import REREAD, Recent
from authwright.provider.signing import Signing
from authwright.records import Client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock

KEYS = RootKeys([b"k" * 32])


class Counted:
    """A store that says how often it was read."""

    def __init__(self) -> None:
        self.reads = 0

    async def get(self, key: str) -> str:
        self.reads += 1
        return f"{key} {self.reads}"


async def test_a_row_is_read_again_after_two_seconds() -> None:
    """Each key has its own two seconds."""
    clock, store = FrozenClock(), Counted()
    recent = Recent(store.get, clock=clock)
    assert [await recent.get("a"), await recent.get("a"), await recent.get("b")] == ["a 1", "a 1", "b 2"]
    clock.advance(REREAD.total_seconds())
    assert await recent.get("a") == "a 3"


async def test_a_clock_that_was_set_back_keeps_nothing_for_longer() -> None:
    """Security §4.3, a step of an hour back: a disabled client must not stay enabled for that hour."""
    clock, store = FrozenClock(), Counted()
    recent = Recent(store.get, clock=clock)
    assert await recent.get("a") == "a 1"
    clock.advance(-3600)
    assert await recent.get("a") == "a 2"


async def test_keys_and_origins_are_read_again_by_a_clock_that_was_set_back() -> None:
    """Security §4.3: neither a revoked key nor the origin of a client that is gone outlives its time."""
    clock = FrozenClock()
    stores = memory_stores(clock)
    signing = Signing(stores.keys, Seal(KEYS, "signing-key"), algorithms=("ES256",), clock=clock)
    await stores.clients.put(Client(client_id="spa", redirect_uris=("https://app.example/callback",)))
    origins = RegisteredOrigins(Clients(stores.clients, clock=clock), clock=clock)
    ring = await signing.ring()
    assert await signing.ring() is ring
    assert await origins.has("https://app.example")
    await stores.clients.remove("spa")
    assert await origins.has("https://app.example")
    clock.advance(-3600)
    assert await signing.ring() is not ring
    assert not await origins.has("https://app.example")
