"""rp_E23: a browser that lost its place is told so kindly, and begins again by itself, once."""

from collections.abc import Callable

import pytest

from authwright.protocol.http import HttpResponse
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.errors import LOST_FLOW
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    HostileProvider,
    error_code,
    location,
    relying_party,
)


def test_rp_E23_these_reasons_start_again() -> None:
    """E23: the browser lost its place; all others need a person to decide."""
    assert {"flow_missing", "flow_expired", "flow_used", "flow_unreadable"} == LOST_FLOW


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("trouble", ["cookie lost", "too late", "used", "spoilt"])
async def test_rp_E23_a_lost_attempt_is_explained_and_restarted_once(
    provider: HostileProvider, form: bool, trouble: str
) -> None:
    """E23: the reason is named, the page kind, and the browser goes on by itself: once."""
    client = RelyingPartyClient(client_id="web", auth=Public(), response_mode="form_post" if form else None)
    browser = Browser(relying_party(provider, client=client))

    async def lose(path: str) -> HttpResponse:
        browser.cookies.clear()
        sent = location(await browser.get(path))
        name = browser.flow_cookies()[0]
        kept = dict(browser.cookies)
        spoilers: dict[str, Callable[[], object]] = {
            "cookie lost": browser.cookies.clear,
            "too late": lambda: provider.clock.forward(minutes=16),
            "spoilt": lambda: browser.cookies.update({name: "x"}),
        }
        if trouble == "used":
            await come_back(sent, code="wrong")
            browser.cookies = kept
        else:
            spoilers[trouble]()
        return await come_back(sent)

    async def come_back(sent: str, **changes: str) -> HttpResponse:
        if form:
            return await browser.post_back(*provider.authorize_form(sent, **changes))
        return await browser.get(provider.authorize(sent, **changes))

    first = await lose("/auth/login?return_to=/x")
    page = first.body.decode()
    reason = {"cookie lost": "missing", "too late": "expired", "used": "used", "spoilt": "unreadable"}[
        trouble
    ]
    assert (first.status, error_code(first)) == (400, f"flow_{reason}")
    assert "Nothing is wrong with your account" in page
    again = page.partition('content="0; url=')[2].partition('"')[0].replace("&amp;", "&")
    assert again.startswith(f"{BASE}/auth/login?again=1")
    # What is known of the attempt is kept: where the user wanted to go.
    assert ("return_to=%2Fx" in again) == (trouble in ("too late", "used"))
    second = await lose(again)
    assert second.status == 400
    assert 'http-equiv="refresh"' not in second.body.decode()
    assert 'id="start-again"' in second.body.decode()


@pytest.mark.parametrize("form", [False, True])
async def test_rp_E23_who_is_signed_in_already_goes_on(provider: HostileProvider, form: bool) -> None:
    """E23: the back button after a sign-in leads where the user wanted to go, not to another login."""
    client = RelyingPartyClient(client_id="web", auth=Public(), response_mode="form_post" if form else None)
    browser = Browser(relying_party(provider, client=client))
    sent = location(await browser.get("/auth/login?return_to=/x"))
    kept = dict(browser.cookies)

    async def answer() -> HttpResponse:
        if form:
            return await browser.post_back(*provider.authorize_form(sent))
        return await browser.get(provider.authorize(sent))

    assert (await answer()).status == 303
    browser.cookies |= kept
    stale = await answer()
    assert (stale.status, error_code(stale)) == (400, "flow_used")
    again = stale.body.decode().partition('content="0; url=')[2].partition('"')[0].replace("&amp;", "&")
    if again != f"{BASE}/x":
        # Posted across sites, the session's cookie did not come along: the next step sees it.
        again = location(await browser.get(again))
    assert again == f"{BASE}/x"
