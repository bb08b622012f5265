"""Grants and sessions as an operator sees and ends them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from authwright.records import Session
from authwright.stores.protocols import GrantSummary, Stores


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What a revocation took: grants (with their tokens) and sessions at the provider."""

    grants: int
    sessions: int = 0


async def end(
    stores: Stores,
    now: datetime,
    *,
    subject: str | None = None,
    client_id: str | None = None,
    session_id: str | None = None,
) -> Ended:
    """Revoke the grants that match all the conditions, at least one; without a client, end the sessions too.

    A session is with the provider and may serve other clients, so a client's grants alone do not end it.
    """
    sessions = 0
    if client_id is None:
        # The session first: it must give no new grant once the old ones are gone.
        sessions = await stores.sessions.remove(session_id=session_id, subject=subject)
    grants = await stores.tickets.revoke(now=now, subject=subject, client_id=client_id, session_id=session_id)
    return Ended(grants=grants, sessions=sessions)


async def live_sessions(
    stores: Stores,
    now: datetime,
    *,
    subject: str | None = None,
    client_id: str | None = None,
    session_id: str | None = None,
) -> Sequence[Session]:
    """The sessions at the provider that match all the conditions, at least one, and have not expired, oldest first."""
    if session_id is not None:
        session = await stores.sessions.find(session_id)
        found: Sequence[Session] = [] if session is None else [session]
    else:
        found = await stores.sessions.list(subject=subject, client_id=client_id)
    return [
        session
        for session in found
        if now < session.expires_at
        and subject in (None, session.subject)
        and (client_id is None or client_id in session.clients)
    ]


async def live_grants(
    stores: Stores,
    *,
    subject: str | None = None,
    client_id: str | None = None,
    session_id: str | None = None,
) -> Sequence[GrantSummary]:
    """The live grants that match all the conditions, at least one, oldest first; by session only while it lasts."""
    if session_id is not None and subject is None and client_id is None:
        session = await stores.sessions.find(session_id)
        if session is None:
            return []
        subject = session.subject
    grants = await stores.tickets.grants(subject=subject, client_id=client_id)
    return [grant for grant in grants if session_id is None or grant.session_id == session_id]
