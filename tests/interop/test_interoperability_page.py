"""docs/reference/interoperability.md says what the tests beside this one show, and nothing else."""

import re
from types import ModuleType

import pytest

from tests.interop import (
    test_authlib,
    test_npm_oauth4webapi,
    test_npm_openid_client,
    test_requests_oauth2client,
)
from tests.interop.deeds import DEEDS
from tests.servers.process import ROOT

PAGE = ROOT / "docs" / "reference" / "interoperability.md"
PEERS: dict[str, ModuleType] = {
    "requests-oauth2client": test_requests_oauth2client,
    "Authlib": test_authlib,
    "oauth4webapi": test_npm_oauth4webapi,
    "openid-client": test_npm_openid_client,
}


def table() -> dict[str, dict[str, str]]:
    """Peer to deed to cell."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    head, _, *body = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    found: dict[str, dict[str, str]] = {peer: {} for peer in head[1:]}
    for name, *cells in body:
        deed = re.match(r"`(\w+)`", name)
        assert deed is not None, name
        for peer, cell in zip(head[1:], cells, strict=True):
            found[peer][deed[1]] = cell
    return found


def shown_by(module: ModuleType) -> set[str]:
    tests = (one for name, one in vars(module).items() if name.startswith("test_"))
    return {deed for test in tests for deed in getattr(test, "shows", ())}


@pytest.mark.parametrize("peer", PEERS)
def test_the_table_says_yes_where_a_test_shows_it(peer: str) -> None:
    """And a dash where none does."""
    cells = table()[peer]
    assert tuple(cells) == DEEDS
    said = {deed for deed, cell in cells.items() if cell.startswith("yes")}
    assert said == shown_by(PEERS[peer])
    assert all(cell.startswith(("yes", "–")) for cell in cells.values())


def test_every_note_of_the_table_is_there() -> None:
    """A superscript leads to a numbered note, and each note is led to."""
    text = PAGE.read_text()
    marks = {"¹²³⁴⁵⁶⁷⁸⁹".index(mark) + 1 for mark in re.findall("[¹²³⁴⁵⁶⁷⁸⁹]", text)}
    notes = {int(number) for number in re.findall(r"^(\d)\. ", text, re.MULTILINE)}
    assert marks == notes
