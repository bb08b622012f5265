"""One commit in PostgreSQL: a single statement for the usual one, a short transaction that decides for the rest.

Whoever commits holds the row of each grant it writes to (FOR UPDATE) and of each it relies on (FOR SHARE), so that a
revocation either came before or waits, and commits to one grant come one after the other.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from authwright.stores.decision import COMMITTED, Answer, TicketState, answer_without_effect
from authwright.stores.protocols import AlreadyConsumed, Change
from authwright.stores.rows import COLUMNS, encode_binding, micros, micros_or_none, stored_ticket
from authwright.ticket import StoredTicket, encode_ticket

_INSERT = """
grants_written AS (
    INSERT INTO grants AS g (grant_id, client_id, subject, session_id, scopes, issued_at, expires_at)
    SELECT DISTINCT ON (n.grant_id)
        n.grant_id, n.client_id, n.subject, n.session_id, n.scopes, n.grant_issued_at, n.grant_expires_at
    FROM new_tickets n WHERE {condition}
    ON CONFLICT (grant_id) DO UPDATE
        SET expires_at = CASE WHEN g.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
            ELSE greatest(g.expires_at, excluded.expires_at) END
    RETURNING 1
), tickets_written AS (
    INSERT INTO tickets (digest, kind, grant_id, ticket, issued_at, expires_at, parent, origin_grant, binding,
        version, changed_by)
    SELECT n.digest, n.kind, n.grant_id, n.ticket, n.issued_at, n.expires_at, n.parent, n.origin_grant, n.binding,
        n.version, $1
    FROM new_tickets n WHERE {condition}
    RETURNING 1
)"""
_NAMES = (
    "digest, kind, grant_id, ticket, issued_at, expires_at, parent, origin_grant, binding, version,"
    " client_id, subject, session_id, scopes, grant_issued_at, grant_expires_at"
)
_TYPES = (
    *("text", "text", "text", "bytea", "bigint", "bigint", "text", "text", "text", "integer"),
    *("text", "text", "text", "text", "bigint", "bigint"),
)
_SPELLED_OUT = 4
"""Up to so many tickets have a parameter for each value, which is cheaper than an array for each column."""


def _new_tickets(count: int, first: int) -> str:
    """The new tickets as a table, from parameters that start at `first`."""
    if not 1 <= count <= _SPELLED_OUT:
        arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_TYPES, first))
        return f"new_tickets ({_NAMES}) AS (SELECT * FROM unnest({arrays}))"  # noqa: S608
    starts = range(first, first + count * len(_TYPES), len(_TYPES))
    rows = (", ".join(f"${number}::{kind}" for number, kind in enumerate(_TYPES, start)) for start in starts)
    return f"new_tickets ({_NAMES}) AS (VALUES {', '.join(f'({row})' for row in rows)})"


# Each step reads what the one before it answers; that, and nothing else, makes the database keep their order.
_COMMIT = """
WITH own AS (
    SELECT revoked_at FROM grants WHERE grant_id = ANY ($2::text[]) ORDER BY grant_id FOR UPDATE
), relied_on AS (
    SELECT revoked_at FROM grants WHERE grant_id = ANY ($3::text[]) ORDER BY grant_id FOR SHARE
), allowed AS (
    SELECT NOT EXISTS (SELECT 1 FROM own WHERE revoked_at IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM relied_on WHERE revoked_at IS NOT NULL) AS yes
), spent AS (
    UPDATE tickets SET used_at = $4::bigint, used_by = $1::text
    WHERE digest = $5::text AND kind = $6::text AND version = $7::integer AND used_at IS NULL
        AND (SELECT yes FROM allowed)
    RETURNING 1
), decided AS (
    SELECT (SELECT yes FROM allowed) AND ($5::text IS NULL OR EXISTS (SELECT 1 FROM spent)) AS yes
),
{new_tickets}, {insert}
SELECT yes FROM decided
"""


@cache
def _commit_sql(count: int) -> str:
    insert = _INSERT.format(condition="(SELECT yes FROM decided)").strip()
    return _COMMIT.format(new_tickets=_new_tickets(count, 8), insert=insert)


@cache
def _add_sql(count: int) -> str:
    insert = _INSERT.format(condition="true").strip()
    return f"WITH {_new_tickets(count, 2)}, {insert} SELECT count(*) FROM tickets_written"  # noqa: S608


_LOCK = (
    "SELECT grant_id, revoked_at FROM grants WHERE grant_id = ANY ($1::text[]) ORDER BY grant_id FOR UPDATE"
)
_STATES = "SELECT kind, digest, version, used_by, changed_by FROM tickets WHERE digest = ANY ($1::text[])"
_REPLACE = (
    "UPDATE tickets SET ticket = $1, issued_at = $2, expires_at = $3, parent = $4, origin_grant = $5, binding = $6,"
    " changed_by = $7, version = version + 1 WHERE digest = $8 AND kind = $9"
)
_EXTEND = (
    "UPDATE grants SET expires_at = CASE WHEN $2::bigint IS NULL THEN NULL ELSE greatest(expires_at, $2::bigint) END"
    " WHERE grant_id = $1 AND expires_at IS NOT NULL"
)
_UNIQUE_VIOLATION = "23505"


class PreparedCommit(msgspec.Struct, frozen=True):
    """The arguments of `TicketStore.commit`, with `now` in microseconds."""

    id: str
    now: int
    consume: StoredTicket | None
    replace: Sequence[Change]
    add: Sequence[StoredTicket]
    live: Sequence[str]

    def own_grants(self) -> list[str]:
        """The grants it writes to, in order."""
        grant_ids = {stored.ticket.grant_id for stored in self.add}
        grant_ids.update(change.before.ticket.grant_id for change in self.replace)
        if self.consume is not None:
            grant_ids.add(self.consume.ticket.grant_id)
        return sorted(grant_ids)


async def carry_out(connection: Any, commit: PreparedCommit) -> Answer:
    """Commit on this connection, which has no transaction open. May be called again after any failure."""
    if not commit.replace:
        try:
            if await _at_once(connection, commit):
                return COMMITTED
        except Exception as error:
            if getattr(error, "sqlstate", None) != _UNIQUE_VIOLATION:
                raise
    # Something stands in the way; what, is read under locks.
    try:
        return await _step_by_step(connection, commit)
    except Exception as error:
        if getattr(error, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
    # The same commit, tried twice at once, met itself at a new key: that is visible now.
    return await _step_by_step(connection, commit)


async def _at_once(connection: Any, commit: PreparedCommit) -> bool:
    consume = commit.consume
    written: bool = await connection.fetchval(
        _commit_sql(len(commit.add)),
        commit.id,
        commit.own_grants(),
        commit.live,
        commit.now,
        None if consume is None else consume.digest,
        None if consume is None else consume.kind.value,
        None if consume is None else consume.version,
        *_parameters(commit.add),
    )
    return written


async def _step_by_step(connection: Any, commit: PreparedCommit) -> Answer:
    consume, replace, add = commit.consume, commit.replace, commit.add
    async with connection.transaction():
        grants = await connection.fetch(_LOCK, sorted({*commit.own_grants(), *commit.live}))
        digests = [stored.digest for stored in add] + [change.before.digest for change in replace]
        if consume is not None:
            digests.append(consume.digest)
        # READ COMMITTED: this statement sees all that was committed before the locks were had.
        states = await connection.fetch(_STATES, digests)
        answer = answer_without_effect(
            commit.id,
            consume,
            replace,
            add,
            commit.live,
            revoked={row[0] for row in grants if row[1] is not None},
            tickets={(row[0], row[1]): TicketState(row[2], row[3], row[4]) for row in states},
        )
        if isinstance(answer, AlreadyConsumed):
            row = await connection.fetchrow(
                f"SELECT {COLUMNS} FROM tickets t WHERE t.digest = $1 AND t.kind = $2",  # noqa: S608
                answer.stored.digest,
                answer.stored.kind.value,
            )
            return AlreadyConsumed(stored_ticket(row))
        if answer is not None:
            return answer
        if consume is not None:
            await connection.execute(
                "UPDATE tickets SET used_at = $1, used_by = $2 WHERE digest = $3 AND kind = $4",
                commit.now,
                commit.id,
                consume.digest,
                consume.kind.value,
            )
        for change in replace:
            await _rewrite(connection, commit.id, change.after)
        if add:
            await connection.execute(_add_sql(len(add)), commit.id, *_parameters(add))
    return COMMITTED


async def _rewrite(connection: Any, id: str, after: StoredTicket) -> None:
    expires_at = micros_or_none(after.expires_at)
    await connection.execute(
        _REPLACE,
        encode_ticket(after.ticket),
        micros(after.issued_at),
        expires_at,
        after.parent,
        after.origin_grant,
        encode_binding(after.binding),
        id,
        after.digest,
        after.kind.value,
    )
    await connection.execute(_EXTEND, after.ticket.grant_id, expires_at)


def _parameters(add: Sequence[StoredTicket]) -> list[Any]:
    """The new tickets as `_new_tickets` wants them; what describes a grant is the same in all its rows."""
    first: dict[str, StoredTicket] = {}
    lasts: dict[str, datetime | None] = {}
    for stored in add:
        grant_id = stored.ticket.grant_id
        first.setdefault(grant_id, stored)
        known = lasts.setdefault(grant_id, stored.expires_at)
        if known is not None and (stored.expires_at is None or stored.expires_at > known):
            lasts[grant_id] = stored.expires_at
    rows = []
    for stored in add:
        origin = first[stored.ticket.grant_id]
        rows.append(
            (
                stored.digest,
                stored.kind.value,
                stored.ticket.grant_id,
                encode_ticket(stored.ticket),
                micros(stored.issued_at),
                micros_or_none(stored.expires_at),
                stored.parent,
                stored.origin_grant,
                encode_binding(stored.binding),
                stored.version,
                origin.ticket.client_id,
                origin.ticket.subject,
                origin.ticket.session_id,
                " ".join(origin.ticket.scopes),
                micros(origin.issued_at),
                micros_or_none(lasts[stored.ticket.grant_id]),
            )
        )
    if 1 <= len(rows) <= _SPELLED_OUT:
        return [value for row in rows for value in row]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in _TYPES]
