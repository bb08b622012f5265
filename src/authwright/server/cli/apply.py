"""`authwright apply FILE`: declared clients, users and consent services, into the store."""

from pathlib import Path

import click

from authwright.clock import utcnow
from authwright.crypto.passwords import Passwords
from authwright.server import declared
from authwright.server.app import check_key_file
from authwright.server.apply import (
    Difference,
    carry_out,
    check_names,
    client_differences,
    service_differences,
    user_differences,
)
from authwright.server.cli.options import config_option
from authwright.server.config import ApplyFile, ConfigurationError, Loaded, load, load_apply_file
from authwright.server.database import faults_named, opened
from authwright.server.serving import run


@click.command()
@click.argument("declarations", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@config_option
@click.option("--prune", is_flag=True, help="Remove what is in the store and FILE does not declare.")
@click.option("--dry-run", is_flag=True, help="Print the difference and change nothing.")
def apply(declarations: Path, file: Path, prune: bool, dry_run: bool) -> None:
    """Make clients, users and services of the store those of FILE. Doing it twice changes nothing."""
    loaded = load(file)
    wanted = load_apply_file(declarations, profile=loaded.values.profile)
    differences = run(_apply(loaded, wanted, declarations, prune=prune, dry_run=dry_run))
    for difference in differences:
        click.echo("\n".join(difference.lines()))
    if not differences:
        click.echo("nothing to change")
    elif dry_run:
        click.echo(f"{len(differences)} to change; nothing was written (--dry-run)")
    else:
        click.echo(f"{len(differences)} changed")
    for line in _overshadowed(loaded, wanted):
        click.echo(line)
    if wanted.consent_services and not loaded.values.token_exchange.base_scope:
        click.echo(
            f"note: token_exchange.base_scope is not set in {loaded.file}: no service is asked without it"
        )


async def _apply(
    loaded: Loaded, wanted: ApplyFile, declarations: Path, *, prune: bool, dry_run: bool
) -> list[Difference]:
    keys = declared.root_keys(loaded)
    handles, seal, now = declared.handles(keys), declared.secret_seal(keys), utcnow()
    passwords = Passwords()
    try:
        async with opened(loaded) as stores, faults_named(loaded):
            # Secrets digested under another key would be stored and never match.
            await check_key_file(loaded, keys, stores)
            differences = [
                *await client_differences(wanted.clients, stores.clients, handles, seal, now, prune=prune),
                *await user_differences(wanted.users, stores.accounts, passwords, prune=prune),
                *await service_differences(
                    wanted.consent_services,
                    stores.consent_services,
                    loaded.values.tenant,
                    prune=prune,
                ),
            ]
            try:
                await check_names(differences, stores.clients, stores.accounts, loaded.values)
            except ValueError as error:
                raise ConfigurationError(f"{declarations}: {error}") from None
            if not dry_run:
                try:
                    await carry_out(differences, stores)
                except ValueError as error:
                    raise ConfigurationError(f"{declarations}: users: {error}") from None
            return differences
    finally:
        passwords.close()


def _overshadowed(loaded: Loaded, wanted: ApplyFile) -> list[str]:
    """A line for everything that the configuration file declares too, and so decides."""
    clients, tenant = {client.client_id for client in loaded.values.clients}, loaded.values.tenant
    users = {user.username for user in loaded.values.users}
    services = {(service.tenant or tenant, service.name) for service in loaded.values.consent_services}
    return [
        *(
            f"note: client {client.client_id} also stands in {loaded.file}, which wins"
            for client in wanted.clients
            if client.client_id in clients
        ),
        *(
            f"note: user {user.username} also stands in {loaded.file}, which wins"
            for user in wanted.users
            if user.username in users
        ),
        *(
            f"note: consent service {service.name} also stands in {loaded.file}, which wins"
            for service in wanted.consent_services
            if (service.tenant or tenant, service.name) in services
        ),
    ]
