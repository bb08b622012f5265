"""Providers with clients whose tokens are bound to something."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import Installation, install
from tests.provider.sender_constrained.bound_clients import BOUND_CLIENTS
from tests.provider.sender_constrained.peers import Prover


@pytest.fixture
def prover(clock: FrozenClock) -> Prover:
    return Prover(clock)


@pytest.fixture
async def op(clock: FrozenClock) -> Installation:
    """A provider on the memory store."""
    return await install(memory_stores(clock), clock, clients=BOUND_CLIENTS)


@pytest.fixture
async def op_with_nonces(clock: FrozenClock) -> Installation:
    """A provider that asks for nonces."""
    return await install(memory_stores(clock), clock, clients=BOUND_CLIENTS, dpop_nonce=True)


@pytest.fixture
async def op_on_each_store(each_store: Stores, clock: FrozenClock) -> Installation:
    """A provider on each of the stores, in turn."""
    return await install(each_store, clock, clients=BOUND_CLIENTS)
