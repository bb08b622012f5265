"""Load on one server with wrk, in rounds, and whether the machine was quiet meanwhile."""

import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import DIRECTORY, CannotMeasure, Contender
from bench.rows import Work

CONNECTIONS = 32
# Values that may be used again and again: enough not to be one hot row, few enough to be made at once.
REUSED = 400
# The first round knows no rate yet.
FIRST_GUESS = 12_000
QUIET_PROBE = 1.25
QUIET_STRANGERS = 0.25


class Refused(Exception):
    """A side refused requests or lost connections under load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of load; times in milliseconds, the rest in shares of a core."""

    rps: float
    p50_ms: float
    p99_ms: float
    server_cpu: float
    load_cpu: float
    strangers_cpu: float
    """What other programs used of both cores."""
    probe: float
    """How much slower the slower core was than the best we have seen."""

    @property
    def quiet(self) -> bool:
        """Whether nobody else was at work."""
        return self.probe <= QUIET_PROBE and self.strangers_cpu <= QUIET_STRANGERS


class Probe:
    """Times a fixed loop on each core: a virtual one may be shared with strangers nothing else tells us of."""

    def __init__(self, cpus: tuple[int, int]) -> None:
        self._cpus = cpus
        self._file = DIRECTORY / "best-probe.json"
        self._best = json.loads(self._file.read_text()) if self._file.exists() else float("inf")

    def __call__(self) -> float:
        """Ratio of the slower core's time to the best time ever seen; leaves us on the second core."""
        times = [self._time(cpu) for cpu in self._cpus]
        if min(times) < self._best:
            self._best = min(times)
            self._file.write_text(json.dumps(self._best))
        return max(times) / self._best

    @staticmethod
    def _time(cpu: int) -> float:
        os.sched_setaffinity(0, {cpu})
        return min(_loop() for _ in range(3))


def _loop() -> float:
    began = time.perf_counter()
    total = 0
    for number in range(200_000):
        total ^= number * number
    return time.perf_counter() - began


class Load:
    """wrk on the second core."""

    def __init__(self, cpus: tuple[int, int], probe: Probe, *, strangers_count: bool = True) -> None:
        self._cpu = cpus[1]
        self._probe = probe
        self._strangers_count = strangers_count
        """False where a database of ours works beside the server."""

    def round(self, contender: Contender, work: Work, seconds: int, rate: float) -> Round:
        """`seconds` of load; `rate` is what to be prepared for. Raises Refused or CannotMeasure."""
        for attempt in (1, 2, 3):
            values = _prepare(contender, work, seconds, rate * attempt)
            found, measured = self._measured(contender, work, seconds, values)
            # Where a right answer is a refusal, the script counts the wrong ones.
            wrong = found["refused"] if work.status == 200 else found["wrong"]
            if wrong or found["broken"]:
                raise Refused(
                    f"{contender.name}: {wrong} answers that are not {'2xx' if work.status == 200 else work.status}"
                    f" and {found['broken']} broken connections of {found['requests']} requests"
                )
            if not found["exhausted"]:
                return measured
        raise CannotMeasure(f"{contender.name}: the prepared values never last for a round")

    def _measured(
        self, contender: Contender, work: Work, seconds: int, values: Path | None
    ) -> tuple[dict[str, int], Round]:
        # 1. How things are before.
        before = self._probe()
        busy, served, loaded = busy_seconds(), contender.cpu_seconds(), _children_seconds()
        began = time.monotonic()
        # 2. The load.
        found = self._wrk(contender, work, seconds, values)
        # 3. How things are after.
        passed = time.monotonic() - began
        server, load = contender.cpu_seconds() - served, _children_seconds() - loaded
        strangers = max(0.0, busy_seconds() - busy - server - load) if self._strangers_count else 0.0
        duration = found["duration"] / 1e6
        return found, Round(
            rps=found["requests"] / duration,
            p50_ms=found["p50"] / 1000,
            p99_ms=found["p99"] / 1000,
            server_cpu=server / duration,
            load_cpu=load / duration,
            strangers_cpu=strangers / passed,
            probe=max(before, self._probe()),
        )

    def _wrk(self, contender: Contender, work: Work, seconds: int, values: Path | None) -> dict[str, int]:
        chained = work.spends is not None and work.spends.chained
        script = "chain.lua" if chained else "prepared.lua" if values is not None else "fixed.lua"
        job = DIRECTORY / "job.lua"
        job.write_text(work.job())
        threads = CONNECTIONS if chained else 1
        options = [f"-t{threads}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", script]
        ended = subprocess.run(
            ["taskset", "-c", str(self._cpu), "wrk", *options, contender.url],
            cwd=Path(__file__).parent,
            env=dict(os.environ) | {"BENCH_JOB": str(job), "BENCH_VALUES": str(values or "")},
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
        for line in ended.stdout.splitlines():
            if line.startswith("BENCH "):
                found: dict[str, int] = json.loads(line.removeprefix("BENCH "))
                return found
        raise CannotMeasure(f"wrk: {(ended.stderr or ended.stdout).strip()[-500:]}")


def _prepare(contender: Contender, work: Work, seconds: int, rate: float) -> Path | None:
    if (spends := work.spends) is None:
        return None
    count = REUSED
    if spends.chained:
        count = CONNECTIONS
    elif spends.once:
        count = int(rate * seconds * 1.3) + 1000
    return contender.make(spends.kind, spends.client_id, count)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def busy_seconds() -> float:
    """What all programs on this machine have used so far: user, nice, system and interrupts."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    return sum(int(fields[at]) for at in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")
