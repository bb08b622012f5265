"""The issuer's signing keys: made, sealed, announced, used, retired.

A key is published before it signs and after, so that nobody meets a signature by a key they could not have fetched.
Every worker reads the same records; the store lets one worker make each change.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from authwright.clock import Clock, utcnow
from authwright.crypto.keys import KeySet, SigningKey
from authwright.crypto.seal import Seal
from authwright.protocol.http import Json
from authwright.records import KeyState, SigningKeyRecord
from authwright.stores.protocols import KeyStore, StoreUnavailable

_ATTEMPTS = 5

PUBLISHED = (KeyState.PENDING, KeyState.ACTIVE, KeyState.RETIRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """The keys as they stood at one moment."""

    read_at: datetime
    active: Mapping[str, SigningKey]
    """Algorithm to the key that signs."""
    verification: KeySet
    jwks: Mapping[str, Json]
    """The published JWK Set (RFC 7517 §5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLife:
    """How long keys stay in each state."""

    rotate_after: timedelta = timedelta(days=90)
    announce: timedelta = timedelta(days=1)
    """How long a new key is published before it signs."""
    retain: timedelta = timedelta(days=2)
    """How long an old key stays published: longer than any token it signed and any cache of the JWKS."""


class Signing:
    """Raises StoreUnavailable when keys were never read; afterwards it goes on with the last it read."""

    def __init__(
        self,
        store: KeyStore,
        seal: Seal,
        *,
        algorithms: Sequence[str],
        clock: Clock = utcnow,
        reread: timedelta = timedelta(seconds=10),
        life: KeyLife | None = None,
    ) -> None:
        self._store = store
        self._seal = seal
        self._algorithms = tuple(algorithms)
        self._clock = clock
        self._reread = reread
        self._life = life or KeyLife()
        self._ring: KeyRing | None = None
        self._opened: dict[str, SigningKey] = {}
        self._reading = asyncio.Lock()

    async def ring(self) -> KeyRing:
        """The keys, at most `reread` old."""
        ring = self._ring
        # A clock that was set back makes nothing fresh again.
        if ring is not None and timedelta(0) <= self._clock() - ring.read_at < self._reread:
            return ring
        async with self._reading:
            if self._ring is ring:
                self._ring = await self._read()
            if self._ring is None:
                raise AssertionError("reading keys ended without keys")
            return self._ring

    async def key(self, algorithm: str) -> SigningKey:
        """The key that signs with `algorithm`. Raises KeyError when the issuer keeps none for it."""
        return (await self.ring()).active[algorithm]

    async def verification_keys(self) -> KeySet:
        """Every published key, to verify what we signed."""
        return (await self.ring()).verification

    async def rotate(self) -> None:
        """Start signing with new keys now; the old ones stay published until what they signed has expired."""
        for algorithm in self._algorithms:
            await self._succeed(algorithm)
        self._ring = None

    async def revoke(self, kid: str) -> bool:
        """Take a key away at once: nobody verifies with it any more. One that signs is replaced. Whether it was there.

        Raises StoreUnavailable when others keep changing it.
        """
        for _ in range(_ATTEMPTS):
            record = next((record for record in await self._store.list() if record.kid == kid), None)
            if record is None:
                return False
            if record.state is KeyState.ACTIVE and record.algorithm in self._algorithms:
                await self._succeed(record.algorithm)
            elif await self._store.replace([(record, _entered(record, KeyState.GONE, self._clock()))]):
                self._ring = None
                return True
        raise StoreUnavailable("the key was changed again and again while it was revoked")

    async def _succeed(self, algorithm: str) -> None:
        """A new key signs with `algorithm` from now on, and the one that did retires."""
        fresh = await self._generate(algorithm)
        now = self._clock()
        records = await self._store.list()
        if not await self._store.add(self._record(fresh, KeyState.PENDING, now)):
            return
        pending = next(record for record in await self._store.list() if record.kid == fresh.kid)
        retired = [
            (record, _entered(record, KeyState.RETIRING, now))
            for record in records
            if record.algorithm == algorithm and record.state is KeyState.ACTIVE
        ]
        await self._store.replace([*retired, (pending, _entered(pending, KeyState.ACTIVE, now))])

    async def maintain(self) -> None:
        """Do what is due: announce a successor, let it sign, drop what is no longer needed. Safe in every worker."""
        now = self._clock()
        for changes in due_changes(await self._store.list(), self._life, now):
            await self._store.replace(changes)
        for algorithm in due_successors(await self._store.list(), self._algorithms, self._life, now):
            await self._store.add(self._record(await self._generate(algorithm), KeyState.PENDING, now))
        self._ring = None

    async def _read(self) -> KeyRing:
        records = await self._store.list()
        for algorithm in self._algorithms:
            if not any(
                record.algorithm == algorithm and record.state is KeyState.ACTIVE for record in records
            ):
                # Whoever adds first wins; the others read that one.
                await self._store.add(
                    self._record(await self._generate(algorithm), KeyState.ACTIVE, self._clock())
                )
        records = await self._store.list()
        keys = {record.kid: self._open(record) for record in records if record.state in PUBLISHED}
        active = {record.algorithm: keys[record.kid] for record in records if record.state is KeyState.ACTIVE}
        return KeyRing(
            read_at=self._clock(),
            active=active,
            verification=KeySet.of(*keys.values()),
            jwks={"keys": [dict(key.public_jwk) for key in keys.values()]},
        )

    def _open(self, record: SigningKeyRecord) -> SigningKey:
        # Opening a key is slow; a kid never names another key.
        if record.kid not in self._opened:
            self._opened[record.kid] = SigningKey.unseal(
                record.sealed_private_key, self._seal, kid=record.kid, algorithm=record.algorithm
            )
        return self._opened[record.kid]

    async def _generate(self, algorithm: str) -> SigningKey:
        # An RSA key takes long enough to stall every other request.
        return await asyncio.get_running_loop().run_in_executor(None, SigningKey.generate, algorithm)

    def _record(self, key: SigningKey, state: KeyState, now: datetime) -> SigningKeyRecord:
        return SigningKeyRecord(
            kid=key.kid,
            algorithm=key.algorithm,
            state=state,
            sealed_private_key=key.seal(self._seal),
            public_jwk=key.public_jwk,
            created_at=now,
            changed_at=now,
        )


def _entered(record: SigningKeyRecord, state: KeyState, now: datetime) -> SigningKeyRecord:
    return msgspec.structs.replace(record, state=state, changed_at=now)


def due_changes(
    records: Sequence[SigningKeyRecord], life: KeyLife, now: datetime
) -> list[list[tuple[SigningKeyRecord, SigningKeyRecord]]]:
    """Groups of state changes that are due at `now`; each group is one step of the store."""
    groups = []
    for pending in records:
        if pending.state is KeyState.PENDING and now - pending.changed_at >= life.announce:
            replaced = [
                (record, _entered(record, KeyState.RETIRING, now))
                for record in records
                if record.algorithm == pending.algorithm and record.state is KeyState.ACTIVE
            ]
            groups.append([*replaced, (pending, _entered(pending, KeyState.ACTIVE, now))])
    for retiring in records:
        if retiring.state is KeyState.RETIRING and now - retiring.changed_at >= life.retain:
            groups.append([(retiring, _entered(retiring, KeyState.GONE, now))])
    return groups


def due_successors(
    records: Sequence[SigningKeyRecord], algorithms: Sequence[str], life: KeyLife, now: datetime
) -> list[str]:
    """Algorithms whose active key is old enough for a successor to be announced, and has none yet."""
    return [
        record.algorithm
        for record in records
        if record.state is KeyState.ACTIVE
        and record.algorithm in algorithms
        and now - record.changed_at >= life.rotate_after - life.announce
        and not any(
            other.algorithm == record.algorithm and other.state is KeyState.PENDING for other in records
        )
    ]
