"""`make bench`: our endpoints beside npm oidc-provider, one server process on one core each, in one run.

    make bench
    make bench ARGS='--rows cc_opaque,code --seconds 1 --rounds 1'
    make bench ARGS=--write-docs

Prints a table and writes build/bench.json. Ends with 1 when a row is slower than the peer or cannot be measured.
"""

import argparse
import io
import os
import pstats
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.answers import AnswerIsWrong
from bench.consent_rounds import exchanges
from bench.consent_rows import ConsentRow
from bench.contenders import DIRECTORY, CannotMeasure, Contender, Stores, ours, peer, stores
from bench.load import FIRST_GUESS, Load, Probe, Refused, Round
from bench.results import AnyRow, Result, Side, failed, judge, rows_by_name, save, setup_of, table, write_page
from bench.rows import Row, Work
from bench.rp_rounds import party
from bench.rp_rows import PartyRow
from tests.servers.postgres import NoPostgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    rows: tuple[AnyRow, ...]
    seconds: int
    rounds: int
    warm_up: int
    store: str
    with_peer: bool
    profile: bool


def main() -> None:
    options = parse(sys.argv[1:])
    # Ending us must end the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        results = run(options)
    except (CannotMeasure, NoPostgres) as missing:
        sys.exit(f"\nMissing: {missing}\n")
    except KeyboardInterrupt:
        sys.exit(130)
    print()
    print(table(results))
    if options.profile:
        print("\nFigures of a profiled server say nothing: build/bench.json is left as it was.")
    else:
        save(results, setup_of(options.store, options.seconds, options.rounds))
        print("\nwritten: build/bench.json")
    sys.exit(1 if any(result.fails for result in results) else 0)


def parse(arguments: Sequence[str]) -> Options:
    """The options; ends here with --write-docs."""
    known = rows_by_name()
    names = list(known)
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Our endpoints beside npm oidc-provider, our relying party beside Authlib, one core each.",
    )
    parser.add_argument("--rows", default=",".join(names), help=f"some of {', '.join(names)}")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round (3)")
    parser.add_argument("--rounds", type=int, default=3, help="quiet rounds wanted on each side (3)")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds before the first round (2)")
    parser.add_argument("--store", choices=("sqlite", "memory", "postgres"), default="sqlite")
    parser.add_argument("--no-peer", action="store_true", help="only our own side, without ratios")
    parser.add_argument(
        "--profile", action="store_true", help="show where our server's time goes; implies --no-peer"
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="put build/bench.json into the docs, and end"
    )
    given = parser.parse_args(arguments)
    if given.write_docs:
        try:
            write_page()
        except (OSError, ValueError) as error:
            sys.exit(str(error))
        sys.exit(0)
    wanted = given.rows.split(",")
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(names)}")
    if min(given.seconds, given.rounds, given.warm_up) < 1:
        parser.error("--seconds, --rounds and --warm-up are at least 1")
    return Options(
        rows=tuple(row for row in known.values() if row.name in wanted),
        seconds=given.seconds,
        rounds=given.rounds,
        warm_up=given.warm_up,
        store=given.store,
        with_peer=not (given.no_peer or given.profile),
        profile=given.profile,
    )


def run(options: Options) -> list[Result]:
    """Measure every row. Raises CannotMeasure when the machine lacks something that all of them need."""
    cpus = two_cores()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    probe = Probe(cpus)
    probe()
    load = Load(cpus, probe, strangers_count=options.store != "postgres")
    results = []
    with stores(options.store) as kept:
        for row in options.rows:
            began = time.monotonic()
            if isinstance(row, PartyRow):
                if options.profile:
                    continue
                result = measure_party(row, options, probe, cpus[0])
            elif isinstance(row, ConsentRow):
                result = measure_consent(row, options, kept, load, probe, cpus)
            else:
                result = measure(row, options, kept, load, cpus)
            results.append(result)
            print(f"{row.name}: {told(result)}  [{time.monotonic() - began:.0f} s]", flush=True)
    return results


def two_cores() -> tuple[int, int]:
    """The server's core and the load's. Raises CannotMeasure."""
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise CannotMeasure(
                f"{program}: apt-get install {'util-linux' if program == 'taskset' else program}"
            )
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise CannotMeasure("two cores: one for the server, one for the load")
    return cpus[0], cpus[1]


def measure(row: Row, options: Options, kept: Stores, load: Load, cpus: tuple[int, int]) -> Result:
    """One row, on servers of its own. What goes wrong is its result, so that the others are still measured."""
    profile = DIRECTORY / f"{row.name}.profile" if options.profile else None
    try:
        with ExitStack() as stack:
            store = stack.enter_context(kept.fresh(row.name))
            us = stack.enter_context(ours(row, store, cpus[0], profile))
            them = stack.enter_context(peer(options.seconds, cpus[0])) if options.with_peer else None
            result = compare(row, options, load, us, them)
    except (AnswerIsWrong, Refused, CannotMeasure) as wrong:
        return failed(row, options.store, str(wrong))
    if profile is not None:
        show_profile(profile)
    return result


def compare(row: Row, options: Options, load: Load, us: Contender, them: Contender | None) -> Result:
    """The rounds of a row. Raises AnswerIsWrong, Refused or CannotMeasure."""
    # 1. Both do the work at all.
    sides: list[tuple[Contender, Work]] = [(us, row.ours)]
    us.check(row.ours, row.check)
    if them is not None:
        sides.append((them, row.peer or row.ours))
        them.check(row.peer or row.ours, row.peer_check or row.check)
    # 2. Warm up, and learn how many values a round will take.
    rates = [load.round(side, work, options.warm_up, FIRST_GUESS).rps for side, work in sides]
    # 3. Rounds in turn, and some more for those that were disturbed.
    rounds: list[list[Round]] = [[] for _ in sides]
    for number in range(2 * options.rounds):
        if number >= options.rounds and all(_enough(side, options.rounds) for side in rounds):
            break
        for at, (side, work) in enumerate(sides):
            rounds[at].append(load.round(side, work, options.seconds, rates[at]))
    # 4. The medians; memory as the load left it.
    ours_side = Side.of(rounds[0])
    if them is None:
        return judge(row, options.store, ours_side, us.memory_mb())
    return judge(row, options.store, ours_side, us.memory_mb(), Side.of(rounds[1]), them.memory_mb())


def measure_party(row: PartyRow, options: Options, probe: Probe, cpu: int) -> Result:
    """One row without sockets; both sides are there, and take their rounds in turn."""
    try:
        with ExitStack() as stack:
            sides = [stack.enter_context(party("ours", row.name, cpu))]
            if options.with_peer and row.with_peer:
                sides.append(stack.enter_context(party("authlib", row.name, cpu)))
            for side in sides:
                side.round(min(options.warm_up, 1), probe)
            rounds: list[list[Round]] = [[] for _ in sides]
            for number in range(2 * options.rounds):
                if number >= options.rounds and all(_enough(one, options.rounds) for one in rounds):
                    break
                for at, side in enumerate(sides):
                    rounds[at].append(side.round(options.seconds, probe))
            found, memory = [Side.of(one) for one in rounds], [side.memory_mb() for side in sides]
    except CannotMeasure as wrong:
        return failed(row, "memory", str(wrong))
    if len(sides) == 1:
        return judge(row, "memory", found[0], memory[0])
    return judge(row, "memory", found[0], memory[0], found[1], memory[1])


def measure_consent(
    row: ConsentRow, options: Options, kept: Stores, load: Load, probe: Probe, cpus: tuple[int, int]
) -> Result:
    """One exchange at a time; where a service hangs, other work beside it too."""
    profile = DIRECTORY / f"{row.name}.profile" if options.profile else None
    alone = meanwhile = None
    try:
        with kept.fresh(row.name) as store, exchanges(row, store, cpus, profile) as world:
            world.round(min(options.warm_up, 1), probe)
            rounds: list[Round] = []
            for number in range(2 * options.rounds):
                if number >= options.rounds and _enough(rounds, options.rounds):
                    break
                rounds.append(world.round(options.seconds, probe))
            if row.max_beside is not None and profile is None:
                alone, meanwhile = world.beside(options.seconds, load)
            memory = world.server.memory_mb()
    except (AnswerIsWrong, Refused, CannotMeasure) as wrong:
        return failed(row, options.store, str(wrong))
    if profile is not None:
        show_profile(profile)
    return msgspec.structs.replace(
        judge(row, options.store, Side.of(rounds), memory),
        max_ms=row.max_ms,
        max_beside=row.max_beside,
        beside_p99_ms=meanwhile,
        beside_alone_p99_ms=alone,
    )


def _enough(rounds: Sequence[Round], wanted: int) -> bool:
    return sum(one.quiet for one in rounds) >= wanted


def told(result: Result) -> str:
    """A row in one line, while the others are still to come."""
    if result.failure or result.rps is None:
        return f"FAILED: {result.short_failure}"
    beside = (
        f", peer {result.peer_rps:,.0f}/s, ratio {result.ratio:.2f}"
        if result.peer_rps and result.ratio
        else ""
    )
    if result.max_ms is not None:
        return (
            f"p50 {result.p50_ms:.1f} ms of {result.max_ms:g}, p99 {result.p99_ms:.1f} ms,"
            f" {result.quiet_rounds} of {result.rounds} quiet"
        )
    return f"{result.rps:,.0f}/s, p99 {result.p99_ms:.1f} ms{beside}, {result.quiet_rounds} of {result.rounds} quiet"


def show_profile(file: Path) -> None:
    """The functions that took most of the event loop's time, by themselves."""
    text = io.StringIO()
    pstats.Stats(str(file), stream=text).sort_stats("tottime").print_stats(25)
    print(re.sub(r"/\S*/(?:site-packages|src|lib/python[\d.]+)/", "", text.getvalue()))


if __name__ == "__main__":
    main()
