"""An installation in a directory, as an operator makes one, and the command line run on it."""

import http.client
import json
import os
import subprocess
import sys
import urllib.parse
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.process import ROOT, ServerProcess, ServerProcesses, find_free_port

MACHINE = """
[[clients]]
client_id = "machine"
client_secret = "machine-secret-of-the-test"
grant_types = ["client_credentials"]
scope = "read write"
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str


def authwright(
    *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None, stdin: str = ""
) -> Ran:
    """Run the command to its end, without the configuration of whoever runs the tests."""
    done = subprocess.run(
        [sys.executable, "-m", "authwright.server.cli", *map(str, arguments)],
        cwd=cwd,
        env=_environment(environ),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def _environment(environ: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("AUTHWRIGHT")}
    return inherited | {"PYTHONPATH": str(ROOT / "src")} | dict(environ or {})


@dataclass(frozen=True, slots=True)
class Installation:
    """What `authwright init` made, on a port of its own."""

    directory: Path
    port: int

    @classmethod
    def made(cls, directory: Path, more: str = "") -> "Installation":
        """A fresh one, with `more` at the end of its configuration."""
        ran = authwright("init", directory, cwd=directory.parent)
        assert ran.status == 0, ran.err
        made = cls(directory, find_free_port())
        text = made.file.read_text().replace("http://localhost:9000", made.url, 1)
        made.file.write_text(text + more)
        return made

    @property
    def file(self) -> Path:
        return self.directory / "authwright.toml"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def run(self, *arguments: str | Path, environ: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
        """A command in the directory."""
        return authwright(*arguments, cwd=self.directory, environ=environ, stdin=stdin)

    def serve(
        self, processes: ServerProcesses, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> ServerProcess:
        """`authwright serve`, answering."""
        process = processes.python(
            "-m", "authwright.server.cli", "serve", "--port", str(self.port), *arguments,
            cwd=self.directory, environ=environ,
        )  # fmt: skip
        process.wait_for(f"http://127.0.0.1:{self.port}/.well-known/openid-configuration")
        return process

    def post(self, path: str, client: str, secret: str, **fields: str) -> tuple[int, Any]:
        """A form with HTTP Basic; the status and the JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            return post(connection, path, client, secret, **fields)
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        """The status and the JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def post(
    connection: http.client.HTTPConnection, path: str, client: str, secret: str, **fields: str
) -> tuple[int, Any]:
    """A form with HTTP Basic over a connection that is kept."""
    basic = b64encode(f"{client}:{secret}".encode()).decode()
    connection.request(
        "POST",
        path,
        urllib.parse.urlencode(fields),
        {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"},
    )
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")
