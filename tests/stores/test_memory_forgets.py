"""What has a time limit leaves the memory store by itself, a little with each write."""

from datetime import timedelta

from authwright.records import Session
from authwright.stores.memory import MemoryLimits, MemoryOnce, MemorySessions
from authwright.stores.memory_tickets import MemoryTickets
from authwright.stores.protocols import Rate
from authwright.testing.clock import FrozenClock
from authwright.testing.sample_tickets import CODE, REFRESH, name, new_ticket


async def test_expired_tickets_are_forgotten_as_new_ones_come() -> None:
    """A thousand generations of short tokens never stand side by side; the grants go with them."""
    clock = FrozenClock()
    tickets = MemoryTickets(clock)
    for _ in range(1000):
        token = new_ticket(subject="s", issued_at=clock(), lasts=timedelta(minutes=1))
        await tickets.commit(id=name(), now=clock(), add=[token])
        clock.advance(60)
    assert len(tickets._tickets) < 30
    assert len(tickets._grants) == len(tickets._by_subject["s"]) == len(tickets._changed_by) < 30


async def test_a_spent_code_is_remembered_while_its_grant_lives() -> None:
    """Its reuse days later is still AlreadyConsumed; with the grant it goes."""
    clock = FrozenClock()
    tickets = MemoryTickets(clock)
    code = new_ticket(CODE, issued_at=clock(), lasts=timedelta(minutes=1))
    refresh = new_ticket(REFRESH, grant_id=code.grant_id, issued_at=clock(), lasts=timedelta(days=30))
    await tickets.commit(id=name(), now=clock(), add=[code])
    await tickets.commit(id=name(), now=clock(), consume=code, add=[refresh])
    for _ in range(20):
        clock.advance(timedelta(days=1))
        await tickets.commit(id=name(), now=clock(), add=[new_ticket(issued_at=clock())])
    spent = await tickets.get(CODE, code.digest)
    assert spent is not None
    assert spent.used_at is not None
    for _ in range(20):
        clock.advance(timedelta(days=1))
        await tickets.commit(id=name(), now=clock(), add=[new_ticket(issued_at=clock())])
    assert await tickets.get(CODE, code.digest) is None
    assert await tickets.current(code.grant_id, REFRESH) is None


async def test_claims_limits_and_sessions_are_forgotten_after_their_time() -> None:
    """Each holds what is live and little more."""
    clock = FrozenClock()
    once, limits, sessions = MemoryOnce(clock), MemoryLimits(clock), MemorySessions(clock)
    for _ in range(500):
        assert await once.claim(name(), clock() + timedelta(minutes=1))
        await limits.take(name(), clock(), Rate(burst=1, period=timedelta(minutes=1)))
        await sessions.replace(
            None,
            Session(
                digest=name(),
                session_id=name(),
                subject="s",
                auth_time=clock(),
                created_at=clock(),
                expires_at=clock() + timedelta(minutes=1),
            ),
        )
        clock.advance(60)
    assert len(once._claims) < 10
    assert len(limits._arrivals) < 10
    assert len(sessions._sessions) == len(sessions._digests) < 100
