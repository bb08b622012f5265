"""The reference pages say what the code does: every key, command, event and log reason, no more and no fewer."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_origin

import click
import pytest

from authwright.provider.events import EVENT_NAMES, ProviderEvents
from authwright.relying_party.event_line import ALLOWED
from authwright.server.cli import main
from authwright.server.config import Configuration
from authwright.server.config_file import Key, Section, _fields, _unwrapped
from tests.docs.pages import ROOT, table_rows

REFERENCE = ROOT / "docs" / "reference"
SOURCE = ROOT / "src" / "authwright"

# The words that begin a refusal of ours, with the reason as their first argument.
_REASON_FIRST = frozenset(
    {
        "ResponseRejected",
        "RemoteFault",
        "JwtRejected",
        "IdTokenRejected",
        "MessageRejected",
        "invalid_token",
        "_unavailable",
    }
)
COMPOSED = frozenset(
    f"{kind}.{end}" for kind in ("authorization_code", "refresh_token") for end in ("reuse", "wrong_client")
)
_CODE = re.compile(r"[a-z][a-z_0-9]*(\.[a-z_0-9]+)*")


def keys_of(section: type[Section], path: str = "") -> Iterator[tuple[str, Key, str]]:
    """Path, properties and default of every key; `[]` marks a list of tables."""
    for name, (annotation, key, required, default) in _fields(section).items():
        inner = _unwrapped(annotation, key)[0]
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from keys_of(inner, f"{path}{name}.")
            continue
        member = get_args(inner)[0] if get_origin(inner) is tuple else None
        if isinstance(member, type) and issubclass(member, Section):
            yield from keys_of(member, f"{path}{name}[].")
            continue
        if member is not None:
            # What each entry of a list may be.
            key = replace(key, allowed=_unwrapped(member, Key())[1].allowed)
        yield f"{path}{name}", key, "required" if required else as_toml(default)


def as_toml(value: object) -> str:
    """A default as it is written in the file."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(as_toml(item) for item in value)}]"
        case dict():
            return "{}"
    return str(value)


def code_spans(cells: tuple[str, ...], column: int) -> list[str]:
    return re.findall(r"`([^`]+)`", cells[column]) if len(cells) > column else []


def test_every_key_of_the_configuration_has_its_row_with_its_default() -> None:
    """Keys this version refuses are listed apart."""
    rows = table_rows(REFERENCE / "configuration.md")
    written = {name: cells for cells in rows for name in code_spans(cells, 0)}
    keys = list(keys_of(Configuration))
    assert {path for path, _, _ in keys} == written.keys()
    for path, key, default in keys:
        cells = written[path]
        if key.unavailable:
            assert len(cells) == 2, f"{path} is refused by this version and belongs among the reserved keys"
            continue
        assert len(cells) == 3, path
        assert cells[1].strip("`") == default, f"{path}: the default is {default}"
        for choice in key.allowed:
            assert not choice or f'`"{choice}"`' in cells[2], f"{path}: {choice} is allowed and not mentioned"


def every_command(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path} {name}")
        elif command is not None:
            yield f"{path} {name}", command


def test_every_command_has_its_section_with_its_options() -> None:
    """Headings are the commands; each option stands in the section."""
    text = (REFERENCE / "commands.md").read_text("utf-8")
    sections = dict(re.findall(r"^## `(authwright[^`]*)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    names = {
        heading.partition(" [")[0].partition(" FILE")[0].partition(" DIR")[0]: heading for heading in sections
    }
    commands = dict(every_command(main, "authwright"))
    assert names.keys() == commands.keys()
    for name, command in commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"`{parameter.opts[0]}" in sections[names[name]], f"{name} {parameter.opts[0]}"


def test_every_event_has_its_row() -> None:
    """Of the provider, with the code it refuses with where its docstring names one, and of the relying party."""
    rows = table_rows(REFERENCE / "events.md")
    written = {name: cells for cells in rows for name in code_spans(cells, 0)}
    assert written.keys() == EVENT_NAMES | {name for name, _ in ALLOWED.values()}
    for name in EVENT_NAMES:
        named = re.search(r"Refusal: (\w+)", getattr(ProviderEvents, name).__doc__ or "")
        assert named is None or f"`{named[1]}`" in " ".join(written[name]), name


def reasons_in(path: Path) -> Iterator[str]:
    """The reason codes a file gives as constants."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        found = [word.value for word in node.keywords if word.arg in ("detail", "reason")]
        if called in _REASON_FIRST and node.args:
            found.append(node.args[0])
        for value in found:
            # Of a detail with more in it, the part before the colon is the code.
            first = value.values[0] if isinstance(value, ast.JoinedStr) and value.values else value
            text = first.value if isinstance(first, ast.Constant) else None
            if isinstance(text, str) and (first is value or ":" in text):
                code = text.partition(":")[0]
                if _CODE.fullmatch(code):
                    yield code


def test_every_reason_in_a_log_is_explained() -> None:
    """And none is explained that no code gives any more."""
    given = {reason for path in SOURCE.rglob("*.py") for reason in reasons_in(path)}
    rows = table_rows(REFERENCE / "errors-and-log-reasons.md")
    explained = {name for cells in rows if len(cells) == 2 for name in code_spans(cells, 0)}
    assert given - explained == set()
    source = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    # Some are chosen among several, or put together from the kind of a ticket.
    gone = {name for name in explained - given if f'"{name}"' not in source and name not in COMPOSED}
    assert gone == set()


@pytest.mark.parametrize("code", ["invalid_request", "invalid_client", "invalid_grant", "invalid_token"])
def test_the_common_errors_are_explained(code: str) -> None:
    """With the status they come with."""
    rows = table_rows(REFERENCE / "errors-and-log-reasons.md")
    assert any(code in code_spans(cells, 0) and len(cells) == 3 for cells in rows)
