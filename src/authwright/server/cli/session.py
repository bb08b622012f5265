"""`authwright session`: who is signed in to what, and the end of it."""

from collections.abc import Sequence
from pathlib import Path

import click

from authwright.clock import utcnow
from authwright.server.cli.options import F, config_option, json_option
from authwright.server.cli.shown import moment, show_one, show_rows
from authwright.server.config import ConfigurationError, Loaded, load
from authwright.server.database import faults_named, opened
from authwright.server.ending import Ended, end, live_grants
from authwright.server.serving import run
from authwright.server.user_operations import UserOperations
from authwright.stores.protocols import GrantSummary


def _whose(function: F) -> F:
    for option in (
        click.option("--sid", help="Of this session, by its `sid`."),
        click.option("--client", "client_id", help="Of this client."),
        click.option("--user", help="Of this user, by username or `sub`."),
    ):
        function = option(function)
    return function


@click.group()
def session() -> None:
    """List and revoke what users and clients were granted. Several options must all match."""


@session.command("list")
@_whose
@config_option
@json_option
def list_sessions(
    user: str | None, client_id: str | None, sid: str | None, file: Path, as_json: bool
) -> None:
    """Show live grants: a user's sign-ins to clients, and what clients were granted themselves."""
    rows = [
        {
            "grant_id": grant.grant_id,
            "client_id": grant.client_id,
            "sub": grant.subject,
            "sid": grant.session_id,
            "scopes": list(grant.scopes),
            "issued_at": moment(grant.issued_at),
            "expires_at": moment(grant.expires_at),
        }
        for grant in run(_list(load(file), user, client_id, sid))
    ]
    columns = {
        "client_id": "client id",
        "sub": "sub",
        "sid": "sid",
        "scopes": "scopes",
        "issued_at": "since",
        "expires_at": "until",
    }
    show_rows(rows, columns, as_json)


@session.command()
@_whose
@config_option
@json_option
def revoke(user: str | None, client_id: str | None, sid: str | None, file: Path, as_json: bool) -> None:
    """Revoke grants with all their tokens; without --client, end the sessions at the provider too."""
    ended = run(_revoke(load(file), user, client_id, sid))
    show_one({"revoked_grants": ended.grants, "ended_sessions": ended.sessions}, as_json)


async def _list(
    loaded: Loaded, user: str | None, client_id: str | None, sid: str | None
) -> Sequence[GrantSummary]:
    _check(user, client_id, sid)
    async with opened(loaded) as stores, faults_named(loaded):
        subject = await UserOperations(loaded, stores).subject(user) if user else None
        return await live_grants(stores, subject=subject, client_id=client_id, session_id=sid)


async def _revoke(loaded: Loaded, user: str | None, client_id: str | None, sid: str | None) -> Ended:
    _check(user, client_id, sid)
    async with opened(loaded) as stores, faults_named(loaded):
        subject = await UserOperations(loaded, stores).subject(user) if user else None
        return await end(stores, utcnow(), subject=subject, client_id=client_id, session_id=sid)


def _check(*conditions: str | None) -> None:
    # An option that a script left empty must not be read as "any".
    if "" in conditions or not any(conditions):
        raise ConfigurationError("session: name whose, by --user, --client or --sid")
