"""Processes of both sides, one for all tests of a file."""

from collections.abc import Iterator

import pytest

from tests.interop.fleet import Fleet, launched
from tests.interop.provider_app import ISSUER_VARIABLE
from tests.servers.process import ROOT, ServerProcesses, find_free_port


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcesses]:
    """Starts child processes that end with the module."""
    started = ServerProcesses(tmp_path_factory.mktemp("interop"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def our_issuer(processes: ServerProcesses) -> str:
    """Our provider under uvicorn."""
    port = find_free_port()
    issuer = f"http://127.0.0.1:{port}"
    server = processes.python(
        *("-m", "uvicorn", "--factory", "tests.interop.provider_app:application"),
        *("--port", str(port), "--no-access-log", "--ws", "none"),
        environ={ISSUER_VARIABLE: issuer},
        cwd=ROOT,
    )
    server.wait_for(f"{issuer}/.well-known/openid-configuration")
    return issuer


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Our provider under uvicorn behind a proxy that ends TLS, with a client for each way to authenticate."""
    directory = tmp_path_factory.mktemp("fleet")
    started = ServerProcesses(directory)
    try:
        with launched(directory, started) as running:
            yield running
    finally:
        started.stop()
