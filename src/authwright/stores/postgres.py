"""A PostgreSQL database as a store, over asyncpg; our own SQL, each verb one transaction at READ COMMITTED.

Only what its relatives (CockroachDB, YugabyteDB) have too: no advisory locks, no sequences; what the database asks to
be repeated (40001, 40P01) is repeated. `synchronous_commit` must be on, as it is by default.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

try:
    import asyncpg
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"PostgreSQL needs the package {_missing.name}; install authwright[postgres]", name=_missing.name
    ) from None

from authwright.clock import Clock, utcnow
from authwright.stores.migrations import migrations, outstanding
from authwright.stores.postgres_consent_services import PostgresConsentServices
from authwright.stores.postgres_records import (
    PostgresAccounts,
    PostgresClients,
    PostgresConsents,
    PostgresKeys,
    PostgresLimits,
    PostgresOnce,
    PostgresRelyingPartySessions,
    PostgresSessions,
)
from authwright.stores.postgres_tickets import PostgresTickets
from authwright.stores.protocols import Stores, StoreUnavailable
from authwright.stores.rows import micros

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_ATTEMPTS = 4
"""How often work is tried on a connection that gets lost."""
_REPETITIONS = 10
"""How often work is tried that the database refuses for others' sake: it was rolled back, so it is safe to."""
_CONNECT_SECONDS = 5
_COMMAND_SECONDS = 10
_REPEAT = {"40001", "40P01"}
_LOST = (
    OSError,
    EOFError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    # What asyncpg raises on a connection whose end it has not quite noticed.
    asyncpg.InternalClientError,
)
_UNABLE = ("08", "25", "28", "3D", "53", "55", "57", "58", "XX")
"""SQLSTATE classes that say the database cannot serve now: connection, read-only, login, resources, shutdown."""


class Connections:
    """At most `size` connections, each used by one operation at a time; the one used last is used next."""

    def __init__(self, dsn: str, *, size: int, statement_cache_size: int) -> None:
        self._dsn = dsn
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._statement_cache_size = statement_cache_size
        self.closed: bool = False

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, repeatable: bool = True) -> T:
        """The result of `work` on a connection; it is its own transaction, or opens one.

        Repeated when the database asks for it, and, when it is `repeatable`, after a lost connection, which leaves
        open whether it was committed. Raises StoreUnavailable when that does not help.
        """
        if self.closed:
            raise StoreUnavailable("the database is closed")
        attempt = 0
        async with self._free:
            while True:
                attempt += 1
                connection = await self._connect()
                try:
                    result = await work(connection)
                except asyncpg.PostgresError as error:
                    state = error.sqlstate or ""
                    lost = connection.is_closed() or state.startswith(("08", "57P"))
                    if state not in _REPEAT and not state.startswith(_UNABLE) and not lost:
                        self._idle.append(connection)
                        raise
                    self._give_back(connection, lost)
                    tries = _REPETITIONS if state in _REPEAT else _ATTEMPTS if lost and repeatable else 1
                    if attempt >= tries:
                        raise StoreUnavailable(f"PostgreSQL: {state}") from error
                except _LOST as error:
                    self._give_back(connection, lost=True)
                    if attempt >= _ATTEMPTS or not repeatable or isinstance(error, TimeoutError):
                        raise StoreUnavailable("PostgreSQL: the connection was lost") from error
                except BaseException:
                    # Cancelled in the middle: nobody knows what is still under way on it.
                    connection.terminate()
                    raise
                else:
                    self._idle.append(connection)
                    return result
                await asyncio.sleep(random.uniform(0, 0.01 * attempt))  # noqa: S311 jitter only

    async def _connect(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await asyncpg.connect(
                self._dsn,
                timeout=_CONNECT_SECONDS,
                command_timeout=_COMMAND_SECONDS,
                statement_cache_size=self._statement_cache_size,
            )
        except (*_LOST, asyncpg.PostgresError) as error:
            raise StoreUnavailable("PostgreSQL: no connection") from error

    def _give_back(self, connection: Connection, lost: bool) -> None:
        if not lost:
            self._idle.append(connection)
            return
        # The server went away: what is idle went with it.
        for doomed in (connection, *self._idle):
            doomed.terminate()
        self._idle.clear()

    async def close(self) -> None:
        """Let what is under way finish, then close; nothing new is begun."""
        self.closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_COMMAND_SECONDS):
                for _ in range(self._size):
                    await self._free.acquire()
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                await connection.close(timeout=_CONNECT_SECONDS)
            except (*_LOST, asyncpg.PostgresError):
                connection.terminate()


class PostgresDatabase:
    """The stores in one database. `async with PostgresDatabase(dsn) as db: db.stores`.

    `?statement_cache_size=0` at the end of the DSN is for a PgBouncer that gives a connection out by transaction;
    `?max_connections=` (10) bounds how many are open. Opened and used on one event loop.
    """

    def __init__(self, dsn: str, clock: Clock = utcnow) -> None:
        self._dsn, options = _options(dsn)
        self._size = int(options.get("max_connections", "10"))
        self._statement_cache_size = int(options.get("statement_cache_size", "100"))
        self._clock = clock
        self._connections: Connections | None = None
        self._opening = asyncio.Lock()
        self.stores: Stores = Stores(
            tickets=PostgresTickets(self._run, clock),
            once=PostgresOnce(self._run, clock),
            limits=PostgresLimits(self._run),
            clients=PostgresClients(self._run),
            accounts=PostgresAccounts(self._run),
            consents=PostgresConsents(self._run),
            consent_services=PostgresConsentServices(self._run),
            sessions=PostgresSessions(self._run),
            keys=PostgresKeys(self._run),
            relying_party_sessions=PostgresRelyingPartySessions(self._run),
        )
        """Their verbs raise StoreUnavailable before `open` and after `close`."""

    async def _run(self, work: Callable[[Connection], Awaitable[T]], *, repeatable: bool = True) -> T:
        if self._connections is None:
            raise StoreUnavailable("the database is not open")
        return await self._connections.run(work, repeatable=repeatable)

    async def open(self) -> None:
        """Bring the schema up to date and be ready. Does nothing when it is open."""
        async with self._opening:
            if self._connections is None:
                await self.migrate()
                self._connections = self._new_connections()

    async def close(self) -> None:
        """Close the connections. Does nothing when it is closed."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    async def __aenter__(self) -> "PostgresDatabase":
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def migrate(self, *, dry_run: bool = False) -> Sequence[str]:
        """Names of the migrations that were run, or with `dry_run` would be. Several processes may call it at once."""
        connections = self._new_connections()
        try:
            return await connections.run(self._plan if dry_run else self._migrate)
        finally:
            await connections.close()

    def _new_connections(self) -> Connections:
        return Connections(self._dsn, size=self._size, statement_cache_size=self._statement_cache_size)

    async def _plan(self, connection: Connection) -> Sequence[str]:
        known = migrations("postgres")
        if await connection.fetchval("SELECT to_regclass('migrations')") is None:
            return [migration.name for migration in known]
        rows = await connection.fetch("SELECT number, checksum FROM migrations WHERE number > 0")
        return [migration.name for migration in outstanding(known, {row[0]: row[1] for row in rows})]

    async def _migrate(self, connection: Connection) -> Sequence[str]:
        await _make_lock(connection)
        async with connection.transaction():
            # Row 0 stands for the right to migrate: whoever has it locked looks first, so each step runs once.
            await connection.execute("SELECT 1 FROM migrations WHERE number = 0 FOR UPDATE")
            rows = await connection.fetch("SELECT number, checksum FROM migrations WHERE number > 0")
            todo = outstanding(migrations("postgres"), {row[0]: row[1] for row in rows})
            for migration in todo:
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                    micros(self._clock()),
                )
        return [migration.name for migration in todo]


async def _make_lock(connection: Connection) -> None:
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        # Another process may make it at the same moment: IF NOT EXISTS does not wait for that, it fails.
        with suppress(
            asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError
        ):
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations"
                " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
            )
    await connection.execute(
        "INSERT INTO migrations (number, name, checksum, applied_at) VALUES (0, 'lock', '', 0) ON CONFLICT DO NOTHING"
    )


def _options(dsn: str) -> tuple[str, dict[str, str]]:
    """The DSN without our own options, and these."""
    parts = urlsplit(dsn)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: value for name, value in pairs if name in ("statement_cache_size", "max_connections")}
    rest = urlencode([(name, value) for name, value in pairs if name not in ours])
    return urlunsplit(parts._replace(query=rest)), ours
