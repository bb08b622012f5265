"""Refreshing when it meets: processes over one store, a thousand users at once, results that come late or get lost."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from authwright.clock import utcnow
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, json_response
from authwright.records import RelyingPartySession
from authwright.relying_party.audit import AuditEvent, SignedOutHere
from authwright.relying_party.errors import SessionEnded
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.refresh import LEASE, RESULT_WINDOW
from authwright.relying_party.sessions import SessionData, SignedIn
from authwright.remote.documents import RemoteFault
from authwright.stores.memory import MemoryRelyingPartySessions
from authwright.stores.protocols import StoreUnavailable
from tests.relying_party.hostile_provider import (
    Browser,
    HostileProvider,
    relying_party,
    sign_in,
)
from tests.relying_party.refresh_child import logging_fetch, opened, party_over, successor
from tests.servers.process import ROOT

RACING_USERS = int(os.environ.get("AUTHWRIGHT_TEST_RACING_USERS", "1000"))
"""1000 is the whole of it."""


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("valkey", marks=pytest.mark.valkey),
    ]
)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that several processes can open."""
    names = {"postgres": "postgres_database", "valkey": "valkey_url"}
    fixture = names.get(request.param)
    return str(tmp_path / "rp.db") if fixture is None else str(request.getfixturevalue(fixture))


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.relying_party.refresh_child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))},
    )


async def test_processes_that_share_a_store_send_each_refresh_token_once(
    store_url: str, tmp_path: Path
) -> None:
    """Three processes, eight tasks in each for each of twenty sessions: twenty requests, and one answer for all."""
    log = tmp_path / "sent"
    log.touch()
    async with opened(store_url) as store:
        party = party_over(store, logging_fetch(log))
        digests = {}
        for number in range(20):
            data = SessionData(
                access_token="old",
                refresh_token=f"rt-{number}",
                refresh_at=utcnow(),
                access_expires_at=utcnow(),
            )
            signed_in, _ = await party.sessions.begin(subject=f"u-{number}", session_id=None, data=data)
            digests[signed_in.record.digest] = f"rt-{number}"
        children = [start(store_url, str(log), "8") for _ in range(3)]
        try:
            for child in children:
                assert child.stdout is not None
                assert child.stdout.readline() == "ready\n"
            for child in children:
                assert child.stdin is not None
                child.stdin.write("".join(f"{digest}\n" for digest in digests) + "\n")
                child.stdin.flush()
            outputs = [child.communicate(timeout=60)[0] for child in children]
        finally:
            for child in children:
                child.kill()
                child.communicate(timeout=10)
        assert Counter(log.read_text().split()) == Counter(digests.values())
        for output in outputs:
            got = json.loads(output)
            assert got == {digest: [successor("at", sent)] * 8 for digest, sent in digests.items()}
        for digest, sent in digests.items():
            kept = await party.sessions.load(digest)
            assert kept is not None
            assert kept.data.refresh_token == successor("rt", sent)


async def test_t_rp_cache_race_no_user_ever_gets_anothers_token() -> None:
    """t_rp_cache_race: 1,000 users × 64 tasks, each through its cookie: its own user, its own token, one request each.

    AUTHWRIGHT_TEST_RACING_USERS is another number of users.
    """
    sent: Counter[str] = Counter()

    async def token_endpoint(request: HttpRequest) -> HttpResponse:
        refresh_token = dict(parse_qsl(request.body.decode()))["refresh_token"]
        sent[refresh_token] += 1
        await asyncio.sleep(0)
        whose = refresh_token.removeprefix("rt-")
        return json_response(
            200,
            {
                "access_token": f"at-{whose}",
                "refresh_token": f"next-{whose}",
                "token_type": "Bearer",
                "expires_in": 600,
            },
        )

    party = party_over(MemoryRelyingPartySessions(), token_endpoint)
    cookies = {}
    for number in range(RACING_USERS):
        data = SessionData(access_token="old", refresh_token=f"rt-{number}", refresh_at=utcnow())
        _, cookie = await party.sessions.begin(subject=f"u-{number}", session_id=None, data=data)
        cookies[number] = cookie[1].partition(";")[0]

    async def visit(number: int) -> None:
        request = HttpRequest("GET", "/", "", Headers.of({"cookie": cookies[number]}))
        signed_in = await party.session(request)
        assert signed_in is not None
        assert signed_in.sub == f"u-{number}"
        await asyncio.sleep(0)
        assert await party.access_token(signed_in) == f"at-{number}"

    # Tasks of different users alternate, so that they meet.
    await asyncio.gather(*(visit(number) for _ in range(64) for number in cookies))
    assert sent == Counter({f"rt-{number}": 1 for number in cookies})


async def held_by(provider: HostileProvider, party: RelyingParty) -> tuple[Browser, SignedIn]:
    browser = Browser(party)
    await sign_in(provider, browser)
    provider.requests.clear()
    found = await party.session(browser.request("GET", "/"))
    assert found is not None
    return browser, found


async def test_who_comes_late_with_the_old_refresh_token_gets_its_result(provider: HostileProvider) -> None:
    """The shared-result window: also for a token that is due to be refreshed again; whoever has that one gets a newer."""
    store = MemoryRelyingPartySessions(provider.clock)
    one, other = relying_party(provider, sessions=store), relying_party(provider, sessions=store)
    _, held = await held_by(provider, one)
    # It lasts 32 seconds, and is to be refreshed after 24.
    provider.expires_in = 32
    first = await one.refresh(held)
    provider.clock.forward(seconds=29)
    assert (await other.refresh(held)).data == first.data
    assert provider.asked("/token") == 1
    assert (await other.refresh(first)).data.access_token != first.data.access_token
    assert provider.asked("/token") == 2


@pytest.mark.parametrize(("lasts", "after"), [(32, 31), (10, 11)])
async def test_the_window_ends_and_so_does_the_token_in_it(
    provider: HostileProvider, lasts: int, after: int
) -> None:
    """After 30 seconds, or when the access token is over, the refresh token that came with it is used."""
    party = relying_party(provider)
    _, held = await held_by(provider, party)
    provider.expires_in = lasts
    first = await party.refresh(held)
    provider.clock.forward(seconds=after)
    assert (await party.refresh(held)).data.access_token != first.data.access_token
    assert provider.asked("/token") == 2
    assert provider.spent_refresh_tokens == {held.data.refresh_token, first.data.refresh_token}


class Deaf(MemoryRelyingPartySessions):
    """Takes the mark of a refresh, but not its result, until it is told to listen."""

    listens = True
    taken = 0

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        if not self.listens:
            self.taken += 1
            if self.taken > 1:
                raise StoreUnavailable
        return await super().replace(before, after)


async def test_a_result_that_could_not_be_written_is_not_asked_for_again(provider: HostileProvider) -> None:
    """The store was away while the provider answered: the spent refresh token is not sent a second time."""
    store = Deaf(provider.clock)
    party = relying_party(provider, sessions=store)
    browser, held = await held_by(provider, party)
    provider.clock.forward(seconds=590)
    store.listens = False
    with pytest.raises(StoreUnavailable):
        await party.refresh(held)
    store.listens = True
    assert provider.asked("/token") == 1
    token = await party.access_token(held)
    assert provider.asked("/token") == 1
    kept = await party.session(browser.request("GET", "/"))
    assert kept is not None
    assert kept.data.access_token == token
    assert kept.data.refresh_token in provider.refresh_tokens
    # It is written now, and what comes later is a refresh like any other.
    provider.clock.forward(seconds=590)
    assert await party.access_token(kept) != token
    assert provider.asked("/token") == 2


async def test_a_result_is_written_once_where_the_refresh_token_stays_the_same(
    provider: HostileProvider,
) -> None:
    """A provider that does not rotate: the next refresh is one, not the old result again."""
    store = Deaf(provider.clock)
    party = relying_party(provider, sessions=store)
    _, held = await held_by(provider, party)
    provider.token_answer = {"refresh_token": None}
    store.listens = False
    with pytest.raises(StoreUnavailable):
        await party.refresh(held)
    store.listens = True
    written = await party.refresh(held)
    assert provider.asked("/token") == 1
    provider.refresh_tokens.add(str(held.data.refresh_token))
    assert (await party.refresh(written)).data.access_token != written.data.access_token
    assert provider.asked("/token") == 2


async def test_a_result_belongs_to_its_session(provider: HostileProvider) -> None:
    """Two users with one refresh token, which a broken provider might hand out: neither gets the other's tokens."""
    party = relying_party(provider)
    same = SessionData(access_token="old", refresh_token="same")
    alice, _ = await party.sessions.begin(subject="u-alice", session_id=None, data=same)
    bob, _ = await party.sessions.begin(subject="u-bob", session_id=None, data=same)
    party.unwritten.put(alice, SessionData(access_token="alices", refresh_token="next"))
    assert party.unwritten.of(bob) is None
    assert (await party.refresh(alice)).data.access_token == "alices"


async def test_a_result_that_could_not_be_written_does_not_wait_for_ever(provider: HostileProvider) -> None:
    """After the window it is forgotten, and the provider is asked: its verdict counts."""
    store = Deaf(provider.clock)
    party = relying_party(provider, sessions=store)
    _, held = await held_by(provider, party)
    store.listens = False
    with pytest.raises(StoreUnavailable):
        await party.refresh(held)
    store.listens = True
    provider.clock.now += max(LEASE, RESULT_WINDOW)
    with pytest.raises(SessionEnded):
        await party.refresh(held)


async def test_a_dead_refresh_token_is_told_to_the_audit_and_a_network_fault_is_not(
    provider: HostileProvider,
) -> None:
    """invalid_grant ends the session: logout.local with its reason; a fault ends nothing."""
    told: list[AuditEvent] = []
    party = relying_party(provider, audit=told.append)
    _, held = await held_by(provider, party)
    provider.down.add("/token")
    with pytest.raises(RemoteFault):
        await party.refresh(held)
    assert [event for event in told if isinstance(event, SignedOutHere)] == []
    provider.down.clear()
    provider.refresh_tokens.clear()
    with pytest.raises(SessionEnded):
        await party.refresh(held)
    (event,) = [event for event in told if isinstance(event, SignedOutHere)]
    assert (event.subject, event.reason) == ("u-alice", "invalid_grant")
