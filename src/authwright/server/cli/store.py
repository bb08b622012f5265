"""`authwright migrate` and `authwright purge`: the store's own upkeep."""

import json
from pathlib import Path

import click

from authwright.clock import utcnow
from authwright.server.cli.options import config_option, json_option
from authwright.server.config import Loaded, load
from authwright.server.database import database, faults_named, opened, shown_url
from authwright.server.serving import run


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
def migrate(file: Path, dry_run: bool) -> None:
    """Bring the store's schema up to date. `serve` does it too; this is for doing it beforehand."""
    loaded = load(file)
    names = run(_migrate(loaded, dry_run))
    verb = "would apply" if dry_run else "applied"
    for name in names:
        click.echo(f"{verb} {name}")
    if not names:
        click.echo(f"{shown_url(loaded)} is up to date")


async def _migrate(loaded: Loaded, dry_run: bool) -> list[str]:
    db = database(loaded)
    try:
        async with faults_named(loaded):
            return list(await db.migrate(dry_run=dry_run))
    finally:
        await db.close()


@click.command()
@config_option
@json_option
def purge(file: Path, as_json: bool) -> None:
    """Remove expired rows. `serve` does it every ten minutes; this is for doing it now."""
    removed = run(_purge(load(file)))
    click.echo(json.dumps({"removed": removed}) if as_json else f"removed {removed} rows")


async def _purge(loaded: Loaded) -> int:
    async with opened(loaded) as stores, faults_named(loaded):
        return await stores.tickets.purge(utcnow())
