"""What the provider and the relying party ask of a store: few narrow protocols whose verbs are atomic.

"Is the code unused?" and "mark it used" are one verb here, so that correctness is not left to each store's author.
`authwright.testing.store_contract` is the suite every store passes. A store that cannot answer raises
`StoreUnavailable`; it never answers "not found" for "not reachable".
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from authwright.records import (
    Account,
    Client,
    Consent,
    ConsentService,
    RelyingPartySession,
    Session,
    SigningKeyRecord,
)
from authwright.ticket import StoredTicket, TokenKind


class StoreUnavailable(Exception):
    """The store could not answer. Nothing is known about what it holds; the caller answers 503."""


class Change(msgspec.Struct, frozen=True):
    """A ticket changed in place: `before` as it was read, `after` as it shall be (same kind and digest).

    It succeeds only while the stored version is `before.version` and it was not spent since; the store writes
    `before.version + 1`. `used_at` and `used_by` stay as stored: only a consumption sets them.
    """

    before: StoredTicket
    after: StoredTicket


def check_change(change: Change) -> None:
    """Raise ValueError when `after` is another ticket, or of another grant, than `before`: a programming error."""
    before, after = change.before, change.after
    if (after.kind, after.digest, after.grant_id) != (before.kind, before.digest, before.grant_id):
        raise ValueError("a change keeps kind, digest and grant")


class Committed(msgspec.Struct, frozen=True):
    """All of it was written, durably."""


class AlreadyConsumed(msgspec.Struct, frozen=True):
    """What was to be consumed is spent; `stored` is it as it now stands. Nothing was written."""

    stored: StoredTicket


class Conflict(msgspec.Struct, frozen=True):
    """What was to be consumed or replaced is gone or has another version by now. Nothing was written."""


class Revoked(msgspec.Struct, frozen=True):
    """A grant in `live`, or the grant of what was to be consumed, replaced or added, is revoked. Nothing was written."""


class GrantSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A live grant, for showing to its user or an operator."""

    grant_id: str
    client_id: str
    subject: str | None
    session_id: str | None
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime | None


class TicketStore(Protocol):
    """Codes and tokens. Each verb is one transaction."""

    async def get(self, kind: TokenKind, digest: str) -> StoredTicket | None:
        """The ticket under that key; None when there is none or its grant is revoked.

        A spent one is answered with `used_at` and `used_by`; an expired one is answered as it is.
        """

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
        """Spend `consume`, apply `replace` and store `add`: all of it, durably, or nothing.

        `id` is unique to this attempt and marks what it consumed and changed, so that repeating the very same call
        after a lost answer is answered Committed, without effect. `live` are ids of grants that must not be revoked.
        A revocation that races a commit either comes first, and the commit answers Revoked, or comes after, and the
        added tickets are revoked with their grant. A grant the store has never seen, or has purged, is not revoked.

        Where several answers are possible they come in this order: Revoked, then what `consume` gives
        (AlreadyConsumed, Conflict), then what `replace` gives, then `add` (Conflict when its key is taken).
        A caller that is cancelled changes nothing: a commit that began is finished.
        """

    async def current(self, grant_id: str, kind: TokenKind) -> StoredTicket | None:
        """The unspent ticket of that kind in the grant (its live refresh token), the newest of several, or None.

        None for a revoked grant. An expired one is answered as it is.
        """

    async def revoke(
        self,
        *,
        now: datetime,
        grant_id: str | None = None,
        session_id: str | None = None,
        subject: str | None = None,
        client_id: str | None = None,
    ) -> int:
        """Revoke every live grant that matches all the given conditions, and all that were made from those.

        How many there were. A grant was made from the one whose id its own begins with (`ticket.derived_grant_id`).
        Of a grant that is purged, what was made from it is revoked by `grant_id` alone: nothing else is known of it.
        Raises ValueError without a condition. Subject, session and client of a grant are those of its first ticket.
        """

    async def grants(
        self, *, subject: str | None = None, client_id: str | None = None
    ) -> Sequence[GrantSummary]:
        """The live grants of a subject, of a client, or of both, oldest first. Raises ValueError without either."""

    async def purge(self, now: datetime) -> int:
        """Remove what is expired or revoked and no longer needed; how many rows.

        A spent code or refresh token stays until nothing of its grant is live, so that its reuse is still noticed.
        """


class OnceStore(Protocol):
    """Things that may happen once: assertion ids, proof ids, submitted interactions."""

    async def claim(self, key: str, until: datetime) -> bool:
        """True exactly once for each key until the moment `until`; concurrent callers get one True."""


class Rate(msgspec.Struct, frozen=True):
    """`burst` at once, then one every `period`."""

    burst: int
    period: timedelta


class LimitStore(Protocol):
    """Counted attempts, shared by all workers (generic cell rate algorithm)."""

    async def take(self, key: str, now: datetime, rate: Rate) -> timedelta:
        """Count one attempt. Zero when it is within `rate`, else how long to wait (and it is not counted)."""

    async def clear(self, key: str) -> None:
        """Forget the attempts under `key`."""


class ClientStore(Protocol):
    async def get(self, client_id: str) -> Client | None: ...

    async def put(self, client: Client) -> None:
        """Add it, or replace the one with its id."""

    async def remove(self, client_id: str) -> bool:
        """Whether there was one."""

    async def list(self) -> Sequence[Client]: ...


class AccountStore(Protocol):
    async def get(self, subject: str) -> Account | None: ...

    async def find(self, username: str) -> Account | None:
        """By username, compared exactly."""

    async def put(self, account: Account) -> None:
        """Add it, or replace the one with its subject. Raises ValueError when another has its username."""

    async def remove(self, subject: str) -> bool: ...

    async def list(self) -> Sequence[Account]: ...


class ConsentStore(Protocol):
    async def get(self, subject: str, client_id: str) -> Consent | None: ...

    async def put(self, consent: Consent) -> None: ...

    async def remove(self, subject: str, client_id: str) -> bool: ...


class ConsentServiceStore(Protocol):
    """The registry of consent services."""

    async def list(self, tenant: str) -> Sequence[ConsentService]:
        """All of a tenant, by name; those that are switched off too."""

    async def get(self, tenant: str, name: str) -> ConsentService | None: ...

    async def put(self, service: ConsentService) -> None:
        """Add it, or replace the one of its tenant with its name."""

    async def remove(self, tenant: str, name: str) -> bool:
        """Whether there was one."""


class SessionStore(Protocol):
    """Sessions at the provider."""

    async def get(self, digest: str) -> Session | None:
        """The session under that digest, expired or not, or None."""

    async def replace(self, digest: str | None, session: Session) -> bool:
        """Store `session`; in the same step the one under `digest`, when given, ends. False, and nothing stored, when that one is gone.

        Where both have the same `sid`, the clients that the store has for the ending one are the new one's too, so
        that a client noted meanwhile is not forgotten.
        """

    async def note_client(self, digest: str, client_id: str) -> bool:
        """Add one client to those of the session under `digest`, in one step. False when it is gone.

        Callers that note different clients at once all succeed, and none of the clients is lost.
        """

    async def find(self, session_id: str) -> Session | None:
        """By `sid`."""

    async def list(self, *, subject: str | None = None, client_id: str | None = None) -> Sequence[Session]:
        """The sessions of a subject, those that signed in to a client, or both; expired or not, oldest first.

        Raises ValueError without a condition.
        """

    async def remove(self, *, session_id: str | None = None, subject: str | None = None) -> int:
        """End the sessions that match all the given conditions (at least one, else ValueError); how many there were."""


class KeyStore(Protocol):
    """Signing keys, with the private part encrypted before it gets here."""

    async def list(self) -> Sequence[SigningKeyRecord]:
        """All that are not gone, oldest first. A key that is replaced by a gone one is deleted."""

    async def add(self, record: SigningKeyRecord) -> bool:
        """False, and nothing stored, when its `kid` is there, or it is active and its algorithm has an active key."""

    async def replace(self, changes: Sequence[tuple[SigningKeyRecord, SigningKeyRecord]]) -> bool:
        """Change several at once, each from the version that was read to that plus one.

        False, and nothing changed, when one of them moved on or an algorithm would have two active keys.
        """


class RelyingPartySessionStore(Protocol):
    """Sessions at a relying party."""

    async def create(self, session: RelyingPartySession) -> None:
        """Store a new session, as version 0."""

    async def load(self, digest: str) -> RelyingPartySession | None:
        """The session under that digest, expired or not, or None."""

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        """Write `after` (version one higher) if the stored version is still that of `before`."""

    async def delete(self, digest: str) -> bool:
        """End the session; whether it was there."""

    async def list(
        self, *, issuer: str, session_id: str | None = None, subject: str | None = None
    ) -> Sequence[RelyingPartySession]:
        """The sessions of that issuer that match all the given conditions, expired or not, oldest first.

        Raises ValueError when neither `session_id` nor `subject` is given.
        """


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a provider keeps, in one place that is opened and closed as one."""

    tickets: TicketStore
    once: OnceStore
    limits: LimitStore
    clients: ClientStore
    accounts: AccountStore
    consents: ConsentStore
    consent_services: ConsentServiceStore
    sessions: SessionStore
    keys: KeyStore
    relying_party_sessions: RelyingPartySessionStore
