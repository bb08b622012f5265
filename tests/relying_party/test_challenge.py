"""The challenge: who is sent away to sign in, who is only told, and what travels along."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.relying_party.sessions import SignedIn
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    HostileProvider,
    location,
)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_mode": "cors"},
        {"sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        {"sec_fetch_dest": "iframe"},
        {"x_requested_with": "XMLHttpRequest"},
        {"accept": "application/json"},
        {"accept": "*/*"},
        {"sec_purpose": "prefetch"},
        {"sec_purpose": "prefetch;prerender"},
    ],
)
async def test_a_script_gets_401_and_a_login_url(
    provider: HostileProvider, browser: Browser, headers: dict[str, str]
) -> None:
    """A background request cannot show a login page, and each redirect would leave an attempt behind."""
    response = await browser.party.challenge(browser.request("GET", "/orders?page=2", **headers))
    assert response.status == 401
    assert response.json()["login_url"] == f"{BASE}/auth/login?return_to=%2Forders%3Fpage%3D2"
    assert response.headers.many("set-cookie") == ()


async def test_a_navigation_is_sent_away_and_comes_back(provider: HostileProvider, browser: Browser) -> None:
    """The challenge remembers where the user was."""
    response = await browser.party.challenge(browser.request("GET", "/orders?page=2"))
    browser.keep(response)
    done = await browser.get(provider.authorize(location(response)))
    assert location(done) == f"{BASE}/orders?page=2"


async def test_items_of_a_challenge_end_in_the_session(provider: HostileProvider, browser: Browser) -> None:
    """rp_C5b: items travel in the flow; parameters are this request's only."""
    response = await browser.party.challenge(
        browser.request("GET", "/"),
        prompt="login",
        scopes=["email"],
        items={"plan": "pro"},
        parameters={"login_hint": "alice", "x": "y"},
    )
    browser.keep(response)
    query = dict(parse_qsl(urlsplit(location(response)).query))
    assert (query["prompt"], query["scope"]) == ("login", "openid email")
    assert (query["login_hint"], query["x"]) == ("alice", "y")
    await browser.get(provider.authorize(location(response)))
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.properties == {"plan": "pro"}


@pytest.mark.parametrize("name", ["state", "nonce", "redirect_uri", "code_challenge", "client_id"])
async def test_a_parameter_cannot_replace_what_the_flow_rests_on(browser: Browser, name: str) -> None:
    """A programming error, found at once."""
    with pytest.raises(ValueError, match=name):
        await browser.party.challenge(browser.request("GET", "/"), parameters={name: "x"})


async def test_callback_answers_with_the_session_itself(provider: HostileProvider, browser: Browser) -> None:
    """The core's verb: a value, whose response goes to the browser."""
    url = provider.authorize(location(await browser.get("/auth/login?return_to=/x")))
    outcome = await browser.party.callback(browser.request("GET", url))
    assert isinstance(outcome, SignedIn)
    assert outcome.return_to == "/x"
    assert outcome.response is not None
    assert outcome.response.status == 303


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST"])
async def test_a_callback_by_another_method_is_refused(browser: Browser, method: str) -> None:
    """Neither a query nor a form: there is no message."""
    response = await browser.send(browser.request(method, "/auth/callback?state=x"))
    assert response.status == 400


async def test_an_address_of_another_release_is_a_login_all_the_same(browser: Browser) -> None:
    """What it asked for cannot be read any more: a plain login, never a 500."""
    ask = browser.party.seal.seal(b'{"max_age":"soon"}', context="login_ask")
    sent = location(await browser.get(f"/auth/login?ask={ask}"))
    assert "max_age" not in sent


async def test_garbage_at_our_endpoints_is_never_a_500(browser: Browser) -> None:
    """Percent signs, NUL, invalid UTF-8, thousands of parameters."""
    for path in ("/auth/login", "/auth/callback", "/auth/logout", "/auth/logout/callback"):
        for query in (
            "%",
            "a=%zz",
            "return_to=%00",
            "state=%ff",
            "&".join(["a=b"] * 2000),
            "é=ü",
            "state=" + "x" * 9000,
        ):
            response = await browser.get(f"{path}?{query}")
            assert response.status in (200, 303, 400), (path, query[:20])
