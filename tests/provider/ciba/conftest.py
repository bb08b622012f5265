"""A counter on memory, and on each of the stores."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.ciba.counter import Counter, open_counter


@pytest.fixture
async def counter(clock: FrozenClock) -> Counter:
    return await open_counter(memory_stores(clock), clock)


@pytest.fixture
async def counter_on_each_store(each_store: Stores, clock: FrozenClock) -> Counter:
    """The same on each of the stores, in turn."""
    return await open_counter(each_store, clock)
