"""What the documentation shows is true: its Python runs, its configuration is read, its commands are there."""

import ast
import inspect
import re
import shlex
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from authwright.crypto.seal import RootKeys
from authwright.server.cli import main
from authwright.server.config import load
from tests.docs.pages import PAGES, ROOT, Block, blocks, name_of

_TARGET = re.compile(r"^([a-z][a-z -]*):", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")


def pages_with(*languages: str) -> list[Any]:
    return [pytest.param(page, id=name_of(page)) for page in PAGES if any(blocks(page, *languages))]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a page's code runs: a directory with a key file, as `authwright init` leaves it."""
    (tmp_path / "authwright.key").write_text(f"{RootKeys.generate_line()}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"))
async def test_the_python_of_a_page_runs(page: Path, directory: Path) -> None:
    """In order and in one namespace, with `await` as in `python -m asyncio`; the page's own asserts hold.

    The README's two programs are two processes: tests/docs/test_readme.py runs them.
    """
    if page.name == "README.md":
        return
    namespace: dict[str, Any] = {"__name__": "docs"}
    for block in blocks(page, "python"):
        await run(block, namespace)


async def run(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block; a traceback names the page and its line."""
    source = "\n" * (block.line - 1) + block.text
    code = compile(source, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, namespace)  # noqa: S307 - our own pages
    if inspect.isawaitable(result):
        await result


@pytest.mark.parametrize("page", pages_with("toml"))
def test_the_configuration_of_a_page_is_read(page: Path, directory: Path) -> None:
    """By the server's own reader; a block that is a part of a file gets an issuer, and what it refers to exists."""
    for block in blocks(page, "toml"):
        text = block.text
        if "issuer" not in tomllib.loads(text):
            text = f'issuer = "http://localhost:9000"\n{text}'
        for name in re.findall(r'(?:file:|_file = ")([^"]+)"', text):
            (directory / name).write_text("from-a-file")
        environment = dict.fromkeys(re.findall(r'"env:([A-Z_]+)"', text), "from-the-environment")
        file = directory / "authwright.toml"
        file.write_text(text)
        assert load(file, environment).values.issuer, block.place


@pytest.mark.parametrize("page", pages_with("bash", "console"))
def test_the_commands_of_a_page_exist(page: Path) -> None:
    """Every `authwright` command with its options, every `make` target, every extra that is installed."""
    for block in blocks(page, "bash", "console"):
        for words in commands(block):
            problem = problem_with(words)
            assert not problem, f"{block.place}: {shlex.join(words)}: {problem}"


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a block, without prompts, comments and variables; in a console block only those with a prompt."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if block.language == "console" and not line.startswith("$ "):
            continue
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        if words:
            yield words


def problem_with(words: list[str]) -> str:
    """What is wrong with a command of ours; empty when nothing is, or when it is not ours."""
    match words:
        case ["authwright", *arguments]:
            return problem_with_authwright(arguments)
        case ["make", *arguments]:
            known = {
                name for line in _TARGET.findall((ROOT / "Makefile").read_text()) for name in line.split()
            }
            missing = {word for word in arguments if not _ASSIGNMENT.match(word)} - known
            return f"no such target: {missing}" if missing else ""
        case ["pip", "install", *arguments]:
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            asked = {name for word in arguments for name in re.findall(r"[a-z]+", word.partition("[")[2])}
            return f"no such extra: {asked - extras.keys()}" if asked - extras.keys() else ""
    return ""


def problem_with_authwright(arguments: list[str]) -> str:
    command: click.Command = main
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(click.Context(command), arguments[0])
        if found is None:
            return f"no such command: {arguments[0]}"
        command, arguments = found, arguments[1:]
    context = click.Context(command)
    try:
        command.make_parser(context).parse_args(list(arguments))
    except click.UsageError as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize(
    "line",
    [
        "authwright fly",
        "authwright keys fly",
        "authwright serve --wings 2",
        "make coffee",
        "pip install a[wings]",
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    """A check that cannot fail would be no check."""
    assert problem_with(shlex.split(line))


@pytest.mark.parametrize("language", ["python", "toml", "bash"])
def test_there_are_blocks_to_check(language: str) -> None:
    """An empty walk would pass as well."""
    assert pages_with(language)


async def test_a_broken_block_is_found(directory: Path) -> None:
    """A wrong name, and a wrong await, both fail."""
    for text in ("import authwright\nauthwright.no_such_name\n", "await authwright_is_not_here()\n"):
        with pytest.raises((AttributeError, NameError)), warnings.catch_warnings():
            await run(Block(ROOT / "README.md", 1, "python", text), {})
