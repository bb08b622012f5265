"""Signing out: here first, then there, and nowhere else."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.relying_party.events import RedirectToIdentityProviderForSignOut
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    HostileProvider,
    location,
    relying_party,
    sign_in,
)


@pytest.fixture
async def browser(provider: HostileProvider) -> Browser:
    browser = Browser(relying_party(provider))
    await sign_in(provider, browser)
    provider.requests.clear()
    return browser


async def test_sign_out_ends_the_session_here_and_there(provider: HostileProvider, browser: Browser) -> None:
    """Local session gone, refresh token revoked, then the end-session endpoint with hint, client_id and state."""
    held = await browser.party.session(browser.request("GET", "/"))
    assert held is not None
    kept = dict(browser.cookies)
    response = await browser.post("/auth/logout", b"return_to=/bye", origin=BASE)
    sent = location(response)
    query = dict(parse_qsl(urlsplit(sent).query))
    assert sent.startswith("https://op.example/end_session?")
    assert query["id_token_hint"] == held.data.id_token
    assert query["client_id"] == "web"
    assert query["post_logout_redirect_uri"] == BASE + "/auth/logout/callback"
    assert provider.last("/revoke")["token"] == held.data.refresh_token
    assert not browser.signed_in
    browser.cookies = kept
    assert await browser.party.session(browser.request("GET", "/")) is None
    back = await browser.get(f"/auth/logout/callback?state={query['state']}")
    assert location(back) == BASE + "/bye"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://app.example.evil.example"},
        {"origin": "http://app.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_sec_L1_another_site_cannot_sign_the_user_out(
    provider: HostileProvider, browser: Browser, headers: dict[str, str]
) -> None:
    """L1: CSRF logout: refused, and the session stays."""
    response = await browser.post("/auth/logout", b"", **headers)
    assert response.status == 403
    assert await browser.party.session(browser.request("GET", "/")) is not None


async def test_sec_L1_a_link_alone_signs_nobody_out(provider: HostileProvider, browser: Browser) -> None:
    """L1: a GET shows a confirm page; the session stays."""
    response = await browser.get("/auth/logout")
    assert response.status == 200
    assert 'id="logout-confirm"' in response.body.decode()
    assert browser.signed_in
    assert await browser.party.session(browser.request("GET", "/")) is not None


async def test_a_page_that_hides_its_address_can_sign_out(browser: Browser) -> None:
    """Referrer-Policy no-referrer makes `Origin: null`; the browser's Sec-Fetch-Site tells it from a stranger's."""
    response = await browser.post("/auth/logout", b"", origin="null", sec_fetch_site="same-origin")
    assert location(response).startswith("https://op.example/end_session")


async def test_a_plain_client_without_origin_can_sign_out(
    provider: HostileProvider, browser: Browser
) -> None:
    """A form POST with the right cookie but no Origin header is accepted."""
    assert location(await browser.post("/auth/logout")).startswith("https://op.example/end_session")


@pytest.mark.parametrize(
    "state", ["", "?state=", "?state=https://evil.example", "?state=a&state=b", "?state=" + "x" * 5000]
)
async def test_sec_L1_a_signed_out_callback_without_our_state_redirects_nowhere(
    browser: Browser, state: str
) -> None:
    """L1: no open redirect: a missing or foreign state ends on a page of ours."""
    response = await browser.get(f"/auth/logout/callback{state}")
    assert response.status in (200, 400)
    assert response.headers.get("location") is None


async def test_a_sign_out_state_grows_old(provider: HostileProvider, browser: Browser) -> None:
    """An hour, on the server's clock."""
    query = dict(parse_qsl(urlsplit(location(await browser.post("/auth/logout"))).query))
    provider.clock.forward(hours=1)
    assert (await browser.get(f"/auth/logout/callback?state={query['state']}")).status == 200


@pytest.mark.parametrize("trouble", ["no endpoint", "metadata down", "revocation down"])
async def test_the_provider_cannot_keep_a_user_signed_in(
    provider: HostileProvider, browser: Browser, trouble: str
) -> None:
    """Without an end-session endpoint, or without the provider, the local sign-out stands and leads home."""
    if trouble == "no endpoint":
        del provider.metadata["end_session_endpoint"]
    if trouble == "metadata down":
        provider.down.add("/.well-known/openid-configuration")
    if trouble == "revocation down":
        provider.down.add("/revoke")
    party = relying_party(provider)
    fresh = Browser(party)
    fresh.cookies = dict(browser.cookies)
    response = await fresh.post("/auth/logout")
    assert not fresh.signed_in
    if trouble == "revocation down":
        assert location(response).startswith("https://op.example/end_session")
    else:
        assert location(response) == BASE + "/"


async def test_an_application_decides_where_its_sign_out_ends(provider: HostileProvider) -> None:
    """rp_K3: signed_out_redirect may be another site; a request's return_to may not."""
    browser = Browser(relying_party(provider, signed_out_redirect="https://www.example/bye"))
    query = dict(parse_qsl(urlsplit(location(await browser.post("/auth/logout"))).query))
    back = await browser.get(f"/auth/logout/callback?state={query['state']}")
    assert location(back) == "https://www.example/bye"


async def test_rp_L12_an_event_may_change_or_supply_the_sign_out(
    provider: HostileProvider, browser: Browser
) -> None:
    """L12: edit the message, supply the endpoint."""
    from dataclasses import replace

    @browser.party.on(RedirectToIdentityProviderForSignOut)
    def elsewhere(context: RedirectToIdentityProviderForSignOut) -> RedirectToIdentityProviderForSignOut:
        message = replace(context.message, ui_locales="de")
        return replace(context, message=message, end_session_endpoint="https://op.example/bye")

    sent = location(await browser.post("/auth/logout"))
    assert sent.startswith("https://op.example/bye?")
    assert "ui_locales=de" in sent
