"""Starts our server and its consent services, and times exchanges there."""

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE
from bench.answers import AnswerIsWrong
from bench.consent_rows import DEADLINE_MS, HANGING_ROUNDS, SERVICE_MS, WAITING, ConsentRow
from bench.consent_services import BASE
from bench.contenders import DIRECTORY, Contender, started
from bench.load import Load, Probe, Round, busy_seconds
from bench.rows import FORM, ROWS, SECRET
from tests.servers.process import ROOT, find_free_port

HEADERS = {"Authorization": basic_authorization("shop", SECRET), "Content-Type": FORM}
ENVIRON = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


class Exchanges:
    """A server and what is exchanged there: one token, over and over."""

    def __init__(self, row: ConsentRow, server: Contender, services: Contender, token: str) -> None:
        self.server = server
        self._row = row
        self._services = services
        asked = (BASE + f"s{number}" for number in range(row.services + row.hanging))
        params = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "scope": " ".join(asked),
        }
        self._body = urlencode(params)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)

    def one(self, connection: http.client.HTTPConnection) -> float:
        """The milliseconds of an exchange. Raises AnswerIsWrong when a service that answers is not in it."""
        began = time.perf_counter()
        connection.request("POST", "/token", self._body, HEADERS)
        answer = connection.getresponse()
        content = answer.read()
        passed = (time.perf_counter() - began) * 1000
        members = json.loads(content)
        if answer.status != 200 or len(members["scope"].split()) != self._row.services:
            raise AnswerIsWrong(f"ours answers {answer.status}: {content[:500].decode(errors='replace')}")
        return passed

    def round(self, seconds: float, probe: Probe) -> Round:
        """One exchange after the other, for so long and at least three."""
        before = probe()
        busy, own = busy_seconds(), time.process_time()
        used, theirs = self.server.cpu_seconds(), self._services.cpu_seconds()
        times: list[float] = []
        began = time.monotonic()
        with contextlib.closing(self.connection()) as connection:
            while time.monotonic() - began < seconds or len(times) < 3:
                times.append(self.one(connection))
        passed = time.monotonic() - began
        server = self.server.cpu_seconds() - used
        ours = server + self._services.cpu_seconds() - theirs + time.process_time() - own
        return Round(
            rps=len(times) / passed,
            p50_ms=statistics.median(times),
            p99_ms=sorted(times)[min(len(times) - 1, int(len(times) * 0.99))],
            server_cpu=server / passed,
            load_cpu=0.0,
            strangers_cpu=max(0.0, busy_seconds() - busy - ours) / passed,
            probe=max(before, probe()),
        )

    def beside(self, seconds: int, load: Load) -> tuple[float, float]:
        """The p99 of another endpoint in ms, while nobody exchanges and while exchanges wait: medians of rounds in turn.

        Raises Refused or CannotMeasure.
        """
        work = next(row for row in ROWS if row.name == "cc_opaque").ours
        alone, waiting = [], []
        for _ in range(HANGING_ROUNDS):
            alone.append(load.round(self.server, work, seconds, 0).p99_ms)
            with self._waiting():
                waiting.append(load.round(self.server, work, seconds, 0).p99_ms)
        return statistics.median(alone), statistics.median(waiting)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Exchanges that wait for a service that hangs, as long as the block runs."""
        over = threading.Event()

        def wait(part: float) -> None:
            over.wait(part * DEADLINE_MS / 1000)
            with contextlib.closing(self.connection()) as connection:
                while not over.is_set():
                    with contextlib.suppress(OSError, AnswerIsWrong):
                        self.one(connection)

        threads = [threading.Thread(target=wait, args=(at / WAITING,), daemon=True) for at in range(WAITING)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join(15)


@contextmanager
def exchanges(
    row: ConsentRow, store: str, cpus: tuple[int, int], profile: Path | None = None
) -> Iterator[Exchanges]:
    """Our server on the first core, the services on the second, both warm. Raises CannotMeasure or AnswerIsWrong."""
    with _services(row, cpus[1]) as (services, ports):
        port = find_free_port()
        command: list[str | Path] = [sys.executable, "-m", "bench.consent_server", "--port", str(port)]
        command += ["--store", store, "--services", json.dumps(ports)]
        if profile is not None:
            command += ["--profile", profile]
        with started("ours", command, port, cpus[0], ENVIRON) as server:
            found = Exchanges(row, server, services, server.said())
            with contextlib.closing(found.connection()) as connection:
                for _ in range(3):
                    with contextlib.suppress(AnswerIsWrong):
                        found.one(connection)
                found.one(connection)
            if profile is not None:
                server.say("")
            yield found


@contextmanager
def _services(row: ConsentRow, cpu: int) -> Iterator[tuple[Contender, list[int]]]:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    log = DIRECTORY / "services.log"
    command = [sys.executable, "-m", "bench.consent_services", "--count", str(row.services)]
    command += ["--hanging", str(row.hanging), "--delay-ms", str(SERVICE_MS)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            cwd=ROOT,
            env=dict(os.environ) | ENVIRON,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    services = Contender("services", process, 0, log)
    try:
        ports: list[int] = json.loads(services.said())
        yield services, ports
    finally:
        services.stop()
