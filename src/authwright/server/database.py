"""The database a configuration names, and its faults as words for an operator."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from authwright.server.config import ConfigurationError, Loaded
from authwright.stores.migrations import MigrationMismatch
from authwright.stores.protocols import Stores, StoreUnavailable
from authwright.stores.sqlite import SqliteDatabase


class Database(Protocol):
    """What SQLite and PostgreSQL have in common."""

    @property
    def stores(self) -> Stores: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def migrate(self, *, dry_run: bool = False) -> Sequence[str]: ...


def database(loaded: Loaded) -> Database:
    """The database, not opened yet. Raises ConfigurationError when its driver is not installed."""
    url = loaded.values.store.url
    if url.startswith("sqlite:"):
        return SqliteDatabase(loaded.path(_sqlite_file(url)))
    try:
        from authwright.stores.postgres import PostgresDatabase
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{loaded.file}: store.url: PostgreSQL needs the package {error.name}; install authwright[postgres]"
        ) from None
    return PostgresDatabase(url)


def shown_url(loaded: Loaded) -> str:
    """The URL for an operator: no user name, password or parameters."""
    url = loaded.values.store.url
    if url.startswith("sqlite:"):
        return f"sqlite:{loaded.path(_sqlite_file(url))}"
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


@asynccontextmanager
async def opened(loaded: Loaded) -> AsyncIterator[Stores]:
    """The stores, open and migrated. Raises ConfigurationError when they cannot be had."""
    db = database(loaded)
    try:
        async with faults_named(loaded):
            await db.open()
        yield db.stores
    finally:
        await db.close()


@asynccontextmanager
async def faults_named(loaded: Loaded) -> AsyncIterator[None]:
    """A fault of the store inside becomes a ConfigurationError that names the key and the database."""
    at = f"{loaded.file}: store.url: {shown_url(loaded)}"
    try:
        yield
    except StoreUnavailable as error:
        raise ConfigurationError(f"{at} cannot be opened{_reason(error.__cause__)}") from None
    except OSError as error:
        raise ConfigurationError(f"{at} cannot be opened{_reason(error)}") from None
    except MigrationMismatch as error:
        raise ConfigurationError(f"{at} does not fit this version: {error}") from None


def _reason(cause: BaseException | None) -> str:
    """Why, where it can be told: a network driver's own text may hold the URL, so only its kind is."""
    match cause:
        case None:
            return ""
        case OSError(strerror=str(text)):
            return f": {text}"
        case sqlite3.Error():
            return f": {cause}"
        case _:
            return f": {type(cause).__name__}"


def _sqlite_file(url: str) -> str:
    path = url.removeprefix("sqlite:")
    # sqlite:///abs is the URL way of writing an absolute path; sqlite:file.db the short one.
    return "/" + path.lstrip("/") if path.startswith("//") else path
