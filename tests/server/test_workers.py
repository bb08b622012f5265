"""Several processes over one store: what an operator ends in the store ends in all of them within two seconds."""

import asyncio
import http.client
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authwright.server.config import load
from tests.server.installation import Installation
from tests.server.test_crash import SECRET, WEB, minted_codes, redeem
from tests.server.test_operator_commands import add_machine, in_store
from tests.servers.process import ServerProcesses, find_free_port

SECONDS = 2.0
"""Within which every worker must know."""


@pytest.fixture
def workers(tmp_path: Path, server_process: ServerProcesses) -> Sequence[Installation]:
    """One installation, and two processes that serve it, each on a port of its own, so that each can be asked."""
    installation = Installation.made(tmp_path / "op", WEB.partition("[[users]]")[0])
    each = [installation, replace(installation, port=find_free_port())]
    for worker in each:
        worker.serve(server_process)
    return each


def statuses(workers: Sequence[Installation], *credentials: str, **fields: str) -> list[int]:
    """What each worker answers to one token request."""
    return [worker.post("/token", *credentials, **fields)[0] for worker in workers]


def userinfo(worker: Installation, token: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=20)
    connection.request("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def wait_from(moment: float) -> None:
    """Until the two seconds after `moment` are over."""
    time.sleep(max(0.0, moment + SECONDS - time.monotonic()))


def test_a_disabled_client_is_refused_by_every_worker_within_two_seconds(
    workers: Sequence[Installation],
) -> None:
    """Each has just read it, so each has it in mind when it is disabled in the store."""
    machine = ("batch", add_machine(workers[0]))
    assert statuses(workers, *machine, grant_type="client_credentials") == [200] * 2

    async def disable(stores: Any) -> None:
        known = await stores.clients.get("batch")
        await stores.clients.put(msgspec.structs.replace(known, enabled=False))

    in_store(workers[0], disable)
    wait_from(time.monotonic())
    assert statuses(workers, *machine, grant_type="client_credentials") == [401] * 2


def test_a_disabled_user_is_gone_for_every_worker_within_two_seconds(
    workers: Sequence[Installation],
) -> None:
    """Neither the access token nor the refresh token of the user is good any more, wherever it was last good."""
    ran = workers[0].run("user", "add", "alice", "--password-stdin", stdin="alice's own password\n")
    assert ran.status == 0, ran.err
    (code,) = asyncio.run(minted_codes(load(workers[0].file), 1))
    connection = http.client.HTTPConnection("127.0.0.1", workers[0].port, timeout=20)
    status, tokens = redeem(connection, code)
    assert status == 200
    assert [userinfo(worker, tokens["access_token"]) for worker in workers] == [200] * 2

    async def disable(stores: Any) -> None:
        known = await stores.accounts.get("u-alice")
        await stores.accounts.put(msgspec.structs.replace(known, enabled=False))

    in_store(workers[0], disable)
    wait_from(time.monotonic())
    assert [userinfo(worker, tokens["access_token"]) for worker in workers] == [401] * 2
    for worker in workers:
        refused = worker.post(
            "/token", "web", SECRET, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
        )
        assert (refused[0], refused[1]["error"]) == (400, "invalid_grant")
    connection.close()
