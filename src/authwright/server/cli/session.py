"""`authwright session`: who is signed in to what, and the end of it."""

from collections.abc import Sequence
from pathlib import Path

import click

from authwright.clock import utcnow
from authwright.protocol.http import Json
from authwright.records import Session
from authwright.server.cli.options import F, config_option, json_option
from authwright.server.cli.shown import moment, show_one, show_rows
from authwright.server.config import ConfigurationError, Loaded, load
from authwright.server.database import faults_named, opened
from authwright.server.ending import Ended, end, live_grants, live_sessions
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
    """List, show and revoke sessions and grants. Several options must all match."""


@session.command("list")
@_whose
@config_option
@json_option
def list_sessions(
    user: str | None, client_id: str | None, sid: str | None, file: Path, as_json: bool
) -> None:
    """Show sessions at the provider, then live grants: sign-ins to clients, and what clients got themselves."""
    sessions, grants = run(_list(load(file), user, client_id, sid))
    rows = [*map(_session_row, sessions), *map(_grant_row, grants)]
    columns = {
        "kind": "kind",
        "sub": "sub",
        "sid": "sid",
        "client_id": "client id",
        "clients": "clients",
        "scopes": "scopes",
        "issued_at": "since",
        "expires_at": "until",
    }
    show_rows(rows, columns, as_json)


@session.command()
@click.argument("sid")
@config_option
@json_option
def show(sid: str, file: Path, as_json: bool) -> None:
    """Show one session at the provider, by its `sid`, with the grants that came of it."""
    sessions, grants = run(_list(load(file), None, None, sid))
    if not sessions:
        raise ConfigurationError(f"there is no session {sid!r}")
    show_one({**_session_row(sessions[0]), "grants": [_grant_row(grant) for grant in grants]}, as_json)


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
) -> tuple[Sequence[Session], Sequence[GrantSummary]]:
    _check(user, client_id, sid)
    async with opened(loaded) as stores, faults_named(loaded):
        subject = await UserOperations(loaded, stores).subject(user) if user else None
        return (
            await live_sessions(stores, utcnow(), subject=subject, client_id=client_id, session_id=sid),
            await live_grants(stores, subject=subject, client_id=client_id, session_id=sid),
        )


async def _revoke(loaded: Loaded, user: str | None, client_id: str | None, sid: str | None) -> Ended:
    _check(user, client_id, sid)
    async with opened(loaded) as stores, faults_named(loaded):
        subject = await UserOperations(loaded, stores).subject(user) if user else None
        return await end(stores, utcnow(), subject=subject, client_id=client_id, session_id=sid)


def _check(*conditions: str | None) -> None:
    # An option that a script left empty must not be read as "any".
    if "" in conditions or not any(conditions):
        raise ConfigurationError("session: name whose, by --user, --client or --sid")


def _session_row(session: Session) -> dict[str, Json]:
    return {
        "kind": "session",
        "sub": session.subject,
        "sid": session.session_id,
        "clients": [*sorted(session.clients)],
        "issued_at": moment(session.created_at),
        "expires_at": moment(session.expires_at),
        "auth_time": moment(session.auth_time),
        "acr": session.acr,
        "amr": list(session.amr),
    }


def _grant_row(grant: GrantSummary) -> dict[str, Json]:
    return {
        "kind": "grant",
        "grant_id": grant.grant_id,
        "client_id": grant.client_id,
        "sub": grant.subject,
        "sid": grant.session_id,
        "scopes": list(grant.scopes),
        "issued_at": moment(grant.issued_at),
        "expires_at": moment(grant.expires_at),
    }
