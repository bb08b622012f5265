"""The tables of the token endpoint are held here by their ids: a row without a test, or a reason, is a failure."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DIVERGENCES = HERE.parents[2] / "docs" / "explain" / "divergences.md"

ROWS = (*(str(number) for number in range(1, 40)), "4b", "13b", "1_2", *(f"D{n}" for n in range(1, 14)))
PEER_TESTS = range(1, 55)


def names() -> str:
    """The names of all tests of the provider, with a separator at each end."""
    found: list[str] = []
    for path in HERE.parent.rglob("test_*.py"):
        found += re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
    return " ".join(f"_{name}_" for name in found)


NAMES = names()


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_table_has_a_test(row: str) -> None:
    """`tok_` and the row."""
    assert f"_tok_{row}_" in NAMES


@pytest.mark.parametrize("number", PEER_TESTS)
def test_every_peer_test_has_a_counterpart_or_a_reason(number: int) -> None:
    """`asos_` and its number: in a test's name, or in the table of divergences."""
    documented = f"| asos_{number} |" in DIVERGENCES.read_text("utf-8")
    assert f"_asos_{number}_" in NAMES or documented


def test_a_divergence_from_a_peer_test_says_why() -> None:
    """Number, what it asserts, what is done here, the reason."""
    rows = [line for line in DIVERGENCES.read_text("utf-8").splitlines() if line.startswith("| asos_")]
    assert len(rows) > 5
    for line in rows:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 4
        assert all(cells), line
