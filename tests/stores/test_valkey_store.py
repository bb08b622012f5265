"""Valkey: against the contract, and when it forgets, restarts or is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import valkey.asyncio

from authwright.records import RelyingPartySession
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Rate, Stores, StoreUnavailable
from authwright.stores.valkey import ValkeyDatabase
from authwright.testing.sample_tickets import moment, name
from authwright.testing.store_contract import RecordContract
from tests.servers.valkey import ValkeyProcess

pytestmark = pytest.mark.valkey

WINDOW = timedelta(minutes=2)


class TestValkeyStores(RecordContract):
    """Sessions of a relying party, limits and claims over a real server; the other stores are memory's."""

    @pytest.fixture
    async def stores(self, valkey_url: str) -> AsyncIterator[Stores]:
        async with ValkeyDatabase(valkey_url, prefix=name("aw") + ":") as database:
            yield msgspec.structs.replace(
                memory_stores(),
                once=database.once(timedelta(0)),
                limits=database.limits,
                relying_party_sessions=database.relying_party_sessions,
            )


def session(**changes: object) -> RelyingPartySession:
    now = moment()
    plain = RelyingPartySession(
        digest=name("digest"),
        issuer="https://op.example",
        subject=name("subject"),
        session_id=name("sid"),
        sealed="sealed",
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    return msgspec.structs.replace(plain, **changes)


@pytest.fixture
async def database(valkey_url: str) -> AsyncIterator[ValkeyDatabase]:
    async with ValkeyDatabase(valkey_url, prefix=name("aw") + ":") as database:
        yield database


async def test_everything_has_an_end(database: ValkeyDatabase) -> None:
    """No key stays for ever: sessions and what finds them go an hour after their end, limits and claims sooner."""
    held = session()
    await database.relying_party_sessions.create(held)
    longer = session(subject=held.subject, expires_at=held.expires_at + timedelta(days=1))
    await database.relying_party_sessions.create(longer)
    await database.limits.take("k", moment(), Rate(burst=1, period=timedelta(seconds=5)))
    assert await database.once(timedelta(0)).claim("c", moment() + timedelta(minutes=1))
    keys = await database.client.keys(database.key("*", "*"))
    lives = {key.decode().split(":")[1]: await database.client.pttl(key) for key in keys}
    assert lives.pop("epoch") == -1
    assert all(0 < life <= 26 * 3600 * 1000 for life in lives.values())
    assert lives["rp_sub"] > 24 * 3600 * 1000


async def test_what_ended_is_forgotten_by_what_finds_it(database: ValkeyDatabase) -> None:
    """A session that was ended, or expired away, does not stay in the list of its user."""
    store, held = database.relying_party_sessions, session()
    await store.create(held)
    await store.delete(held.digest)
    assert await database.client.keys(database.key("*", "*")) == []
    await store.create(held)
    await database.client.delete(database.key("rp_session", held.digest))
    assert await store.list(issuer=held.issuer, subject=held.subject) == []
    assert await database.client.keys(database.key("rp_sub", "*")) == []


async def test_no_identifier_stands_in_a_key(database: ValkeyDatabase) -> None:
    """Subjects, names and addresses are hashed: keys end up in slow logs and monitors."""
    await database.relying_party_sessions.create(session(subject="alice@example.com", session_id="the-sid"))
    await database.limits.take("login|10.0.0.1|alice", moment(), Rate(burst=1, period=timedelta(seconds=5)))
    assert await database.once(timedelta(0)).claim("dpop|the-jti", moment() + timedelta(minutes=1))
    keys = b" ".join(await database.client.keys(database.key("*", "*")))
    for shown in (b"alice", b"the-sid", b"10.0.0.1", b"the-jti"):
        assert shown not in keys


@pytest.mark.parametrize("how", ["flush", "restart", "epoch lost"])
async def test_what_may_have_been_claimed_before_it_was_forgotten_is_refused(
    valkey_server: ValkeyProcess, how: str
) -> None:
    """The epoch rule: a proof used before the flush is not good again after it; one made well after it is."""
    now = [datetime.now(UTC).replace(microsecond=0)]
    async with ValkeyDatabase(valkey_server.url, clock=lambda: now[0]) as database:
        once = database.once(WINDOW)
        # What is first met when nothing is known may have been used before, too.
        assert not await once.claim("early", now[0] + timedelta(seconds=90))
        now[0] += timedelta(seconds=40)
        used = now[0] + timedelta(seconds=90)
        assert await once.claim("proof", used)
        assert not await once.claim("proof", used)
        if how == "flush":
            await database.client.flushall()
        elif how == "restart":
            valkey_server.stop()
            valkey_server.start()
        else:
            await database.client.delete(database.key("epoch", "once"))
        assert not await once.claim("proof", used)
        now[0] += timedelta(seconds=31)
        assert not await once.claim("proof", used)
        assert await once.claim("another", now[0] + timedelta(seconds=90))
        assert not await once.claim("another", now[0] + timedelta(seconds=90))


async def test_a_restored_snapshot_is_noticed(valkey_server: ValkeyProcess) -> None:
    """The epoch came back with old data, but the server is another run of it: refused all the same."""
    now = datetime.now(UTC)
    async with ValkeyDatabase(valkey_server.url, clock=lambda: now) as database:
        await database.once(WINDOW).claim("k", now + WINDOW)
        epoch = await database.client.get(database.key("epoch", "once"))
        valkey_server.stop()
        valkey_server.start()
        await database.client.set(database.key("epoch", "once"), epoch)
        later = now + timedelta(seconds=60)
        # By the old epoch this one would be good.
        async with ValkeyDatabase(valkey_server.url, clock=lambda: later) as again:
            assert not await again.once(WINDOW).claim("proof", later + timedelta(seconds=90))


async def test_while_it_is_away_claims_and_sessions_are_no_verdict(valkey_server: ValkeyProcess) -> None:
    """StoreUnavailable, never a yes and never "no such session"; back again, it works without a new start."""
    async with ValkeyDatabase(valkey_server.url) as database:
        held = session()
        await database.relying_party_sessions.create(held)
        valkey_server.stop()
        for call in (
            database.once(timedelta(0)).claim("k", moment() + timedelta(minutes=1)),
            database.relying_party_sessions.load(held.digest),
            database.relying_party_sessions.replace(held, held),
            database.relying_party_sessions.create(held),
            database.relying_party_sessions.delete(held.digest),
            database.relying_party_sessions.list(issuer=held.issuer, subject=held.subject),
        ):
            with pytest.raises(StoreUnavailable):
                await call
        valkey_server.start()
        await database.relying_party_sessions.create(held)
        assert await database.relying_party_sessions.load(held.digest) == held


async def test_while_it_is_away_limits_are_counted_here(
    valkey_server: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """Never without a limit, and no wait for a dead server with every request."""
    rate, now = Rate(burst=3, period=timedelta(minutes=1)), moment()
    async with ValkeyDatabase(valkey_server.url) as database:
        valkey_server.stop()
        waits = await asyncio.gather(*(database.limits.take("k", now, rate) for _ in range(20)))
        assert waits.count(timedelta(0)) == 3
        await database.limits.clear("k")
        assert await database.limits.take("k", now, rate) == timedelta(0)
    assert {record.message for record in caplog.records} == {"valkey.unavailable"}


async def test_a_server_that_evicts_is_named_to_the_operator(
    valkey_server: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """A claim that was thrown out to make room is a claim that can be made again."""
    async with ValkeyDatabase(valkey_server.url) as database:
        assert caplog.records == []
        await database.client.config_set("maxmemory-policy", "allkeys-lru")
        await database.check()
    assert [record.message for record in caplog.records] == ["valkey.evicts"]


async def test_a_server_that_refuses_writes_is_unavailable(valkey_server: ValkeyProcess) -> None:
    """READONLY and OOM are faults of ours, not answers."""
    async with ValkeyDatabase(valkey_server.url) as database:
        await database.client.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable):
            await database.relying_party_sessions.create(session())
        with pytest.raises(StoreUnavailable):
            await database.once(timedelta(0)).claim("k", moment() + timedelta(minutes=1))


def test_a_url_with_a_password_is_not_shown() -> None:
    """Neither in the representation nor in the complaint."""
    with pytest.raises(ValueError, match="not a Valkey URL") as raised:
        ValkeyDatabase("http://:hush-hush@cache/0")
    assert "hush" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert "hush" not in repr(ValkeyDatabase("valkey://:hush-hush@localhost:1/0"))


async def test_our_keys_stand_apart(valkey_url: str) -> None:
    """Two prefixes on one server do not meet."""
    held = session()
    async with (
        ValkeyDatabase(valkey_url, prefix=name("one") + ":") as one,
        ValkeyDatabase(valkey_url, prefix=name("two") + ":") as two,
    ):
        await one.relying_party_sessions.create(held)
        assert await two.relying_party_sessions.load(held.digest) is None


async def test_the_client_library_is_the_one_that_is_documented(valkey_url: str) -> None:
    """A server of ours answers the plain client too: nothing here needs a module."""
    client = valkey.asyncio.Valkey.from_url(valkey_url)
    try:
        assert await client.ping()
    finally:
        await client.aclose()
