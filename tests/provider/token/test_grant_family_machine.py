"""A grant from its code to its last token, under every order of things, against a model that fits on a page.

Issue, redeem, refresh, exchange, revoke, log out, expire, crash: whatever happens, what the provider says of a token is
what the model says of it. The model knows no digests, no records and no store; a grant there is four lists and a mark.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from authwright.protocol.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import HttpResponse
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores, StoreUnavailable
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CALLBACK, CLIENTS, SECRET, Installation, install

EXCHANGING = (
    client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token", TOKEN_EXCHANGE],
        scope="openid profile offline_access read",
    ),
    *(item for item in CLIENTS if item.client.client_id != "web"),
)
CODE, ACCESS, REFRESH = timedelta(seconds=60), timedelta(minutes=10), timedelta(days=30)
SESSIONS = ("sid-1", "sid-2")
WRONG_VERIFIER = "w" * 43


@dataclass
class Token:
    """A code, an access token or a refresh token of the model."""

    value: str
    until: datetime
    spent: bool = False


@dataclass
class Grant:
    session_id: str
    code: Token
    refresh: list[Token] = field(default_factory=list)
    access: list[Token] = field(default_factory=list)
    exchanged: list[Token] = field(default_factory=list)
    failures: int = 0
    revoked: bool = False

    def active(self, token: Token, now: datetime) -> bool:
        return not self.revoked and not token.spent and now <= token.until


class Failing:
    """Tickets whose next commit fails: before it was written, or after, when only the answer is lost."""

    def __init__(self, tickets: Any) -> None:
        self.tickets = tickets
        self.when = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tickets, name)

    async def commit(self, **what: Any) -> Any:
        when, self.when = self.when, ""
        if when == "before":
            raise StoreUnavailable("gone")
        answer = await self.tickets.commit(**what)
        if when == "after":
            raise StoreUnavailable("gone")
        return answer


class GrantFamily(RuleBasedStateMachine):
    """On the memory store; a crash there is a new provider on what the store holds."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FrozenClock()
        self.grants: list[Grant] = []
        self.op: Installation
        self.run(self.start())

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    async def open_stores(self) -> Stores:
        if not hasattr(self, "stores"):
            self.stores = memory_stores(self.clock)
        return self.stores

    async def start(self) -> None:
        stores = await self.open_stores()
        self.failing = Failing(stores.tickets)
        stores = msgspec.structs.replace(stores, tickets=self.failing)
        self.op = await install(stores, self.clock, clients=EXCHANGING)

    async def stop(self) -> None:
        """Nothing to close."""

    def teardown(self) -> None:
        self.run(self.stop())
        self.runner.close()

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(session_id=st.sampled_from(SESSIONS))
    def issue(self, session_id: str) -> None:
        value = self.run(self.op.code(session_id=session_id))
        self.grants.append(Grant(session_id, Token(value, self.clock() + CODE)))

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), fault=st.sampled_from(["", "", "", "before", "after"]))
    def redeem(self, data: st.DataObject, fault: str) -> None:
        grant = data.draw(st.sampled_from(self.grants))
        alive = grant.active(grant.code, self.clock()) and grant.failures < 10
        self.failing.when = fault if alive else ""
        answer = self.run(self.op.redeem(grant.code.value))
        if grant.code.spent:
            # Reuse by its own client revokes what it gave, however late it comes.
            grant.revoked = True
        self.answered(grant, grant.code, answer, alive, fault)

    @precondition(lambda self: any(grant.refresh for grant in self.grants))
    @rule(data=st.data(), fault=st.sampled_from(["", "", "", "before", "after"]))
    def refresh(self, data: st.DataObject, fault: str) -> None:
        grant = data.draw(st.sampled_from([grant for grant in self.grants if grant.refresh]))
        token = data.draw(st.sampled_from(grant.refresh))
        alive = grant.active(token, self.clock())
        self.failing.when = fault if alive else ""
        answer = self.run(self.op.refresh(token.value))
        if token.spent:
            grant.revoked = True
        self.answered(grant, token, answer, alive, fault)

    def answered(self, grant: Grant, token: Token, answer: HttpResponse, alive: bool, fault: str) -> None:
        if not alive:
            assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
            return
        token.spent = fault != "before"
        if fault:
            assert (answer.status, answer.json()["error"]) == (503, "temporarily_unavailable")
            return
        assert answer.status == 200, answer.body
        members, now = answer.json(), self.clock()
        grant.access.append(Token(members["access_token"], now + ACCESS))
        grant.refresh.append(Token(members["refresh_token"], now + REFRESH))

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), how=st.sampled_from(["verifier", "stranger", "secret"]))
    def redeem_wrongly(self, data: st.DataObject, how: str) -> None:
        grant = data.draw(st.sampled_from(self.grants))
        changes = {
            "verifier": {"code_verifier": WRONG_VERIFIER},
            "stranger": {"client_id": "other"},
            "secret": {"secret": "wrong"},
        }[how]
        alive = grant.active(grant.code, self.clock())
        answer = self.run(self.op.redeem(grant.code.value, **changes))
        assert answer.status in ((401, 429) if how == "secret" else (400,))
        if how == "verifier":
            grant.revoked |= grant.code.spent
            grant.failures += alive

    @precondition(lambda self: any(grant.refresh for grant in self.grants))
    @rule(data=st.data())
    def refresh_as_a_stranger(self, data: st.DataObject) -> None:
        grant = data.draw(st.sampled_from([grant for grant in self.grants if grant.refresh]))
        token = data.draw(st.sampled_from(grant.refresh))
        answer = self.run(self.op.refresh(token.value, client_id="other"))
        assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")

    @precondition(lambda self: any(grant.access for grant in self.grants))
    @rule(data=st.data(), fault=st.sampled_from(["", "", "before", "after"]))
    def exchange(self, data: st.DataObject, fault: str) -> None:
        """From a token that was issued, or from one that an exchange gave."""
        grant = data.draw(st.sampled_from([grant for grant in self.grants if grant.access]))
        token = data.draw(st.sampled_from([*grant.access, *grant.exchanged]))
        alive = grant.active(token, self.clock())
        self.failing.when = fault if alive else ""
        answer = self.run(
            self.op.post(
                "/token",
                grant_type=TOKEN_EXCHANGE,
                subject_token=token.value,
                subject_token_type=ACCESS_TOKEN,
            )
        )
        if not alive:
            assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
        elif fault:
            assert (answer.status, answer.json()["error"]) == (503, "temporarily_unavailable")
        else:
            assert answer.status == 200, answer.body
            # Nothing that is made from a token outlives it.
            until = min(token.until, self.clock() + ACCESS)
            grant.exchanged.append(Token(answer.json()["access_token"], until))

    @precondition(lambda self: any(grant.access for grant in self.grants))
    @rule(data=st.data(), kind=st.sampled_from(["access", "exchanged", "refresh"]))
    def revoke(self, data: st.DataObject, kind: str) -> None:
        """Of one access token that token alone, of a refresh token the grant, with what was made from it."""
        grant = data.draw(st.sampled_from([grant for grant in self.grants if grant.access]))
        of_kind = {
            "access": grant.access,
            "exchanged": grant.exchanged or grant.access,
            "refresh": grant.refresh,
        }[kind]
        token = data.draw(st.sampled_from(of_kind))
        assert self.run(self.op.post("/revoke", token=token.value)).status == 200
        if kind == "refresh":
            grant.revoked = True
        else:
            token.spent = True

    @rule(session_id=st.sampled_from(SESSIONS))
    def log_out_everywhere(self, session_id: str) -> None:
        """What an operator does to a session: its grants end with it."""
        self.run(self.op.stores.tickets.revoke(session_id=session_id, now=self.clock()))
        for grant in self.grants:
            grant.revoked |= grant.session_id == session_id

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 599, 601, 86400, 29 * 86400, 31 * 86400]))
    def expire(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def purge(self) -> None:
        self.run(self.op.stores.tickets.purge(self.clock()))

    @rule()
    def crash(self) -> None:
        self.run(self.stop())
        self.run(self.start())

    # -- what must then be true ----------------------------------------------------------------------------------------

    @invariant()
    def what_is_active_is_what_the_model_says(self) -> None:
        now = self.clock()
        for grant in self.grants:
            for token in (*grant.access, *grant.refresh, *grant.exchanged):
                assert self.run(self.op.is_active(token.value)) == grant.active(token, now)

    @invariant()
    def a_grant_has_one_live_refresh_token_at_most(self) -> None:
        for grant in self.grants:
            assert sum(grant.active(token, self.clock()) for token in grant.refresh) <= 1


class GrantFamilyOnSqlite(GrantFamily):
    """A crash there closes the database, and a new process opens it."""

    async def open_stores(self) -> Stores:
        if not hasattr(self, "directory"):
            self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name) / "authwright.db"
        self.database = SqliteDatabase(path, clock=self.clock)
        await self.database.open()
        return self.database.stores

    async def stop(self) -> None:
        await self.database.close()

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


def run_machine(machine: type[GrantFamily], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_grant_family_on_memory_behaves_like_its_model() -> None:
    """Every order of issue, redeem, refresh, exchange, revoke, log out, expire and crash."""
    run_machine(GrantFamily, 24, 25)


def test_a_grant_family_on_sqlite_behaves_like_its_model() -> None:
    """The same, with a database that is closed and opened again."""
    run_machine(GrantFamilyOnSqlite, 8, 20)
