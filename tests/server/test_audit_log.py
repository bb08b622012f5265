"""Audit events in the operator's log of a server: alarms always, tokens at debug, and values never."""

import asyncio
import http.client
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from authwright.provider.audit import AuditEvent, CodeReplayed, TokenIssued
from authwright.server.audit_log import log_event
from authwright.server.config import load
from tests.server.installation import Installation, post
from tests.server.test_crash import SECRET, WEB, minted_codes, redeem
from tests.servers.process import ServerProcesses


def events_in(log: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines()]
    return [line for line in lines if line["logger"] == "authwright.audit"]


@pytest.mark.parametrize("level", ["info", "debug"])
def test_replays_are_warnings_and_tokens_are_told_at_debug(
    tmp_path: Path, server_process: ServerProcesses, level: str
) -> None:
    """token.issued, token.refused, code.replayed and refresh.replayed, each with who and what, as one line."""
    installation = Installation.made(tmp_path / "op", WEB)
    first, second = asyncio.run(minted_codes(load(installation.file), 2))
    environ = {"AUTHWRIGHT__LOG__FORMAT": "json", "AUTHWRIGHT__LOG__LEVEL": level}
    process = installation.serve(server_process, environ=environ)
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=20)
    assert [redeem(connection, first)[0] for _ in range(2)] == [200, 400]
    _, tokens = redeem(connection, second)
    refreshing = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert [post(connection, "/token", "web", SECRET, **refreshing)[0] for _ in range(2)] == [200, 400]
    connection.close()
    log = process.log()
    told = events_in(log)
    replays = [
        (line["event"], line["level"], line["client_id"]) for line in told if line["level"] == "warning"
    ]
    assert replays == [("code.replayed", "warning", "web"), ("refresh.replayed", "warning", "web")]
    assert all(line["grant_id"] for line in told if line["event"].endswith("replayed"))
    rest = [line["event"] for line in told if line["level"] != "warning"]
    issued, refused = "token.issued", "token.refused"
    assert rest == ([issued, refused, issued, issued, refused] if level == "debug" else [])
    for value in (first, second, tokens["refresh_token"], tokens["access_token"]):
        assert value not in log


def test_every_event_can_be_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """None of their members has a name that a record of the log keeps for itself."""
    caplog.set_level("DEBUG", logger="authwright.audit")
    for kind in get_args(AuditEvent):
        log_event(kind(**{member.name: "x" for member in fields(kind)}))
    assert len(caplog.records) == len(get_args(AuditEvent)) > 10
    assert {vars(record)["event"] for record in caplog.records} == {
        kind.name for kind in get_args(AuditEvent)
    }
    assert {record.levelname for record in caplog.records} == {"DEBUG", "INFO", "WARNING"}


def test_what_nobody_reads_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    """At warning only the alarms are left."""
    caplog.set_level("WARNING", logger="authwright.audit")
    log_event(TokenIssued(client_id="c", grant_type="g", grant_id="i", subject=None, kinds=()))
    log_event(CodeReplayed(client_id="c", grant_id="i"))
    assert [record.getMessage() for record in caplog.records] == ["code.replayed"]
