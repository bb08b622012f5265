"""sec_P4: three hundred payloads on the return path, judged by ada, the URL parser of Node and of ClickHouse."""

from urllib.parse import quote

import pytest
from ada_url import URL

from authwright.relying_party.client import FlowPolicy
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    Clock,
    HostileProvider,
    location,
    relying_party,
)
from tests.relying_party.redirect_corpus import CORPUS
from tests.relying_party.test_return_to import GOOD

SPA = "https://spa.example"


def origin(text: str) -> str:
    """Where a browser on our site goes; what is no URL leads nowhere."""
    try:
        found: str = URL(text, BASE + "/auth/callback").origin
    except (ValueError, UnicodeEncodeError):
        return "nowhere"
    return found


async def landing(text: str, way: str) -> str:
    """The `Location` after a whole sign-in or sign-out that was to end at `text`."""
    provider = HostileProvider(Clock())
    flow = FlowPolicy(return_to_origins=(SPA,), initiate_login=True)
    browser = Browser(relying_party(provider, flow=flow))
    if way == "challenge":
        response = await browser.party.challenge(browser.request("GET", "/"), text)
        browser.keep(response)
    elif way == "initiate":
        target = quote(text, safe="", errors="surrogatepass")
        response = await browser.get(f"/auth/initiate?iss={provider.issuer}&target_link_uri={target}")
    elif way == "logout":
        del provider.metadata["end_session_endpoint"]
        form = f"return_to={quote(text, safe='', errors='surrogatepass')}".encode()
        response = await browser.post("/auth/logout", form)
        return location(response) if response.status == 303 else BASE + "/"
    else:
        target = quote(text, safe="", errors="surrogatepass")
        response = await browser.get(f"/auth/login?return_to={target}")
    if response.status == 400:
        # Not even readable as a parameter.
        return BASE + "/"
    return location(await browser.get(provider.authorize(location(response))))


def test_sec_P4_the_corpus_is_worth_its_name() -> None:
    """P4: at least 300, all different, and the other parser says of a good half that they lead away or nowhere."""
    assert len(CORPUS) >= 300
    assert len(set(CORPUS)) == len(CORPUS)
    assert sum(origin(text) != BASE for text in CORPUS) > 150


@pytest.mark.parametrize("way", ["login", "challenge", "initiate", "logout"])
async def test_sec_P4_no_payload_becomes_a_location(way: str) -> None:
    """P4: 0 foreign `Location`; and none of ours either, but the front page: what is doubtful is not followed."""
    foreign = {text: end for text in CORPUS if origin(end := await landing(text, way)) != BASE}
    assert foreign == {}
    followed = {text: end for text in CORPUS if (end := await landing(text, way)) != BASE + "/"}
    assert followed == {}


@pytest.mark.parametrize("text", GOOD)
async def test_sec_P4_a_good_path_ends_where_the_other_parser_says(text: str) -> None:
    """P4: kept, and read by the other parser as the same path of the same origin."""
    end = await landing(text, "challenge")
    assert end == BASE + text
    assert URL(end).origin == BASE
    assert URL(end).href == URL(text, BASE + "/").href


@pytest.mark.parametrize("suffix", CORPUS)
def test_sec_P4_an_allowed_origin_is_no_door_either(suffix: str) -> None:
    """P4: what is put behind an allowed origin stays there, or leads to our own front page."""
    site = relying_party(HostileProvider(Clock()), flow=FlowPolicy(return_to_origins=(SPA,))).site
    for joint in ("", "/", "@", "."):
        end = site.absolute(site.return_to(SPA + joint + suffix))
        assert origin(end) in (SPA, BASE), end
