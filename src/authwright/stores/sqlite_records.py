"""All but codes and tokens in SQLite: claims, limits, clients, accounts, consents, sessions and keys."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from authwright.clock import Clock, utcnow
from authwright.records import (
    Account,
    Client,
    Consent,
    KeyState,
    RelyingPartySession,
    Session,
    SigningKeyRecord,
)
from authwright.stores import rows
from authwright.stores.key_rules import changed_keys, one_active
from authwright.stores.protocols import Rate
from authwright.stores.rows import encode_record, micros
from authwright.stores.session_rules import with_clients_of
from authwright.stores.sqlite_reader import Reader, conditions
from authwright.stores.sqlite_writer import GroupWriter


class OnceClaim(msgspec.Struct, frozen=True, gc=False):
    """One claim, to be carried out: it is one row."""

    key: str
    until: int
    now: int

    def __call__(self, connection: sqlite3.Connection) -> bool:
        sql = (
            "INSERT INTO once (key, until) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE until < ?"
        )
        return connection.execute(sql, (self.key, self.until, self.now)).rowcount == 1


class SqliteOnce:
    """An `OnceStore`."""

    def __init__(self, writer: GroupWriter, clock: Clock = utcnow) -> None:
        self._writer = writer
        self._clock = clock

    async def claim(self, key: str, until: datetime) -> bool:
        claimed: bool = await self._writer.submit(OnceClaim(key, micros(until), micros(self._clock())))
        return claimed


class SqliteLimits:
    """A `LimitStore`: per key the theoretical arrival time of the generic cell rate algorithm."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer

    async def take(self, key: str, now: datetime, rate: Rate) -> timedelta:
        at = micros(now)
        period = rate.period // timedelta(microseconds=1)
        slack = period * (rate.burst - 1)

        def work(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT arrival FROM limits WHERE key = ?", (key,)).fetchone()
            arrival: int = at if row is None else max(row[0], at)
            wait = arrival - at - slack
            if wait > 0:
                return wait
            connection.execute(
                "INSERT INTO limits (key, arrival) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET arrival = excluded.arrival",
                (key, arrival + period),
            )
            return 0

        return timedelta(microseconds=await self._writer.submit(work))

    async def clear(self, key: str) -> None:
        await self._writer.submit(lambda db: db.execute("DELETE FROM limits WHERE key = ?", (key,)).rowcount)


class SqliteClients:
    """A `ClientStore`."""

    def __init__(self, reader: Reader, writer: GroupWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, client_id: str) -> Client | None:
        row = self._reader.one("SELECT body FROM clients WHERE client_id = ?", (client_id,))
        return None if row is None else rows.decode_client(row[0])

    async def put(self, client: Client) -> None:
        sql = (
            "INSERT INTO clients (client_id, body) VALUES (?, ?)"
            " ON CONFLICT (client_id) DO UPDATE SET body = excluded.body"
        )
        values = (client.client_id, encode_record(client))
        await self._writer.submit(lambda db: db.execute(sql, values).rowcount)

    async def remove(self, client_id: str) -> bool:
        sql = "DELETE FROM clients WHERE client_id = ?"
        removed: int = await self._writer.submit(lambda db: db.execute(sql, (client_id,)).rowcount)
        return removed == 1

    async def list(self) -> Sequence[Client]:
        found = self._reader.all("SELECT body FROM clients ORDER BY client_id")
        return [rows.decode_client(body) for (body,) in found]


class SqliteAccounts:
    """An `AccountStore`."""

    def __init__(self, reader: Reader, writer: GroupWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, subject: str) -> Account | None:
        row = self._reader.one("SELECT body FROM accounts WHERE subject = ?", (subject,))
        return None if row is None else rows.decode_account(row[0])

    async def find(self, username: str) -> Account | None:
        row = self._reader.one("SELECT body FROM accounts WHERE username = ?", (username,))
        return None if row is None else rows.decode_account(row[0])

    async def put(self, account: Account) -> None:
        values = (account.subject, account.username, encode_record(account))

        def work(connection: sqlite3.Connection) -> bool:
            sql = "SELECT 1 FROM accounts WHERE username = ? AND subject <> ?"
            if connection.execute(sql, (account.username, account.subject)).fetchone():
                return False
            connection.execute(
                "INSERT INTO accounts (subject, username, body) VALUES (?, ?, ?)"
                " ON CONFLICT (subject) DO UPDATE SET username = excluded.username, body = excluded.body",
                values,
            )
            return True

        if not await self._writer.submit(work):
            raise ValueError("another account has this username")

    async def remove(self, subject: str) -> bool:
        sql = "DELETE FROM accounts WHERE subject = ?"
        removed: int = await self._writer.submit(lambda db: db.execute(sql, (subject,)).rowcount)
        return removed == 1

    async def list(self) -> Sequence[Account]:
        found = self._reader.all("SELECT body FROM accounts ORDER BY subject")
        return [rows.decode_account(body) for (body,) in found]


class SqliteConsents:
    """A `ConsentStore`."""

    def __init__(self, reader: Reader, writer: GroupWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, subject: str, client_id: str) -> Consent | None:
        sql = "SELECT body FROM consents WHERE subject = ? AND client_id = ?"
        row = self._reader.one(sql, (subject, client_id))
        return None if row is None else rows.decode_consent(row[0])

    async def put(self, consent: Consent) -> None:
        sql = (
            "INSERT INTO consents (subject, client_id, body) VALUES (?, ?, ?)"
            " ON CONFLICT (subject, client_id) DO UPDATE SET body = excluded.body"
        )
        values = (consent.subject, consent.client_id, encode_record(consent))
        await self._writer.submit(lambda db: db.execute(sql, values).rowcount)

    async def remove(self, subject: str, client_id: str) -> bool:
        sql = "DELETE FROM consents WHERE subject = ? AND client_id = ?"
        removed: int = await self._writer.submit(lambda db: db.execute(sql, (subject, client_id)).rowcount)
        return removed == 1


class SqliteSessions:
    """A `SessionStore`."""

    def __init__(self, reader: Reader, writer: GroupWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, digest: str) -> Session | None:
        row = self._reader.one("SELECT body FROM sessions WHERE digest = ?", (digest,))
        return None if row is None else rows.decode_session(row[0])

    async def replace(self, digest: str | None, session: Session) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            kept = session
            if digest is not None:
                before = _session(connection, digest)
                if before is None:
                    return False
                kept = with_clients_of(before, session)
                connection.execute("DELETE FROM sessions WHERE digest = ?", (digest,))
            _put_session(connection, kept)
            return True

        replaced: bool = await self._writer.submit(work)
        return replaced

    async def note_client(self, digest: str, client_id: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            session = _session(connection, digest)
            if session is None:
                return False
            _put_session(connection, msgspec.structs.replace(session, clients=session.clients | {client_id}))
            return True

        noted: bool = await self._writer.submit(work)
        return noted

    async def find(self, session_id: str) -> Session | None:
        row = self._reader.one("SELECT body FROM sessions WHERE session_id = ?", (session_id,))
        return None if row is None else rows.decode_session(row[0])

    async def list(self, *, subject: str | None = None, client_id: str | None = None) -> Sequence[Session]:
        if subject is None and client_id is None:
            raise ValueError("list needs a subject or a client_id")
        found = self._reader.all(
            "SELECT body FROM sessions WHERE (?1 IS NULL OR subject = ?1)"
            " AND (?2 IS NULL OR EXISTS (SELECT 1 FROM json_each(body, '$.clients') WHERE value = ?2))",
            (subject, client_id),
        )
        return rows.oldest_first([rows.decode_session(body) for (body,) in found])

    async def remove(self, *, session_id: str | None = None, subject: str | None = None) -> int:
        if session_id is None and subject is None:
            raise ValueError("remove needs a session_id or a subject")
        where, values = conditions(session_id=session_id, subject=subject)
        sql = f"DELETE FROM sessions WHERE {where}"  # noqa: S608
        removed: int = await self._writer.submit(lambda db: db.execute(sql, values).rowcount)
        return removed


def _session(connection: sqlite3.Connection, digest: str) -> Session | None:
    row = connection.execute("SELECT body FROM sessions WHERE digest = ?", (digest,)).fetchone()
    return None if row is None else rows.decode_session(row[0])


def _put_session(connection: sqlite3.Connection, session: Session) -> None:
    connection.execute(
        "INSERT INTO sessions (digest, session_id, subject, expires_at, body) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET session_id = excluded.session_id,"
        " subject = excluded.subject, expires_at = excluded.expires_at, body = excluded.body",
        (
            session.digest,
            session.session_id,
            session.subject,
            micros(session.expires_at),
            encode_record(session),
        ),
    )


class SqliteKeys:
    """A `KeyStore`."""

    def __init__(self, reader: Reader, writer: GroupWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def list(self) -> Sequence[SigningKeyRecord]:
        found = self._reader.all("SELECT body FROM signing_keys ORDER BY created_at, kid")
        return [rows.decode_key(body) for (body,) in found]

    async def add(self, record: SigningKeyRecord) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            stored = _keys(connection)
            if record.kid in stored or not one_active([*stored.values(), record]):
                return False
            _put_key(connection, record)
            return True

        added: bool = await self._writer.submit(work)
        return added

    async def replace(self, changes: Sequence[tuple[SigningKeyRecord, SigningKeyRecord]]) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            then = changed_keys(_keys(connection), changes)
            if then is None:
                return False
            for before, _ in changes:
                connection.execute("DELETE FROM signing_keys WHERE kid = ?", (before.kid,))
            for before, _ in changes:
                if before.kid in then:
                    _put_key(connection, then[before.kid])
            return True

        replaced: bool = await self._writer.submit(work)
        return replaced


def _keys(connection: sqlite3.Connection) -> dict[str, SigningKeyRecord]:
    found = connection.execute("SELECT kid, body FROM signing_keys").fetchall()
    return {kid: rows.decode_key(body) for kid, body in found}


def _put_key(connection: sqlite3.Connection, record: SigningKeyRecord) -> None:
    connection.execute(
        "INSERT INTO signing_keys (kid, algorithm, state, version, created_at, body) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (kid) DO NOTHING",
        (
            record.kid,
            record.algorithm,
            KeyState(record.state).value,
            record.version,
            micros(record.created_at),
            encode_record(record),
        ),
    )


class SqliteRelyingPartySessions:
    """A `RelyingPartySessionStore`."""

    def __init__(self, reader: Reader, writer: GroupWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def create(self, session: RelyingPartySession) -> None:
        session = msgspec.structs.replace(session, version=0)
        sql = (
            "INSERT OR REPLACE INTO relying_party_sessions"
            " (digest, issuer, subject, session_id, version, created_at, expires_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        values = (
            session.digest,
            session.issuer,
            session.subject,
            session.session_id,
            0,
            micros(session.created_at),
            micros(session.expires_at),
            encode_record(session),
        )
        await self._writer.submit(lambda db: db.execute(sql, values).rowcount)

    async def load(self, digest: str) -> RelyingPartySession | None:
        row = self._reader.one("SELECT body FROM relying_party_sessions WHERE digest = ?", (digest,))
        return None if row is None else rows.decode_relying_party_session(row[0])

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        after = msgspec.structs.replace(after, digest=before.digest, version=before.version + 1)
        sql = (
            "UPDATE relying_party_sessions SET issuer = ?, subject = ?, session_id = ?, version = ?,"
            " created_at = ?, expires_at = ?, body = ? WHERE digest = ? AND version = ?"
        )
        values = (
            after.issuer,
            after.subject,
            after.session_id,
            after.version,
            micros(after.created_at),
            micros(after.expires_at),
            encode_record(after),
            before.digest,
            before.version,
        )
        replaced: int = await self._writer.submit(lambda db: db.execute(sql, values).rowcount)
        return replaced == 1

    async def delete(self, digest: str) -> bool:
        sql = "DELETE FROM relying_party_sessions WHERE digest = ?"
        removed: int = await self._writer.submit(lambda db: db.execute(sql, (digest,)).rowcount)
        return removed == 1

    async def list(
        self, *, issuer: str, session_id: str | None = None, subject: str | None = None
    ) -> Sequence[RelyingPartySession]:
        if session_id is None and subject is None:
            raise ValueError("list needs a session_id or a subject")
        where, values = conditions(issuer=issuer, session_id=session_id, subject=subject)
        sql = f"SELECT body FROM relying_party_sessions WHERE {where} ORDER BY created_at, digest"  # noqa: S608
        found = self._reader.all(sql, values)
        return [rows.decode_relying_party_session(body) for (body,) in found]
