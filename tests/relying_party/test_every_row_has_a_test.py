"""The tables of the relying party are held here by their ids: a row without a test, or a reason, is a failure.

A test of ours carries the ids of the rows it serves behind `rp_`: `test_rp_C13_C14_…`. A row that we deliberately do
not copy, in whole or in part, stands in docs/explain/divergences-relying-party.md with what is done instead.
"""

import re
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import get_type_hints

import pytest

from authwright.relying_party.client import FlowPolicy
from authwright.standard_rp import RelyingPartyOptions, standard_relying_party

ROOT = Path(__file__).resolve().parents[2]
DIVERGENCES = ROOT / "docs" / "explain" / "divergences-relying-party.md"

COUNTS = {
    "A": 16, "B": 36, "C": 22, "D": 16, "E": 25, "F": 15, "G": 21, "H": 12, "I": 15, "J": 7, "K": 15, "L": 14, "N": 10,
}  # fmt: skip
ROWS = (
    *(f"{table}{number}" for table, count in COUNTS.items() for number in range(1, count + 1)),
    "C5b",
    "L0",
)
EVENTS = range(1, 15)


def rows_in(name: str) -> set[str]:
    """The row ids a test's name begins with."""
    found: set[str] = set()
    for part in name.removeprefix("test_rp_").split("_"):
        if not re.fullmatch(r"[A-N][0-9]+b?", part):
            break
        found.add(part)
    return found


def rows_tested() -> set[str]:
    """Every row some test is named after."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"def (test_rp_\w+)\(", path.read_text("utf-8")):
            found |= rows_in(name)
    return found


def divergences() -> dict[str, list[str]]:
    """Row id to its cells."""
    table: dict[str, list[str]] = {}
    for line in DIVERGENCES.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| rp_"):
            table |= {row.removeprefix("rp_"): cells for row in cells[0].split(", ")}
    return table


TESTED, DIVERGED = rows_tested(), divergences()


def test_a_name_is_read_as_far_as_its_rows_go() -> None:
    """What follows them is a sentence."""
    assert rows_in("test_rp_C13_C14_what_A1_set") == {"C13", "C14"}
    assert rows_in("test_rp_C5b_items") == {"C5b"}
    assert rows_in("test_rp_L_the_order") == set()


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test_or_a_reason(row: str) -> None:
    """In the name of a test, or in the table of divergences."""
    assert row in TESTED or row in DIVERGED


@pytest.mark.parametrize("number", EVENTS)
def test_every_event_has_a_test(number: int) -> None:
    """None of the fourteen is only a reason."""
    assert f"L{number}" in TESTED


def test_no_row_is_named_that_does_not_exist() -> None:
    """A mistyped id serves nothing."""
    assert (TESTED | DIVERGED.keys()) - set(ROWS) == set()


def test_a_divergence_says_what_is_done_here_and_why() -> None:
    """Row, theirs, here, because."""
    assert len(DIVERGED) > 10
    for row, cells in DIVERGED.items():
        assert len(cells) == 4, row
        assert all(cells), row


# --- The options page

PAGE = (ROOT / "docs" / "reference" / "relying-party-options.md").read_text("utf-8")
OPTIONS = (
    *get_type_hints(RelyingPartyOptions),
    *(name for name in signature(standard_relying_party).parameters if name != "options"),
    *(f"flow.{member.name}" for member in fields(FlowPolicy)),
)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_its_line(option: str) -> None:
    """In the first column of one of the tables."""
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert any(f"`{option.removeprefix('flow.')}`" in row for row in rows)


@pytest.mark.parametrize("number", range(1, COUNTS["B"] + 1))
def test_every_option_of_the_reference_is_found_under_our_name(number: int) -> None:
    """B1 to B36: by number, or in a span of numbers, or in the table of divergences."""
    spans = [(int(a), int(b)) for a, b in re.findall(r"\bB(\d+)–B(\d+)\b", PAGE)]
    named = {int(found) for found in re.findall(r"\bB(\d+)\b", PAGE)}
    assert number in named or any(a <= number <= b for a, b in spans) or f"B{number}" in DIVERGED
