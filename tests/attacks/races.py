"""Requests that meet at the token endpoint: one try of each race, and what must hold however they interleave.

Two providers stand on the same data, as two workers do, and requests go to them in turn. Before each verb of the store
a request lets others go first, now and then, so that a read and a write of one do not stand side by side by luck.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec

from authwright.crypto.handles import Handles, random_id
from authwright.crypto.seal import RootKeys
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.http import HttpResponse
from authwright.provider.device_codes import DeviceCodes
from authwright.records import Session
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.stores.postgres import PostgresDatabase
from authwright.stores.protocols import Stores
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from authwright.ticket import TokenKind
from tests.provider.client_authentication.assertions import JWKS, assertion
from tests.provider.client_authentication.assertions import ask as ask_with_assertion
from tests.provider.installation import CALLBACK, SECRET, Installation, install
from tests.provider.sender_constrained.bound_clients import TOKEN
from tests.provider.sender_constrained.bound_clients import ask as ask_with_proof
from tests.provider.sender_constrained.peers import Prover

# Opaque tokens and no ID token: the race is about what is spent, not about signatures.
_OPAQUE: dict[str, Any] = {"access_token_format": "opaque"}
_REFRESHING: dict[str, Any] = {"redirect_uris": [CALLBACK], "scope": "read offline_access", **_OPAQUE}
CLIENTS = (
    client("web", SECRET, **_REFRESHING),
    client("patient", SECRET, refresh_grace=10, **_REFRESHING),
    client("tv", SECRET, grant_types=[DEVICE_CODE], scope="read", **_OPAQUE),
    client("machine", SECRET, grant_types=["client_credentials"], scope="read", **_OPAQUE),
)
SCOPES = ("read", "offline_access")


class LetsOthersGoFirst:
    """A store of which every verb waits some turns of the loop before it begins."""

    def __init__(self, store: object, dice: random.Random) -> None:
        self._store = store
        self._dice = dice

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)

        async def later(*arguments: Any, **named: Any) -> Any:
            for _ in range(self._dice.randrange(3)):
                await asyncio.sleep(0)
            return await verb(*arguments, **named)

        return later


@dataclass(frozen=True, slots=True)
class Workers:
    """Providers over the same data."""

    installations: Sequence[Installation]

    @property
    def first(self) -> Installation:
        return self.installations[0]

    async def meet(
        self, count: int, request: Callable[[Installation], Awaitable[HttpResponse]]
    ) -> list[HttpResponse]:
        """The same request, that often at once, to the workers in turn."""
        turns = [self.installations[number % len(self.installations)] for number in range(count)]
        return await asyncio.gather(*map(request, turns))


async def workers_on(handles: Sequence[Stores], clock: FrozenClock, dice: random.Random) -> Workers:
    """A provider over each of `handles`, which are ways to the same data."""
    slowed = [
        msgspec.structs.replace(
            stores,
            tickets=cast("Any", LetsOthersGoFirst(stores.tickets, dice)),
            once=cast("Any", LetsOthersGoFirst(stores.once, dice)),
        )
        for stores in handles
    ]
    return Workers([await install(stores, clock, clients=CLIENTS) for stores in slowed])


@asynccontextmanager
async def workers(
    kind: str, clock: FrozenClock, dice: random.Random, directory: Path, dsn: Callable[[], str]
) -> AsyncIterator[Workers]:
    """Two workers on the memory store, on one SQLite file opened twice, or on PostgreSQL."""
    async with AsyncExitStack() as stack:
        handles = [memory_stores(clock)] * 2 if kind == "memory" else []
        for _ in range(2 - len(handles)):
            if kind == "sqlite":
                sqlite = await stack.enter_async_context(SqliteDatabase(directory / "races.db", clock=clock))
                handles.append(sqlite.stores)
            else:
                postgres = await stack.enter_async_context(PostgresDatabase(dsn(), clock=clock))
                handles.append(postgres.stores)
        yield await workers_on(handles, clock, dice)


async def codes(workers: Workers, count: int) -> None:
    """T1: one redemption of a code wins; every other is invalid_grant, and revokes what the first one got."""
    code = await workers.first.code("web", scopes=SCOPES)
    answers = await workers.meet(count, lambda op: op.redeem(code))
    winner = one_winner(answers, (400, "invalid_grant"))
    await nothing_is_left(workers, winner, "web")


async def refreshes(workers: Workers, count: int) -> None:
    """T4, without grace: one refresh wins; every other is invalid_grant, and the family ends."""
    token = await refresh_token(workers, "web")
    answers = await workers.meet(count, lambda op: op.refresh(token))
    winner = one_winner(answers, (400, "invalid_grant"))
    await nothing_is_left(workers, winner, "web")


async def refreshes_with_grace(workers: Workers, count: int) -> None:
    """T4, with ten seconds of grace: at most four win, all with the same successor, and that one works."""
    token = await refresh_token(workers, "patient")
    answers = await workers.meet(count, lambda op: op.refresh(token, client_id="patient"))
    won = [answer.json() for answer in answers if answer.status == 200]
    assert 1 <= len(won) <= 4
    assert {outcome(answer) for answer in answers} <= {(200, None), (400, "invalid_grant")}
    successors = {members["refresh_token"] for members in won}
    assert len(successors) == 1
    assert len({members["access_token"] for members in won}) == len(won)
    grants = await workers.first.stores.tickets.get(
        TokenKind.REFRESH_TOKEN, digest_of(TokenKind.REFRESH_TOKEN, token)
    )
    assert grants is not None
    leaf = await workers.first.stores.tickets.current(grants.grant_id, TokenKind.REFRESH_TOKEN)
    assert leaf is not None
    assert leaf.digest == digest_of(TokenKind.REFRESH_TOKEN, successors.pop())
    for members in won:
        assert await workers.first.is_active(members["access_token"], "patient")


async def device_polls(workers: Workers, count: int) -> None:
    """T15: polls that meet the approval, and each other, get one answer with tokens among them all."""
    op = workers.first
    begun = (await op.post("/device_authorization", client_id="tv", scope="read")).json()
    now = op.clock()
    person = Session(
        digest=random_id(), session_id=random_id(), subject="u-alice", auth_time=now, created_at=now,
        expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    devices = DeviceCodes(tickets=op.stores.tickets, handles=HANDLES, settings=op.provider.settings)
    waiting = await devices.find(begun["user_code"], now)
    assert waiting is not None

    async def poll(worker: Installation) -> HttpResponse:
        return await worker.post(
            "/token", client_id="tv", grant_type=DEVICE_CODE, device_code=begun["device_code"]
        )

    meeting, approved = await asyncio.gather(workers.meet(count, poll), devices.approve(waiting, person, now))
    assert approved
    answers = [*meeting, *await workers.meet(count, poll)]
    refused = {"authorization_pending", "slow_down", "invalid_grant"}
    assert sum(answer.status == 200 for answer in answers) == 1
    assert {outcome(answer) for answer in answers} <= {(200, None), *((400, error) for error in refused)}
    # What comes after it was given is a replay, never a matter of waiting.
    assert outcome(await poll(op)) == (400, "invalid_grant")


async def dpop_proofs(workers: Workers, count: int) -> None:
    """D3: one proof serves one request."""
    proof = PROVER.proof("POST", TOKEN, iat=int(workers.first.clock().timestamp()))
    answers = await workers.meet(count, lambda op: ask_with_proof(op, proof))
    one_winner(answers, (400, "invalid_dpop_proof"))


async def assertions(workers: Workers, count: int) -> None:
    """T9: one client assertion serves one request."""
    # A client of its own, since failures of one client are counted, and soon answered with 429.
    signer = client(
        random_id(), jwks=JWKS, grant_types=["client_credentials"], scope="read", **_OPAQUE
    ).client
    await workers.first.stores.clients.put(signer)
    signed = assertion(workers.first, signer.client_id)
    answers = await workers.meet(count, lambda op: ask_with_assertion(op, signed))
    one_winner(answers, (401, "invalid_client"), (429, "slow_down"))


Race: TypeAlias = Callable[[Workers, int], Awaitable[None]]
RACES: dict[str, tuple[Race, int]] = {
    "code": (codes, 64),
    "refresh": (refreshes, 32),
    "refresh_with_grace": (refreshes_with_grace, 32),
    "device": (device_polls, 16),
    "dpop": (dpop_proofs, 32),
    "assertion": (assertions, 32),
}
"""Each with how many requests meet when it is run in full."""

HANDLES = Handles(RootKeys([bytes(range(32))]).derive("handles"))
PROVER = Prover(FrozenClock())


def outcome(answer: HttpResponse) -> tuple[int, str | None]:
    """Status and error code."""
    return answer.status, answer.json().get("error")


def one_winner(answers: Sequence[HttpResponse], *refusals: tuple[int, str]) -> dict[str, Any]:
    """What the only one got who got anything; all others were refused as `refusals` say."""
    won = [answer.json() for answer in answers if answer.status == 200]
    assert len(won) == 1, sorted(map(str, map(outcome, answers)))
    assert {outcome(answer) for answer in answers if answer.status != 200} <= set(refusals)
    members: dict[str, Any] = won[0]
    return members


async def nothing_is_left(workers: Workers, members: dict[str, Any], client_id: str) -> None:
    """None of the tokens is live any more, whoever is asked."""
    for op in workers.installations:
        for name in ("access_token", "refresh_token"):
            assert not await op.is_active(members[name], client_id)


async def refresh_token(workers: Workers, client_id: str) -> str:
    code = await workers.first.code(client_id, scopes=SCOPES)
    return str((await workers.first.redeem(code, client_id=client_id)).json()["refresh_token"])


def digest_of(kind: TokenKind, value: str) -> str:
    return HANDLES.digests(kind, value)[0]
