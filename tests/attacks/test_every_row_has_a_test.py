"""The tables of attacks are held here by their ids: a row without a test is a failure, and so is one on memory alone.

A store that is safe in memory may race on disk, so a row that a store can get wrong is tried on each of them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def rows(letter: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{letter}{number}" for number in numbers)


ROWS = (
    *rows("A", 1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 15, 16, 22),
    *rows("T", *range(1, 18)),
    *rows("J", *range(1, 14)),
    *rows("D", *range(1, 13)),
    *rows("H", 1, 2),
)
STORED = frozenset(
    {*rows("A", 10, 11), *rows("T", 1, 2, 3, 4, 5, 6, 9, 13, 15, 16, 17), *rows("D", 3, 10, 11)}
)
"""Rows of which a store holds a part: what is spent, revoked, claimed once, counted or looked up."""


def attack_tests() -> Iterator[tuple[str, bool]]:
    """Name of each test for a row, and whether it runs on the stores that have a disk."""
    for path in TESTS.rglob("test_*.py"):
        module = path.read_text("utf-8")
        for node in ast.walk(ast.parse(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_sec_"):
                asked = {argument.arg for argument in node.args.args}
                decorated = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
                yield node.name, any("each_store" in name for name in asked) or "postgres" in decorated


def rows_of(name: str) -> set[str]:
    """The ids in the name of a test."""
    return set(re.findall(r"(?<=_)[A-Z]\d+(?=_)", name))


COVERED = {row for name, _ in attack_tests() for row in rows_of(name)}
ON_EACH_STORE = {row for name, stored in attack_tests() if stored for row in rows_of(name)}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test(row: str) -> None:
    """`sec_` and the row in its name."""
    assert row in COVERED


@pytest.mark.parametrize("row", sorted(STORED))
def test_a_row_that_a_store_can_get_wrong_is_tried_on_each(row: str) -> None:
    """At least one test of it asks for every store, or for PostgreSQL beside SQLite."""
    assert row in ON_EACH_STORE


def test_the_ids_are_read_from_the_names() -> None:
    """Else the tests above could not fail."""
    assert rows_of("test_sec_T1_T4_of_two_one_wins") == {"T1", "T4"}
    assert rows_of("test_sec_T12_of_H264_video") == {"T12", "H264"}
    assert "T99" not in COVERED
