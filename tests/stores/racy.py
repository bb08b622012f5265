"""A deliberately racy store: it reads, lets others run, then writes. The contract must catch it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from authwright.records import RelyingPartySession, Session, SigningKeyRecord
from authwright.stores.memory import (
    MemoryKeys,
    MemoryOnce,
    MemoryRelyingPartySessions,
    MemorySessions,
    memory_stores,
)
from authwright.stores.memory_tickets import MemoryTickets
from authwright.stores.protocols import AlreadyConsumed, Change, Committed, Conflict, Revoked, Stores
from authwright.ticket import StoredTicket


class RacyTickets(MemoryTickets):
    """Its commit checks first and writes one turn of the loop later."""

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
        grants = [*live, *(new.grant_id for new in add), *(change.before.grant_id for change in replace)]
        if any(self._revoked(grant_id) for grant_id in grants):
            return Revoked()
        if consume is not None:
            stored = self._tickets.get((consume.kind, consume.digest))
            if stored is None:
                return Conflict()
            if stored.used_at is not None:
                return Committed() if stored.used_by == id else AlreadyConsumed(stored)
        for change in replace:
            stored = self._tickets.get((change.before.kind, change.before.digest))
            if stored is None or stored.version != change.before.version:
                return Conflict()
        await asyncio.sleep(0)
        if consume is not None:
            key = (consume.kind, consume.digest)
            self._tickets[key] = msgspec.structs.replace(consume, used_at=now, used_by=id)
        for change in replace:
            self._rewrite(id, change)
        for new in add:
            self._insert(id, new)
        return Committed()

    async def revoke(self, **conditions: Any) -> int:
        """Marks the tickets it can see, one turn later, instead of the grant."""
        now = conditions["now"]
        matching = [
            grant_id
            for grant_id, grant in self._grants.items()
            if conditions.get("grant_id") in (None, grant_id)
            and conditions.get("subject") in (None, grant.first.subject)
            and grant.revoked_at is None
        ]
        keys = [(grant_id, list(self._grants[grant_id].keys)) for grant_id in matching]
        await asyncio.sleep(0)
        for grant_id, seen in keys:
            for key in seen:
                if self._tickets.pop(key, None) is not None:
                    self._grants[grant_id].keys.remove(key)
            if not self._grants[grant_id].keys:
                self._grants[grant_id].revoked_at = now
        return len(matching)


class RacyOnce(MemoryOnce):
    """Looks, waits, then claims."""

    async def claim(self, key: str, until: datetime) -> bool:
        held = self._claims.get(key)
        if held is not None and held >= self._clock():
            return False
        await asyncio.sleep(0)
        self._claims[key] = until
        return True


class RacySessions(MemorySessions):
    """Looks, waits, then replaces."""

    async def replace(self, digest: str | None, session: Session) -> bool:
        if digest is not None and digest not in self._sessions:
            return False
        await asyncio.sleep(0)
        await super().replace(digest if digest in self._sessions else None, session)
        return True

    async def note_client(self, digest: str, client_id: str) -> bool:
        """Looks, waits, then writes what it saw with one client more."""
        session = self._sessions.get(digest)
        if session is None:
            return False
        await asyncio.sleep(0)
        self._sessions[digest] = msgspec.structs.replace(session, clients=session.clients | {client_id})
        return True


class RacyKeys(MemoryKeys):
    """Looks, waits, then changes."""

    async def replace(self, changes: Sequence[tuple[SigningKeyRecord, SigningKeyRecord]]) -> bool:
        if any(self._keys[before.kid].version != before.version for before, _ in changes):
            return False
        await asyncio.sleep(0)
        for before, after in changes:
            self._keys[before.kid] = msgspec.structs.replace(after, version=before.version + 1)
        return True


class RacyRelyingPartySessions(MemoryRelyingPartySessions):
    """Looks, waits, then replaces."""

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        stored = self._sessions.get(before.digest)
        if stored is None or stored.version != before.version:
            return False
        await asyncio.sleep(0)
        self._sessions[before.digest] = msgspec.structs.replace(after, version=before.version + 1)
        return True


def racy_stores() -> Stores:
    """Stores that pass every sequential case and lose every race."""
    return msgspec.structs.replace(
        memory_stores(),
        tickets=RacyTickets(),
        once=RacyOnce(),
        sessions=RacySessions(),
        keys=RacyKeys(),
        relying_party_sessions=RacyRelyingPartySessions(),
    )
