"""A page of the provider tells us through the browser that a session is over (OpenID Connect Front-Channel Logout 1.0)."""

import pytest

from authwright.protocol.http import PASS, HttpResponse
from authwright.relying_party.audit import AuditEvent, SignedOutByProvider
from authwright.relying_party.errors import Denied
from authwright.relying_party.events import RemoteSignOut
from authwright.relying_party.logout import LogoutPolicy
from tests.relying_party.hostile_provider import (
    ISSUER,
    Browser,
    HostileProvider,
    relying_party,
    sign_in,
)
from tests.relying_party.logout_tokens import is_signed_in

PATH = "/auth/frontchannel-logout"


@pytest.fixture
async def browser(provider: HostileProvider) -> Browser:
    browser = Browser(relying_party(provider, logout=LogoutPolicy(frontchannel=True)))
    await sign_in(provider, browser)
    provider.requests.clear()
    return browser


async def frame(browser: Browser, query: str) -> HttpResponse:
    """What a frame in the provider's page loads: without our cookie, which browsers keep from it."""
    return await Browser(browser.party).get(
        PATH + query, sec_fetch_dest="iframe", sec_fetch_site="cross-site"
    )


async def test_rp_K11_it_is_off_unless_it_is_asked_for(provider: HostileProvider) -> None:
    """K11: opt-in, because a browser's word needs third-party cookies elsewhere and tempts to take less than both."""
    party = relying_party(provider)
    assert await party.handle(Browser(party).request("GET", PATH + f"?iss={ISSUER}&sid=s")) is PASS


async def test_rp_K14_the_named_session_ends(provider: HostileProvider, browser: Browser) -> None:
    """K14: 200, empty, allowed in a frame; no token is revoked (sec L4), and no cookie is needed."""
    answer = await frame(browser, f"?iss={ISSUER}&sid=op-session")
    assert answer.status == 200
    assert answer.headers.get("cache-control") == "no-store"
    assert answer.headers.get("x-frame-options") is None
    assert "frame-ancestors" not in (answer.headers.get("content-security-policy") or "")
    assert not await is_signed_in(browser)
    assert provider.requests == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("?sid=op-session", "iss_or_sid_missing"),
        (f"?iss={ISSUER}", "iss_or_sid_missing"),
        (f"?iss={ISSUER}&sid=", "iss_or_sid_missing"),
        ("?iss=https://evil.example&sid=op-session", "iss_mismatch"),
        (f"?iss={ISSUER}/&sid=op-session", "iss_mismatch"),
        (f"?iss={ISSUER}&sid=another", "sid_unknown"),
        (f"?iss={ISSUER}&sid=op-session&sid=op-session", "logout_request_malformed"),
    ],
)
async def test_rp_K12_anything_less_is_ignored(
    browser: Browser, caplog: pytest.LogCaptureFixture, query: str, reason: str
) -> None:
    """K12, K13, sec L4: iss and sid must both be there and equal; else ignored, and the log says why (N2)."""
    answer = await frame(browser, query)
    assert answer.status == (400 if reason == "logout_request_malformed" else 200)
    assert await is_signed_in(browser)
    ignored = [r for r in caplog.records if getattr(r, "event", "") == "rp.remote_sign_out_ignored"]
    assert [(vars(r)["reason"], vars(r)["channel"]) for r in ignored] == [(reason, "front")]


@pytest.mark.parametrize(
    "query", ["?sid=op-session", f"?iss={ISSUER}", "?iss=https://evil.example&sid=op-session"]
)
async def test_sec_L4_a_frame_without_iss_and_sid_ends_nothing(
    provider: HostileProvider, browser: Browser, query: str
) -> None:
    """L4: ignored; and no frame ever revokes a token, not even one that names its session rightly."""
    await frame(browser, query)
    assert await is_signed_in(browser)
    await frame(browser, f"?iss={ISSUER}&sid=op-session")
    assert not await is_signed_in(browser)
    assert provider.asked("/revoke") == 0


async def test_the_audit_hears_of_the_front_channel(provider: HostileProvider) -> None:
    """logout.remote, with the channel; and nothing of a frame that was ignored."""
    told: list[AuditEvent] = []
    party = relying_party(provider, logout=LogoutPolicy(frontchannel=True), audit=told.append)
    browser = Browser(party)
    await sign_in(provider, browser)
    await frame(browser, "?sid=op-session")
    await frame(browser, f"?iss={ISSUER}&sid=op-session")
    (event,) = [event for event in told if isinstance(event, SignedOutByProvider)]
    assert (event.name, event.channel, event.session_id) == ("logout.remote", "front", "op-session")


async def test_rp_K13_a_session_without_a_sid_is_not_ended_through_the_browser(
    provider: HostileProvider,
) -> None:
    """K13: the reference signs out unconditionally there; here nothing names the session, so nothing ends it."""
    browser = Browser(relying_party(provider, logout=LogoutPolicy(frontchannel=True)))
    provider.id_token = {"sid": None}
    await sign_in(provider, browser)
    for query in ("?", f"?iss={ISSUER}", f"?iss={ISSUER}&sid=", f"?iss={ISSUER}&sid=None"):
        await browser.party.handle(browser.request("GET", PATH + query))
    assert await is_signed_in(browser)


async def test_rp_K11_the_event_comes_first_and_always(browser: Browser) -> None:
    """K11, L13: before anything is compared, also without a message, which is the application's to answer."""
    seen: list[RemoteSignOut] = []

    @browser.party.on(RemoteSignOut)
    def told(context: RemoteSignOut) -> HttpResponse | None:
        seen.append(context)
        if len(seen) == 3:
            raise Denied("not_now")
        return HttpResponse(299) if len(seen) == 2 else None

    assert await browser.party.handle(browser.request("GET", PATH)) is PASS
    assert (await frame(browser, f"?iss={ISSUER}&sid=op-session")).status == 299
    assert (await frame(browser, f"?iss={ISSUER}&sid=op-session")).status == 403
    assert await is_signed_in(browser)
    assert [context.channel for context in seen] == ["front"] * 3
    assert seen[0].notice is None
    assert seen[1].notice is not None
    assert (seen[1].notice.iss, seen[1].notice.sid) == (ISSUER, "op-session")


async def test_rp_K11_a_form_is_read_as_well(browser: Browser) -> None:
    """K11: GET query or POST form."""
    answer = await Browser(browser.party).post(PATH, f"iss={ISSUER}&sid=op-session".encode())
    assert answer.status == 200
    assert not await is_signed_in(browser)
