"""Tickets for tests of stores: new names, short to write."""

import secrets
from datetime import UTC, datetime, timedelta

from authwright.stores.protocols import Committed, Stores
from authwright.ticket import StoredTicket, Ticket, TokenKind

CODE = TokenKind.AUTHORIZATION_CODE
ACCESS = TokenKind.ACCESS_TOKEN
REFRESH = TokenKind.REFRESH_TOKEN


def moment() -> datetime:
    """Now, to the microsecond."""
    return datetime.now(UTC)


def name(kind: str = "id") -> str:
    """A name nobody used before."""
    return f"{kind}-{secrets.token_hex(8)}"


def new_ticket(
    kind: TokenKind = ACCESS,
    *,
    grant_id: str | None = None,
    client_id: str = "client",
    subject: str | None = None,
    session_id: str | None = None,
    lasts: timedelta | None = timedelta(hours=1),
    issued_at: datetime | None = None,
) -> StoredTicket:
    """A ticket under a new digest, of a new grant unless `grant_id` names one."""
    issued_at = issued_at or moment()
    return StoredTicket(
        kind=kind,
        digest=secrets.token_hex(32),
        ticket=Ticket(
            grant_id=grant_id or name("grant"),
            client_id=client_id,
            subject=subject,
            session_id=session_id,
            scopes=("openid", "email"),
        ),
        issued_at=issued_at,
        expires_at=None if lasts is None else issued_at + lasts,
        origin_grant="authorization_code",
    )


async def added(stores: Stores, *tickets: StoredTicket) -> None:
    """Store them, in one commit."""
    assert await stores.tickets.commit(id=name(), now=moment(), add=tickets) == Committed()
