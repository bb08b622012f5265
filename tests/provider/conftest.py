"""Providers for tests: on memory, or on each of the three stores for what a store can get wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from tests.provider.installation import Installation, install


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def op(clock: FrozenClock) -> Installation:
    """A provider on the memory store."""
    return await install(memory_stores(clock), clock)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def each_store(
    request: pytest.FixtureRequest, clock: FrozenClock, tmp_path: Path
) -> AsyncIterator[Stores]:
    """Each of the stores we ship, in turn."""
    match request.param:
        case "memory":
            yield memory_stores(clock)
        case "sqlite":
            async with SqliteDatabase(tmp_path / "authwright.db", clock=clock) as sqlite:
                yield sqlite.stores
        case _:
            from authwright.stores.postgres import PostgresDatabase

            dsn = request.getfixturevalue("postgres_database")
            async with PostgresDatabase(dsn, clock=clock) as postgres:
                yield postgres.stores


@pytest.fixture
async def op_on_each_store(each_store: Stores, clock: FrozenClock) -> Installation:
    """A provider on each of the stores, in turn."""
    return await install(each_store, clock)
