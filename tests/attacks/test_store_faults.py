"""T17: whatever becomes of the store, a token request is answered with what was stored, or with 503 and nothing.

Never invalid_grant, which makes a client throw its session away; never a token that no row stands for.
"""

import asyncio
import contextlib
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from authwright.clock import utcnow
from authwright.protocol.http import HttpResponse
from authwright.registrations import client
from authwright.stores import postgres
from authwright.stores.postgres import PostgresDatabase
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CALLBACK, SECRET, Installation, install
from tests.stores.test_postgres_faults import wired

SCOPES = ("read", "offline_access")
CLIENTS = (
    client(
        "web", SECRET, redirect_uris=[CALLBACK], scope="read offline_access", access_token_format="opaque"
    ),
)


@asynccontextmanager
async def on_sqlite(path: Path) -> AsyncIterator[Installation]:
    async with SqliteDatabase(path) as database:
        yield await install(database.stores, FrozenClock(utcnow()), clients=CLIENTS)


@asynccontextmanager
async def on_postgres(dsn: str) -> AsyncIterator[Installation]:
    async with PostgresDatabase(dsn) as database:
        yield await install(database.stores, FrozenClock(utcnow()), clients=CLIENTS)


def is_unavailable(answer: HttpResponse) -> bool:
    """503, when to try again, and nothing else."""
    if answer.status != 503:
        return False
    assert answer.json()["error"] == "temporarily_unavailable"
    assert set(answer.json()) <= {"error", "error_description"}
    assert answer.headers.get("retry-after") == "1"
    return True


@contextmanager
def full_by_limit(directory: Path) -> Iterator[None]:
    """No file may grow beyond what the log of the database is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in directory.glob("*-wal"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def full_by_ballast(directory: Path) -> Iterator[None]:
    """The rest of the disk is taken by another file."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


@pytest.fixture(params=[full_by_limit, full_by_ballast])
def small_disk(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Path, Callable[[Path], contextlib.AbstractContextManager[None]]]]:
    """A directory, and what makes it full: a limit of ours, or, for who may mount one, a disk of 24 megabytes."""
    if request.param is full_by_limit:
        yield tmp_path, full_by_limit
        return
    if shutil.which("mount") is None:
        pytest.skip("a disk of its own is for who may mount one; the limit shows the same")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a disk of its own is for who may mount one; the limit shows the same")
    yield tmp_path, full_by_ballast
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


async def test_sec_T17_a_full_disk_refuses_what_it_cannot_keep_and_heals(
    small_disk: tuple[Path, Callable[[Path], contextlib.AbstractContextManager[None]]],
) -> None:
    """T17: writes are 503, reads go on; with space again the same code works, and what was answered is all there."""
    directory, full = small_disk
    async with on_sqlite(directory / "store.db") as op:
        kept = [(await op.redeem(await op.code(scopes=SCOPES))).json() for _ in range(5)]
        codes = [await op.code(scopes=SCOPES) for _ in range(60)]
        refused: list[str] = []
        with full(directory):
            for code in codes:
                answer = await op.redeem(code)
                if is_unavailable(answer):
                    refused.append(code)
                else:
                    kept.append(answer.json())
                if len(refused) == 3:
                    break
            assert len(refused) == 3
            # Reads, keys and the introspection of what is there go on.
            assert await op.is_active(kept[0]["access_token"])
            assert (await op.get("/jwks")).status == 200
        for code in refused:
            answer = await op.redeem(code)
            assert answer.status == 200, answer.body
            kept.append(answer.json())
        for members in kept:
            assert await op.is_active(members["access_token"])
            assert await op.is_active(members["refresh_token"])
    with closing(sqlite3.connect(directory / "store.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_sec_T17_a_damaged_database_is_unavailable_not_empty(tmp_path: Path) -> None:
    """T17: a token in it is neither called inactive nor its refresh refused as invalid; whole again, it works."""
    path = tmp_path / "store.db"
    async with on_sqlite(path) as op:
        tokens = (await op.redeem(await op.code(scopes=SCOPES))).json()
    whole = path.read_bytes()
    async with on_sqlite(path) as op:
        with path.open("r+b") as file:
            # All but the first page, which names the tables.
            file.seek(4096)
            file.write(b"\xff" * (len(whole) - 4096))
        assert is_unavailable(await op.refresh(tokens["refresh_token"]))
        assert is_unavailable(await op.post("/introspect", token=tokens["access_token"]))
        path.write_bytes(whole)
    async with on_sqlite(path) as op:
        assert (await op.refresh(tokens["refresh_token"])).status == 200


FAILING = """
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'for the sake of others' USING ERRCODE = '{state}'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER failing BEFORE INSERT ON tickets FOR EACH ROW EXECUTE FUNCTION fail();
"""


async def run(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.mark.postgres
@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_sec_T17_what_the_database_asks_to_repeat_is_repeated(
    postgres_database: str, state: str
) -> None:
    """T17: a serialization failure or a deadlock, three times: the client does not notice."""
    async with on_postgres(postgres_database) as op:
        code = await op.code(scopes=SCOPES)
        await run(postgres_database, FAILING.format(times=3, state=state))
        answer = await op.redeem(code)
        assert answer.status == 200, answer.body
        assert await op.is_active(answer.json()["access_token"])


@pytest.mark.postgres
@pytest.mark.parametrize("state", ["40001", "53100", "57014"])
async def test_sec_T17_what_goes_on_failing_is_503_and_leaves_no_trace(
    postgres_database: str, state: str
) -> None:
    """T17: serialization failures without end, a full disk, a cancelled statement: the code is not spent."""
    async with on_postgres(postgres_database) as op:
        code = await op.code(scopes=SCOPES)
        await run(postgres_database, FAILING.format(times=10**6, state=state))
        assert is_unavailable(await op.redeem(code))
        await run(postgres_database, "DROP TRIGGER failing ON tickets")
        assert (await op.redeem(code)).status == 200


@pytest.mark.postgres
async def test_sec_T17_a_store_that_takes_too_long_is_503(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T17: nobody waits beyond the limit for a table that another holds; what was asked for did not happen."""
    monkeypatch.setattr(postgres, "_COMMAND_SECONDS", 0.5)
    async with on_postgres(postgres_database) as op:
        code = await op.code(scopes=SCOPES)
        holder = await asyncpg.connect(postgres_database)
        try:
            transaction = holder.transaction()
            await transaction.start()
            await holder.execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(5):
                assert is_unavailable(await op.redeem(code))
            await transaction.rollback()
        finally:
            await holder.close()
        assert (await op.redeem(code)).status == 200


@pytest.mark.postgres
async def test_sec_T17_a_commit_nobody_heard_of_is_asked_for_again(postgres_database: str) -> None:
    """T17: the wire breaks after COMMIT; the same attempt recognises itself, so one family lives and is answered."""
    async with wired(postgres_database) as (wire, database):
        op = await install(database.stores, FrozenClock(utcnow()), clients=CLIENTS)
        code = await op.code(scopes=SCOPES)
        wire.lose_answer_to = b"WITH own AS"
        answer = await op.redeem(code)
        assert len(wire.lost) == 1
        assert answer.status == 200
        assert await op.is_active(answer.json()["refresh_token"])
        assert len(await database.stores.tickets.grants(client_id="web")) == 1


@pytest.mark.postgres
async def test_sec_T17_a_commit_whose_fate_is_unknown_is_503_and_never_two_families(
    postgres_database: str,
) -> None:
    """T17: the server is gone with the answer; the code was spent or was not, and no second family lives."""
    async with wired(postgres_database) as (wire, database):
        op = await install(database.stores, FrozenClock(utcnow()), clients=CLIENTS)
        code = await op.code(scopes=SCOPES)
        wire.lose_answer_to = b"WITH own AS"
        redeeming = asyncio.ensure_future(op.redeem(code))
        while not wire.lost:
            assert not redeeming.done()
            await asyncio.sleep(0)
            # As soon as the statement is on its way there is no way back to the server.
            wire.open = bool(wire.lose_answer_to)
        assert is_unavailable(await redeeming)
        wire.open = True
        again = await op.redeem(code)
        assert (again.status, again.json().get("error")) in {(200, None), (400, "invalid_grant")}
        assert len(await database.stores.tickets.grants(client_id="web")) <= 1


@pytest.mark.postgres
async def test_sec_T17_a_storm_of_ended_connections_issues_nothing_twice(postgres_database: str) -> None:
    """T17: pg_terminate_backend all along: each code is answered 200 or 503, and then is what the answer said."""
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with on_postgres(postgres_database) as op:
        codes = [await op.code(scopes=SCOPES) for _ in range(60)]
        storm = await asyncpg.connect(postgres_database)
        over = asyncio.Event()

        async def blow() -> None:
            while not over.is_set():
                await storm.execute(ended)
                await asyncio.sleep(0.01)

        blowing = asyncio.ensure_future(blow())
        try:
            answers: list[HttpResponse] = []
            for start in range(0, len(codes), 6):
                answers += await asyncio.gather(*(op.redeem(code) for code in codes[start : start + 6]))
        finally:
            over.set()
            await blowing
            await storm.close()
        live: list[dict[str, Any]] = []
        for code, answer in zip(codes, answers, strict=True):
            if is_unavailable(answer):
                answer = await op.redeem(code)
                assert answer.status in (200, 400), answer.body
            if answer.status == 200:
                live.append(answer.json())
        for members in live:
            assert await op.is_active(members["access_token"])
        grants = await op.stores.tickets.grants(client_id="web")
        assert len(grants) == len(live)
