"""The contract every store passes, as a test class: subclass it and give it a `stores` fixture.

    class TestMyStores(StoreContract):
        @pytest.fixture
        async def stores(self):
            async with MyDatabase() as db:
                yield db.stores

Tests are `async def`, so pytest needs anyio's plugin (`anyio_mode = "auto"`) or pytest-asyncio's auto mode. Each test
wants stores that hold nothing of its own names; names are random, so a database may be used again. Where one database
can be opened several times, `handles` answers all of them, and the races run across them.
"""

from datetime import timedelta

import msgspec

from authwright.stores.protocols import AlreadyConsumed, Change, Committed, Conflict, Revoked, Stores
from authwright.testing.sample_tickets import ACCESS, CODE, REFRESH, added, moment, name, new_ticket
from authwright.testing.store_lineage import LineageContract
from authwright.testing.store_races import StoreRaces
from authwright.testing.store_records import RecordContract
from authwright.ticket import (
    BackchannelBinding,
    Binding,
    CodeBinding,
    Decision,
    DeviceBinding,
    Polling,
    UserCodeBinding,
)

__all__ = ["LineageContract", "RecordContract", "StoreContract", "StoreRaces", "TicketContract"]


class TicketContract:
    """What each verb of a `TicketStore` answers."""

    async def test_every_binding_comes_back(self, stores: Stores) -> None:
        """What says how a code may be spent survives, whichever it is, and through a change."""
        polled = Polling(Decision.APPROVED, 10, moment())
        bindings: tuple[Binding, ...] = (
            CodeBinding(redirect_uri="https://c.example/cb", failures=3),
            DeviceBinding(polled, "g"),
            UserCodeBinding("d"),
            BackchannelBinding(polling=polled, delivery="ping", binding_message="ä", sealed="s"),
        )
        for binding in bindings:
            stored = msgspec.structs.replace(new_ticket(CODE), binding=binding)
            await added(stores, stored)
            assert await stores.tickets.get(CODE, stored.digest) == stored
            after = msgspec.structs.replace(stored, binding=UserCodeBinding("other"))
            commit = stores.tickets.commit(id=name(), now=moment(), replace=(Change(stored, after),))
            assert await commit == Committed()
            changed = await stores.tickets.get(CODE, stored.digest)
            assert changed is not None
            assert changed.binding == UserCodeBinding("other")

    async def test_a_ticket_comes_back_as_it_was_stored(self, stores: Stores) -> None:
        """All members survive, times to the microsecond; the kind is part of the key."""
        code = msgspec.structs.replace(
            new_ticket(CODE, subject="s", session_id="sid"),
            binding=CodeBinding(redirect_uri="https://c.example/cb", code_challenge="x" * 43),
            parent="p",
        )
        eternal = new_ticket(REFRESH, grant_id=code.grant_id, lasts=None)
        await added(stores, code, eternal)
        assert await stores.tickets.get(CODE, code.digest) == code
        assert await stores.tickets.get(REFRESH, eternal.digest) == eternal
        assert await stores.tickets.get(ACCESS, code.digest) is None

    async def test_what_belongs_to_one_request_is_not_stored(self, stores: Stores) -> None:
        """`carry`, `redeems` and `rewrites` are left out."""
        plain = new_ticket()
        ticket = msgspec.structs.replace(plain.ticket, carry={"x": object()}, redeems=plain)
        await added(stores, msgspec.structs.replace(plain, ticket=ticket))
        assert await stores.tickets.get(ACCESS, plain.digest) == plain

    async def test_a_spent_code_is_answered_with_who_spent_it(self, stores: Stores) -> None:
        """A second attempt with another id is AlreadyConsumed and stores nothing."""
        code = new_ticket(CODE)
        await added(stores, code)
        now = moment()
        token, other = new_ticket(grant_id=code.grant_id), new_ticket(grant_id=code.grant_id)
        assert await stores.tickets.commit(id="first", now=now, consume=code, add=[token]) == Committed()
        answer = await stores.tickets.commit(id="second", now=moment(), consume=code, add=[other])
        assert isinstance(answer, AlreadyConsumed)
        assert answer.stored == msgspec.structs.replace(code, used_at=now, used_by="first")
        assert await stores.tickets.get(CODE, code.digest) == answer.stored
        assert await stores.tickets.get(ACCESS, token.digest) == token
        assert await stores.tickets.get(ACCESS, other.digest) is None

    async def test_a_commit_repeated_after_a_lost_answer_is_without_effect(self, stores: Stores) -> None:
        """The very same call again is Committed: consume, replace and add, each alone and all together."""
        code, record, lone = new_ticket(CODE), new_ticket(REFRESH), new_ticket(REFRESH)
        await added(stores, code, record, lone)
        token, single = new_ticket(grant_id=code.grant_id), new_ticket()
        change = Change(record, msgspec.structs.replace(record, origin_grant="changed"))
        alone = Change(lone, msgspec.structs.replace(lone, origin_grant="changed"))
        id, now = name(), moment()
        for _ in range(3):
            answer = await stores.tickets.commit(
                id=id, now=now, consume=code, replace=[change], add=[token], live=[code.grant_id]
            )
            assert answer == Committed()
            assert await stores.tickets.commit(id=id + "a", now=now, add=[single]) == Committed()
            assert await stores.tickets.commit(id=id + "r", now=now, replace=[alone]) == Committed()
        for before in (record, lone):
            changed = await stores.tickets.get(REFRESH, before.digest)
            assert changed is not None
            assert changed.version == 1
        assert len(await stores.tickets.grants(client_id="client")) >= 1
        assert await stores.tickets.commit(id="other", now=now, add=[single]) == Conflict()

    async def test_a_refused_commit_writes_nothing(self, stores: Stores) -> None:
        """A change that conflicts takes consumption and additions with it; so does a key that is taken."""
        code, record, taken = new_ticket(CODE), new_ticket(REFRESH), new_ticket()
        await added(stores, code, record, taken)
        stale = msgspec.structs.replace(record, version=7)
        token = new_ticket(grant_id=code.grant_id)
        answer = await stores.tickets.commit(
            id=name(), now=moment(), consume=code, replace=[Change(stale, stale)], add=[token]
        )
        assert answer == Conflict()
        answer = await stores.tickets.commit(id=name(), now=moment(), consume=code, add=[token, taken])
        assert answer == Conflict()
        assert await stores.tickets.get(CODE, code.digest) == code
        assert await stores.tickets.get(ACCESS, token.digest) is None
        unknown = new_ticket(CODE)
        assert await stores.tickets.commit(id=name(), now=moment(), consume=unknown) == Conflict()

    async def test_a_change_keeps_what_only_a_consumption_sets(self, stores: Stores) -> None:
        """The version goes up by one, whatever `after` says; a spent ticket stays spent."""
        refresh = new_ticket(REFRESH)
        await added(stores, refresh)
        after = msgspec.structs.replace(refresh, origin_grant="changed", version=40, used_by="nobody")
        assert (
            await stores.tickets.commit(id=name(), now=moment(), replace=[Change(refresh, after)])
            == Committed()
        )
        changed = await stores.tickets.get(REFRESH, refresh.digest)
        assert changed == msgspec.structs.replace(refresh, origin_grant="changed", version=1)
        assert await stores.tickets.commit(id=name(), now=moment(), consume=refresh) == Conflict()
        assert await stores.tickets.commit(id=name(), now=moment(), consume=changed) == Committed()
        answer = await stores.tickets.commit(id=name(), now=moment(), replace=[Change(changed, refresh)])
        assert answer == Conflict()

    async def test_current_is_the_unspent_ticket_of_the_grant(self, stores: Stores) -> None:
        """After a rotation it is the successor."""
        first = new_ticket(REFRESH)
        second = new_ticket(REFRESH, grant_id=first.grant_id)
        await added(stores, first, new_ticket(grant_id=first.grant_id))
        assert await stores.tickets.current(first.grant_id, REFRESH) == first
        await stores.tickets.commit(id=name(), now=moment(), consume=first, add=[second])
        assert await stores.tickets.current(first.grant_id, REFRESH) == second
        assert await stores.tickets.current(name(), REFRESH) is None

    async def test_revocation_is_of_the_grant(self, stores: Stores) -> None:
        """All its tickets are gone from get and current; commits that touch it are Revoked; others are untouched."""
        code, other = new_ticket(CODE), new_ticket()
        refresh = new_ticket(REFRESH, grant_id=code.grant_id)
        await added(stores, code, refresh, other)
        assert await stores.tickets.revoke(now=moment(), grant_id=code.grant_id) == 1
        assert await stores.tickets.revoke(now=moment(), grant_id=code.grant_id) == 0
        assert await stores.tickets.revoke(now=moment(), grant_id=name()) == 0
        assert await stores.tickets.get(CODE, code.digest) is None
        assert await stores.tickets.current(code.grant_id, REFRESH) is None
        commit = stores.tickets.commit
        assert await commit(id=name(), now=moment(), consume=code) == Revoked()
        assert await commit(id=name(), now=moment(), replace=[Change(refresh, refresh)]) == Revoked()
        assert await commit(id=name(), now=moment(), add=[new_ticket(grant_id=code.grant_id)]) == Revoked()
        assert await commit(id=name(), now=moment(), add=[new_ticket()], live=[code.grant_id]) == Revoked()
        assert await stores.tickets.get(ACCESS, other.digest) == other
        assert await commit(id=name(), now=moment(), add=[new_ticket()], live=[other.grant_id]) == Committed()

    async def test_grants_are_found_and_revoked_by_session_subject_and_client(self, stores: Stores) -> None:
        """Conditions narrow each other; without one there is no answer."""
        subject, session, client = name("subject"), name("session"), name("client")
        mine = new_ticket(subject=subject, session_id=session, client_id=client)
        elsewhere = new_ticket(subject=subject, client_id=name("client"))
        machine = new_ticket(client_id=client)
        expired = new_ticket(subject=subject, issued_at=moment() - timedelta(hours=2))
        await added(stores, mine, elsewhere, machine, expired)

        async def ids(**conditions: str) -> set[str]:
            return {grant.grant_id for grant in await stores.tickets.grants(**conditions)}

        assert await ids(subject=subject) == {mine.grant_id, elsewhere.grant_id}
        assert await ids(client_id=client) == {mine.grant_id, machine.grant_id}
        assert await ids(subject=subject, client_id=client) == {mine.grant_id}
        (summary,) = await stores.tickets.grants(subject=subject, client_id=client)
        assert (summary.scopes, summary.session_id) == (("openid", "email"), session)
        assert (summary.issued_at, summary.expires_at) == (mine.issued_at, mine.expires_at)
        revoke = stores.tickets.revoke
        assert await revoke(now=moment(), session_id=session, client_id=name()) == 0
        assert await revoke(now=moment(), session_id=session) == 1
        assert await revoke(now=moment(), client_id=client) == 1
        assert await revoke(now=moment(), subject=subject) == 1
        assert await ids(subject=subject) == set()
        for refused in (revoke(now=moment()), stores.tickets.grants()):
            try:
                await refused
            except ValueError:
                continue
            raise AssertionError("a condition is needed")

    async def test_purge_keeps_what_a_live_grant_still_needs(self, stores: Stores) -> None:
        """Expired unspent tickets go; a spent one stays until its whole grant has expired."""
        start = moment() - timedelta(hours=3)
        code = new_ticket(CODE, issued_at=start, lasts=timedelta(minutes=1))
        stale = new_ticket(grant_id=code.grant_id, issued_at=start, lasts=timedelta(minutes=1))
        refresh = new_ticket(REFRESH, grant_id=code.grant_id, lasts=timedelta(hours=1))
        await stores.tickets.commit(id=name(), now=start, add=[code])
        await stores.tickets.commit(id=name(), now=start, consume=code, add=[stale, refresh])
        await stores.tickets.purge(moment())
        assert await stores.tickets.get(ACCESS, stale.digest) is None
        spent = await stores.tickets.get(CODE, code.digest)
        assert spent is not None
        assert spent.used_at == start
        assert await stores.tickets.get(REFRESH, refresh.digest) == refresh
        assert await stores.tickets.purge(moment() + timedelta(hours=2)) >= 1
        assert await stores.tickets.get(CODE, code.digest) is None
        assert await stores.tickets.get(REFRESH, refresh.digest) is None

    async def test_a_revocation_is_remembered_across_a_purge(self, stores: Stores) -> None:
        """A commit that read the grant before meets the revocation, though all is expired and purged."""
        token = new_ticket(issued_at=moment() - timedelta(hours=1, seconds=1))
        await added(stores, token)
        await stores.tickets.revoke(now=moment(), grant_id=token.grant_id)
        await stores.tickets.purge(moment())
        answer = await stores.tickets.commit(
            id=name(), now=moment(), add=[new_ticket()], live=[token.grant_id]
        )
        assert answer == Revoked()


class StoreContract(TicketContract, LineageContract, StoreRaces, RecordContract):
    """All of it: subclass this one."""
