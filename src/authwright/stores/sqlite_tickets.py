"""Codes and tokens in SQLite: reads in the event loop, writes through the group writer."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from authwright.clock import Clock, utcnow
from authwright.stores.decision import Answer
from authwright.stores.protocols import Change, GrantSummary, check_change
from authwright.stores.rows import (
    COLUMNS,
    HOUR,
    micros,
    moment,
    moment_or_none,
    stored_ticket,
)
from authwright.stores.sqlite_commit import PreparedCommit
from authwright.stores.sqlite_reader import Reader, conditions
from authwright.stores.sqlite_writer import GroupWriter, Work
from authwright.ticket import StoredTicket, TokenKind, descendants_between, encode_ticket

_GET = (
    f"SELECT {COLUMNS} FROM tickets t JOIN grants g ON g.id = t.grant_number"  # noqa: S608
    " WHERE t.digest = ? AND t.kind = ? AND g.revoked_at IS NULL"
)
_CURRENT = (
    f"SELECT {COLUMNS} FROM grants g JOIN tickets t ON t.grant_number = g.id"  # noqa: S608
    " WHERE g.grant_id = ? AND g.revoked_at IS NULL AND t.kind = ? AND t.used_at IS NULL"
    " ORDER BY t.issued_at DESC, t.id DESC LIMIT 1"
)
_REVOKE_DESCENDANTS = (
    "UPDATE grants SET revoked_at = ? WHERE revoked_at IS NULL AND grant_id >= ? AND grant_id < ?"
    " RETURNING grant_id, expires_at"
)


class SqliteTickets:
    """A `TicketStore`. Reads are in the loop, on a connection of their own; writes go to the group writer."""

    def __init__(self, reader: Reader, writer: GroupWriter, clock: Clock = utcnow) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock

    async def get(self, kind: TokenKind, digest: str) -> StoredTicket | None:
        row = self._reader.one(_GET, (digest, kind.value))
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
        bodies = [encode_ticket(change.after.ticket) for change in replace]
        bodies += [encode_ticket(stored.ticket) for stored in add]
        answer: Answer = await self._writer.submit(
            PreparedCommit(id, micros(now), consume, replace, add, live, bodies)
        )
        return answer

    async def current(self, grant_id: str, kind: TokenKind) -> StoredTicket | None:
        row = self._reader.one(_CURRENT, (grant_id, kind.value))
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
        where, values = conditions(
            grant_id=grant_id, session_id=session_id, subject=subject, client_id=client_id
        )
        at = micros(now)
        sql = (
            f"UPDATE grants SET revoked_at = ? WHERE revoked_at IS NULL AND {where}"  # noqa: S608
            " RETURNING grant_id, expires_at"
        )

        def revoke_all(connection: sqlite3.Connection) -> int:
            ended = connection.execute(sql, (at, *values)).fetchall()
            # A grant that was purged leaves what was made from it; whose it was is gone with it.
            only = {grant_id} if grant_id is not None and len(values) == 1 else set()
            origins = only.union(row[0] for row in ended)
            for origin in origins:
                ended += connection.execute(
                    _REVOKE_DESCENDANTS, (at, *descendants_between(origin))
                ).fetchall()
            return sum(expires_at is None or expires_at >= at for _, expires_at in ended)

        count: int = await self._writer.submit(revoke_all)
        return count

    async def grants(
        self, *, subject: str | None = None, client_id: str | None = None
    ) -> Sequence[GrantSummary]:
        where, values = conditions(subject=subject, client_id=client_id)
        rows = self._reader.all(
            "SELECT grant_id, client_id, subject, session_id, scopes, issued_at, expires_at FROM grants"  # noqa: S608
            f" WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at >= ?) AND {where}"
            " ORDER BY issued_at, grant_id",
            (micros(self._clock()), *values),
        )
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
            for row in rows
        ]

    async def purge(self, now: datetime) -> int:
        at = micros(now)
        gone = 0
        for table, dead in _SWEEPS:
            gone += await self._sweep(table, dead, at)
        for sql, until in _PURGES:
            removed = 1
            while removed:
                # In portions, so that no one waits long behind it.
                removed = await self._writer.submit(_deletion(sql, (at - until,)))
                gone += removed
        return gone

    async def _sweep(self, table: str, dead: str, at: int) -> int:
        """Go through a table in the order of its rows, a portion at a time, and remove the dead ones.

        No index leads to them: an index that grows and shrinks with every token would cost more than the walk.
        """
        gone = low = 0
        while True:
            row = self._reader.one(
                f"SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT {_PORTION})",  # noqa: S608
                (low,),
            )
            high = row[0] if row is not None else None
            if high is None:
                return gone
            sql = f"DELETE FROM {table} WHERE id > :low AND id <= :high AND ({dead})"  # noqa: S608
            values = {"low": low, "high": high, "at": at, "remembered": at - HOUR}
            gone += await self._writer.submit(_deletion(sql, values))
            low = high


_PORTION = 1000

_SWEEPS = (
    # A revoked grant is remembered for a while: a commit that read it before still meets the revocation.
    (
        "grants",
        "revoked_at IS NULL AND expires_at < :at OR revoked_at < :remembered",
    ),
    ("tickets", "used_at IS NULL AND expires_at < :at"),
)

_PURGES = (
    ("DELETE FROM once WHERE key IN (SELECT key FROM once WHERE until < ? LIMIT 500)", 0),
    ("DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE arrival < ? LIMIT 500)", 0),
    (
        "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE expires_at < ? LIMIT 500)",
        HOUR,
    ),
    (
        "DELETE FROM relying_party_sessions WHERE digest IN"
        " (SELECT digest FROM relying_party_sessions WHERE expires_at < ? LIMIT 500)",
        HOUR,
    ),
)


def _deletion(sql: str, values: Sequence[int] | Mapping[str, int]) -> Work:
    return lambda connection: connection.execute(sql, values).rowcount
