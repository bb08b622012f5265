"""A living room on memory, and on each of the stores."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.device.living_room import LivingRoom, open_living_room


@pytest.fixture
async def room(clock: FrozenClock) -> LivingRoom:
    return await open_living_room(memory_stores(clock), clock)


@pytest.fixture
async def room_on_each_store(each_store: Stores, clock: FrozenClock) -> LivingRoom:
    """The same on each of the stores, in turn."""
    return await open_living_room(each_store, clock)
