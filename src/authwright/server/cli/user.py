"""`authwright user`: the users of the store, one at a time. Many at once: `authwright apply`."""

import json
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from authwright.crypto.passwords import hash_password
from authwright.protocol.http import Json
from authwright.server import declared
from authwright.server.cli.options import config_option, json_option
from authwright.server.cli.shown import show_one, show_rows
from authwright.server.config import ConfigurationError, Loaded, UserTable, load
from authwright.server.config_checks import check_users
from authwright.server.config_file import Source
from authwright.server.database import faults_named, opened
from authwright.server.serving import run
from authwright.server.user_operations import ListedUser, UserOperations

T = TypeVar("T")
username_argument: Callable[[Any], Any] = click.argument("username")
password_option: Callable[[Any], Any] = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; else one is made and printed.",
)


@click.group()
def user() -> None:
    """List, add and change users of the store; set passwords."""


@user.command("list")
@config_option
@json_option
def list_users(file: Path, as_json: bool) -> None:
    """Show all users, those of the configuration file and those of the store."""
    rows = [_row(listed) for listed in run(_done(load(file), lambda users: users.list()))]
    columns = {"username": "username", "sub": "sub", "enabled": "enabled", "source": "stands in"}
    show_rows(rows, columns, as_json)


@user.command()
@username_argument
@config_option
@json_option
def show(username: str, file: Path, as_json: bool) -> None:
    """Show one user with all claims."""
    show_one(_row(run(_done(load(file), lambda users: users.get(username)))), as_json)


@user.command()
@username_argument
@config_option
@json_option
@password_option
@click.option("--sub", default="", help="The user's `sub`; else one that is made from the username.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="May be given several times.")
def add(
    username: str, file: Path, as_json: bool, *, password_stdin: bool, sub: str, claims: tuple[str, ...]
) -> None:
    """Add a user to the store."""
    loaded = load(file)
    given = {**dict(map(_claim, claims)), **({"sub": sub} if sub else {})}
    password, made = _password(password_stdin)
    _check(UserTable(username=username, password=password, claims=given))
    account = declared.account(
        UserTable(username=username, password_hash=hash_password(password), claims=given)
    )
    run(_done(loaded, lambda users: users.add(account)))
    show_one({"username": username, "sub": account.subject, **made}, as_json)


@user.command("set-password")
@username_argument
@config_option
@json_option
@password_option
def set_password(username: str, file: Path, as_json: bool, *, password_stdin: bool) -> None:
    """Replace a user's password. Sessions go on; `session revoke --user` ends them."""
    loaded = load(file)
    password, made = _password(password_stdin)
    _check(UserTable(username=username, password=password))
    password_hash = hash_password(password)
    run(_done(loaded, lambda users: users.set_password(username, password_hash)))
    show_one({"username": username, **made}, as_json)


@user.command()
@username_argument
@config_option
@json_option
def disable(username: str, file: Path, as_json: bool) -> None:
    """Let a user not sign in any more; sessions and grants end at once."""
    ended = run(_done(load(file), lambda users: users.disable(username)))
    counts = {"revoked_grants": ended.grants, "ended_sessions": ended.sessions}
    show_one({"username": username, "enabled": False, **counts}, as_json)


@user.command()
@username_argument
@config_option
@json_option
def enable(username: str, file: Path, as_json: bool) -> None:
    """Let a disabled user sign in again."""
    run(_done(load(file), lambda users: users.enable(username)))
    show_one({"username": username, "enabled": True}, as_json)


@user.command()
@username_argument
@config_option
@json_option
def remove(username: str, file: Path, as_json: bool) -> None:
    """Take a user out of the store, with sessions, grants and consents."""
    ended = run(_done(load(file), lambda users: users.remove(username)))
    counts = {"revoked_grants": ended.grants, "ended_sessions": ended.sessions}
    show_one({"username": username, "removed": True, **counts}, as_json)


async def _done(loaded: Loaded, operation: Callable[[UserOperations], Awaitable[T]]) -> T:
    async with opened(loaded) as stores, faults_named(loaded):
        return await operation(UserOperations(loaded, stores))


def _password(from_stdin: bool) -> tuple[str, dict[str, Json]]:
    """The password, and what to print of it: all of one that is made here, nothing of one that was given."""
    if from_stdin:
        # Never as an argument: those stand in process lists and shell histories.
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise ConfigurationError("--password-stdin: found no password on standard input")
        return password, {}
    password = secrets.token_urlsafe(18)
    return password, {"password": password}


def _claim(written: str) -> tuple[str, Json]:
    name, separator, text = written.partition("=")
    if not (name and separator):
        raise ConfigurationError(f"--claim: found {written!r}; allowed: NAME=VALUE")
    try:
        # true, numbers, lists and objects as JSON; anything else is text.
        return name, json.loads(text)
    except ValueError:
        return name, text


def _check(table: UserTable) -> None:
    source = Source(file=Path("user"), content={}, environment={}, variables={})
    try:
        check_users((table,), source)
    except ConfigurationError as error:
        # The rules are those of the file; here there is but one user, and no file.
        raise ConfigurationError(str(error).replace("user: users[0].", "")) from None


def _row(listed: ListedUser) -> dict[str, Json]:
    return {
        "username": listed.record.username,
        "sub": listed.record.subject,
        "enabled": listed.record.enabled,
        "source": listed.source,
        "claims": dict(listed.record.claims),
    }
