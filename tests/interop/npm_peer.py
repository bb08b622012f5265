"""Runs what a npm peer does: a program that is told one deed, asks for the person, and prints what it saw."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.interop.fleet import Fleet
from tests.interop.fleet_clients import (
    API,
    CALLBACK,
    NOTIFICATION_TOKEN,
    PASSWORD,
    SCOPE,
    SECRET,
    SIGNED_OUT,
    SUBJECT,
    USERNAME,
)
from tests.servers.node import Node

SECONDS = 40


def run_deed(
    node: Node, fleet: Fleet, program: Path, deed: str, client_id: str = "client_secret_basic"
) -> dict[str, Any]:
    """What the program saw. Raises AssertionError with its standard error when it failed.

    Each line it prints is a JSON object with one member: `visit`, `device`, `request` and `ping` ask for something and
    are answered by a line; `seen` ends it.
    """
    answers: dict[str, Callable[[str], str | None]] = {
        "visit": fleet.person.sign_in,
        "device": fleet.person.allow_device,
        "request": lambda _: fleet.person.allow_request(),
        "ping": lambda _: fleet.doorbell.rung.get(timeout=10).body.decode(),
    }
    process = subprocess.Popen(
        ["timeout", "--kill-after=2", str(SECONDS), node.path, node.script(program)],
        env=node.environ | {"NODE_EXTRA_CA_CERTS": fleet.ca_file},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        print(json.dumps(_options(fleet, deed, client_id)), file=process.stdin, flush=True)
        seen: dict[str, Any] | None = None
        for line in process.stdout:
            [(what, about)] = json.loads(line).items()
            if what == "seen":
                seen = about
                break
            print(json.dumps(answers[what](about)), file=process.stdin, flush=True)
        process.stdin.close()
        words = process.stderr.read()
    assert process.returncode == 0, words
    assert seen is not None, words
    return seen


def _options(fleet: Fleet, deed: str, client_id: str) -> dict[str, Any]:
    certificate = fleet.certificate_of(client_id)
    return {
        "deed": deed,
        "client_id": client_id,
        "issuer": fleet.issuer,
        "secret": SECRET,
        "jwk": dict(fleet.jwk),
        "certificate": certificate.file.read_text(),
        "certificate_key": certificate.key_file.read_text(),
        "ca": Path(fleet.ca_file).read_text(),
        "redirect_uri": CALLBACK,
        "post_logout_redirect_uri": SIGNED_OUT,
        "scope": SCOPE,
        "subject": SUBJECT,
        "username": USERNAME,
        "password": PASSWORD,
        "notification_token": NOTIFICATION_TOKEN,
        "api": API,
    }
