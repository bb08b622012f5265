"""SQLite with several processes, and with one that is killed."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from authwright.stores.migrations import MigrationMismatch, migrations
from authwright.stores.protocols import Committed, StoreUnavailable
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.sample_tickets import ACCESS, CODE, added, moment, name, new_ticket

CHILD = Path(__file__).with_name("sqlite_child.py")


def start(*arguments: str) -> "subprocess.Popen[str]":
    """The child process; it imports what this process would."""
    return subprocess.Popen(
        [sys.executable, str(CHILD), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def end(child: "subprocess.Popen[str]") -> None:
    child.kill()
    child.communicate(timeout=30)


async def test_every_acknowledged_token_survives_kill_9(tmp_path: Path) -> None:
    """A process is killed in the middle of its commits; what it printed is stored, and the file is sound."""
    path = tmp_path / "store.db"
    for _ in range(3):
        child = start("commit", str(path))
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(150)]
        child.kill()
        # Not by `communicate`: it skips what `readline` had taken from the pipe beyond its line.
        rest = child.stdout.read()
        end(child)
        # The last line may have been cut short.
        acknowledged += rest.splitlines()[:-1] if not rest.endswith("\n") else rest.splitlines()
        async with SqliteDatabase(path) as database:
            for digest in acknowledged:
                assert await database.stores.tickets.get(ACCESS, digest) is not None
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_two_processes_redeem_one_code_once(tmp_path: Path) -> None:
    """32 redemptions in each of two processes at once: one winner, no error."""
    path = tmp_path / "store.db"
    async with SqliteDatabase(path) as database:
        code = new_ticket(CODE)
        await added(database.stores, code)
        children = [start("redeem", str(path), code.digest, "32") for _ in range(2)]
        try:
            for child in children:
                assert child.stdout is not None
                assert child.stdout.readline() == "ready\n"
            for child in children:
                assert child.stdin is not None
                child.stdin.write("go\n")
                child.stdin.flush()
            counts = [child.communicate(timeout=60)[0].split() for child in children]
        finally:
            for child in children:
                end(child) if child.poll() is None else None
        assert sum(int(won) for won, _ in counts) == 1
        assert sum(int(spent) for _, spent in counts) == 63
        stored = await database.stores.tickets.get(CODE, code.digest)
        assert stored is not None
        assert stored.used_at is not None


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The database and its logs have mode 0600."""
    async with SqliteDatabase(tmp_path / "store.db") as database:
        await added(database.stores, new_ticket())
        modes = {file: stat.S_IMODE(os.stat(tmp_path / file).st_mode) for file in os.listdir(tmp_path)}
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm"), 0o600)


async def test_workers_that_open_at_once_migrate_once(tmp_path: Path) -> None:
    """Eight open one new file together; each migration is recorded once, and a later run has nothing to do."""
    path = tmp_path / "store.db"
    databases = [SqliteDatabase(path) for _ in range(8)]
    names = [migration.name for migration in migrations("sqlite")]
    assert list(await databases[0].migrate(dry_run=True)) == names
    assert not path.exists()
    await asyncio.gather(*(database.open() for database in databases))
    for database in databases:
        await database.close()
    assert list(await databases[0].migrate(dry_run=True)) == []
    with closing(sqlite3.connect(path)) as connection:
        recorded = connection.execute("SELECT number, name FROM migrations").fetchall()
    assert recorded == list(enumerate(names, 1))


async def test_a_schema_made_by_other_files_is_refused(tmp_path: Path) -> None:
    """A migration that was applied with other contents stops the start; a newer version's is left alone."""
    path = tmp_path / "store.db"
    async with SqliteDatabase(path):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES (900, '0900_future', 'x', 0)")
    async with SqliteDatabase(path):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE migrations SET checksum = 'other' WHERE number = 1")
    with pytest.raises(MigrationMismatch):
        await SqliteDatabase(path).open()


async def test_a_store_that_cannot_write_says_so(tmp_path: Path) -> None:
    """Locked by another beyond the time limit: StoreUnavailable; free again, the same call is Committed."""
    path = tmp_path / "store.db"
    async with SqliteDatabase(path) as database:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            database._connections[0].execute("PRAGMA busy_timeout = 50")
            other.execute("BEGIN IMMEDIATE")
            token, id, now = new_ticket(), name(), moment()
            with pytest.raises(StoreUnavailable):
                await database.stores.tickets.commit(id=id, now=now, add=[token])
            assert await database.stores.tickets.get(ACCESS, token.digest) is None
            other.execute("ROLLBACK")
        assert await database.stores.tickets.commit(id=id, now=now, add=[token]) == Committed()
        assert await database.stores.tickets.get(ACCESS, token.digest) == token


async def test_one_bad_item_does_not_take_its_group_with_it(tmp_path: Path) -> None:
    """A key that cannot be encoded fails alone; the commits of the same group stand."""
    async with SqliteDatabase(tmp_path / "store.db") as database:
        tokens = [new_ticket() for _ in range(3)]
        calls = [database.stores.tickets.commit(id=name(), now=moment(), add=[token]) for token in tokens]
        bad = database.stores.once.claim("\ud800", moment())
        answers = await asyncio.gather(*calls[:2], bad, calls[2], return_exceptions=True)
        assert [type(answer).__name__ for answer in answers] == [
            "Committed",
            "Committed",
            "UnicodeEncodeError",
            "Committed",
        ]
        for token in tokens:
            assert await database.stores.tickets.get(ACCESS, token.digest) == token


async def test_closing_finishes_what_was_handed_over(tmp_path: Path) -> None:
    """A commit whose caller is gone is there after close; a closed database says so."""
    path = tmp_path / "store.db"
    database = SqliteDatabase(path)
    await database.open()
    stores, token = database.stores, new_ticket()
    task = asyncio.ensure_future(stores.tickets.commit(id=name(), now=moment(), add=[token]))
    await asyncio.sleep(0)
    task.cancel()
    await database.close()
    with pytest.raises(StoreUnavailable):
        await stores.tickets.get(ACCESS, token.digest)
    with pytest.raises(StoreUnavailable):
        await stores.tickets.commit(id=name(), now=moment(), add=[token])
    # The same stores work again once it is opened again.
    async with database:
        assert await stores.tickets.get(ACCESS, token.digest) == token
