"""The PostgreSQL store against the contract, with two database objects as two workers would have them."""

from collections.abc import AsyncIterator, Sequence

import pytest

from authwright.stores.postgres import PostgresDatabase
from authwright.stores.protocols import Stores
from authwright.testing.store_contract import StoreContract

pytestmark = pytest.mark.postgres


class TestPostgresStores(StoreContract):
    """A real server."""

    second: Stores

    @pytest.fixture
    async def stores(self, postgres_dsn: str) -> AsyncIterator[Stores]:
        async with PostgresDatabase(postgres_dsn) as one, PostgresDatabase(postgres_dsn) as two:
            self.second = two.stores
            yield one.stores

    def handles(self, stores: Stores) -> Sequence[Stores]:
        return [stores, self.second]


class TestPostgresStoresSerializable(StoreContract):
    """At SERIALIZABLE the server asks for repetition often (40001): the answers stay the same."""

    @pytest.fixture
    async def stores(self, postgres_dsn: str) -> AsyncIterator[Stores]:
        query = "&" if "?" in postgres_dsn else "?"
        async with PostgresDatabase(
            f"{postgres_dsn}{query}default_transaction_isolation=serializable"
        ) as database:
            yield database.stores
