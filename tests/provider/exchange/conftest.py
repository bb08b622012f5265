"""Providers whose clients exchange tokens."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.exchange.exchanging import Services, exchanging
from tests.provider.installation import Installation


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
async def op(clock: FrozenClock, services: Services) -> Installation:
    """A provider on the memory store."""
    return await exchanging(memory_stores(clock), clock, services)


@pytest.fixture
async def op_on_each_store(each_store: Stores, clock: FrozenClock, services: Services) -> Installation:
    """A provider on each of the stores, in turn."""
    return await exchanging(each_store, clock, services)
