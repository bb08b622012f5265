"""Refreshing: once, whoever asks; the session ends only when the provider says so."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from authwright.protocol.http import HttpRequest, HttpResponse, json_response
from authwright.records import RelyingPartySession
from authwright.relying_party.errors import NoAccessToken, ProviderRefused, ResponseRejected, SessionEnded
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.refresh import LEASE
from authwright.relying_party.sessions import SignedIn
from authwright.remote.documents import RemoteFault
from authwright.stores.memory import MemoryRelyingPartySessions
from authwright.stores.protocols import StoreUnavailable
from authwright.stores.sqlite import SqliteDatabase
from tests.relying_party.hostile_provider import Browser, HostileProvider, relying_party, sign_in


async def session(party: RelyingParty, browser: Browser) -> SignedIn:
    found = await party.session(browser.request("GET", "/"))
    assert found is not None
    return found


async def signed_in(provider: HostileProvider, party: RelyingParty) -> tuple[Browser, SignedIn]:
    browser = Browser(party)
    await sign_in(provider, browser)
    provider.requests.clear()
    return browser, await session(party, browser)


async def test_a_fresh_token_is_used_as_it_is(provider: HostileProvider) -> None:
    """No request for a token that lasts."""
    party = relying_party(provider)
    _, held = await signed_in(provider, party)
    assert await party.access_token(held) == held.data.access_token
    assert provider.requests == []


async def test_sixty_four_tasks_make_one_request(provider: HostileProvider) -> None:
    """Single flight: one refresh token is spent once, and all get the token it brought."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    provider.clock.forward(seconds=590)
    provider.delay = 0.01
    tokens = await asyncio.gather(*(party.access_token(held) for _ in range(64)))
    assert provider.asked("/token") == 1
    renewed = await session(party, browser)
    assert set(tokens) == {renewed.data.access_token}
    assert renewed.data.access_token != held.data.access_token
    assert renewed.data.refresh_token != held.data.refresh_token
    # A task with yesterday's view of the session finds the newer token without asking.
    assert await party.access_token(held) == renewed.data.access_token
    assert provider.asked("/token") == 1


async def test_a_short_lived_token_is_used_more_than_once(provider: HostileProvider) -> None:
    """A lifetime shorter than our head start does not mean a request with every use."""
    provider.expires_in = 20
    party = relying_party(provider)
    _, held = await signed_in(provider, party)
    provider.clock.forward(seconds=14)
    await party.access_token(held)
    assert provider.asked("/token") == 0
    provider.clock.forward(seconds=1)
    await party.access_token(held)
    await party.access_token(held)
    assert provider.asked("/token") == 1


async def test_two_processes_make_one_request(provider: HostileProvider) -> None:
    """Two relying parties over one store: the one that loses the compare-and-swap waits and reloads."""
    store = MemoryRelyingPartySessions(provider.clock)
    one, other = relying_party(provider, sessions=store), relying_party(provider, sessions=store)
    browser, held = await signed_in(provider, one)
    provider.clock.forward(seconds=590)
    provider.delay = 0.05
    results = await asyncio.gather(
        *(party.access_token(held) for party in (one, other) for _ in range(8)), return_exceptions=True
    )
    assert provider.asked("/token") == 1
    assert set(results) == {(await session(one, browser)).data.access_token}
    assert len(provider.spent_refresh_tokens) == 1


async def test_two_processes_over_a_database_make_one_request(
    provider: HostileProvider, tmp_path: Path
) -> None:
    """The same over SQLite, each with a connection of its own."""
    one, other = SqliteDatabase(tmp_path / "rp.db"), SqliteDatabase(tmp_path / "rp.db")
    async with one, other:
        parties = [
            relying_party(provider, sessions=database.stores.relying_party_sessions)
            for database in (one, other)
        ]
        browser, held = await signed_in(provider, parties[0])
        provider.clock.forward(seconds=590)
        provider.delay = 0.05
        tokens = await asyncio.gather(*(party.access_token(held) for party in parties for _ in range(8)))
        assert provider.asked("/token") == 1
        assert set(tokens) == {(await session(parties[1], browser)).data.access_token}


async def test_a_process_that_died_while_refreshing_does_not_hold_the_session_for_ever(
    provider: HostileProvider,
) -> None:
    """Its mark on the session has an end."""
    party = relying_party(provider)
    _, held = await signed_in(provider, party)
    until = provider.clock() + LEASE
    marked = await party.sessions.rewrite(held, msgspec.structs.replace(held.data, refreshing_until=until))
    assert marked is not None
    provider.clock.forward(seconds=590)
    assert await party.access_token(held) != held.data.access_token


async def test_invalid_grant_ends_the_session(provider: HostileProvider) -> None:
    """The refresh token is dead: so is the session, for everybody who asks."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    provider.clock.forward(seconds=590)
    provider.refresh_tokens.clear()
    with pytest.raises(SessionEnded):
        await party.refresh(held)
    assert await party.session(browser.request("GET", "/")) is None
    with pytest.raises(SessionEnded):
        await party.refresh(held)
    assert provider.asked("/token") == 1


def unavailable(request: HttpRequest) -> HttpResponse:
    return json_response(503, {"error": "invalid_grant"})


async def test_a_fault_keeps_the_session(provider: HostileProvider) -> None:
    """No network, or a server in trouble, says nothing of the refresh token, whatever error it names."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    provider.clock.forward(seconds=601)
    provider.down.add("/token")
    with pytest.raises(RemoteFault):
        await party.access_token(held)
    provider.down.clear()
    provider.answers["/token"] = unavailable
    with pytest.raises(RemoteFault):
        await party.access_token(held)
    provider.answers["/token"] = lambda request: json_response(401, {"error": "invalid_client"})
    with pytest.raises(ProviderRefused):
        await party.access_token(held)
    del provider.answers["/token"]
    assert await party.access_token(await session(party, browser))


async def test_a_token_that_still_lasts_a_little_bridges_a_fault(provider: HostileProvider) -> None:
    """It was refreshed early: the provider's trouble is not ours while the old one is good."""
    party = relying_party(provider)
    _, held = await signed_in(provider, party)
    provider.clock.forward(seconds=590)
    provider.down.add("/token")
    assert await party.access_token(held) == held.data.access_token


async def test_without_a_refresh_token_an_expired_token_is_the_end_of_it(provider: HostileProvider) -> None:
    """The application has to send the user to sign in again."""
    provider.token_answer = {"refresh_token": None}
    party = relying_party(provider)
    _, held = await signed_in(provider, party)
    provider.clock.forward(seconds=590)
    assert await party.access_token(held) == held.data.access_token
    provider.clock.forward(seconds=11)
    with pytest.raises(NoAccessToken):
        await party.access_token(held)


async def test_a_server_that_sends_no_new_refresh_token_lets_the_old_one_stand(
    provider: HostileProvider,
) -> None:
    """RFC 6749 §6."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    provider.token_answer = {"refresh_token": None}
    await party.refresh(held)
    assert (await session(party, browser)).data.refresh_token == held.data.refresh_token


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sub": "u-mallory"}, "id_token_sub_changed"),
        ({"iss": "https://evil.example"}, "id_token_iss"),
        ({"aud": "other"}, "id_token_aud"),
        ({"nonce": "made up"}, "id_token_nonce"),
        ({"exp": 1}, "id_token_exp"),
    ],
)
async def test_sec_P3_a_refreshed_id_token_of_somebody_else_changes_nothing(
    provider: HostileProvider, changes: dict[str, object], reason: str
) -> None:
    """P3: refreshed token with other sub or iss: reject, session unchanged."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    provider.refreshed_id_token = dict(changes)
    with pytest.raises(ResponseRejected, match=reason):
        await party.refresh(held)
    after = await session(party, browser)
    assert (after.sub, after.data) == (held.sub, held.data)


async def test_sec_P3_a_refreshed_id_token_with_a_bad_signature_changes_nothing(
    provider: HostileProvider,
) -> None:
    """P3: refreshed token with a bad signature: reject, session unchanged."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    mint = provider.mint_id_token
    provider.mint_id_token = lambda *a, **k: mint(*a, **k)[:-8] + "AAAAAAAA"  # type: ignore[method-assign]
    provider.refreshed_id_token = {}
    with pytest.raises(ResponseRejected, match="id_token_signature"):
        await party.refresh(held)
    assert (await session(party, browser)).data == held.data


async def test_a_good_refreshed_id_token_becomes_the_hint(provider: HostileProvider) -> None:
    """The newest ID token is what sign-out will send."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    provider.refreshed_id_token = {}
    await party.refresh(held)
    after = await session(party, browser)
    assert after.data.id_token != held.data.id_token
    assert after.data.nonce == held.data.nonce


async def test_a_store_that_stumbles_does_not_lose_the_new_refresh_token(provider: HostileProvider) -> None:
    """The old one is spent, so writing the new one down is tried again."""
    party = relying_party(provider, sessions=Stumbling(provider.clock))
    browser, held = await signed_in(provider, party)
    renewed = await party.refresh(held)
    assert renewed.data.refresh_token in provider.refresh_tokens
    assert (await session(party, browser)).data == renewed.data


class Stumbling(MemoryRelyingPartySessions):
    """Fails the second `replace`, after having done it: the answer was lost."""

    calls = 0

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        self.calls += 1
        done = await super().replace(before, after)
        if self.calls == 2:
            raise StoreUnavailable
        return done


async def test_a_caller_that_gives_up_does_not_stop_the_refresh(provider: HostileProvider) -> None:
    """The others still wait for it, and the refresh token is spent already."""
    party = relying_party(provider)
    _, held = await signed_in(provider, party)
    provider.clock.forward(seconds=590)
    provider.delay = 0.02
    first = asyncio.create_task(party.access_token(held))
    await asyncio.sleep(0)
    second = asyncio.create_task(party.access_token(held))
    await asyncio.sleep(0.005)
    first.cancel()
    assert await second != held.data.access_token
    assert provider.asked("/token") == 1


async def test_signing_out_while_a_refresh_is_under_way_wins(provider: HostileProvider) -> None:
    """The session does not come back to life with the answer."""
    party = relying_party(provider)
    browser, held = await signed_in(provider, party)
    provider.delay = 0.02
    refresh = asyncio.create_task(party.refresh(held))
    await asyncio.sleep(0.01)
    await party.sessions.end(held)
    with pytest.raises(SessionEnded):
        await refresh
    assert await party.session(browser.request("GET", "/")) is None
