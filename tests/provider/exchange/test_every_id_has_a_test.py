"""The tables of token exchange are held here by their ids: a row without a test, or a reason, is a failure."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
DIVERGENCES = TESTS.parent / "docs" / "explain" / "divergences.md"

IDS = (
    *(f"row_{number}" for number in range(1, 25)),
    *(f"bug_{number}" for number in range(1, 25)),
    *(f"E{number}" for number in range(19)),
    *(f"M{number}" for number in range(1, 11)),
)
SHAPES = ("discovery", "request", "answer", "denial")


def names() -> str:
    """The names of all tests, with a separator at each end."""
    found: list[str] = []
    for path in TESTS.rglob("test_*.py"):
        found += re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
    return " ".join(f"_{name}_" for name in found)


NAMES = names()


@pytest.mark.parametrize("id", IDS)
def test_every_id_has_a_test_or_a_reason(id: str) -> None:
    """`tx_` and the id: in a test's name, or in the table of divergences."""
    documented = f"| tx_{id} |" in DIVERGENCES.read_text("utf-8")
    assert f"_tx_{id}_" in NAMES or documented


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_a_test(shape: str) -> None:
    """The JSON of §2.2, byte by byte."""
    assert re.search(rf"_tx_shape_\w*{shape}", NAMES)


def test_the_threat_has_its_tests() -> None:
    """Row T14 of the threats."""
    assert "_sec_T14_" in NAMES
