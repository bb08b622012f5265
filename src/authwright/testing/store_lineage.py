"""What was made from a grant ends with it: the lineage part of the store contract."""

import asyncio
from datetime import timedelta

from authwright.stores.protocols import Committed, Revoked, Stores
from authwright.testing.sample_tickets import ACCESS, REFRESH, added, moment, name, new_ticket
from authwright.ticket import StoredTicket, derived_grant_id


def made_from(parent: StoredTicket, **members: object) -> StoredTicket:
    """A ticket of a grant that was made from that of `parent`."""
    return new_ticket(grant_id=derived_grant_id(parent.grant_id, name("made")), **members)  # type: ignore[arg-type]


class LineageContract:
    """A grant's id says what it was made from (`ticket.derived_grant_id`); a revocation follows it downwards."""

    async def test_what_was_made_from_a_grant_is_revoked_with_it(self, stores: Stores) -> None:
        """Whoever it was issued to, and what was made from that too; all of them are counted."""
        parent = new_ticket(REFRESH, subject=name("user"))
        child = made_from(parent, client_id="another")
        grandchild = made_from(child, client_id="third")
        bystander = new_ticket(grant_id=parent.grant_id + "-not-made-from-it")
        await added(stores, parent, bystander)
        await added(stores, child)
        await added(stores, grandchild)
        assert await stores.tickets.revoke(now=moment(), grant_id=parent.grant_id) == 3
        for gone in (parent, child, grandchild):
            assert await stores.tickets.get(gone.kind, gone.digest) is None
        assert await stores.tickets.get(ACCESS, bystander.digest) == bystander
        assert await stores.tickets.revoke(now=moment(), grant_id=parent.grant_id) == 0

    async def test_a_revocation_does_not_follow_it_upwards(self, stores: Stores) -> None:
        """Neither the parent nor a sibling is touched."""
        parent = new_ticket(REFRESH)
        child, sibling = made_from(parent), made_from(parent)
        await added(stores, parent, child, sibling)
        assert await stores.tickets.revoke(now=moment(), grant_id=child.grant_id) == 1
        assert await stores.tickets.get(REFRESH, parent.digest) == parent
        assert await stores.tickets.get(ACCESS, sibling.digest) == sibling
        assert await stores.tickets.get(ACCESS, child.digest) is None

    async def test_every_condition_takes_along_what_was_made(self, stores: Stores) -> None:
        """By session, by subject, and by the client of the parent, which is not the child's."""
        for condition in ("session_id", "subject", "client_id"):
            value = name(condition)
            parent = new_ticket(REFRESH, **{condition: value})  # type: ignore[arg-type]
            child = made_from(parent, client_id="another")
            await added(stores, parent, child)
            assert await stores.tickets.revoke(now=moment(), **{condition: value}) == 2
            assert await stores.tickets.get(ACCESS, child.digest) is None, condition

    async def test_a_grant_that_is_purged_still_names_what_was_made_from_it(self, stores: Stores) -> None:
        """The parent may end first; revoking it by its id reaches the rest."""
        parent = new_ticket(issued_at=moment() - timedelta(hours=3), lasts=timedelta(minutes=1))
        child = made_from(parent)
        grandchild = made_from(made_from(child))
        await added(stores, parent)
        await added(stores, child, grandchild)
        await stores.tickets.purge(moment())
        assert await stores.tickets.get(ACCESS, parent.digest) is None
        assert await stores.tickets.revoke(now=moment(), grant_id=parent.grant_id) == 2
        assert await stores.tickets.get(ACCESS, grandchild.digest) is None

    async def test_a_condition_that_is_not_met_takes_nothing_along(self, stores: Stores) -> None:
        """Who may end its own grants only ends nothing of another's by knowing its id, purged or not."""
        for lasts in (timedelta(hours=9), timedelta(minutes=1)):
            parent = new_ticket(issued_at=moment() - timedelta(hours=3), lasts=lasts, subject=name("user"))
            child = made_from(parent, subject=parent.ticket.subject)
            await added(stores, parent)
            await added(stores, child)
            await stores.tickets.purge(moment())
            grant_id = parent.grant_id
            assert await stores.tickets.revoke(now=moment(), grant_id=grant_id, subject=name("other")) == 0
            assert await stores.tickets.revoke(now=moment(), grant_id=grant_id, client_id=name("other")) == 0
            assert await stores.tickets.get(ACCESS, child.digest) == child

    async def test_a_revocation_meets_what_is_made_at_that_moment(self, stores: Stores) -> None:
        """A commit that relies on the parent (`live`) is refused, or what it made is revoked: nothing slips between."""
        for _ in range(5):
            parent = new_ticket(REFRESH)
            await added(stores, parent)
            children = [made_from(parent) for _ in range(8)]
            *answers, ended = await asyncio.gather(
                *(
                    stores.tickets.commit(id=child.digest, now=moment(), add=[child], live=[parent.grant_id])
                    for child in children
                ),
                stores.tickets.revoke(now=moment(), grant_id=parent.grant_id),
            )
            assert ended == 1 + sum(answer == Committed() for answer in answers)
            assert all(answer in (Committed(), Revoked()) for answer in answers)
            for child in children:
                assert await stores.tickets.get(ACCESS, child.digest) is None
