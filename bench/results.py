"""What a row came to: medians, the ratio, what is wrong with it; as JSON, as a table, and as a page of the docs."""

import platform
import sqlite3
import statistics
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from bench.consent_rows import CONSENT, CONSENT_ROWS, ConsentRow
from bench.load import Round
from bench.rows import MAX_RSS_MB, MIN_RATIO, REQUIRED, ROWS, Row
from bench.rp_rows import AUTHLIB, PARTY_ROWS, PartyRow
from tests.servers.node import find_node
from tests.servers.process import ROOT

RESULTS = ROOT / "build" / "bench.json"
SETUP = ROOT / "build" / "bench-setup.json"
PAGE = ROOT / "docs" / "explain" / "performance.md"
BEGIN = "<!-- figures: make bench ARGS=--write-docs -->"
END = "<!-- end of figures -->"
OIDC_PROVIDER = "oidc-provider"

AnyRow: TypeAlias = Row | PartyRow | ConsentRow


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A row of build/bench.json. Times in milliseconds, memory in MB (proportional set size)."""

    name: str
    rps: float | None
    p50_ms: float | None
    p99_ms: float | None
    rss_mb: float | None
    peer_rps: float | None
    ratio: float | None
    peer_p50_ms: float | None
    peer_p99_ms: float | None
    peer_rss_mb: float | None
    store: str
    server_cpu: float | None
    """How much of its core our server used; well below 1, it waited."""
    cpu_us: float | None
    """What a request cost our server, in microseconds of its core; it hardly depends on what else the machine does."""
    peer_cpu_us: float | None
    load_cpu: float | None
    """How much of its core wrk used on us; close to 1, it was the limit."""
    rounds: int
    """On each side."""
    quiet_rounds: int
    """On the side that had fewer; with fewer than two the figures are of all rounds."""
    first_mark: float | None
    goal: float | None
    failure: str = ""
    """Why there are no figures."""
    peer: str = OIDC_PROVIDER
    """Whom `peer_rps` and the rest are of."""
    same_work: bool = True
    """Whether the peer does what we do; if not, nothing is judged by it."""
    max_ms: float | None = None
    """What the median may be; None = nobody set one."""
    beside_p99_ms: float | None = None
    """Of other endpoints' work meanwhile."""
    beside_alone_p99_ms: float | None = None
    """Of the same work alone."""
    max_beside: float | None = None
    """How much slower it may get."""

    @property
    def beside(self) -> float | None:
        """How much slower other endpoints' work is meanwhile, by its p99."""
        if self.beside_p99_ms is None or not self.beside_alone_p99_ms:
            return None
        return self.beside_p99_ms / self.beside_alone_p99_ms

    @property
    def late(self) -> bool:
        """Whether the median is above its mark, or it costs others more than it may."""
        above = self.max_ms is not None and self.p50_ms is not None and self.p50_ms > self.max_ms
        return above or (
            self.beside is not None and self.max_beside is not None and self.beside > self.max_beside
        )

    @property
    def short_failure(self) -> str:
        """The last line of `failure`: of a program that ended, what it died of."""
        return self.failure.strip().rpartition("\n")[2]

    @property
    def fails(self) -> bool:
        return (
            bool(self.failure)
            or self.late
            or (self.same_work and self.ratio is not None and self.ratio < MIN_RATIO)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The medians of one server's rounds, of the quiet ones where there are two."""

    rps: float
    p50_ms: float
    p99_ms: float
    server_cpu: float
    cpu_us: float
    load_cpu: float
    rounds: int
    quiet: int

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> "Side":
        quiet = [one for one in rounds if one.quiet]
        used = quiet if len(quiet) >= min(2, len(rounds)) else rounds
        return cls(
            rps=statistics.median(one.rps for one in used),
            p50_ms=statistics.median(one.p50_ms for one in used),
            p99_ms=statistics.median(one.p99_ms for one in used),
            server_cpu=statistics.median(one.server_cpu for one in used),
            cpu_us=statistics.median(one.server_cpu / one.rps * 1e6 for one in used),
            load_cpu=statistics.median(one.load_cpu for one in used),
            rounds=len(rounds),
            quiet=len(quiet),
        )


def judge(
    row: AnyRow,
    store: str,
    ours: Side,
    rss_mb: float,
    peer: Side | None = None,
    peer_rss_mb: float | None = None,
) -> Result:
    """Both sides of a row put together."""
    mark = row.mark(store)
    return Result(
        name=row.name,
        rps=round(ours.rps, 1),
        p50_ms=round(ours.p50_ms, 3),
        p99_ms=round(ours.p99_ms, 3),
        rss_mb=round(rss_mb, 1),
        peer_rps=round(peer.rps, 1) if peer is not None else None,
        ratio=round(ours.rps / peer.rps, 3) if peer is not None else None,
        peer_p50_ms=round(peer.p50_ms, 3) if peer is not None else None,
        peer_p99_ms=round(peer.p99_ms, 3) if peer is not None else None,
        peer_rss_mb=round(peer_rss_mb, 1) if peer_rss_mb is not None else None,
        store=store,
        server_cpu=round(ours.server_cpu, 2),
        cpu_us=round(ours.cpu_us, 1),
        peer_cpu_us=round(peer.cpu_us, 1) if peer is not None else None,
        load_cpu=round(ours.load_cpu, 2),
        rounds=ours.rounds,
        quiet_rounds=min(ours.quiet, peer.quiet) if peer is not None else ours.quiet,
        first_mark=mark.first,
        goal=mark.goal,
        peer=peer_of(row),
        same_work=row.same_work,
    )


def failed(row: AnyRow, store: str, why: str) -> Result:
    """A row without figures."""
    nothing: dict[str, Any] = dict.fromkeys(("rps", "p50_ms", "p99_ms", "rss_mb", "peer_rps", "ratio"))
    peers: dict[str, Any] = dict.fromkeys(("peer_p50_ms", "peer_p99_ms", "peer_rss_mb", "peer_cpu_us"))
    shares: dict[str, Any] = dict.fromkeys(("server_cpu", "cpu_us", "load_cpu"))
    mark = row.mark(store)
    return Result(
        name=row.name,
        store=store,
        rounds=0,
        quiet_rounds=0,
        first_mark=mark.first,
        goal=mark.goal,
        failure=why,
        peer=peer_of(row),
        **nothing,
        **peers,
        **shares,
    )


def peer_of(row: AnyRow) -> str:
    """Whom a row has beside us, or which of the tables it belongs to."""
    if isinstance(row, ConsentRow):
        return CONSENT
    return AUTHLIB if isinstance(row, PartyRow) else OIDC_PROVIDER


def remarks(row: AnyRow, result: Result) -> list[str]:
    """What a reader of the row must know: what is too slow, too late or too big, and why."""
    if result.failure:
        return [f"FAILED: {result.short_failure}"]
    found = []
    if result.ratio is not None:
        if result.ratio < MIN_RATIO and result.same_work:
            found.append(f"slower than the peer ({result.ratio:.2f})")
        if result.first_mark is not None and result.ratio < result.first_mark:
            found.append(f"below its first mark of {result.first_mark:g}: {_cause(row, result)}")
    if isinstance(row, ConsentRow):
        if result.p50_ms is not None and result.p50_ms > row.max_ms:
            found.append(f"above its mark of {row.max_ms:g} ms")
        if result.beside is not None:
            found.append(
                f"meanwhile the p99 of other requests is {result.beside_p99_ms:.1f} ms, alone"
                f" {result.beside_alone_p99_ms:.1f}: {result.beside:.2f} times, and may be {row.max_beside:g}"
            )
    elif isinstance(row, PartyRow):
        if row.max_us is not None and result.cpu_us is not None and result.cpu_us > row.max_us:
            found.append(f"above its budget of {row.max_us:g} µs")
        if row.limit:
            found.append(row.limit)
    else:
        if result.p99_ms is not None and result.p99_ms > row.max_p99(result.store):
            found.append(f"p99 above {row.max_p99(result.store):g} ms")
        if result.rss_mb is not None and result.rss_mb > MAX_RSS_MB:
            found.append(f"memory above {MAX_RSS_MB:g} MB")
    if result.quiet_rounds < min(2, result.rounds):
        found.append("noisy: other programs were at work")
    return found


def _cause(row: AnyRow, result: Result) -> str:
    cause = row.limit or "the cause is not named yet, --profile shows where the time goes"
    if result.load_cpu is not None and result.load_cpu > 0.9:
        cause += "; the load generator was at its own limit"
    elif result.server_cpu is not None and result.server_cpu < 0.85:
        cause += f"; the server was idle {100 - 100 * result.server_cpu:.0f} % of the time"
    return cause


def rows_by_name() -> dict[str, AnyRow]:
    """Every row there is, in the order of the table."""
    rows: tuple[AnyRow, ...] = (*ROWS, *PARTY_ROWS, *CONSENT_ROWS)
    return {row.name: row for row in rows}


# --- Files ---


def save(results: Sequence[Result], setup: Mapping[str, str]) -> None:
    """build/bench.json and what it was measured with."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    SETUP.write_bytes(msgspec.json.format(msgspec.json.encode(setup), indent=2) + b"\n")


def setup_of(store: str, seconds: int, rounds: int) -> dict[str, str]:
    """What every figure depends on."""
    node = find_node()
    configured = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    optimised = "optimised" if "--enable-optimizations" in configured else "not optimised (no PGO)"
    setup = {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu_model(),
        "python": f"CPython {platform.python_version()}, {optimised}",
        "uvicorn": version("uvicorn"),
        "uvloop": version("uvloop"),
        "authlib": version("authlib"),
        "sqlite": sqlite3.sqlite_version,
        "store": store,
        "rounds": f"{rounds} rounds of {seconds} s on each side",
    }
    if node is not None:
        shown = subprocess.run([node.path, "--version"], capture_output=True, text=True, check=True)
        manifest = msgspec.json.decode((node.modules / "oidc-provider" / "package.json").read_bytes())
        setup |= {"node": shown.stdout.strip(), "oidc-provider": manifest["version"]}
    return setup


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


# --- For people ---


def table(results: Sequence[Result]) -> str:
    """For a terminal."""
    ours = ("req/s", "p50 ms", "p99 ms", "MB", "CPU µs", "CPU")
    head = ("row", *ours, "peer req/s", "p99 ms", "MB", "CPU µs", "ratio", "first", "goal")
    lines = [head, *(_cells(result) for result in results)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    text = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    text.insert(1, "-" * len(text[0]))
    by_name = rows_by_name()
    notes = [f"{one.name}: {note}" for one in results for note in remarks(by_name[one.name], one)]
    return "\n".join([*text, *([""] if notes else []), *notes])


def _cells(result: Result) -> tuple[str, ...]:
    return (
        result.name,
        _number(result.rps),
        _number(result.p50_ms, 2),
        _number(result.p99_ms, 2),
        _number(result.rss_mb),
        _number(result.cpu_us),
        _number(result.server_cpu, 2),
        _number(result.peer_rps),
        _number(result.peer_p99_ms, 2),
        _number(result.peer_rss_mb),
        _number(result.peer_cpu_us),
        _number(result.ratio, 2),
        _number(result.first_mark, 2),
        _number(result.goal, 2),
    )


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def write_page() -> None:
    """Put build/bench.json into the docs. Raises ValueError when it is not a whole run on SQLite beside the peer."""
    results = msgspec.json.decode(RESULTS.read_bytes(), type=list[Result])
    setup = msgspec.json.decode(SETUP.read_bytes(), type=dict[str, str])
    whole = {one.name for one in results if one.ratio is not None and one.store == "sqlite"}
    if missing := [name for name in REQUIRED if name not in whole]:
        raise ValueError(f"build/bench.json lacks {', '.join(missing)}: run make bench, whole, first")
    text = PAGE.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.relative_to(ROOT)} has no place for figures between its two comments")
    PAGE.write_text(f"{before}{BEGIN}\n{figures(results, setup)}\n{END}{after}")


def figures(results: Sequence[Result], setup: Mapping[str, str]) -> str:
    """The tables of the docs, with what they were measured on."""
    by_name = rows_by_name()
    lines: list[str] = []
    notes = []
    for peer in dict.fromkeys(one.peer for one in results):
        lines += [*([""] if lines else []), *_head(peer)]
        for one in results:
            if one.peer == peer:
                row, cells = by_name[one.name], _cells(one)
                shown = (
                    (*cells[1:6], *cells[7:])
                    if peer == OIDC_PROVIDER
                    else (cells[1], cells[5], cells[7], cells[10], cells[11])
                )
                if isinstance(row, ConsentRow):
                    shown = (cells[2], cells[3], _number(row.max_ms), _number(row.sum_ms), cells[5])
                lines.append("| " + " | ".join((row.title, *shown)) + " |")
                notes += [f"- {row.title}: {note}." for note in remarks(row, one)]
    made = (
        f"Measured {setup['date']} on {setup['cpu']}: {setup['python']}, uvicorn {setup['uvicorn']},"
        f" uvloop {setup['uvloop']}, SQLite {setup['sqlite']}; Node.js {setup.get('node', '?')},"
        f" oidc-provider {setup.get('oidc-provider', '?')}, Authlib {setup.get('authlib', '?')}; {setup['rounds']}."
    )
    return "\n".join(["", *lines, "", *notes, *([""] if notes else []), made, ""])


def _head(peer: str) -> tuple[str, str]:
    if peer == CONSENT:
        return (
            "| Work | p50 ms | p99 ms | mark for p50 | one after the other, ms | CPU µs |",
            "|---|--:|--:|--:|--:|--:|",
        )
    if peer == OIDC_PROVIDER:
        return (
            "| Work | requests/s | p50 ms | p99 ms | MB | CPU µs"
            " | oidc-provider requests/s | p99 ms | MB | CPU µs | ratio | first mark | goal |",
            "|---|" + 12 * "--:|",
        )
    return (
        f"| Work, without the network | a second | µs | {peer} a second | µs | ratio |",
        "|---|" + 5 * "--:|",
    )
