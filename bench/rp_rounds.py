"""Starts one side's relying party on the server's core, and asks it for rounds."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.contenders import DIRECTORY, CannotMeasure, Contender
from bench.load import Probe, Round, busy_seconds
from tests.servers.process import ROOT


class Party(Contender):
    """A relying party in a process of its own, without a socket."""

    def round(self, seconds: float, probe: Probe) -> Round:
        """Raises CannotMeasure when it ends instead."""
        before = probe()
        busy, used = busy_seconds(), self.cpu_seconds()
        found = self.ask(str(seconds))
        passed, own = found["passed"], self.cpu_seconds() - used
        return Round(
            # Nothing here waits, so a second of the core is what counts, not one that is shared with strangers.
            rps=found["requests"] / found["cpu_seconds"],
            p50_ms=found["p50_ms"],
            p99_ms=found["p99_ms"],
            server_cpu=1.0,
            load_cpu=0.0,
            strangers_cpu=max(0.0, busy_seconds() - busy - own) / passed,
            probe=max(before, probe()),
        )

    def ask(self, line: str) -> dict[str, float]:
        """Its answer to a line; to an empty one, that it is ready."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("started without pipes")
        try:
            if line:
                self._process.stdin.write(f"{line}\n")
                self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            raise CannotMeasure(f"{self.name}: {self.last_words()}")
        found: dict[str, float] = json.loads(answer)
        return found


@contextmanager
def party(side: str, row: str, cpu: int) -> Iterator[Party]:
    """`side` as `bench.rp_parties` calls it. Raises CannotMeasure when it does not do the work."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    log = DIRECTORY / f"{side}-party.log"
    command = [sys.executable, "-m", "bench.rp_work", "--side", side, "--row", row]
    environ = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            cwd=ROOT,
            env=dict(os.environ) | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    started = Party(side, process, 0, log)
    try:
        started.ask("")
        yield started
    finally:
        started.stop()
