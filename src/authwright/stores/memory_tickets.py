"""Codes and tokens in a dict: each verb runs without an await, so it is atomic on its event loop."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush

import msgspec

from authwright.clock import Clock, utcnow
from authwright.stores.protocols import (
    AlreadyConsumed,
    Change,
    Committed,
    Conflict,
    GrantSummary,
    Revoked,
    check_change,
)
from authwright.ticket import StoredTicket, Ticket, TokenKind, ancestors

Key = tuple[TokenKind, str]

COMMITTED = Committed()
CONFLICT = Conflict()
REVOKED = Revoked()
LINGER = timedelta(minutes=10)
"""How long an expired ticket is kept at least, so that its use is answered with the right reason."""
REMEMBERED = timedelta(hours=1)
"""How long a revoked grant is kept at least: a commit that read it before still meets the revocation."""


class _Grant:
    """What is remembered of one grant; the store's own, never handed out."""

    __slots__ = ("expires_at", "first", "issued_at", "keys", "revoked_at")

    def __init__(self, first: Ticket, issued_at: datetime, expires_at: datetime | None) -> None:
        self.first = first
        self.issued_at = issued_at
        self.expires_at = expires_at
        self.revoked_at: datetime | None = None
        self.keys: list[Key] = []

    def live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at >= now)

    def until(self) -> datetime | None:
        """When it may be forgotten; None = never."""
        return self.expires_at if self.revoked_at is None else self.revoked_at + REMEMBERED


class MemoryTickets:
    """A `TicketStore` that forgets at exit; for tests and development, in one process."""

    def __init__(self, clock: Clock = utcnow) -> None:
        self._clock = clock
        self._tickets: dict[Key, StoredTicket] = {}
        self._changed_by: dict[Key, str] = {}
        self._grants: dict[str, _Grant] = {}
        self._by_subject: dict[str, set[str]] = {}
        self._by_session: dict[str, set[str]] = {}
        self._by_ancestor: dict[str, set[str]] = {}
        self._expiring: list[tuple[datetime, TokenKind, str]] = []

    async def get(self, kind: TokenKind, digest: str) -> StoredTicket | None:
        stored = self._tickets.get((kind, digest))
        if stored is None or self._grants[stored.ticket.grant_id].revoked_at is not None:
            return None
        return stored

    async def commit(
        self,
        *,
        id: str,
        now: datetime,
        consume: StoredTicket | None = None,
        replace: Sequence[Change] = (),
        add: Sequence[StoredTicket] = (),
        live: Sequence[str] = (),
    ) -> Committed | AlreadyConsumed | Conflict | Revoked:
        # Decide: nothing is written before everything was checked.
        for change in replace:
            check_change(change)
        for grant_id in live:
            if self._revoked(grant_id):
                return REVOKED
        if consume is not None or replace:
            refusal = self._spendable(id, consume, replace, add)
            if refusal is not None:
                return refusal
        for stored in add:
            if self._revoked(stored.ticket.grant_id):
                return REVOKED
            key = (stored.kind, stored.digest)
            if key in self._tickets:
                return COMMITTED if self._changed_by.get(key) == id else CONFLICT
        # Act.
        if consume is not None:
            key = (consume.kind, consume.digest)
            self._tickets[key] = msgspec.structs.replace(self._tickets[key], used_at=now, used_by=id)
        for change in replace:
            self._rewrite(id, change)
        for stored in add:
            self._insert(id, stored)
        if self._expiring and self._expiring[0][0] < now - LINGER:
            self._forget(now - LINGER, at_most=2 + 2 * len(add))
        return COMMITTED

    def _revoked(self, grant_id: str) -> bool:
        grant = self._grants.get(grant_id)
        return grant is not None and grant.revoked_at is not None

    def _spendable(
        self, id: str, consume: StoredTicket | None, replace: Sequence[Change], add: Sequence[StoredTicket]
    ) -> Committed | AlreadyConsumed | Conflict | Revoked | None:
        """None when `consume` may be spent and `replace` applied, else the answer."""
        befores = [change.before for change in replace]
        for wanted in befores if consume is None else [consume, *befores]:
            if self._revoked(wanted.ticket.grant_id):
                return REVOKED
        if consume is not None:
            stored = self._tickets.get((consume.kind, consume.digest))
            if stored is None:
                return CONFLICT
            if stored.used_at is not None:
                return COMMITTED if stored.used_by == id else AlreadyConsumed(stored)
            if stored.version != consume.version:
                return CONFLICT
        for before in befores:
            key = (before.kind, before.digest)
            stored = self._tickets.get(key)
            if stored is None or stored.version != before.version or stored.used_by != before.used_by:
                ours = key in self._changed_by and self._changed_by[key] == id
                ours = ours or any(self._changed_by.get((new.kind, new.digest)) == id for new in add)
                return COMMITTED if ours else CONFLICT
        return None

    def _insert(self, id: str, stored: StoredTicket) -> None:
        ticket = stored.ticket
        if ticket.carry or ticket.redeems is not None or ticket.rewrites is not None:
            ticket = msgspec.structs.replace(
                ticket, carry={}, redeems=None, rewrites=None, rewrites_beside=()
            )
            stored = msgspec.structs.replace(stored, ticket=ticket)
        key = (stored.kind, stored.digest)
        self._tickets[key] = stored
        self._changed_by[key] = id
        grant = self._grants.get(ticket.grant_id)
        if grant is None:
            grant = self._grants[ticket.grant_id] = _Grant(ticket, stored.issued_at, stored.expires_at)
            if ticket.subject is not None:
                self._by_subject.setdefault(ticket.subject, set()).add(ticket.grant_id)
            if ticket.session_id is not None:
                self._by_session.setdefault(ticket.session_id, set()).add(ticket.grant_id)
            for ancestor in ancestors(ticket.grant_id):
                self._by_ancestor.setdefault(ancestor, set()).add(ticket.grant_id)
        elif grant.expires_at is not None and (
            stored.expires_at is None or stored.expires_at > grant.expires_at
        ):
            grant.expires_at = stored.expires_at
        grant.keys.append(key)
        if stored.expires_at is not None:
            heappush(self._expiring, (stored.expires_at, stored.kind, stored.digest))

    def _rewrite(self, id: str, change: Change) -> None:
        key = (change.before.kind, change.before.digest)
        stored = self._tickets[key]
        after = change.after
        self._tickets[key] = msgspec.structs.replace(
            after,
            ticket=msgspec.structs.replace(
                after.ticket, carry={}, redeems=None, rewrites=None, rewrites_beside=()
            ),
            version=stored.version + 1,
            used_at=stored.used_at,
            used_by=stored.used_by,
        )
        self._changed_by[key] = id
        grant = self._grants[after.ticket.grant_id]
        if grant.expires_at is not None and (after.expires_at is None or after.expires_at > grant.expires_at):
            grant.expires_at = after.expires_at
        if after.expires_at is not None and after.expires_at != stored.expires_at:
            heappush(self._expiring, (after.expires_at, after.kind, after.digest))

    async def current(self, grant_id: str, kind: TokenKind) -> StoredTicket | None:
        grant = self._grants.get(grant_id)
        if grant is None or grant.revoked_at is not None:
            return None
        unspent = [self._tickets[key] for key in grant.keys if key[0] == kind]
        unspent = [stored for stored in unspent if stored.used_at is None]
        return max(unspent, key=lambda stored: stored.issued_at, default=None)

    async def revoke(
        self,
        *,
        now: datetime,
        grant_id: str | None = None,
        session_id: str | None = None,
        subject: str | None = None,
        client_id: str | None = None,
    ) -> int:
        if grant_id is None and session_id is None and subject is None and client_id is None:
            raise ValueError("revoke needs at least one condition")
        ended = 0
        for candidate in self._candidates(grant_id, session_id, subject):
            grant = self._grants.get(candidate)
            if grant is None:
                # A grant that was purged leaves what was made from it; whose it was is gone with it.
                if session_id is None and subject is None and client_id is None:
                    ended += self._revoke_descendants(candidate, now)
                continue
            first = grant.first
            if (
                (session_id is None or first.session_id == session_id)
                and (subject is None or first.subject == subject)
                and (client_id is None or first.client_id == client_id)
            ):
                ended += self._revoke(grant, now) + self._revoke_descendants(candidate, now)
        return ended

    def _revoke(self, grant: _Grant, now: datetime) -> int:
        if grant.revoked_at is not None:
            return 0
        ended = grant.live(now)
        grant.revoked_at = now
        return int(ended)

    def _revoke_descendants(self, grant_id: str, now: datetime) -> int:
        """What was made from the grant, and what from that, whether or not the grant itself is remembered."""
        return sum(self._revoke(self._grants[made], now) for made in self._by_ancestor.get(grant_id, ()))

    def _candidates(self, grant_id: str | None, session_id: str | None, subject: str | None) -> Iterable[str]:
        if grant_id is not None:
            return (grant_id,)
        if session_id is not None:
            return self._by_session.get(session_id, ())
        if subject is not None:
            return self._by_subject.get(subject, ())
        return self._grants

    async def grants(
        self, *, subject: str | None = None, client_id: str | None = None
    ) -> Sequence[GrantSummary]:
        if subject is None and client_id is None:
            raise ValueError("grants needs a subject or a client_id")
        now = self._clock()
        found = [
            GrantSummary(
                grant_id=grant_id,
                client_id=grant.first.client_id,
                subject=grant.first.subject,
                session_id=grant.first.session_id,
                scopes=grant.first.scopes,
                issued_at=grant.issued_at,
                expires_at=grant.expires_at,
            )
            for grant_id in self._candidates(None, None, subject)
            if (grant := self._grants[grant_id]).live(now)
            and (client_id is None or grant.first.client_id == client_id)
        ]
        return sorted(found, key=lambda summary: (summary.issued_at, summary.grant_id))

    async def purge(self, now: datetime) -> int:
        before = len(self._tickets)
        for grant_id, grant in list(self._grants.items()):
            until = grant.until()
            if until is not None and until < now:
                self._end(grant_id, grant)
        self._forget(now, at_most=len(self._expiring))
        return before - len(self._tickets)

    def _forget(self, now: datetime, *, at_most: int) -> None:
        """Drop what expired before `now`, a few entries at a time, so that no caller pays for all."""
        for _ in range(at_most):
            if not self._expiring or self._expiring[0][0] >= now:
                return
            _, kind, digest = heappop(self._expiring)
            stored = self._tickets.get((kind, digest))
            if stored is None:
                continue
            grant_id = stored.ticket.grant_id
            grant = self._grants[grant_id]
            until = grant.until()
            if until is not None and until < now:
                self._end(grant_id, grant)
            elif stored.used_at is not None or grant.revoked_at is not None:
                # A spent ticket outlives its time: its reuse is noticed as long as the grant lives.
                if until is not None:
                    heappush(self._expiring, (until, kind, digest))
            elif stored.expires_at is not None and stored.expires_at < now:
                del self._tickets[kind, digest], self._changed_by[kind, digest]
                grant.keys.remove((kind, digest))

    def _end(self, grant_id: str, grant: _Grant) -> None:
        for key in grant.keys:
            del self._tickets[key], self._changed_by[key]
        del self._grants[grant_id]
        _discard(self._by_subject, grant.first.subject, grant_id)
        _discard(self._by_session, grant.first.session_id, grant_id)
        for ancestor in ancestors(grant_id):
            _discard(self._by_ancestor, ancestor, grant_id)


def _discard(index: dict[str, set[str]], name: str | None, member: str) -> None:
    if name is not None and name in index:
        index[name].discard(member)
        if not index[name]:
            del index[name]
