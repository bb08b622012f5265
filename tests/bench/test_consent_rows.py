"""The consent rows measure what they say: every service answers, and one that hangs is left out at the deadline."""

import json

import pytest

from bench.consent_rounds import exchanges
from bench.consent_rows import CONSENT_ROWS, DEADLINE_MS, SERVICE_MS, ConsentRow
from bench.results import Result, peer_of, rows_by_name
from tests.bench.two_cores import CPUS

SMALL = (
    ConsentRow(name="consent_3", title="three", services=3, max_ms=1),
    ConsentRow(name="consent_2_hanging", title="two, and one that hangs", services=2, hanging=1, max_ms=1),
)


@pytest.mark.parametrize("row", SMALL, ids=lambda row: row.name)
def test_an_exchange_takes_as_long_as_its_slowest_service(row: ConsentRow) -> None:
    """Never the sum; with one that hangs, the deadline."""
    least = DEADLINE_MS if row.hanging else SERVICE_MS
    with exchanges(row, "memory", CPUS) as world:
        connection = world.connection()
        try:
            times = [world.one(connection) for _ in range(3)]
        finally:
            connection.close()
    # A timer may fire a little before its time.
    assert min(times) >= least * 0.98
    assert min(times) < least + row.services * SERVICE_MS


def test_the_rows_are_those_of_the_table() -> None:
    """1, 4, 16 and 64 services, and one that hangs; each with the mark it is judged by."""
    marks = {row.services: row.max_ms for row in CONSENT_ROWS if not row.hanging}
    assert marks == {1: 70, 4: 70, 16: 70, 64: 125}
    (hanging,) = (row for row in CONSENT_ROWS if row.hanging)
    assert hanging.max_beside == 1.5
    assert all(peer_of(rows_by_name()[row.name]) == "consent services" for row in CONSENT_ROWS)


@pytest.mark.parametrize(
    ("p50", "beside", "fails"), [(69.9, 7.5, False), (70.1, 7.5, True), (60.0, 7.6, True)]
)
def test_a_row_above_its_mark_fails(p50: float, beside: float, fails: bool) -> None:
    """The median, and what others pay for it."""
    members = dict.fromkeys(Result.__struct_fields__[:17])
    result = Result(
        **{**members, "name": "consent_4", "store": "sqlite", "rounds": 3, "quiet_rounds": 3, "p50_ms": p50},  # type: ignore[arg-type]
        first_mark=None,
        goal=None,
        max_ms=70,
        beside_p99_ms=beside,
        beside_alone_p99_ms=5.0,
        max_beside=1.5,
    )
    assert result.fails is fails
    assert json.dumps(result.beside)
