"""A provider with its browser side, and a browser that knows nobody yet."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.authorize.sign_in import Site, open_site


@pytest.fixture
def stores(clock: FrozenClock) -> Stores:
    return memory_stores(clock)


@pytest.fixture
async def site(stores: Stores, clock: FrozenClock) -> Site:
    """A provider at https://op.example and a browser in front of it."""
    return await open_site(stores, clock)


@pytest.fixture
async def site_on_each_store(each_store: Stores, clock: FrozenClock) -> Site:
    """The same on each of the stores, in turn."""
    return await open_site(each_store, clock)
