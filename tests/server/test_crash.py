"""kill -9 of a server that redeems codes: what it answered is kept, and what is spent stays spent."""

import asyncio
import hashlib
import http.client
import os
import signal
import sqlite3
import threading
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from authwright.clock import utcnow
from authwright.crypto.handles import random_id
from authwright.provider.minting import Minting
from authwright.provider.settings import Settings
from authwright.server import declared
from authwright.server.config import Loaded, load
from authwright.server.database import opened
from authwright.stores.protocols import Committed
from authwright.ticket import CodeBinding, Ticket, TokenKind
from tests.server.installation import Installation, post
from tests.servers.process import ServerProcess, ServerProcesses

CALLBACK = "https://app.example.com/cb"
SECRET = "web-secret-of-the-test"
WEB = f"""
[[clients]]
client_id = "web"
client_secret = "{SECRET}"
redirect_uris = ["{CALLBACK}"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access"

[[users]]
username = "alice"
password = "alice-password"
"""
VERIFIER = "v" * 50
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CODES, CLIENTS, KILLS = 600, 6, 3


@dataclass
class Ledger:
    """What the client side knows: the answers it got."""

    tokens: dict[str, Any] = field(default_factory=dict)
    """Code to the token response that acknowledged it."""
    refused: dict[str, Any] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)


def test_kill_9_during_redemptions_loses_no_token_and_lets_no_code_work_twice(
    tmp_path: Path, server_process: ServerProcesses
) -> None:
    """kill -9 of the server during a stream of code redemptions: after restart no acknowledged token is missing and no code works twice."""
    installation = Installation.made(tmp_path / "op", WEB)
    codes = asyncio.run(minted_codes(load(installation.file), CODES))
    ledger = Ledger()
    share = CODES // KILLS
    for round_ in range(KILLS):
        process = installation.serve(server_process)
        acknowledged = redeem_until_killed(
            installation,
            process,
            codes[round_ * share : (round_ + 1) * share],
            ledger,
            kill_after=40 + 30 * round_,
        )
        assert acknowledged < share, "the kill came too late to interrupt anything"
    installation.serve(server_process)

    # 1. Every acknowledged token is there.
    assert len(ledger.tokens) >= 40 * KILLS
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=20)
    for response in ledger.tokens.values():
        for name in ("access_token", "refresh_token"):
            _, seen = post(connection, "/introspect", "web", SECRET, token=response[name])
            assert seen["active"] is True
    # 2. No code works twice; one whose answer was lost works at most once more.
    for code in ledger.tokens:
        status, answer = redeem(connection, code)
        assert (status, answer["error"]) == (400, "invalid_grant")
    again = [code for code in ledger.unanswered if redeem(connection, code)[0] == 200]
    for code in again:
        assert redeem(connection, code)[0] == 400
    connection.close()
    # 3. Nothing was refused while the server ran, and the database is whole.
    assert ledger.refused == {}
    check_integrity(installation.directory / "authwright.db")


async def minted_codes(loaded: Loaded, count: int) -> Sequence[str]:
    """Codes for alice at the client, each of a grant of its own, as the authorization endpoint would store them."""
    keys, now = declared.root_keys(loaded), utcnow()
    table = loaded.values.clients[0]
    client = declared.registration(table, now).client
    # The codes must outlive the whole test.
    settings = Settings(
        issuer=loaded.values.issuer, lifetimes={TokenKind.AUTHORIZATION_CODE: timedelta(minutes=10)}
    )
    async with opened(loaded) as stores:
        minting = Minting(
            settings=settings, handles=declared.handles(keys), signing=declared.signing(loaded, keys, stores)
        )
        codes = []
        for _ in range(count):
            ticket = Ticket(
                grant_id=random_id(),
                client_id="web",
                subject="u-alice",
                scopes=("openid", "offline_access"),
                presenters=frozenset({"web"}),
                auth_time=now,
                confidential=True,
            )
            minted = await minting.authorization_code(
                ticket, CodeBinding(redirect_uri=CALLBACK, code_challenge=CHALLENGE), client, now
            )
            assert minted.record is not None
            assert isinstance(
                await stores.tickets.commit(id=random_id(), now=now, add=[minted.record]), Committed
            )
            codes.append(minted.value)
    return codes


def redeem(connection: http.client.HTTPConnection, code: str) -> tuple[int, Any]:
    return post(
        connection,
        "/token",
        "web",
        SECRET,
        grant_type="authorization_code",
        code=code,
        redirect_uri=CALLBACK,
        code_verifier=VERIFIER,
    )


def redeem_until_killed(
    installation: Installation,
    process: ServerProcess,
    codes: Sequence[str],
    ledger: Ledger,
    *,
    kill_after: int,
) -> int:
    """Redeem `codes` from several clients at once and kill the server in the middle; how many were answered."""
    waiting = list(reversed(codes))
    lock, enough = threading.Lock(), threading.Event()
    answered = 0

    def client() -> None:
        nonlocal answered
        connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=20)
        while True:
            with lock:
                if not waiting:
                    break
                code = waiting.pop()
            try:
                status, answer = redeem(connection, code)
            except (OSError, http.client.HTTPException, ValueError):
                ledger.unanswered.add(code)
                break
            (ledger.tokens if status == 200 else ledger.refused)[code] = answer
            with lock:
                answered += 1
                if answered >= kill_after:
                    enough.set()
        enough.set()
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    enough.wait(60)
    # The whole group: the server is a child of what limits its life.
    os.killpg(process.pid, signal.SIGKILL)
    for thread in threads:
        thread.join(30)
    process.wait()
    return answered


def check_integrity(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
