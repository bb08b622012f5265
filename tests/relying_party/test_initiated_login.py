"""OpenID Connect Core §4: a login that somebody else starts."""

from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from authwright.protocol.http import PASS
from authwright.relying_party.client import FlowPolicy
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    Browser,
    HostileProvider,
    location,
    relying_party,
)

PATH = "/auth/initiate"


@pytest.fixture
def browser(provider: HostileProvider) -> Browser:
    flow = FlowPolicy(initiate_login=True, return_to_origins=("https://spa.example",))
    return Browser(relying_party(provider, flow=flow))


async def test_it_is_off_unless_it_is_asked_for(provider: HostileProvider) -> None:
    """Nobody needs it who has not registered an initiate_login_uri."""
    party = relying_party(provider)
    assert await party.handle(Browser(party).request("GET", f"{PATH}?iss={ISSUER}")) is PASS


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_login_is_begun_and_ends_where_it_was_to(
    provider: HostileProvider, browser: Browser, method: str
) -> None:
    """By GET or POST; the hint goes on to the provider; the attempt is the browser's own."""
    query = f"iss={quote(ISSUER, safe='')}&login_hint=alice&target_link_uri={quote(BASE + '/x?y=1', safe='')}"
    if method == "GET":
        response = await browser.get(f"{PATH}?{query}", sec_fetch_site="cross-site")
    else:
        response = await browser.post(PATH, query.encode(), origin="https://portal.example")
    sent = dict(parse_qsl(urlsplit(location(response)).query))
    assert (sent["login_hint"], sent["client_id"]) == ("alice", "web")
    assert location(await browser.get(provider.authorize(location(response)))) == BASE + "/x?y=1"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "iss=",
        "iss=https://evil.example",
        f"iss={ISSUER}/",
        f"iss={ISSUER}&iss={ISSUER}",
        "login_hint=alice",
        "iss=%",
    ],
)
async def test_only_our_own_provider_is_asked(browser: Browser, query: str) -> None:
    """400, no redirect, no cookie."""
    response = await browser.get(f"{PATH}?{query}")
    assert response.status == 400
    assert response.headers.get("location") is None
    assert browser.cookies == {}


@pytest.mark.parametrize(
    ("target", "end"),
    [
        ("https://evil.example/", BASE + "/"),
        ("//evil.example/", BASE + "/"),
        (BASE + "//evil.example/", BASE + "/"),
        (BASE + "@evil.example/", BASE + "/"),
        (BASE + ".evil.example/", BASE + "/"),
        (BASE + "/\\evil.example", BASE + "/"),
        (BASE + "/auth/login", BASE + "/"),
        ("javascript:alert(1)", BASE + "/"),
        ("", BASE + "/"),
        (BASE + "/", BASE + "/"),
        ("/orders", BASE + "/orders"),
        ("https://spa.example/inbox", "https://spa.example/inbox"),
    ],
)
async def test_sec_P4_it_is_no_open_redirector(
    provider: HostileProvider, browser: Browser, target: str, end: str
) -> None:
    """Core §4, P4: target_link_uri is verified."""
    response = await browser.get(f"{PATH}?iss={ISSUER}&target_link_uri={quote(target, safe='')}")
    assert location(await browser.get(provider.authorize(location(response)))) == end


async def test_a_hint_is_only_a_hint(provider: HostileProvider, browser: Browser) -> None:
    """An endless one is left out; a frame gets 401 and not a login page; another method 405."""
    sent = location(await browser.get(f"{PATH}?iss={ISSUER}&login_hint={'x' * 600}"))
    assert "login_hint" not in sent
    framed = await browser.get(f"{PATH}?iss={ISSUER}", sec_fetch_dest="iframe")
    assert framed.status == 401
    assert (await browser.send(browser.request("PUT", PATH))).status == 405
