"""The SQLite store against the contract: alone, and with the same file opened twice."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from authwright.stores.protocols import Stores
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.store_contract import StoreContract


class TestSqliteStores(StoreContract):
    """One database object."""

    @pytest.fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Stores]:
        async with SqliteDatabase(tmp_path / "store.db") as database:
            yield database.stores


class TestSqliteStoresOpenedTwice(StoreContract):
    """Two database objects on one file: two writers, as with two workers."""

    second: Stores

    @pytest.fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Stores]:
        async with SqliteDatabase(tmp_path / "s.db") as one, SqliteDatabase(tmp_path / "s.db") as two:
            self.second = two.stores
            yield one.stores

    def handles(self, stores: Stores) -> Sequence[Stores]:
        return [stores, self.second]
