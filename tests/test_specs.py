"""docs/specs.md says which function keeps which clause and which test shows it; here the table is held to the code."""

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "authwright"
TABLE = ROOT / "docs" / "specs.md"

ROOMS = ("protocol",)
"""The directories of src/authwright in which every clause that is named must have a row."""

# The short names that comments use, and the name that stands in the table.
DOCUMENTS = {
    "CIBA Core": "CIBA Core",
    "JARM": "JARM",
    "Core": "OpenID Connect Core",
    "Discovery": "OpenID Connect Discovery",
    "RP-Initiated Logout": "OpenID Connect RP-Initiated Logout",
    "Back-Channel Logout": "OpenID Connect Back-Channel Logout",
    "Front-Channel Logout": "OpenID Connect Front-Channel Logout",
    "Session Management": "OpenID Connect Session Management",
    "Multiple Response Type Encoding Practices": "Multiple Response Types",
    "Form Post Response Mode": "Form Post Response Mode",
}
_MENTION = re.compile(
    rf"(?P<rfc>RFC \d+(?:bis)?)|\b(?P<short>{'|'.join(map(re.escape, DOCUMENTS))})(?: 1\.0)?"
    r"|§(?P<section>\d+(?:\.\d+)*)|Appendix (?P<appendix>[A-Z](?:\.\d+)*)"
)


class Row(NamedTuple):
    """One line of the table."""

    clause: str
    demand: str
    function: str
    test: str


def rows(table: str) -> list[Row]:
    """Every row of every table in Markdown `table`."""
    found = []
    for line in table.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("clause", "") and set(cells[0]) != {"-"}:
            found.append(Row(*cells))
    return found


def clauses(source: str) -> list[str]:
    """The clauses that comments and docstrings name, as "document §section"; the last document named counts.

    A section without any document before it in the same comment or string is given as "? §section".
    """
    return [clause for text in _texts(source) for clause in _mentions(text)]


def _mentions(text: str) -> Iterator[str]:
    document = "?"
    for mention in _MENTION.finditer(text):
        if mention["rfc"]:
            document = mention["rfc"]
        elif mention["short"]:
            document = DOCUMENTS[mention["short"]]
        elif mention["section"]:
            yield f"{document} §{mention['section']}"
        else:
            yield f"{document} Appendix {mention['appendix']}"


def _texts(source: str) -> Iterator[str]:
    comment, last_line = "", -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            # Comments in lines that follow each other are one text.
            if token.start[0] != last_line + 1:
                yield comment
                comment = ""
            comment, last_line = f"{comment} {token.string.lstrip('#')}", token.start[0]
        elif token.type == tokenize.STRING:
            yield token.string
    yield comment


def _sources() -> dict[str, str]:
    return {
        f"authwright.{path.relative_to(SOURCE).with_suffix('').as_posix().replace('/', '.')}": path.read_text(
            "utf-8"
        )
        for room in ROOMS
        for path in sorted((SOURCE / room).rglob("*.py"))
    }


def _module_of(row: Row) -> Path:
    module = row.function.partition(":")[0].removeprefix("authwright.").replace(".", "/")
    return SOURCE / f"{module}.py"


ROWS = rows(TABLE.read_text("utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.clause} {row.function}")
def test_a_row_names_a_function_and_a_test_that_exist(row: Row) -> None:
    """And the function's module still names the clause, so that no row outlives what it speaks of."""
    assert row.demand
    module, _, name = row.function.partition(":")
    target: object = importlib.import_module(module)
    for part in name.split("."):
        target = getattr(target, part)
    assert row.clause in clauses(_module_of(row).read_text("utf-8"))

    path, _, test = row.test.partition("::")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert test in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert test.startswith("test_")


@pytest.mark.parametrize(("module", "source"), _sources().items(), ids=_sources())
def test_every_clause_the_code_names_has_a_row(module: str, source: str) -> None:
    """A comment that cites a specification is a promise; the table says what keeps it."""
    mapped = {row.clause for row in ROWS}
    assert sorted({clause for clause in clauses(source) if clause not in mapped}) == [], module


def test_no_row_is_there_twice() -> None:
    """One row for each clause and function."""
    keys = [(row.clause, row.function) for row in ROWS]
    assert sorted(set(keys)) == sorted(keys)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("# RFC 6749 §3.1: x", ["RFC 6749 §3.1"]),
        ("# RFC 6749 §3.1, §3.2 and Appendix B", ["RFC 6749 §3.1", "RFC 6749 §3.2", "RFC 6749 Appendix B"]),
        ('"""Of OpenID Connect Core 1.0 §2.\n\nRFC 9207 §2 too; Core §3.1.3.7 step 3."""',
         ["OpenID Connect Core §2", "RFC 9207 §2", "OpenID Connect Core §3.1.3.7"]),
        ("# RFC 7636\n# says in §4.1", ["RFC 7636 §4.1"]),
        ("# RFC 7636\nx = 1\n# §4.1", ["? §4.1"]),
        ("# RFC 6265bis §5.7, RFC 7617", ["RFC 6265bis §5.7"]),
        ("x = 'RFC 6749 §1'", ["RFC 6749 §1"]),
        ("RFC = 6749", []),
    ],
)  # fmt: skip
def test_the_check_finds_what_a_comment_names(source: str, found: list[str]) -> None:
    """A check that finds nothing would be no check."""
    assert clauses(source) == found


def test_the_check_reads_real_files_and_a_real_table() -> None:
    """An empty walk would pass as well."""
    assert "authwright.protocol.params" in _sources()
    assert len(ROWS) > 50
