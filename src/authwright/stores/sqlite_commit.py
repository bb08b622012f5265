"""A group of commits in SQLite: read in two statements, decided in Python, written in a few.

`PreparedCommit` is made on the event loop; `commit_all` runs on the writer's thread, inside the group's transaction,
which holds SQLite's write lock: nothing it read can change before it has written.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from authwright.stores.decision import COMMITTED, Answer, TicketState, answer_without_effect
from authwright.stores.protocols import AlreadyConsumed, Change
from authwright.stores.rows import COLUMNS, encode_binding, micros, micros_or_none, stored_ticket
from authwright.ticket import StoredTicket, Ticket

_STORED = f"SELECT {COLUMNS} FROM tickets t WHERE t.digest = ? AND t.kind = ?"  # noqa: S608


class PreparedCommit(msgspec.Struct, gc=False):
    """One commit, with its rows encoded."""

    id: str
    now: int
    consume: StoredTicket | None
    replace: Sequence[Change]
    add: Sequence[StoredTicket]
    live: Sequence[str]
    bodies: Sequence[bytes]
    """Encoded tickets: those of `replace`, then those of `add`."""

    def starts_a_grant(self) -> bool:
        """Whether it does nothing but store one ticket of a client's own, as for client credentials."""
        return (
            len(self.add) == 1
            and self.consume is None
            and not self.replace
            and not self.live
            and self.add[0].ticket.subject is None
        )


def commit_hopefully(connection: sqlite3.Connection, commits: Sequence[PreparedCommit]) -> list[Answer]:
    """`commit_all` without looking whether what is to be added is there: a new ticket's digest is nearly always new.

    Raises sqlite3.IntegrityError when one was not. Part of the group is written then, and must be rolled back.
    """
    fresh = [commit for commit in commits if commit.starts_a_grant()]
    if fresh:
        _insert_fresh(connection, fresh)
    if len(fresh) == len(commits):
        return [COMMITTED] * len(commits)
    rest = [commit for commit in commits if not commit.starts_a_grant()] if fresh else commits
    others = iter(_one_by_one(connection, rest, look_first=False))
    return [COMMITTED if commit.starts_a_grant() else next(others) for commit in commits]


def commit_all(connection: sqlite3.Connection, commits: Sequence[PreparedCommit]) -> list[Answer]:
    """Carry out the commits; their answers, in order. They are concurrent: which comes first is ours to choose."""
    return _one_by_one(connection, commits, look_first=True)


def _insert_fresh(connection: sqlite3.Connection, commits: Sequence[PreparedCommit]) -> None:
    """Store new grants of one ticket each.

    That a grant's row can be inserted shows that it is not revoked; that a ticket's can, that it is no repetition.
    """
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM grants").fetchone()
    grants: list[Any] = []
    tickets: list[Any] = []
    for number, commit in enumerate(commits, last + 1):
        (stored,) = commit.add
        issued_at = micros(stored.issued_at)
        expires_at = micros_or_none(stored.expires_at)
        grants += _grant_row(number, stored.ticket, issued_at, expires_at)
        tickets += _ticket_row(number, stored, commit.bodies[0], issued_at, expires_at, commit.id)
    _insert_rows(connection, _INSERT_GRANTS, 8, grants)
    _insert_rows(connection, _INSERT_TICKETS, 11, tickets)


def _one_by_one(
    connection: sqlite3.Connection, commits: Sequence[PreparedCommit], *, look_first: bool
) -> list[Answer]:
    """Decide the commits one after the other, each seeing what those before it decided; then write all."""
    group = _Group(connection, commits, look_first)
    answers: list[Answer] = [group.decide(commit) for commit in commits]
    group.write()
    for number, commit in enumerate(commits):
        if commit.consume is not None and isinstance(answers[number], AlreadyConsumed):
            row = connection.execute(_STORED, (commit.consume.digest, commit.consume.kind.value)).fetchone()
            answers[number] = AlreadyConsumed(stored_ticket(row))
    return answers


class _GrantRow(msgspec.Struct, gc=False):
    number: int
    expires_at: int | None


class _Group:
    """What the commits of one group touch, as it stands, and what is to be written."""

    def __init__(
        self, connection: sqlite3.Connection, commits: Sequence[PreparedCommit], look_first: bool
    ) -> None:
        grant_ids: set[str] = set()
        digests: set[str] = set()
        for commit in commits:
            grant_ids.update(commit.live)
            for stored in commit.add:
                grant_ids.add(stored.ticket.grant_id)
                # What a change added tells whether it was made before (see `answer_without_effect`).
                if look_first or commit.replace:
                    digests.add(stored.digest)
            if commit.consume is not None:
                grant_ids.add(commit.consume.ticket.grant_id)
                digests.add(commit.consume.digest)
            for change in commit.replace:
                grant_ids.add(change.before.ticket.grant_id)
                digests.add(change.before.digest)
        self._connection = connection
        rows = _select_in(
            connection, "SELECT grant_id, id, expires_at, revoked_at FROM grants WHERE grant_id", grant_ids
        )
        self._grants = {row[0]: _GrantRow(row[1], row[2]) for row in rows}
        self._revoked = {row[0] for row in rows if row[3] is not None}
        self._tickets: dict[tuple[str, str], TicketState] = {
            (row[0], row[1]): TicketState(row[2], row[3], row[4])
            for row in _select_in(
                connection,
                "SELECT kind, digest, version, used_by, changed_by FROM tickets WHERE digest",
                digests,
            )
        }
        row = connection.execute("SELECT max(id) FROM grants").fetchone()
        self._last_grant: int = row[0] or 0
        self._new_grants: list[Any] = []
        self._new_tickets: list[Any] = []
        self._extended: dict[int, int | None] = {}
        self._rewritten: list[tuple[Any, ...]] = []
        self._spent: list[tuple[Any, ...]] = []

    def decide(self, commit: PreparedCommit) -> Answer:
        """The answer to one commit; when it is Committed, its rows are noted for `write`."""
        consume, replace, add = commit.consume, commit.replace, commit.add
        answer = answer_without_effect(
            commit.id, consume, replace, add, commit.live, revoked=self._revoked, tickets=self._tickets
        )
        if answer is not None:
            return answer
        if consume is not None:
            self._tickets[consume.kind, consume.digest].used_by = commit.id
            self._spent.append((commit.now, commit.id, consume.digest, consume.kind.value))
        for number, change in enumerate(replace):
            self._rewrite(commit.id, change, commit.bodies[number])
        for number, stored in enumerate(add, len(replace)):
            self._insert(commit.id, stored, commit.bodies[number])
        return COMMITTED

    def _insert(self, id: str, stored: StoredTicket, body: bytes) -> None:
        ticket = stored.ticket
        issued_at = micros(stored.issued_at)
        expires_at = micros_or_none(stored.expires_at)
        grant = self._grants.get(ticket.grant_id)
        if grant is None:
            self._last_grant += 1
            grant = self._grants[ticket.grant_id] = _GrantRow(self._last_grant, expires_at)
            self._new_grants += _grant_row(self._last_grant, ticket, issued_at, expires_at)
        else:
            self._extend(grant, expires_at)
        self._tickets[stored.kind, stored.digest] = TicketState(stored.version, None, id)
        self._new_tickets += _ticket_row(grant.number, stored, body, issued_at, expires_at, id)

    def _rewrite(self, id: str, change: Change, body: bytes) -> None:
        after = change.after
        there = self._tickets[after.kind, after.digest]
        there.version += 1
        there.changed_by = id
        expires_at = micros_or_none(after.expires_at)
        self._extend(self._grants[after.ticket.grant_id], expires_at)
        self._rewritten.append(
            (
                body,
                micros(after.issued_at),
                expires_at,
                after.parent,
                after.origin_grant,
                encode_binding(after.binding),
                id,
                there.version,
                after.digest,
                after.kind.value,
            )
        )

    def _extend(self, grant: _GrantRow, expires_at: int | None) -> None:
        if grant.expires_at is not None and (expires_at is None or expires_at > grant.expires_at):
            grant.expires_at = self._extended[grant.number] = expires_at

    def write(self) -> None:
        connection = self._connection
        _insert_rows(connection, _INSERT_GRANTS, 8, self._new_grants)
        _insert_rows(connection, _INSERT_TICKETS, 11, self._new_tickets)
        if self._extended:
            connection.executemany(
                "UPDATE grants SET expires_at = ? WHERE id = ?",
                [(expires_at, number) for number, expires_at in self._extended.items()],
            )
        if self._rewritten:
            connection.executemany(
                "UPDATE tickets SET ticket = ?, issued_at = ?, expires_at = ?, parent = ?, origin_grant = ?,"
                " binding = ?, changed_by = ?, version = ? WHERE digest = ? AND kind = ?",
                self._rewritten,
            )
        if self._spent:
            connection.executemany(
                "UPDATE tickets SET used_at = ?, used_by = ? WHERE digest = ? AND kind = ?", self._spent
            )


def _grant_row(number: int, first: Ticket, issued_at: int, expires_at: int | None) -> tuple[Any, ...]:
    return (
        number,
        first.grant_id,
        first.client_id,
        first.subject,
        first.session_id,
        " ".join(first.scopes),
        issued_at,
        expires_at,
    )


def _ticket_row(
    grant: int, stored: StoredTicket, body: bytes, issued_at: int, expires_at: int | None, id: str
) -> tuple[Any, ...]:
    return (
        stored.digest,
        # A plain string: sqlite3 would look for a way to adapt the enumeration's member, each time.
        stored.kind.value,
        grant,
        body,
        issued_at,
        expires_at,
        stored.parent,
        stored.origin_grant,
        encode_binding(stored.binding),
        id,
        stored.version,
    )


_INSERT_GRANTS = (
    "INSERT INTO grants (id, grant_id, client_id, subject, session_id, scopes, issued_at, expires_at) VALUES "
)
_INSERT_TICKETS = (
    "INSERT INTO tickets (digest, kind, grant_number, ticket, issued_at, expires_at, parent, origin_grant,"
    " binding, changed_by, version) VALUES "
)
_SIZES = (128, 64, 32, 16, 8, 4, 2, 1)
_VALUES = {
    start: {size: start + ",".join(["(" + ",".join("?" * width) + ")"] * size) for size in _SIZES}
    for start, width in ((_INSERT_GRANTS, 8), (_INSERT_TICKETS, 11))
}
_IN = {size: " IN (" + ",".join("?" * size) + ")" for size in _SIZES}


def _insert_rows(connection: sqlite3.Connection, start: str, width: int, flat: list[Any]) -> None:
    """Insert rows that stand end to end in `flat`, many with each statement; the sizes are few, so all stay prepared."""
    at = 0
    left = len(flat) // width
    for size in _SIZES:
        while left >= size:
            connection.execute(_VALUES[start][size], flat[at * width : (at + size) * width])
            at += size
            left -= size


def _select_in(connection: sqlite3.Connection, start: str, values: Iterable[str]) -> list[tuple[Any, ...]]:
    """Rows whose column is one of `values`; short lists are filled up with their last, so that statements stay few."""
    wanted = list(values)
    found: list[tuple[Any, ...]] = []
    for at in range(0, len(wanted), _SIZES[0]):
        part = wanted[at : at + _SIZES[0]]
        size = min(size for size in _SIZES if size >= len(part))
        part += part[-1:] * (size - len(part))
        found += connection.execute(start + _IN[size], part).fetchall()
    return found
