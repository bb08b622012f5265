"""A provider whose clients authenticate in every way, and whose outside world is in the test's hands."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.client_authentication.assertions import CLIENTS, JWKS, STRICT, Remote
from tests.provider.installation import Installation, install


@pytest.fixture
def remote() -> Remote:
    """Serves the keys of the client "far"."""
    remote = Remote()
    remote.publish(JWKS)
    return remote


@pytest.fixture
async def op(clock: FrozenClock, remote: Remote) -> Installation:
    stores = memory_stores(clock)
    await stores.clients.put(STRICT)
    return await install(stores, clock, clients=CLIENTS, fetch=remote.fetch)


@pytest.fixture
async def op_on_each_store(each_store: Stores, clock: FrozenClock, remote: Remote) -> Installation:
    return await install(each_store, clock, clients=CLIENTS, fetch=remote.fetch)
