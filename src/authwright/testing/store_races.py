"""What must hold when callers meet: the races of the store contract."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta

import msgspec

from authwright.stores.protocols import AlreadyConsumed, Change, Committed, Conflict, Revoked, Stores
from authwright.testing.sample_tickets import ACCESS, CODE, REFRESH, added, moment, name, new_ticket
from authwright.ticket import CodeBinding


class StoreRaces:
    """What must hold when callers meet. Every case repeats, so that a race has its chance."""

    rounds = 5

    def handles(self, stores: Stores) -> Sequence[Stores]:
        """All the ways to the same data: more than one when the database is opened several times."""
        return [stores]

    def _handle(self, stores: Stores, number: int) -> Stores:
        handles = self.handles(stores)
        return handles[number % len(handles)]

    async def test_64_redemptions_of_one_code_give_one_winner_and_no_error(self, stores: Stores) -> None:
        """One Committed; every other AlreadyConsumed, with what the winner made of it; one token."""
        for _ in range(self.rounds):
            code = new_ticket(CODE)
            await added(stores, code)
            tokens = [new_ticket(grant_id=code.grant_id) for _ in range(64)]
            answers = await asyncio.gather(
                *(
                    self._handle(stores, number).tickets.commit(
                        id=token.digest, now=moment(), consume=code, add=[token]
                    )
                    for number, token in enumerate(tokens)
                )
            )
            winners = [
                token for token, answer in zip(tokens, answers, strict=True) if isinstance(answer, Committed)
            ]
            assert len(winners) == 1
            losers = [answer for answer in answers if isinstance(answer, AlreadyConsumed)]
            assert len(losers) == 63
            assert {loser.stored.used_by for loser in losers} == {winners[0].digest}
            found = [await stores.tickets.get(ACCESS, token.digest) for token in tokens]
            assert [token for token in found if token is not None] == winners

    async def test_of_16_changes_from_one_version_one_wins(self, stores: Stores) -> None:
        """replace ∥ replace: one Committed, the rest Conflict; the version went up by one."""
        for _ in range(self.rounds):
            code = new_ticket(CODE)
            await added(stores, code)
            afters = [
                msgspec.structs.replace(code, binding=CodeBinding(redirect_uri="https://c", failures=number))
                for number in range(16)
            ]
            answers = await asyncio.gather(
                *(
                    self._handle(stores, number).tickets.commit(
                        id=name(), now=moment(), replace=[Change(code, after)]
                    )
                    for number, after in enumerate(afters)
                )
            )
            assert sorted(type(answer).__name__ for answer in answers) == ["Committed"] + ["Conflict"] * 15
            stored = await stores.tickets.get(CODE, code.digest)
            assert stored is not None
            assert stored.version == 1
            assert stored.binding == afters[answers.index(Committed())].binding

    async def test_a_change_that_meets_a_refresh_never_revives_what_was_spent(self, stores: Stores) -> None:
        """replace ∥ consume of one refresh token: one of them wins, the other meets a Conflict."""
        for turn in range(self.rounds * 2):
            refresh = new_ticket(REFRESH)
            await added(stores, refresh)
            successor = new_ticket(REFRESH, grant_id=refresh.grant_id)
            wider = msgspec.structs.replace(refresh, origin_grant="changed")
            spend = self._handle(stores, 0).tickets.commit(
                id=name(), now=moment(), consume=refresh, add=[successor]
            )
            change = self._handle(stores, 1).tickets.commit(
                id=name(), now=moment(), replace=[Change(refresh, wider)]
            )
            if turn % 2:
                changed, spent = await asyncio.gather(change, spend)
            else:
                spent, changed = await asyncio.gather(spend, change)
            assert {spent, changed} == {Committed(), Conflict()}
            stored = await stores.tickets.get(REFRESH, refresh.digest)
            assert stored is not None
            current = await stores.tickets.current(refresh.grant_id, REFRESH)
            assert current is not None
            if spent == Committed():
                assert stored.used_at is not None
                assert current.digest == successor.digest
            else:
                assert stored.used_at is None
                assert current.digest == refresh.digest
                assert await stores.tickets.get(REFRESH, successor.digest) is None

    async def test_no_token_outlives_a_revocation_it_raced(self, stores: Stores) -> None:
        """revoke ∥ commit: whatever the order and the answer, the new token is dead afterwards."""
        for turn in range(self.rounds * 2):
            code = new_ticket(CODE)
            await added(stores, code)
            tokens = [new_ticket(grant_id=code.grant_id) for _ in range(2)]
            calls = [
                self._handle(stores, 0).tickets.commit(id=name(), now=moment(), consume=code, add=tokens[:1]),
                self._handle(stores, 0).tickets.commit(id=name(), now=moment(), add=tokens[1:]),
                self._handle(stores, 1).tickets.revoke(now=moment(), grant_id=code.grant_id),
            ]
            answers = await asyncio.gather(*(calls[::-1] if turn % 2 else calls))
            assert answers.count(1) == 1
            assert all(answer in (1, Committed(), Revoked()) for answer in answers)
            for token in tokens:
                assert await stores.tickets.get(ACCESS, token.digest) is None
            late = new_ticket(grant_id=code.grant_id)
            assert await stores.tickets.commit(id=name(), now=moment(), add=[late]) == Revoked()

    async def test_what_was_made_from_a_grant_does_not_slip_past_the_end_of_its_subject(
        self, stores: Stores
    ) -> None:
        """revoke(subject) ∥ commit of a new grant with the old one in `live`: no token of the subject is left."""
        for turn in range(self.rounds * 2):
            subject = name("subject")
            old = new_ticket(subject=subject)
            await added(stores, old)
            made = [new_ticket(subject=subject) for _ in range(8)]
            calls: list[Awaitable[object]] = [
                self._handle(stores, number).tickets.commit(
                    id=name(), now=moment(), add=[token], live=[old.grant_id]
                )
                for number, token in enumerate(made)
            ]
            calls.insert(
                4 * (turn % 3), self._handle(stores, 1).tickets.revoke(now=moment(), subject=subject)
            )
            await asyncio.gather(*calls)
            for token in made:
                assert await stores.tickets.get(ACCESS, token.digest) is None
            assert await stores.tickets.grants(subject=subject) == []

    async def test_revocations_that_meet_count_a_grant_once(self, stores: Stores) -> None:
        """revoke ∥ revoke: the counts add up to the number of grants."""
        subject = name("subject")
        await added(stores, *(new_ticket(subject=subject) for _ in range(5)))
        counts = await asyncio.gather(
            *(
                self._handle(stores, number).tickets.revoke(now=moment(), subject=subject)
                for number in range(8)
            )
        )
        assert sum(counts) == 5

    async def test_of_32_claims_of_one_key_one_is_true(self, stores: Stores) -> None:
        """claim ∥ claim, of a new key and of one whose time has passed."""
        for turn in range(self.rounds):
            key = name("jti")
            if turn % 2:
                assert await stores.once.claim(key, moment() - timedelta(seconds=5))
            claims = await asyncio.gather(
                *(
                    self._handle(stores, number).once.claim(key, moment() + timedelta(minutes=5))
                    for number in range(32)
                )
            )
            assert sum(claims) == 1

    async def test_a_cancelled_commit_is_whole_or_not_at_all(self, stores: Stores) -> None:
        """Repeating the call after the cancellation is Committed; the code is spent once and the token is there."""
        for turns in range(4):
            code = new_ticket(CODE)
            await added(stores, code)
            token = new_ticket(grant_id=code.grant_id)
            id, now = name(), moment()
            task = asyncio.ensure_future(stores.tickets.commit(id=id, now=now, consume=code, add=[token]))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            again = await stores.tickets.commit(id=id, now=now, consume=code, add=[token])
            assert again == Committed()
            assert await stores.tickets.get(ACCESS, token.digest) == token
            stored = await stores.tickets.get(CODE, code.digest)
            assert stored is not None
            assert (stored.used_by, stored.version) == (id, 0)
