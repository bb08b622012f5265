"""`authwright keys`: the issuer's signing keys."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from authwright.records import SigningKeyRecord
from authwright.server import declared
from authwright.server.app import running
from authwright.server.cli.options import config_option
from authwright.server.config import Loaded, load
from authwright.server.database import faults_named
from authwright.server.serving import run


@click.group()
def keys() -> None:
    """List, rotate and revoke signing keys."""


@keys.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_keys(file: Path, as_json: bool) -> None:
    """Show the keys that are published, and which of them signs."""
    _show(run(_records(load(file), rotate=False)), as_json)


@keys.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def rotate(file: Path, as_json: bool) -> None:
    """Sign with new keys from now on; the old ones stay published until what they signed has expired."""
    _show(run(_records(load(file), rotate=True)), as_json)


@keys.command()
@click.argument("kid")
@config_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def revoke(kid: str, file: Path, as_json: bool) -> None:
    """Take a stolen key away now: who checks signatures refuses what it signed. One that signs is replaced first."""
    records = run(_revoked(load(file), kid))
    if records is None:
        raise click.ClickException(f"there is no signing key {kid!r}; `authwright keys list` shows them")
    _show(records, as_json)


async def _revoked(loaded: Loaded, kid: str) -> list[SigningKeyRecord] | None:
    """The keys that are left; None when there was none of that name."""
    keys = declared.root_keys(loaded)
    async with running(loaded) as (_, stores), faults_named(loaded):
        if not await declared.signing(loaded, keys, stores).revoke(kid):
            return None
        return list(await stores.keys.list())


async def _records(loaded: Loaded, *, rotate: bool) -> list[SigningKeyRecord]:
    keys = declared.root_keys(loaded)
    async with running(loaded) as (_, stores), faults_named(loaded):
        if rotate:
            await declared.signing(loaded, keys, stores).rotate()
        return list(await stores.keys.list())


def _show(records: list[SigningKeyRecord], as_json: bool) -> None:
    rows = [
        {
            "kid": record.kid,
            "algorithm": record.algorithm,
            "state": record.state.value,
            "since": record.changed_at.isoformat(timespec="seconds"),
        }
        for record in records
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    table = Table("key id", "algorithm", "state", "since")
    for row in rows:
        table.add_row(*row.values())
    # A key id is for copying, so the table is never narrower than one.
    console = Console()
    Console(width=max(console.width, 110)).print(table)
