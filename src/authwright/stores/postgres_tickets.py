"""Codes and tokens in PostgreSQL: one statement for the usual commit, a short transaction for the rest.

Whoever commits holds the row of each grant it writes to (FOR UPDATE) and of each it relies on (FOR SHARE), so that a
revocation either came before or waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from authwright.clock import Clock, utcnow
from authwright.stores.decision import Answer
from authwright.stores.postgres_commit import PreparedCommit, carry_out
from authwright.stores.protocols import Change, GrantSummary, check_change
from authwright.stores.rows import (
    COLUMNS,
    HOUR,
    micros,
    moment,
    moment_or_none,
    stored_ticket,
)
from authwright.ticket import StoredTicket, TokenKind, descendants_between

T = TypeVar("T")


class Run(Protocol):
    """Carries out work on a connection; see `authwright.stores.postgres.Connections.run`."""

    async def __call__(self, work: Callable[[Any], Awaitable[T]], *, repeatable: bool = True) -> T: ...


_GET = (
    f"SELECT {COLUMNS} FROM tickets t JOIN grants g USING (grant_id)"  # noqa: S608
    " WHERE t.digest = $1 AND t.kind = $2 AND g.revoked_at IS NULL"
)
_CURRENT = (
    f"SELECT {COLUMNS} FROM grants g JOIN tickets t USING (grant_id)"  # noqa: S608
    " WHERE g.grant_id = $1 AND g.revoked_at IS NULL AND t.kind = $2 AND t.used_at IS NULL"
    " ORDER BY t.issued_at DESC LIMIT 1"
)
# By octets, whatever the database sorts by; the index `grants_by_lineage` has only such grants, which are few.
_REVOKE_DESCENDANTS = """
UPDATE grants SET revoked_at = $1
FROM unnest($2::text[], $3::text[]) AS made_from (low, high)
WHERE revoked_at IS NULL AND strpos(grant_id, '.') > 0
    AND grant_id COLLATE "C" >= low COLLATE "C" AND grant_id COLLATE "C" < high COLLATE "C"
RETURNING grant_id, expires_at
"""


class PostgresTickets:
    """A `TicketStore`."""

    def __init__(self, run: Run, clock: Clock = utcnow) -> None:
        self._run = run
        self._clock = clock
        self._unfinished: set[asyncio.Task[Answer]] = set()

    async def get(self, kind: TokenKind, digest: str) -> StoredTicket | None:
        row = await self._run(lambda connection: connection.fetchrow(_GET, digest, kind))
        return None if row is None else stored_ticket(row)

    async def commit(
        self,
        *,
        id: str,
        now: datetime,
        consume: StoredTicket | None = None,
        replace: Sequence[Change] = (),
        add: Sequence[StoredTicket] = (),
        live: Sequence[str] = (),
    ) -> Answer:
        for change in replace:
            check_change(change)
        prepared = PreparedCommit(id, micros(now), consume, replace, add, live)
        # A caller that hangs up does not stop it half-way; the set keeps the task alive.
        task = asyncio.ensure_future(self._run(lambda connection: carry_out(connection, prepared)))
        self._unfinished.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: "asyncio.Task[Answer]") -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # it was read by the caller, or there is no caller any more

    async def current(self, grant_id: str, kind: TokenKind) -> StoredTicket | None:
        row = await self._run(lambda connection: connection.fetchrow(_CURRENT, grant_id, kind))
        return None if row is None else stored_ticket(row)

    async def revoke(
        self,
        *,
        now: datetime,
        grant_id: str | None = None,
        session_id: str | None = None,
        subject: str | None = None,
        client_id: str | None = None,
    ) -> int:
        where, values = _conditions(
            grant_id=grant_id, session_id=session_id, subject=subject, client_id=client_id
        )
        at = micros(now)
        sql = (
            f"UPDATE grants SET revoked_at = $1 WHERE revoked_at IS NULL AND {where}"  # noqa: S608
            " RETURNING grant_id, expires_at"
        )

        async def revoke_all(connection: Any) -> int:
            gone: list[Any] = []
            async with connection.transaction():
                # It may have waited for a commit that made another grant it could not see: look until there is none.
                while ended := await connection.fetch(sql, at, *values):
                    gone += ended
                # A grant that was purged leaves what was made from it; whose it was is gone with it.
                only = {grant_id} if grant_id is not None and len(values) == 1 else set()
                origins = only.union(row[0] for row in gone)
                ends = [descendants_between(origin) for origin in sorted(origins)]
                while ends and (
                    ended := await connection.fetch(
                        _REVOKE_DESCENDANTS, at, [first for first, _ in ends], [last for _, last in ends]
                    )
                ):
                    gone += ended
            return sum(row[1] is None or row[1] >= at for row in gone)

        return await self._run(revoke_all)

    async def grants(
        self, *, subject: str | None = None, client_id: str | None = None
    ) -> Sequence[GrantSummary]:
        where, values = _conditions(subject=subject, client_id=client_id)
        sql = (
            "SELECT grant_id, client_id, subject, session_id, scopes, issued_at, expires_at FROM grants"  # noqa: S608
            f" WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at >= $1) AND {where}"
            " ORDER BY issued_at, grant_id"
        )
        found = await self._run(lambda connection: connection.fetch(sql, micros(self._clock()), *values))
        return [
            GrantSummary(
                grant_id=row[0],
                client_id=row[1],
                subject=row[2],
                session_id=row[3],
                scopes=tuple(row[4].split(" ")) if row[4] else (),
                issued_at=moment(row[5]),
                expires_at=moment_or_none(row[6]),
            )
            for row in found
        ]

    async def purge(self, now: datetime) -> int:
        at = micros(now)
        gone = 0
        for sql, linger in _PURGES:
            removed = 1
            while removed:
                # In portions, so that no one waits long behind it.
                removed = await self._run(_deletion(sql, at - linger))
                gone += removed
        return gone


_DELETE_GRANTS = """
WITH doomed AS (
    DELETE FROM grants WHERE {condition} AND grant_id IN
        (SELECT grant_id FROM grants WHERE {condition} LIMIT 500)
    RETURNING grant_id
), theirs AS (DELETE FROM tickets WHERE grant_id IN (SELECT grant_id FROM doomed))
SELECT count(*) FROM doomed
"""
_DELETE = """
WITH doomed AS (
    DELETE FROM {table} WHERE {condition} AND {key} IN
        (SELECT {key} FROM {table} WHERE {condition} LIMIT 500)
    RETURNING 1
)
SELECT count(*) FROM doomed
"""
_PURGES = (
    (_DELETE_GRANTS.format(condition="expires_at < $1 AND revoked_at IS NULL"), 0),
    # A revoked grant is remembered for a while: a commit that read it before still meets the revocation.
    (_DELETE_GRANTS.format(condition="revoked_at < $1"), HOUR),
    (_DELETE.format(table="tickets", key="digest", condition="used_at IS NULL AND expires_at < $1"), 0),
    (_DELETE.format(table="once", key="key", condition="until < $1"), 0),
    (_DELETE.format(table="limits", key="key", condition="arrival < $1"), 0),
    (_DELETE.format(table="sessions", key="digest", condition="expires_at < $1"), HOUR),
    (_DELETE.format(table="relying_party_sessions", key="digest", condition="expires_at < $1"), HOUR),
)


def _deletion(sql: str, until: int) -> Callable[[Any], Awaitable[int]]:
    return lambda connection: connection.fetchval(sql, until)


def _conditions(**values: str | None) -> tuple[str, list[str]]:
    """A WHERE clause whose parameters start at $2, and their values."""
    given = {column: value for column, value in values.items() if value is not None}
    if not given:
        raise ValueError(f"one of {', '.join(values)} is needed")
    clause = " AND ".join(f"{column} = ${number}" for number, column in enumerate(given, 2))
    return clause, list(given.values())
