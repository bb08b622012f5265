"""The documentation as data: its pages, their fenced blocks, links and headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^ {0,3}```([a-z]*)[^\n]*\n(.*?)^ {0,3}```\s*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line` is where its first line stands, from 1."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """The path from the repository's root."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The fenced blocks of these languages, in order."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        if found[1] in languages:
            yield Block(page, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])


def links(page: Path) -> list[str]:
    """What the page's links and pictures point to, fenced blocks aside."""
    return _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as the common Markdown renderers make them."""
    prose = _FENCE.sub("", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose)}


def table_rows(page: Path) -> list[tuple[str, ...]]:
    """The rows of all the page's tables, heads and rules aside; cells without surrounding space."""
    rows = []
    for line in _FENCE.sub("", page.read_text("utf-8")).splitlines():
        if not line.startswith("|"):
            continue
        cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1]))
        if not all(set(cell) <= set(":- ") for cell in cells):
            rows.append(cells)
    return rows
