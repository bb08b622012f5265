"""Valkey, or a Redis that is compatible: sessions of a relying party, limits, and the ids of used proofs (extra `valkey`).

Never the only copy of a grant: codes, tokens and consents stay in a database. What a Valkey forgets costs users a
sign-in, an attacker's counted attempts, or half a minute of proofs; it never makes anything usable twice.
Every verb is one script, so it is atomic on the server.
"""

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

try:
    from valkey.asyncio import BlockingConnectionPool, Valkey
    from valkey.asyncio.retry import Retry
    from valkey.backoff import NoBackoff
    from valkey.exceptions import ConnectionError, ValkeyError
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"Valkey needs the package {_missing.name}; install authwright[valkey]", name=_missing.name
    ) from None

from authwright.clock import Clock, utcnow
from authwright.records import RelyingPartySession
from authwright.stores.memory import MemoryLimits
from authwright.stores.protocols import Rate, StoreUnavailable
from authwright.stores.rows import decode_relying_party_session, encode_record, micros

LINGER = timedelta(hours=1)
"""How long an expired session is kept, so that it is answered as expired and clocks may differ."""
SECONDS = 2.0
"""How long one call may take; a cache that is slower is no help."""
PAUSE = 5.0
"""Seconds for which limits are counted locally after the server did not answer."""
ZERO = timedelta(0)

_LOG = logging.getLogger("authwright.stores")

_KEEP = """
local function keep(from, digest, ends)
  redis.call('PEXPIREAT', KEYS[1], ends)
  for i = from, #KEYS do
    redis.call('SADD', KEYS[i], digest)
    if redis.call('PEXPIRETIME', KEYS[i]) < tonumber(ends) then redis.call('PEXPIREAT', KEYS[i], ends) end
  end
end
"""
_CREATE = (
    _KEEP
    + """
redis.call('HSET', KEYS[1], 'version', '0', 'body', ARGV[1])
keep(2, ARGV[2], ARGV[3])
return 1
"""
)
_REPLACE = (
    _KEEP
    + """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[5], 'body', ARGV[1])
keep(2, ARGV[2], ARGV[3])
return 1
"""
)
_DELETE = """
local removed = redis.call('DEL', KEYS[1])
for i = 2, #KEYS do redis.call('SREM', KEYS[i], ARGV[1]) end
return removed
"""
# The generic cell rate algorithm in microseconds, which a double holds exactly for the next two centuries.
_TAKE = """
local now, period, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local arrival = tonumber(redis.call('GET', KEYS[1]) or '0')
if arrival < now then arrival = now end
local wait = arrival - now - period * (burst - 1)
if wait > 0 then return wait end
arrival = arrival + period
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 60000)
return 0
"""
# The epoch names the server's run and when we first met it: flushed, restarted or failed over, it is another one.
_CLAIM = """
if tonumber(ARGV[2]) <= tonumber(ARGV[1]) then return 1 end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local epoch = redis.call('GET', KEYS[1])
local seen, since
if epoch then seen, since = string.match(epoch, '^(%w+) (%d+)$') end
if seen ~= run then
  since = ARGV[1]
  redis.call('SET', KEYS[1], run .. ' ' .. since)
end
if tonumber(ARGV[2]) < tonumber(since) + tonumber(ARGV[3]) then return -1 end
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2] - ARGV[1] + 1000) then return 1 end
return 0
"""


class ValkeyDatabase:
    """One server and what is kept there. `async with ValkeyDatabase("valkey://localhost:6379/0") as valkey: …`.

    `valkeys://` is TLS, `unix://` a socket. Connections are made when they are needed, so a server that is away does
    not keep an application from starting. `prefix` sets our keys apart from others'. Raises ValueError for a URL that
    is none.
    """

    def __init__(
        self, url: str, *, prefix: str = "authwright:", connections: int = 16, clock: Clock = utcnow
    ) -> None:
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=connections,
                timeout=SECONDS,
                socket_timeout=SECONDS,
                socket_connect_timeout=SECONDS,
                # A connection may have died while nobody used it; every verb may be said twice.
                retry=Retry(NoBackoff(), 1),
                retry_on_error=[ConnectionError],
            )
        except ValueError:
            # The library's own text may hold the URL, and that a password.
            raise ValueError("not a Valkey URL: valkey://host:port/0, valkeys:// or unix://") from None
        self._client: Any = Valkey(connection_pool=pool)
        self._prefix = prefix
        self._clock = clock
        self.relying_party_sessions: ValkeyRelyingPartySessions = ValkeyRelyingPartySessions(self)
        """A `RelyingPartySessionStore`."""
        self.limits: ValkeyLimits = ValkeyLimits(self, clock)
        """A `LimitStore` that counts locally while the server is away."""

    def once(self, window: timedelta) -> "ValkeyOnce":
        """An `OnceStore` for things that are good for `window` at most; see there."""
        return ValkeyOnce(self, window, self._clock)

    async def check(self) -> None:
        """Tell the log what an operator should know: a server that is away, or that forgets what it should keep."""
        try:
            async with self.answering():
                memory = await self._client.info("memory")
        except StoreUnavailable as fault:
            _LOG.warning("valkey.unavailable", extra={"failure": type(fault.__cause__).__name__})
            return
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if policy != "noeviction":
            _LOG.warning("valkey.evicts", extra={"policy": policy})

    async def close(self) -> None:
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def __aenter__(self) -> Self:
        await self.check()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def script(self, text: str) -> Any:
        """A script of ours, called with `keys` and `args`."""
        return self._client.register_script(text)

    @property
    def client(self) -> Any:
        return self._client

    def key(self, kind: str, name: str) -> str:
        return f"{self._prefix}{kind}:{name}"

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """What goes wrong with the server inside becomes StoreUnavailable."""
        try:
            yield
        except (ValkeyError, OSError, TimeoutError) as fault:
            raise StoreUnavailable("valkey") from fault

    def __repr__(self) -> str:
        return "ValkeyDatabase()"


class ValkeyRelyingPartySessions:
    """A `RelyingPartySessionStore`: a hash for each session, and sets that find them by user and by `sid`."""

    def __init__(self, database: ValkeyDatabase) -> None:
        self._db = database
        self._create = database.script(_CREATE)
        self._replace = database.script(_REPLACE)
        self._delete = database.script(_DELETE)

    async def create(self, session: RelyingPartySession) -> None:
        fresh = msgspec.structs.replace(session, version=0)
        async with self._db.answering():
            await self._create(keys=self._keys(fresh), args=self._values(fresh))

    async def load(self, digest: str) -> RelyingPartySession | None:
        async with self._db.answering():
            body = await self._db.client.hget(self._db.key("rp_session", digest), "body")
        return None if body is None else decode_relying_party_session(body)

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        written = msgspec.structs.replace(after, digest=before.digest, version=before.version + 1)
        values = (*self._values(written), str(before.version), str(written.version))
        async with self._db.answering():
            return bool(await self._replace(keys=self._keys(written), args=values))

    async def delete(self, digest: str) -> bool:
        session = await self.load(digest)
        return session is not None and await self._remove(session)

    async def list(
        self, *, issuer: str, session_id: str | None = None, subject: str | None = None
    ) -> Sequence[RelyingPartySession]:
        if session_id is not None:
            index = self._index("sid", issuer, session_id)
        elif subject is not None:
            index = self._index("sub", issuer, subject)
        else:
            raise ValueError("a session_id or a subject is needed")
        async with self._db.answering():
            digests = sorted(digest.decode() for digest in await self._db.client.smembers(index))
            pipeline = self._db.client.pipeline(transaction=False)
            for digest in digests:
                pipeline.hget(self._db.key("rp_session", digest), "body")
            bodies = await pipeline.execute() if digests else []
            gone = [digest for digest, body in zip(digests, bodies, strict=True) if body is None]
            if gone:
                await self._db.client.srem(index, *gone)
        sessions = [decode_relying_party_session(body) for body in bodies if body is not None]
        found = [
            session
            for session in sessions
            if session.issuer == issuer
            and session_id in (None, session.session_id)
            and subject in (None, session.subject)
        ]
        return sorted(found, key=lambda session: (session.created_at, session.digest))

    async def _remove(self, session: RelyingPartySession) -> bool:
        async with self._db.answering():
            return bool(await self._delete(keys=self._keys(session), args=(session.digest,)))

    def _keys(self, session: RelyingPartySession) -> Sequence[str]:
        of_sid = (
            () if session.session_id is None else (self._index("sid", session.issuer, session.session_id),)
        )
        return (
            self._db.key("rp_session", session.digest),
            self._index("sub", session.issuer, session.subject),
            *of_sid,
        )

    def _index(self, kind: str, issuer: str, value: str) -> str:
        text = f"{issuer}\0{value}".encode("utf-8", "surrogatepass")
        return self._db.key(f"rp_{kind}", hashlib.sha256(text).hexdigest())

    def _values(self, session: RelyingPartySession) -> tuple[str, str, str]:
        ends = micros(session.expires_at + LINGER) // 1000
        return encode_record(session), session.digest, str(ends)


class ValkeyLimits:
    """A `LimitStore`. While the server does not answer, each process counts for itself: never without a limit."""

    def __init__(self, database: ValkeyDatabase, clock: Clock) -> None:
        self._db = database
        self._take = database.script(_TAKE)
        self._local = MemoryLimits(clock)
        self._away_until = 0.0

    async def take(self, key: str, now: datetime, rate: Rate) -> timedelta:
        if time.monotonic() >= self._away_until:
            args = (micros(now), rate.period // timedelta(microseconds=1), rate.burst)
            try:
                async with self._db.answering():
                    wait = await self._take(keys=[self._key(key)], args=args)
                return timedelta(microseconds=int(wait))
            except StoreUnavailable as fault:
                self._went_away(fault)
        return await self._local.take(key, now, rate)

    async def clear(self, key: str) -> None:
        await self._local.clear(key)
        if time.monotonic() < self._away_until:
            return
        try:
            async with self._db.answering():
                await self._db.client.delete(self._key(key))
        except StoreUnavailable as fault:
            self._went_away(fault)

    def _key(self, key: str) -> str:
        # Keys hold addresses and user names of any length, which need not be read there.
        return self._db.key("limit", hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())

    def _went_away(self, fault: StoreUnavailable) -> None:
        _LOG.warning("valkey.unavailable", extra={"failure": type(fault.__cause__).__name__})
        self._away_until = time.monotonic() + PAUSE


class ValkeyOnce:
    """An `OnceStore` for what lives for minutes: the ids of DPoP proofs. Not for codes, tokens or assertions.

    A Valkey may forget: it is flushed, restarts without its last second, or a replica takes over. Each of these
    begins another epoch, and whatever could have been claimed before it is refused: everything whose `until` is
    nearer than `window` to the epoch's beginning. So `window` is the longest that `until` can be ahead of the first
    claim. A server that does not answer is StoreUnavailable, never a yes.
    """

    def __init__(self, database: ValkeyDatabase, window: timedelta, clock: Clock) -> None:
        self._db = database
        self._window = str(window // timedelta(milliseconds=1))
        self._clock = clock
        self._claim = database.script(_CLAIM)

    async def claim(self, key: str, until: datetime) -> bool:
        """True once; False also for what may have been claimed before the server forgot."""
        name = self._db.key("once", hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())
        args = (micros(self._clock()) // 1000, micros(until) // 1000, self._window)
        async with self._db.answering():
            return int(await self._claim(keys=[self._db.key("epoch", "once"), name], args=args)) == 1
