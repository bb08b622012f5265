"""The two servers that are compared: started on one core, told to make values, watched, and ended."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.answers import AnswerIsWrong, Check
from bench.rows import API_SCOPE, CALLBACK, RESOURCES, SECRET, VERIFIER, Row, Work
from bench.signed import KINDS, public_jwk, signed
from tests.servers.node import find_node
from tests.servers.postgres import dsn_of, postgres, run_sql
from tests.servers.process import ROOT, find_free_port

DIRECTORY = ROOT / "build" / "bench"


class CannotMeasure(Exception):
    """Something is missing; the text says what."""


class Contender:
    """A running server: ours or the peer."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", port: int, log: Path) -> None:
        self.name = name
        self.port = port
        self._process = process
        self._log = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, seconds: float = 30) -> None:
        """Until it listens. Raises CannotMeasure with the end of its log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise CannotMeasure(f"{self.name} does not start: {self.last_words()}")

    def last_words(self) -> str:
        """How it ended, if it did, and the end of what it wrote to its log."""
        status = self._process.poll()
        ended = "it still runs" if status is None else f"it ended with status {status}"
        return f"{ended}\n{self._log.read_text(errors='replace')[-2000:]}".strip()

    def said(self) -> str:
        """The next line it prints. Raises CannotMeasure when it ends instead."""
        if self._process.stdout is None:
            raise AssertionError("started without pipes")
        line = self._process.stdout.readline()
        if not line:
            raise CannotMeasure(f"{self.name}: {self.last_words()}")
        return line.strip()

    def say(self, line: str) -> str:
        """Its answer to a line. Raises CannotMeasure."""
        if self._process.stdin is None:
            raise AssertionError("started without pipes")
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        return self.said()

    def make(self, kind: str, client_id: str, count: int) -> Path:
        """A file of `count` values it just made, one a line. Raises CannotMeasure."""
        file = DIRECTORY / f"{self.name}-values.txt"
        if kind in KINDS:
            file.write_text("".join(f"{value}\n" for value in signed(kind, client_id, self.url, count)))
            return file
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("started without pipes")
        try:
            self._process.stdin.write(f"{kind} {client_id} {count} {file}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if answer != "done\n":
            raise CannotMeasure(f"{self.name} cannot make {kind}: {self.last_words()}")
        return file

    def check(self, work: Work, check: Check) -> None:
        """Send one real request and look at the answer. Raises AnswerIsWrong."""
        value = ""
        if (spends := work.spends) is not None:
            value = self.make(spends.kind, spends.client_id, 1).read_text().strip()
        headers, body = work.request(value)
        request = urllib.request.Request(self.url + work.path, body, dict(headers), method=work.method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, content = refusal.code, refusal.read()
        if status != work.status:
            text = content[:500].decode(errors="replace")
            raise AnswerIsWrong(f"{self.name} answers {status}: {text}")
        members: dict[str, Any] = json.loads(content)
        try:
            check(members, value)
        except AnswerIsWrong as wrong:
            raise AnswerIsWrong(f"{self.name}: {wrong}") from None

    def cpu_seconds(self) -> float:
        """What all of its threads and children have used so far."""
        ticks = 0
        for process in self._family():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Its proportional set size: pages it shares count in part."""
        kilobytes = 0
        for process in self._family():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        kilobytes += int(line.split()[1])
        return kilobytes / 1024

    def _family(self) -> list[int]:
        found = [self._process.pid]
        for process in found:
            for thread in Path(f"/proc/{process}/task").glob("*"):
                with contextlib.suppress(OSError):
                    found += [int(child) for child in (thread / "children").read_text().split()]
        return found

    def stop(self) -> None:
        """It ends with its standard input; if it does not, it is killed."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def started(
    name: str, command: Sequence[str | Path], port: int, cpu: int, environ: Mapping[str, str]
) -> Iterator[Contender]:
    """The server `command` starts, on that one core, while the block runs."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    log = DIRECTORY / f"{name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            cwd=ROOT,
            env=dict(os.environ) | dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    contender = Contender(name, process, port, log)
    try:
        contender.wait()
        yield contender
    finally:
        contender.stop()


@contextmanager
def ours(row: Row, store: str, cpu: int, profile: Path | None) -> Iterator[Contender]:
    """Our server for a row; `store` is what `bench.server` calls it."""
    port = find_free_port()
    command: list[str | Path] = [sys.executable, "-m", "bench.server", "--port", str(port), "--store", store]
    command += ["--algorithms", row.algorithms, "--jwk", json.dumps(public_jwk())]
    if profile is not None:
        command += ["--profile", profile]
    environ = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with started("ours", command, port, cpu, environ) as contender:
        yield contender


@contextmanager
def peer(seconds: int, cpu: int) -> Iterator[Contender]:
    """npm oidc-provider. Raises CannotMeasure when it is not installed."""
    node = find_node()
    if node is None:
        raise CannotMeasure("Node.js and the npm peers are missing: python3 tools/setup.py bench")
    port = find_free_port()
    script = node.script(ROOT / "bench" / "peer.mjs")
    # A round's codes, the grants they belong to and what they are redeemed for must all fit.
    limit = max(200_000, 80_000 * seconds)
    options = {
        "port": str(port),
        "limit": str(limit),
        "secret": SECRET,
        "callback": CALLBACK,
        "verifier": VERIFIER,
        "scope": API_SCOPE,
        "resources": ",".join(f"{uri}={algorithm}" for uri, algorithm in RESOURCES.items()),
        "jwk": json.dumps(public_jwk()),
    }
    command: list[str | Path] = [node.path, script]
    for name, value in options.items():
        command += [f"--{name}", value]
    environ = node.environ | {"NODE_ENV": "production"}
    with started("peer", command, port, cpu, environ) as contender:
        yield contender


@contextmanager
def stores(kind: str) -> Iterator["Stores"]:
    """Where the rows' own stores come from, for the whole run."""
    if kind == "postgres":
        # Its processes inherit our core: the one the load runs on.
        with postgres() as dsn:
            yield Stores(kind, dsn)
    else:
        yield Stores(kind, "")


class Stores:
    """A fresh store for each row."""

    def __init__(self, kind: str, dsn: str) -> None:
        self.kind = kind
        self._dsn = dsn

    @contextmanager
    def fresh(self, row: str) -> Iterator[str]:
        """What `bench.server --store` takes. It is gone after the block."""
        if self.kind == "sqlite":
            directory = DIRECTORY / "store"
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            try:
                yield f"sqlite:{directory / 'ours.db'}"
            finally:
                shutil.rmtree(directory, ignore_errors=True)
        elif self.kind == "postgres":
            database = f"bench_{row}_{os.getpid()}"
            run_sql(self._dsn, f"CREATE DATABASE {database}")
            try:
                yield dsn_of(self._dsn, database)
            finally:
                run_sql(self._dsn, f"DROP DATABASE {database} WITH (FORCE)")
        else:
            yield "memory"
