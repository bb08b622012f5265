"""A SQLite database as a store: durable (an answered write survives a crash), for one or several processes.

Write-ahead log, `synchronous=FULL`; one writer thread commits in groups, reads run in the event loop.
"""

import asyncio
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from authwright.clock import Clock, utcnow
from authwright.stores.decision import Answer
from authwright.stores.migrations import Migration, migrations, outstanding
from authwright.stores.protocols import Stores, StoreUnavailable
from authwright.stores.rows import micros
from authwright.stores.sqlite_commit import PreparedCommit, commit_all, commit_hopefully
from authwright.stores.sqlite_consent_services import SqliteConsentServices
from authwright.stores.sqlite_reader import Reader
from authwright.stores.sqlite_records import (
    OnceClaim,
    SqliteAccounts,
    SqliteClients,
    SqliteConsents,
    SqliteKeys,
    SqliteLimits,
    SqliteOnce,
    SqliteRelyingPartySessions,
    SqliteSessions,
)
from authwright.stores.sqlite_tickets import SqliteTickets
from authwright.stores.sqlite_writer import GroupWriter

_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What was deleted is overwritten: no used code or personal datum stays behind in free pages.
    "PRAGMA secure_delete = ON",
    "PRAGMA wal_autocheckpoint = 8000",
    "PRAGMA journal_size_limit = 67108864",
)


CarryOut: TypeAlias = Callable[[sqlite3.Connection, Sequence[PreparedCommit]], list[Answer]]


class SqliteDatabase:
    """The stores in one file, made on first use. `async with SqliteDatabase(path) as db: db.stores`.

    Opened and used on one event loop. Times come from `clock` where no verb is given one.
    """

    def __init__(self, path: str | Path, clock: Clock = utcnow) -> None:
        self._path = Path(path)
        self._clock = clock
        self._opening = asyncio.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._reader = reader = Reader()
        self._writer = writer = GroupWriter(
            partial(_carried_out, commit_all), partial(_carried_out, commit_hopefully), _is_short
        )
        self.stores: Stores = Stores(
            tickets=SqliteTickets(reader, writer, clock),
            once=SqliteOnce(writer, clock),
            limits=SqliteLimits(writer),
            clients=SqliteClients(reader, writer),
            accounts=SqliteAccounts(reader, writer),
            consents=SqliteConsents(reader, writer),
            consent_services=SqliteConsentServices(reader, writer),
            sessions=SqliteSessions(reader, writer),
            keys=SqliteKeys(reader, writer),
            relying_party_sessions=SqliteRelyingPartySessions(reader, writer),
        )
        """Their verbs raise StoreUnavailable before `open` and after `close`."""

    async def open(self) -> None:
        """Create the file (mode 0600) and bring its schema up to date. Does nothing when it is open."""
        async with self._opening:
            if not self._connections:
                await self.migrate()
                await self._start()

    async def _start(self) -> None:
        try:
            write, read = await asyncio.to_thread(lambda: (self._connect(), self._connect(read_only=True)))
        except sqlite3.Error as error:
            raise StoreUnavailable(f"SQLite: {self._path} could not be opened") from error
        self._connections = [write, read]
        # The writer waits for locks by itself, on its thread, so that the loop never does.
        write.execute("PRAGMA busy_timeout = 0")
        self._writer.start(write)
        self._reader.start(read)

    async def close(self) -> None:
        """Finish what was handed to the writer, then close. Does nothing when it is closed."""
        connections, self._connections = self._connections, []
        if connections:
            await self._writer.close()
            self._reader.stop()
            for connection in connections:
                connection.close()

    async def __aenter__(self) -> "SqliteDatabase":
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def migrate(self, *, dry_run: bool = False) -> Sequence[str]:
        """Names of the migrations that were run, or with `dry_run` would be. Several processes may call it at once."""
        try:
            return await asyncio.to_thread(self._migrate, dry_run)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"SQLite: {self._path} could not be migrated") from error

    def _migrate(self, dry_run: bool) -> Sequence[str]:
        known = migrations("sqlite")
        if dry_run and not self._path.exists():
            return [migration.name for migration in known]
        with closing(self._connect()) as connection:
            if not dry_run:
                connection.execute("BEGIN IMMEDIATE")
                # Whoever has the write lock looks first, so each step runs once.
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS migrations"
                    " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER)"
                )
            todo = outstanding(known, _applied(connection))
            if not dry_run:
                for migration in todo:
                    self._run(connection, migration)
                connection.execute("COMMIT")
        return [migration.name for migration in todo]

    def _run(self, connection: sqlite3.Connection, migration: Migration) -> None:
        for statement in migration.statements():
            connection.execute(statement)
        connection.execute(
            "INSERT INTO migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
            (migration.number, migration.name, migration.checksum, micros(self._clock())),
        )

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        _create(self._path)
        connection = sqlite3.connect(
            self._path, timeout=5, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            _prepare(connection)
            if read_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection


def _create(path: Path) -> None:
    """Make an empty file that only its owner may read, as it holds personal data; the logs take over its mode."""
    if path.exists():
        return
    # Closing a file drops every lock the process has on it, so it is made under a name nobody else opens.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without hard links.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    finally:
        draft.unlink()


def _prepare(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + 5
    for pragma in _PRAGMAS:
        while True:
            try:
                connection.execute(pragma)
                break
            except sqlite3.OperationalError as error:
                # Several that switch a new file to the write-ahead log at once do not wait for each other by themselves.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _applied(connection: sqlite3.Connection) -> dict[int, str]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone():
        return {}
    return dict(connection.execute("SELECT number, checksum FROM migrations").fetchall())


def _is_short(item: Any) -> bool:
    """Whether it is a few rows; anything else may be many."""
    return type(item) is PreparedCommit or type(item) is OnceClaim


def _carried_out(commits: CarryOut, connection: sqlite3.Connection, items: Sequence[Any]) -> Sequence[Any]:
    """Carry out a group in order: each run of commits together by `commits`, anything else one by one."""
    results: list[Any] = []
    run: list[PreparedCommit] = []
    for item in items:
        if type(item) is PreparedCommit:
            run.append(item)
            continue
        if run:
            results += commits(connection, run)
            run = []
        results.append(item(connection))
    if run:
        results += commits(connection, run)
    return results
