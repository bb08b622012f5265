"""All but codes and tokens in PostgreSQL: claims, limits, clients, accounts, consents, sessions and keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from authwright.clock import Clock, utcnow
from authwright.records import Account, Client, Consent, RelyingPartySession, Session, SigningKeyRecord
from authwright.stores import rows
from authwright.stores.key_rules import changed_keys, one_active
from authwright.stores.postgres_tickets import Run
from authwright.stores.protocols import Rate
from authwright.stores.rows import encode_record, micros
from authwright.stores.session_rules import with_clients_of

_UNIQUE_VIOLATION = "23505"


class _Table:
    """What these stores share: one statement on one connection."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def _value(self, sql: str, *values: Any, repeatable: bool = True) -> Any:
        return await self._run(lambda connection: connection.fetchval(sql, *values), repeatable=repeatable)

    async def _column(self, sql: str, *values: Any) -> list[Any]:
        found = await self._run(lambda connection: connection.fetch(sql, *values))
        return [row[0] for row in found]

    async def _count(self, sql: str, *values: Any) -> int:
        """How many rows a statement that ends in RETURNING 1 changed."""
        return len(await self._column(sql, *values))


class PostgresOnce(_Table):
    """An `OnceStore`."""

    def __init__(self, run: Run, clock: Clock = utcnow) -> None:
        super().__init__(run)
        self._clock = clock

    async def claim(self, key: str, until: datetime) -> bool:
        sql = (
            "INSERT INTO once AS o (key, until) VALUES ($1, $2)"
            " ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE o.until < $3 RETURNING 1"
        )
        # After a lost answer nobody knows who claimed it: not repeated.
        claimed = await self._value(sql, key, micros(until), micros(self._clock()), repeatable=False)
        return claimed is not None


class PostgresLimits(_Table):
    """A `LimitStore`: per key the theoretical arrival time of the generic cell rate algorithm."""

    async def take(self, key: str, now: datetime, rate: Rate) -> timedelta:
        at = micros(now)
        period = rate.period // timedelta(microseconds=1)
        latest = at + period * (rate.burst - 1)
        sql = (
            "INSERT INTO limits AS l (key, arrival) VALUES ($1, $2::bigint + $3::bigint)"
            " ON CONFLICT (key) DO UPDATE SET arrival = greatest(l.arrival, $2::bigint) + $3::bigint"
            " WHERE l.arrival <= $4::bigint RETURNING 1"
        )
        if await self._value(sql, key, at, period, latest):
            return timedelta(0)
        arrival = await self._value("SELECT arrival FROM limits WHERE key = $1", key)
        return timedelta(microseconds=max(1, (arrival or at + 1) - latest))

    async def clear(self, key: str) -> None:
        await self._count("DELETE FROM limits WHERE key = $1 RETURNING 1", key)


class PostgresClients(_Table):
    """A `ClientStore`."""

    async def get(self, client_id: str) -> Client | None:
        body = await self._value("SELECT body FROM clients WHERE client_id = $1", client_id)
        return None if body is None else rows.decode_client(body)

    async def put(self, client: Client) -> None:
        await self._value(
            "INSERT INTO clients (client_id, body) VALUES ($1, $2)"
            " ON CONFLICT (client_id) DO UPDATE SET body = excluded.body",
            client.client_id,
            encode_record(client),
        )

    async def remove(self, client_id: str) -> bool:
        return await self._count("DELETE FROM clients WHERE client_id = $1 RETURNING 1", client_id) == 1

    async def list(self) -> Sequence[Client]:
        return [
            rows.decode_client(body)
            for body in await self._column('SELECT body FROM clients ORDER BY client_id COLLATE "C"')
        ]


class PostgresAccounts(_Table):
    """An `AccountStore`."""

    async def get(self, subject: str) -> Account | None:
        body = await self._value("SELECT body FROM accounts WHERE subject = $1", subject)
        return None if body is None else rows.decode_account(body)

    async def find(self, username: str) -> Account | None:
        body = await self._value("SELECT body FROM accounts WHERE username = $1", username)
        return None if body is None else rows.decode_account(body)

    async def put(self, account: Account) -> None:
        sql = (
            "INSERT INTO accounts (subject, username, body) VALUES ($1, $2, $3)"
            " ON CONFLICT (subject) DO UPDATE SET username = excluded.username, body = excluded.body"
        )
        try:
            await self._value(sql, account.subject, account.username, encode_record(account))
        except Exception as error:
            if getattr(error, "sqlstate", None) != _UNIQUE_VIOLATION:
                raise
            raise ValueError("another account has this username") from None

    async def remove(self, subject: str) -> bool:
        return await self._count("DELETE FROM accounts WHERE subject = $1 RETURNING 1", subject) == 1

    async def list(self) -> Sequence[Account]:
        return [
            rows.decode_account(body)
            for body in await self._column('SELECT body FROM accounts ORDER BY subject COLLATE "C"')
        ]


class PostgresConsents(_Table):
    """A `ConsentStore`."""

    async def get(self, subject: str, client_id: str) -> Consent | None:
        sql = "SELECT body FROM consents WHERE subject = $1 AND client_id = $2"
        body = await self._value(sql, subject, client_id)
        return None if body is None else rows.decode_consent(body)

    async def put(self, consent: Consent) -> None:
        await self._value(
            "INSERT INTO consents (subject, client_id, body) VALUES ($1, $2, $3)"
            " ON CONFLICT (subject, client_id) DO UPDATE SET body = excluded.body",
            consent.subject,
            consent.client_id,
            encode_record(consent),
        )

    async def remove(self, subject: str, client_id: str) -> bool:
        sql = "DELETE FROM consents WHERE subject = $1 AND client_id = $2 RETURNING 1"
        return await self._count(sql, subject, client_id) == 1


class PostgresSessions(_Table):
    """A `SessionStore`."""

    async def get(self, digest: str) -> Session | None:
        body = await self._value("SELECT body FROM sessions WHERE digest = $1", digest)
        return None if body is None else rows.decode_session(body)

    async def replace(self, digest: str | None, session: Session) -> bool:
        put = (
            "INSERT INTO sessions (digest, session_id, subject, expires_at, body) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (digest) DO UPDATE SET session_id = excluded.session_id, subject = excluded.subject,"
            " expires_at = excluded.expires_at, body = excluded.body"
        )

        async def work(connection: Any) -> bool:
            kept = session
            async with connection.transaction():
                if digest is not None:
                    ended = await connection.fetchval(
                        "DELETE FROM sessions WHERE digest = $1 RETURNING body", digest
                    )
                    if ended is None:
                        return False
                    kept = with_clients_of(rows.decode_session(ended), session)
                await connection.execute(
                    put,
                    kept.digest,
                    kept.session_id,
                    kept.subject,
                    micros(kept.expires_at),
                    encode_record(kept),
                )
            return True

        return await self._run(work, repeatable=digest is None)

    async def note_client(self, digest: str, client_id: str) -> bool:
        async def work(connection: Any) -> bool:
            async with connection.transaction():
                # The lock makes whoever comes second read what the first one wrote.
                body = await connection.fetchval(
                    "SELECT body FROM sessions WHERE digest = $1 FOR UPDATE", digest
                )
                if body is None:
                    return False
                session = rows.decode_session(body)
                noted = msgspec.structs.replace(session, clients=session.clients | {client_id})
                await connection.execute(
                    "UPDATE sessions SET body = $2 WHERE digest = $1", digest, encode_record(noted)
                )
            return True

        return await self._run(work)

    async def find(self, session_id: str) -> Session | None:
        body = await self._value("SELECT body FROM sessions WHERE session_id = $1 LIMIT 1", session_id)
        return None if body is None else rows.decode_session(body)

    async def list(self, *, subject: str | None = None, client_id: str | None = None) -> Sequence[Session]:
        if subject is None and client_id is None:
            raise ValueError("list needs a subject or a client_id")
        sql = (
            "SELECT body FROM sessions WHERE ($1::text IS NULL OR subject = $1)"
            " AND ($2::text IS NULL OR jsonb_exists(body::jsonb -> 'clients', $2))"
        )
        found = await self._column(sql, subject, client_id)
        return rows.oldest_first([rows.decode_session(body) for body in found])

    async def remove(self, *, session_id: str | None = None, subject: str | None = None) -> int:
        if session_id is None and subject is None:
            raise ValueError("remove needs a session_id or a subject")
        sql = (
            "DELETE FROM sessions WHERE ($1::text IS NULL OR session_id = $1)"
            " AND ($2::text IS NULL OR subject = $2) RETURNING 1"
        )
        return await self._count(sql, session_id, subject)


class PostgresKeys(_Table):
    """A `KeyStore`. The unique index holds even where two processes pass the check at once."""

    async def list(self) -> Sequence[SigningKeyRecord]:
        sql = 'SELECT body FROM signing_keys ORDER BY created_at, kid COLLATE "C"'
        return [rows.decode_key(body) for body in await self._column(sql)]

    async def add(self, record: SigningKeyRecord) -> bool:
        async def work(connection: Any) -> bool:
            stored = await _keys(connection)
            if record.kid in stored or not one_active([*stored.values(), record]):
                return False
            await _put_key(connection, record)
            return True

        return await self._unless_taken(work)

    async def replace(self, changes: Sequence[tuple[SigningKeyRecord, SigningKeyRecord]]) -> bool:
        async def work(connection: Any) -> bool:
            then = changed_keys(await _keys(connection), changes)
            if then is None:
                return False
            for before, _ in changes:
                await connection.execute("DELETE FROM signing_keys WHERE kid = $1", before.kid)
            for before, _ in changes:
                if before.kid in then:
                    await _put_key(connection, then[before.kid])
            return True

        return await self._unless_taken(work)

    async def _unless_taken(self, work: Any) -> bool:
        async def transact(connection: Any) -> bool:
            async with connection.transaction():
                changed: bool = await work(connection)
            return changed

        try:
            return await self._run(transact, repeatable=False)
        except Exception as error:
            if getattr(error, "sqlstate", None) != _UNIQUE_VIOLATION:
                raise
            return False


async def _keys(connection: Any) -> dict[str, SigningKeyRecord]:
    found = await connection.fetch("SELECT kid, body FROM signing_keys ORDER BY kid FOR UPDATE")
    return {row[0]: rows.decode_key(row[1]) for row in found}


async def _put_key(connection: Any, record: SigningKeyRecord) -> None:
    await connection.execute(
        "INSERT INTO signing_keys (kid, algorithm, state, version, created_at, body)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        record.kid,
        record.algorithm,
        record.state.value,
        record.version,
        micros(record.created_at),
        encode_record(record),
    )


class PostgresRelyingPartySessions(_Table):
    """A `RelyingPartySessionStore`."""

    async def create(self, session: RelyingPartySession) -> None:
        session = msgspec.structs.replace(session, version=0)
        await self._value(
            "INSERT INTO relying_party_sessions"
            " (digest, issuer, subject, session_id, version, created_at, expires_at, body)"
            " VALUES ($1, $2, $3, $4, 0, $5, $6, $7)"
            " ON CONFLICT (digest) DO UPDATE SET issuer = excluded.issuer, subject = excluded.subject,"
            " session_id = excluded.session_id, version = 0, created_at = excluded.created_at,"
            " expires_at = excluded.expires_at, body = excluded.body",
            session.digest,
            session.issuer,
            session.subject,
            session.session_id,
            micros(session.created_at),
            micros(session.expires_at),
            encode_record(session),
        )

    async def load(self, digest: str) -> RelyingPartySession | None:
        body = await self._value("SELECT body FROM relying_party_sessions WHERE digest = $1", digest)
        return None if body is None else rows.decode_relying_party_session(body)

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        after = msgspec.structs.replace(after, digest=before.digest, version=before.version + 1)
        replaced = await self._value(
            "UPDATE relying_party_sessions SET issuer = $1, subject = $2, session_id = $3, version = $4,"
            " created_at = $5, expires_at = $6, body = $7 WHERE digest = $8 AND version = $9 RETURNING 1",
            after.issuer,
            after.subject,
            after.session_id,
            after.version,
            micros(after.created_at),
            micros(after.expires_at),
            encode_record(after),
            before.digest,
            before.version,
            repeatable=False,
        )
        return replaced is not None

    async def delete(self, digest: str) -> bool:
        sql = "DELETE FROM relying_party_sessions WHERE digest = $1 RETURNING 1"
        return await self._count(sql, digest) == 1

    async def list(
        self, *, issuer: str, session_id: str | None = None, subject: str | None = None
    ) -> Sequence[RelyingPartySession]:
        if session_id is None and subject is None:
            raise ValueError("list needs a session_id or a subject")
        sql = (
            "SELECT body FROM relying_party_sessions WHERE issuer = $1"
            " AND ($2::text IS NULL OR session_id = $2) AND ($3::text IS NULL OR subject = $3)"
            ' ORDER BY created_at, digest COLLATE "C"'
        )
        found = await self._column(sql, issuer, session_id, subject)
        return [rows.decode_relying_party_session(body) for body in found]
