"""The memory store: dicts on one event loop, for tests and development. Nothing outlives the process.

No verb awaits anything, so each is atomic on its loop. What has a time limit is forgotten some time after it, a few
entries with each write, so that no caller pays for a sweep.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush

import msgspec

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import random_id
from authwright.records import (
    Account,
    Client,
    Consent,
    RelyingPartySession,
    Session,
    SigningKeyRecord,
)
from authwright.stores.key_rules import changed_keys, one_active
from authwright.stores.memory_consent_services import MemoryConsentServices
from authwright.stores.memory_tickets import MemoryTickets
from authwright.stores.protocols import Rate, Stores
from authwright.stores.session_rules import with_clients_of

LINGER = timedelta(hours=1)
"""How long an expired session is kept at least, so that it is answered as expired."""
ZERO = timedelta(0)


class _Expiries:
    """Which keys to look at again when: a heap, so that adding and forgetting cost the same however much there is."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []

    def add(self, when: datetime, key: str) -> None:
        heappush(self._heap, (when, key))

    def due(self, now: datetime, forget: Callable[[str], None]) -> None:
        """Call `forget` with at most two keys whose time is before `now`."""
        for _ in range(2):
            if not self._heap or self._heap[0][0] >= now:
                return
            forget(heappop(self._heap)[1])


class MemoryOnce:
    """An `OnceStore`."""

    def __init__(self, clock: Clock = utcnow) -> None:
        self.epoch: str = random_id()
        """Another one for each memory: what an earlier one held is forgotten."""
        self._clock = clock
        self._claims: dict[str, datetime] = {}
        self._expiries = _Expiries()

    async def claim(self, key: str, until: datetime) -> bool:
        now = self._clock()
        held = self._claims.get(key)
        if held is not None and held >= now:
            return False
        self._claims[key] = until
        self._expiries.add(until, key)
        self._expiries.due(now, self._forget)
        return True

    def _forget(self, key: str) -> None:
        held = self._claims.get(key)
        if held is not None and held < self._clock():
            del self._claims[key]


class MemoryLimits:
    """A `LimitStore`: per key the theoretical arrival time of the generic cell rate algorithm."""

    def __init__(self, clock: Clock = utcnow) -> None:
        self._clock = clock
        self._arrivals: dict[str, datetime] = {}
        self._expiries = _Expiries()

    async def take(self, key: str, now: datetime, rate: Rate) -> timedelta:
        arrival = max(self._arrivals.get(key, now), now)
        wait = arrival - now - rate.period * (rate.burst - 1)
        if wait > ZERO:
            return wait
        self._arrivals[key] = arrival + rate.period
        self._expiries.add(arrival + rate.period, key)
        self._expiries.due(now, lambda due: self._forget(due, now))
        return ZERO

    async def clear(self, key: str) -> None:
        self._arrivals.pop(key, None)

    def _forget(self, key: str, now: datetime) -> None:
        if key in self._arrivals and self._arrivals[key] < now:
            del self._arrivals[key]


class MemoryClients:
    """A `ClientStore`."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}

    async def get(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    async def put(self, client: Client) -> None:
        self._clients[client.client_id] = client

    async def remove(self, client_id: str) -> bool:
        return self._clients.pop(client_id, None) is not None

    async def list(self) -> Sequence[Client]:
        return sorted(self._clients.values(), key=lambda client: client.client_id)


class MemoryAccounts:
    """An `AccountStore`."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._subjects: dict[str, str] = {}

    async def get(self, subject: str) -> Account | None:
        return self._accounts.get(subject)

    async def find(self, username: str) -> Account | None:
        subject = self._subjects.get(username)
        return None if subject is None else self._accounts[subject]

    async def put(self, account: Account) -> None:
        if self._subjects.get(account.username, account.subject) != account.subject:
            raise ValueError("another account has this username")
        before = self._accounts.get(account.subject)
        if before is not None:
            del self._subjects[before.username]
        self._accounts[account.subject] = account
        self._subjects[account.username] = account.subject

    async def remove(self, subject: str) -> bool:
        before = self._accounts.pop(subject, None)
        if before is None:
            return False
        del self._subjects[before.username]
        return True

    async def list(self) -> Sequence[Account]:
        return sorted(self._accounts.values(), key=lambda account: account.subject)


class MemoryConsents:
    """A `ConsentStore`."""

    def __init__(self) -> None:
        self._consents: dict[tuple[str, str], Consent] = {}

    async def get(self, subject: str, client_id: str) -> Consent | None:
        return self._consents.get((subject, client_id))

    async def put(self, consent: Consent) -> None:
        self._consents[consent.subject, consent.client_id] = consent

    async def remove(self, subject: str, client_id: str) -> bool:
        return self._consents.pop((subject, client_id), None) is not None


class MemorySessions:
    """A `SessionStore`."""

    def __init__(self, clock: Clock = utcnow) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._digests: dict[str, str] = {}
        self._expiries = _Expiries()

    async def get(self, digest: str) -> Session | None:
        return self._sessions.get(digest)

    async def replace(self, digest: str | None, session: Session) -> bool:
        if digest is not None:
            before = self._sessions.get(digest)
            if before is None:
                return False
            session = with_clients_of(before, session)
            self._end(digest)
        self._sessions[session.digest] = session
        self._digests[session.session_id] = session.digest
        self._expiries.add(session.expires_at + LINGER, session.digest)
        self._expiries.due(self._clock(), self._forget)
        return True

    async def note_client(self, digest: str, client_id: str) -> bool:
        session = self._sessions.get(digest)
        if session is None:
            return False
        self._sessions[digest] = msgspec.structs.replace(session, clients=session.clients | {client_id})
        return True

    async def find(self, session_id: str) -> Session | None:
        digest = self._digests.get(session_id)
        return None if digest is None else self._sessions[digest]

    async def list(self, *, subject: str | None = None, client_id: str | None = None) -> Sequence[Session]:
        if subject is None and client_id is None:
            raise ValueError("list needs a subject or a client_id")
        found = [
            session
            for session in self._sessions.values()
            if subject in (None, session.subject) and (client_id is None or client_id in session.clients)
        ]
        return sorted(found, key=lambda session: (session.created_at, session.digest))

    async def remove(self, *, session_id: str | None = None, subject: str | None = None) -> int:
        if session_id is None and subject is None:
            raise ValueError("remove needs a session_id or a subject")
        doomed = [
            digest
            for digest, session in self._sessions.items()
            if session_id in (None, session.session_id) and subject in (None, session.subject)
        ]
        for digest in doomed:
            self._end(digest)
        return len(doomed)

    def _end(self, digest: str) -> None:
        session = self._sessions.pop(digest)
        if self._digests.get(session.session_id) == digest:
            del self._digests[session.session_id]

    def _forget(self, digest: str) -> None:
        session = self._sessions.get(digest)
        if session is not None and session.expires_at + LINGER < self._clock():
            self._end(digest)


class MemoryKeys:
    """A `KeyStore`."""

    def __init__(self) -> None:
        self._keys: dict[str, SigningKeyRecord] = {}

    async def list(self) -> Sequence[SigningKeyRecord]:
        return sorted(self._keys.values(), key=lambda record: (record.created_at, record.kid))

    async def add(self, record: SigningKeyRecord) -> bool:
        if record.kid in self._keys or not one_active([*self._keys.values(), record]):
            return False
        self._keys[record.kid] = record
        return True

    async def replace(self, changes: Sequence[tuple[SigningKeyRecord, SigningKeyRecord]]) -> bool:
        then = changed_keys(self._keys, changes)
        if then is None:
            return False
        self._keys = then
        return True


class MemoryRelyingPartySessions:
    """A `RelyingPartySessionStore`."""

    def __init__(self, clock: Clock = utcnow) -> None:
        self._clock = clock
        self._sessions: dict[str, RelyingPartySession] = {}
        self._expiries = _Expiries()

    async def create(self, session: RelyingPartySession) -> None:
        self._sessions[session.digest] = msgspec.structs.replace(session, version=0)
        self._expiries.add(session.expires_at + LINGER, session.digest)
        self._expiries.due(self._clock(), self._forget)

    async def load(self, digest: str) -> RelyingPartySession | None:
        return self._sessions.get(digest)

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        stored = self._sessions.get(before.digest)
        if stored is None or stored.version != before.version:
            return False
        self._sessions[before.digest] = msgspec.structs.replace(
            after, digest=before.digest, version=before.version + 1
        )
        self._expiries.add(after.expires_at + LINGER, before.digest)
        return True

    async def delete(self, digest: str) -> bool:
        return self._sessions.pop(digest, None) is not None

    async def list(
        self, *, issuer: str, session_id: str | None = None, subject: str | None = None
    ) -> Sequence[RelyingPartySession]:
        if session_id is None and subject is None:
            raise ValueError("list needs a session_id or a subject")
        found = [
            session
            for session in self._sessions.values()
            if session.issuer == issuer
            and session_id in (None, session.session_id)
            and subject in (None, session.subject)
        ]
        return sorted(found, key=lambda session: (session.created_at, session.digest))

    def _forget(self, digest: str) -> None:
        session = self._sessions.get(digest)
        if session is not None and session.expires_at + LINGER < self._clock():
            del self._sessions[digest]


def memory_stores(clock: Clock = utcnow) -> Stores:
    """Empty stores in memory; `clock` says when what has a time limit may be forgotten."""
    return Stores(
        tickets=MemoryTickets(clock),
        once=MemoryOnce(clock),
        limits=MemoryLimits(clock),
        clients=MemoryClients(),
        accounts=MemoryAccounts(),
        consents=MemoryConsents(),
        consent_services=MemoryConsentServices(),
        sessions=MemorySessions(clock),
        keys=MemoryKeys(),
        relying_party_sessions=MemoryRelyingPartySessions(clock),
    )
