"""The memory store against the contract."""

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.store_contract import StoreContract


class TestMemoryStores(StoreContract):
    """One event loop, no files."""

    @pytest.fixture
    def stores(self) -> Stores:
        return memory_stores()
