"""`authwright client`: the clients of the store, one at a time. Many at once: `authwright apply`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from authwright.clock import utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.seal import Seal
from authwright.protocol.client_credentials import NONE
from authwright.protocol.http import Json
from authwright.records import Client
from authwright.server import declared
from authwright.server.app import check_key_file
from authwright.server.cli.options import config_option, json_option
from authwright.server.cli.shown import moment, show_one, show_rows
from authwright.server.client_operations import SECRET_METHODS, STORE, ClientOperations, ListedClient
from authwright.server.config import GRANT_TYPES, ClientTable, ConfigurationError, Loaded, load
from authwright.server.config_checks import check_clients
from authwright.server.config_file import Source
from authwright.server.database import faults_named, opened
from authwright.server.serving import run

T = TypeVar("T")
client_id_argument: Callable[[Any], Any] = click.argument("client_id")


@click.group()
def client() -> None:
    """List, add and change clients of the store; renew secrets."""


@client.command("list")
@config_option
@json_option
def list_clients(file: Path, as_json: bool) -> None:
    """Show all clients, those of the configuration file and those of the store."""
    rows = [_row(listed) for listed in run(_done(load(file), lambda clients: clients.list()))]
    show_rows(
        rows,
        {
            "client_id": "client id",
            "client_name": "name",
            "enabled": "enabled",
            "source": "stands in",
            "token_endpoint_auth_method": "authenticates by",
            "grant_types": "grants",
        },
        as_json,
    )


@client.command()
@client_id_argument
@config_option
@json_option
def show(client_id: str, file: Path, as_json: bool) -> None:
    """Show one client. Its secrets are shown by age only."""
    show_one(_row(run(_done(load(file), lambda clients: clients.get(client_id)))), as_json)


@client.command()
@client_id_argument
@config_option
@json_option
@click.option("--name", default="", help="What users read on the consent page.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="May be given several times.")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True)
@click.option(
    "--grant-type",
    "grant_types",
    multiple=True,
    type=click.Choice(GRANT_TYPES),
    default=("authorization_code",),
    show_default=True,
    help="May be given several times.",
)
@click.option("--scope", default="openid", show_default=True, help="All it may ever be granted.")
@click.option(
    "--auth-method",
    type=click.Choice((*SECRET_METHODS, NONE)),
    default=SECRET_METHODS[0],
    show_default=True,
    help="How it authenticates. One with keys or a certificate: use apply.",
)
@click.option("--native", is_flag=True, help="An app on its user's device (RFC 8252).")
@click.option("--first-party", is_flag=True, help="Its users are not asked for consent.")
def add(
    client_id: str,
    file: Path,
    as_json: bool,
    *,
    name: str,
    redirect_uris: tuple[str, ...],
    post_logout_redirect_uris: tuple[str, ...],
    grant_types: tuple[str, ...],
    scope: str,
    auth_method: str,
    native: bool,
    first_party: bool,
) -> None:
    """Add a client to the store. Its secret is made here and printed this once."""
    loaded = load(file)
    handles, seal = _keyed(loaded)
    secret = "" if auth_method == NONE else _new_secret(handles)
    table = ClientTable(
        client_id=client_id,
        client_secret=secret,
        client_name=name,
        redirect_uris=redirect_uris,
        post_logout_redirect_uris=post_logout_redirect_uris,
        grant_types=grant_types,
        scope=scope,
        token_endpoint_auth_method=auth_method,
        application_type="native" if native else "web",
        require_consent=not first_party,
    )
    _check(table, loaded.values.profile)
    registration = declared.registration(table, utcnow())
    run(_done(loaded, lambda clients: clients.add(registration, handles, seal), keyed=True))
    show_one({"client_id": client_id, **({"client_secret": secret} if secret else {})}, as_json)


@client.command("rotate-secret")
@client_id_argument
@config_option
@json_option
@click.option(
    "--keep-old",
    type=click.IntRange(0, 90 * 86400),
    default=86400,
    show_default=True,
    help="Seconds for which the secret it has now works too; 0 after a leak.",
)
def rotate_secret(client_id: str, file: Path, as_json: bool, keep_old: int) -> None:
    """Give a client a new secret, printed this once. The old one works a while longer."""
    loaded = load(file)
    handles, seal = _keyed(loaded)
    secret, kept_for = _new_secret(handles), timedelta(seconds=keep_old)

    def rotated(clients: ClientOperations) -> Awaitable[Client]:
        return clients.rotate_secret(client_id, secret, kept_for, handles, seal)

    renewed: Client = run(_done(loaded, rotated, keyed=True))
    until = [moment(old.expires_at) for old in renewed.secrets if old.expires_at is not None]
    show_one(
        {
            "client_id": client_id,
            "client_secret": secret,
            "old_secret_expires_at": until[0] if until else None,
        },
        as_json,
    )


@client.command()
@client_id_argument
@config_option
@json_option
def disable(client_id: str, file: Path, as_json: bool) -> None:
    """Refuse a client from now on and revoke its grants. Done when every worker knows, after two seconds."""
    ended = run(_done(load(file), lambda clients: clients.disable(client_id)))
    show_one({"client_id": client_id, "enabled": False, "revoked_grants": ended.grants}, as_json)


@client.command()
@client_id_argument
@config_option
@json_option
def enable(client_id: str, file: Path, as_json: bool) -> None:
    """Serve a disabled client again. What was revoked stays revoked."""
    run(_done(load(file), lambda clients: clients.enable(client_id)))
    show_one({"client_id": client_id, "enabled": True}, as_json)


@client.command()
@client_id_argument
@config_option
@json_option
def remove(client_id: str, file: Path, as_json: bool) -> None:
    """Take a client out of the store, with its grants and the consents to it."""
    ended = run(_done(load(file), lambda clients: clients.remove(client_id)))
    show_one({"client_id": client_id, "removed": True, "revoked_grants": ended.grants}, as_json)


async def _done(
    loaded: Loaded, operation: Callable[[ClientOperations], Awaitable[T]], *, keyed: bool = False
) -> T:
    async with _clients(loaded, keyed=keyed) as clients:
        return await operation(clients)


@asynccontextmanager
async def _clients(loaded: Loaded, *, keyed: bool) -> AsyncIterator[ClientOperations]:
    async with opened(loaded) as stores, faults_named(loaded):
        if keyed:
            # A secret digested under another key would be stored and never match.
            await check_key_file(loaded, declared.root_keys(loaded), stores)
        yield ClientOperations(loaded, stores)


def _keyed(loaded: Loaded) -> tuple[Handles, Seal]:
    keys = declared.root_keys(loaded)
    return declared.handles(keys), declared.secret_seal(keys)


def _new_secret(handles: Handles) -> str:
    return handles.mint("client_secret")[0]


def _check(table: ClientTable, profile: str) -> None:
    source = Source(file=Path("client"), content={}, environment={}, variables={})
    try:
        check_clients((table,), source, profile)
    except ConfigurationError as error:
        # The rules are those of the file; here there is but one client, and no file.
        raise ConfigurationError(str(error).replace("client: clients[0].", "")) from None


def _row(listed: ListedClient) -> dict[str, Json]:
    record = listed.record
    # What is set beyond the members below; a secret's digest is for nobody's eyes.
    rest = msgspec.to_builtins(msgspec.structs.replace(record, secrets=()), order="sorted")
    return {
        **rest,
        "client_id": record.client_id,
        "client_name": record.client_name,
        "enabled": record.enabled,
        "source": listed.source,
        "token_endpoint_auth_method": record.token_endpoint_auth_method,
        "grant_types": sorted(record.grant_types),
        "redirect_uris": list(record.redirect_uris),
        "scopes": list(record.scopes),
        **({"secrets": _secrets(record)} if listed.source == STORE else {}),
    }


def _secrets(record: Client) -> list[Json]:
    return [
        {"created_at": moment(secret.created_at), "expires_at": moment(secret.expires_at)}
        for secret in record.secrets
    ]
