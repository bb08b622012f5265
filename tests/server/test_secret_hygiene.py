"""No secret leaves a running server (security §4.5): not by its log at debug, its metrics, or what it writes to disk."""

import asyncio
import http.client
from pathlib import Path

from authwright.server.config import load
from tests.attacks.recorder import Recorder
from tests.server.installation import Installation, post
from tests.server.test_crash import SECRET, VERIFIER, WEB, minted_codes, redeem
from tests.servers.process import ServerProcesses, find_free_port

MORE = """
[[clients]]
client_id = "machine"
client_secret = "machine-secret-of-the-test"
grant_types = ["client_credentials", "password"]
scope = "openid read"
access_token_format = "opaque"
"""
MACHINE = ("machine", "machine-secret-of-the-test")
WRONG = "a-wrong-secret-of-the-test"


def test_a_server_at_debug_writes_no_secret_anywhere(tmp_path: Path, server_process: ServerProcesses) -> None:
    """Log, metrics and every file of the installation but the two that hold secrets: its configuration and its key."""
    management = find_free_port()
    installation = Installation.made(tmp_path / "op", WEB + MORE)
    text = installation.file.read_text().replace('level = "info"', 'level = "debug"')
    text = text.replace("port = 0", f"port = {management}")
    installation.file.write_text(text)
    assert 'level = "debug"' in text
    code, other = asyncio.run(minted_codes(load(installation.file), 2))
    process = installation.serve(server_process)
    recorder = Recorder()
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=20)

    status, tokens = redeem(connection, code)
    assert status == 200
    status, refreshed = post(
        connection, "/token", "web", SECRET, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    )
    assert status == 200
    status, own = post(connection, "/token", *MACHINE, grant_type="client_credentials")
    assert status == 200
    status, by_password = post(
        connection, "/token", *MACHINE, grant_type="password", username="alice", password="alice-password"
    )
    assert status == 200
    # Refusals, each with a secret in hand.
    for refused in (
        post(connection, "/token", "web", WRONG, grant_type="authorization_code", code=other),
        post(connection, "/token", "web", SECRET, grant_type="authorization_code", code=other, code_verifier="w" * 43),
        post(connection, "/token", *MACHINE, grant_type="password", username="alice", password=WRONG),
        post(connection, "/token", "web", SECRET, grant_type="refresh_token", refresh_token=tokens["access_token"]),
        post(connection, "/token", "web", SECRET, grant_type="refresh_token", refresh_token=tokens["refresh_token"]),
        redeem(connection, code),
    ):  # fmt: skip
        assert refused[0] in (400, 401), refused
    connection.request("GET", "/userinfo", headers={"Authorization": f"Bearer {refreshed['refresh_token']}"})
    answer = connection.getresponse()
    assert (answer.status, bool(answer.read())) == (401, True)
    connection.close()

    for given in (tokens, refreshed, own, by_password):
        for name, value in given.items():
            if name.endswith("_token"):
                recorder.note(name, value)
    for name, value in {
        "code": code, "other code": other, "client secret": SECRET, "machine secret": MACHINE[1], "wrong": WRONG,
        "password": "alice-password", "code_verifier": VERIFIER,
        "root key": (installation.directory / "authwright.key").read_text().splitlines()[-1],
    }.items():  # fmt: skip
        recorder.note(name, value)
    scrape = http.client.HTTPConnection("127.0.0.1", management, timeout=20)
    scrape.request("GET", "/metrics")
    metrics = scrape.getresponse().read()
    scrape.close()
    log = process.log().encode()
    assert log.count(b"request.refused") >= 6
    assert b"authwright_" in metrics
    files = [
        (path.name, path.read_bytes())
        for path in sorted(installation.directory.rglob("*"))
        if path.is_file() and path.name not in ("authwright.toml", "authwright.key")
    ]
    assert {"authwright.db", "authwright.db-wal"} <= {name for name, _ in files}
    assert recorder.leaks([("the log", log), ("the metrics", metrics), *files]) == set()
    # And what is left out here is found where it belongs.
    kept = {leak.kind for leak in recorder.leaks([("the file", installation.file.read_bytes())])}
    assert kept >= {"client secret", "machine secret", "password"}
