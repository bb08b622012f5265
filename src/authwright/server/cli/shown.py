"""What commands print: JSON for programs, a table or lines for people."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from authwright.protocol.http import Json


def show_rows(rows: Sequence[Mapping[str, Json]], columns: Mapping[str, str], as_json: bool) -> None:
    """Rows as a JSON list with all their members, or as a table of `columns` (member to heading; a row may lack some)."""
    if as_json:
        click.echo(json.dumps([dict(row) for row in rows]))
        return
    if not rows:
        click.echo("none")
        return
    table = Table(*columns.values())
    for row in rows:
        # As text, so that a name with brackets in it is no markup.
        table.add_row(*(Text(_text(row.get(member))) for member in columns))
    # What is in it is for copying, so the table is never narrow.
    console = Console()
    Console(width=max(console.width, 110)).print(table)


def show_one(row: Mapping[str, Json], as_json: bool) -> None:
    """One thing: as a JSON object, or a line for each member that is not empty."""
    if as_json:
        click.echo(json.dumps(dict(row)))
        return
    for member, value in row.items():
        if text := _text(value):
            click.echo(f"{member}: {text}")


def moment(value: datetime | None) -> str | None:
    """A moment as ISO 8601, to the second."""
    return value.isoformat(timespec="seconds") if value is not None else None


def _text(value: Json) -> str:
    match value:
        case None | "":
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return " ".join(_text(item) for item in value)
        case dict():
            return json.dumps(value, ensure_ascii=False) if value else ""
        case _:
            # Control characters in a name that somebody else chose must not reach the terminal.
            return "".join(character if character.isprintable() else "?" for character in str(value))
