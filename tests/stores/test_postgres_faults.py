"""PostgreSQL behind a wire that breaks: no answer is invented, and a lost one is asked for again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import pytest

from authwright.stores.migrations import migrations
from authwright.stores.postgres import PostgresDatabase
from authwright.stores.protocols import Change, Committed, StoreUnavailable
from authwright.testing.sample_tickets import ACCESS, CODE, added, moment, name, new_ticket

pytestmark = pytest.mark.postgres

COMMITTED = b"Z\x00\x00\x00\x05I"
"""ReadyForQuery, idle: the statement is done and no transaction is open."""


class Wire:
    """A TCP proxy to the server that can lose the answers to the next statements, or all of it."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_answer_to = b""
        self.lost: list[bytes] = []
        self.open = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if not self.open:
            writer.close()
            return
        if self._host.startswith("/"):
            path = f"{self._host}/.s.PGSQL.{self._port}"
            server_reader, server_writer = await asyncio.open_unix_connection(path)
        else:
            server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        doomed = asyncio.Event()

        async def forward() -> None:
            seen = False
            while data := await reader.read(65536):
                # "P" only prepares the statement; what follows it is the execution. "Q" is both.
                if seen:
                    doomed.set()
                elif self.lose_answer_to and self.lose_answer_to in data:
                    self.lose_answer_to = b""
                    seen = True
                    if data.startswith(b"Q"):
                        doomed.set()
                server_writer.write(data)

        async def back() -> None:
            while data := await server_reader.read(65536):
                # The server has answered, so it has committed; the answer is what gets lost.
                if doomed.is_set():
                    self.lost.append(data)
                    return
                writer.write(data)

        halves = [asyncio.ensure_future(forward()), asyncio.ensure_future(back())]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            for side in (writer, server_writer):
                side.close()
                with suppress(OSError):
                    await side.wait_closed()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def wired(dsn: str) -> AsyncIterator[tuple[Wire, PostgresDatabase]]:
    """A database that is reached over a wire."""
    parts = urlsplit(dsn)
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", parts.hostname or "127.0.0.1")
    wire = Wire(host, int(options.pop("port", parts.port or 5432)))
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    login = parts.netloc.rpartition("@")[0]
    # Without prepared statements the text of each statement is on the wire, where the proxy can see it.
    query = urlencode({**options, "statement_cache_size": "0"})
    through = parts._replace(netloc=f"{login}@127.0.0.1:{port}", query=query).geturl()
    try:
        async with PostgresDatabase(through) as db:
            yield wire, db
    finally:
        await wire.end()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("statement", [b"WITH own AS", b"COMMIT;"])
async def test_a_lost_answer_to_a_commit_is_asked_for_again(postgres_dsn: str, statement: bytes) -> None:
    """The wire breaks after the server committed: the same id is recognised, the code is spent once, by it."""
    async with wired(postgres_dsn) as (wire, database):
        tickets = database.stores.tickets
        code = new_ticket(CODE)
        await added(database.stores, code)
        token = new_ticket(grant_id=code.grant_id)
        id = name()
        if statement == b"COMMIT;":
            other = new_ticket(grant_id=code.grant_id)
            await added(database.stores, other)
            replace = [Change(other, other)]
        else:
            replace = []
        wire.lose_answer_to = statement
        answer = await tickets.commit(id=id, now=moment(), consume=code, replace=replace, add=[token])
        # What was lost is the server's word that it is done.
        assert len(wire.lost) == 1
        assert COMMITTED in wire.lost[0]
        assert answer == Committed()
        stored = await tickets.get(CODE, code.digest)
        assert stored is not None
        assert stored.used_by == id
        assert await tickets.get(ACCESS, token.digest) == token
        for change in replace:
            changed = await tickets.get(ACCESS, change.before.digest)
            assert changed is not None
            assert changed.version == 1


async def test_a_claim_whose_answer_was_lost_is_not_repeated(postgres_dsn: str) -> None:
    """Nobody knows who made it: StoreUnavailable, not "replayed"."""
    async with wired(postgres_dsn) as (wire, database):
        wire.lose_answer_to = b"INSERT INTO once"
        with pytest.raises(StoreUnavailable):
            await database.stores.once.claim(name("jti"), moment())
        assert COMMITTED in wire.lost[0]


async def test_a_server_that_is_gone_is_unavailable_not_empty(postgres_dsn: str) -> None:
    """Reads and writes raise StoreUnavailable while it is away, and work when it is back."""
    async with wired(postgres_dsn) as (wire, database):
        token = new_ticket()
        await added(database.stores, token)
        wire.open = False
        await wire.end()
        with pytest.raises(StoreUnavailable):
            await database.stores.tickets.get(ACCESS, token.digest)
        with pytest.raises(StoreUnavailable):
            await added(database.stores, new_ticket())
        with pytest.raises(StoreUnavailable):
            await PostgresDatabase(database._dsn).open()
        wire.open = True
        assert await database.stores.tickets.get(ACCESS, token.digest) == token


async def test_terminated_sessions_are_not_noticed_by_callers(postgres_database: str) -> None:
    """pg_terminate_backend between two calls: the next one connects again."""
    async with PostgresDatabase(postgres_database) as database:
        token = new_ticket()
        await added(database.stores, token)
        connection = await asyncpg.connect(postgres_database)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        assert await database.stores.tickets.get(ACCESS, token.digest) == token
        await added(database.stores, new_ticket())


async def test_workers_that_open_at_once_migrate_once(postgres_database: str) -> None:
    """Six open one empty database together; each migration is recorded once, and a later run has nothing to do."""
    databases = [PostgresDatabase(postgres_database) for _ in range(6)]
    names = [migration.name for migration in migrations("postgres")]
    assert list(await databases[0].migrate(dry_run=True)) == names
    await asyncio.gather(*(database.open() for database in databases))
    for database in databases:
        await database.close()
    assert list(await databases[0].migrate(dry_run=True)) == []
