"""The server with a cache beside its store: what is there, what is not, and life without it."""

from pathlib import Path

import pytest
import valkey

from tests.server.installation import MACHINE, Installation
from tests.servers.process import ServerProcesses
from tests.servers.valkey import ValkeyProcess

pytestmark = pytest.mark.valkey


def token(installation: Installation, secret: str = "machine-secret-of-the-test") -> int:
    """The status of a token request."""
    return installation.post("/token", "machine", secret, grant_type="client_credentials")[0]


def failures_until_limited(installation: Installation) -> int:
    for count in range(60):
        if token(installation, "wrong") == 429:
            return count
    raise AssertionError("there is no limit")


def test_limits_are_in_the_cache_and_outlive_it(
    tmp_path: Path, server_process: ServerProcesses, valkey_server: ValkeyProcess
) -> None:
    """Two workers share one limit; with the cache gone tokens are given all the same, and guessing stays limited."""
    installation = Installation.made(tmp_path / "op", MACHINE)
    environ = {"AUTHWRIGHT__STORE__CACHE_URL": valkey_server.url}
    process = installation.serve(server_process, "--workers", "2", environ=environ)
    assert token(installation) == 200
    assert 20 <= failures_until_limited(installation) <= 25
    with valkey.Valkey.from_url(valkey_server.url) as client:
        kinds = {key.split(b":")[1] for key in client.keys("*")}
        # Codes, tokens and clients are nowhere but in the database.
        assert kinds == {b"limit"}
        client.flushall()
    assert 20 <= failures_until_limited(installation) <= 25
    valkey_server.stop()
    assert token(installation) == 200
    assert failures_until_limited(installation) <= 60
    assert token(installation) == 200
    assert "valkey.unavailable" in process.log()


def test_a_cache_that_is_away_does_not_keep_the_server_from_starting(
    tmp_path: Path, server_process: ServerProcesses, free_port: int
) -> None:
    """It is said in the log, and the password in its URL is not."""
    installation = Installation.made(tmp_path / "op", MACHINE)
    environ = {"AUTHWRIGHT__STORE__CACHE_URL": f"valkey://:hush-hush@127.0.0.1:{free_port}/0"}
    process = installation.serve(server_process, environ=environ)
    assert token(installation) == 200
    assert "valkey.unavailable" in process.log()
    assert "hush-hush" not in process.log()
