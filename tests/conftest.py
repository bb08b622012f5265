"""What every test may ask for: real servers, a browser, Node.js, ports, child processes.

A fixture whose server cannot be had skips with a reason that starts with "needs "; where the environment sets CI
such a skip is a failure, so that no run is green for want of a server.
"""

import os
import secrets
from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.servers.chromium import ENVIRONMENT as CHROMIUM_ENVIRONMENT
from tests.servers.chromium import chromium, chromium_path
from tests.servers.node import Node, find_node
from tests.servers.postgres import NoPostgres, dsn_of, make_fast, postgres, run_sql
from tests.servers.process import ServerProcesses, find_free_port
from tests.servers.valkey import NoValkey, ValkeyProcess, valkey, valkey_process

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip for want of a server is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs "):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was not run: it {reason}"
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio is the async library."""
    return "asyncio"


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on; for several, call `tests.servers.process.find_free_port`."""
    return find_free_port()


@pytest.fixture
def server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcesses]:
    """Starts child processes that end with the test: `server_process.python("-m", "authwright…")`."""
    processes = ServerProcesses(tmp_path_factory.mktemp("processes"))
    yield processes
    processes.stop()


# These two are plain fixtures, so that `request.getfixturevalue` can ask for them from within an async one.
@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A real PostgreSQL, of its superuser, one for the whole run."""
    try:
        with postgres() as dsn:
            make_fast(dsn)
            yield dsn
    except NoPostgres as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgres_database(postgres_dsn: str) -> Iterator[str]:
    """The DSN of an empty database, for one test."""
    name = f"aw_{secrets.token_hex(6)}"
    run_sql(postgres_dsn, f"CREATE DATABASE {name}")
    yield dsn_of(postgres_dsn, name)
    run_sql(postgres_dsn, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A real Valkey, one for the whole run: names in it must be a test's own."""
    try:
        with valkey() as url:
            yield url
    except NoValkey as missing:
        pytest.skip(str(missing))


@pytest.fixture
def valkey_server() -> Iterator[ValkeyProcess]:
    """A real Valkey of a test's own, to be stopped, started again or flushed."""
    try:
        with valkey_process() as process:
            yield process
    except NoValkey as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> "AsyncIterator[Browser]":
    """A real Chromium, one for the whole run; Playwright's async API."""
    path = chromium_path()
    if path is None:
        pytest.skip(f"needs Chromium: apt-get install chromium, or name one in {CHROMIUM_ENVIRONMENT}")
    async with chromium(path) as started:
        yield started


@pytest.fixture
async def page(browser: "Browser") -> "AsyncIterator[Page]":
    """A page of a fresh browser profile, whose steps wait ten seconds at most."""
    context = await browser.new_context()
    context.set_default_timeout(10_000)
    yield await context.new_page()
    await context.close()


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js of at least 22, with openid-client and oidc-provider beside it."""
    found = find_node()
    if found is None:
        pytest.skip("needs Node.js and its peers: make test installs them")
    return found
