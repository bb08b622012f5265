"""sec_P1, sec_P2: callbacks that are not the answer to a question of this browser, and browsers that lost their place."""

import json
import re
from collections.abc import Callable

import msgspec
import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.flow import Flow, FlowLost
from authwright.relying_party.sessions import Sessions
from tests.relying_party.hostile_provider import (
    BASE,
    ROOTS,
    Browser,
    HostileProvider,
    error_code,
    location,
    relying_party,
    sign_in,
)

Change = Callable[[dict[str, str]], dict[str, str | None]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": None}, "state_missing"),
        ({"state": "somebody-else-s"}, "state_unknown"),
        ({"iss": None}, "iss_missing"),
        ({"iss": "https://op.example/"}, "iss_mismatch"),
        ({"iss": "https://evil.example"}, "iss_mismatch"),
        ({"error": "access_denied"}, "error_and_code"),
        ({"code": None}, "code_missing"),
        ({"id_token": "e30.e30.e30"}, "front_channel_tokens"),
        ({"access_token": "at"}, "front_channel_tokens"),
    ],
)
async def test_sec_P1_a_callback_that_is_not_the_answer_is_refused(
    provider: HostileProvider, browser: Browser, changes: dict[str, str | None], reason: str
) -> None:
    """P1: state missing or unknown, `iss` wrong or missing when advertised, error and code both: 400, the flow is
    dropped, no token request."""
    response = await sign_in(provider, browser, **changes)
    assert (response.status, error_code(response)) == (400, reason)
    assert provider.asked("/token") == 0
    assert not browser.signed_in


async def test_sec_P1_the_flow_is_dropped_with_a_refused_answer(
    provider: HostileProvider, browser: Browser
) -> None:
    """P1: after a wrong `iss` the very state is spent, so the right answer comes too late."""
    sent = location(await browser.get("/auth/login"))
    right, kept = provider.authorize(sent), dict(browser.cookies)
    await browser.get(provider.authorize(sent, iss="https://evil.example"))
    assert browser.flow_cookies() == []
    browser.cookies = kept
    response = await browser.get(right)
    assert (response.status, error_code(response)) == (400, "flow_used")
    assert provider.asked("/token") == 0


@pytest.mark.parametrize("name", ["code", "state", "iss", "anything"])
async def test_sec_P1_a_repeated_parameter_is_refused(
    provider: HostileProvider, browser: Browser, name: str
) -> None:
    """P1: duplicate `code` or `state`: 400, no token request."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    response = await browser.get(f"{url}&{name}=x&{name}=x")
    assert (response.status, error_code(response)) == (400, "message_malformed")
    assert provider.asked("/token") == 0


async def test_sec_P1_a_used_state_is_refused(provider: HostileProvider, browser: Browser) -> None:
    """P1: state used: 400, no second token request, also when the browser still has the cookie."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    kept = dict(browser.cookies)
    assert (await browser.get(url)).status == 303
    browser.cookies = kept
    response = await browser.get(url)
    assert (response.status, error_code(response)) == (400, "flow_used")
    assert provider.asked("/token") == 1


async def test_sec_P1_another_browser_cannot_finish_the_login(
    provider: HostileProvider, browser: Browser
) -> None:
    """P1: an attacker's own code and state, opened by a victim, sign nobody in (login CSRF)."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    victim = Browser(browser.party)
    response = await victim.get(url)
    assert (response.status, error_code(response)) == (400, "flow_missing")
    assert not victim.signed_in
    assert provider.asked("/token") == 0


async def test_sec_P1_a_flow_cookie_opens_under_its_own_name_only(
    provider: HostileProvider, browser: Browser
) -> None:
    """P1: a cookie moved to another state's name is no flow of that state."""
    first = location(await browser.get("/auth/login"))
    name = browser.flow_cookies()[0]
    second = location(await browser.get("/auth/login"))
    other = next(cookie for cookie in browser.flow_cookies() if cookie != name)
    browser.cookies[other] = browser.cookies[name]
    response = await browser.get(provider.authorize(second))
    assert error_code(response) == "flow_unreadable"
    assert (await browser.get(provider.authorize(first))).status == 303


async def test_an_attempt_of_another_issuer_or_key_is_not_taken(
    provider: HostileProvider, browser: Browser
) -> None:
    """sec_P2: a flow sealed by another installation does not open here."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    stranger = relying_party(provider, seal=Seal(RootKeys([b"x" * 32]), "relying_party"))
    browser.party = stranger
    assert error_code(await browser.get(url)) == "flow_unreadable"


def test_sec_P1_a_flow_says_itself_which_state_it_is_of(provider: HostileProvider) -> None:
    """P1: the name of the cookie is not what binds it: the state inside is compared as well."""
    party = relying_party(provider)
    one, other = party.flows.mint_state(again=False), party.flows.mint_state(again=False)
    flow = Flow(
        state=one, issuer="", client_id="", code_verifier="", nonce="", redirect_uri="", return_to="/",
        iat=provider.clock(),
    )  # fmt: skip
    name = party.flows.end(other)[1].partition("=")[0]
    sealed = party.seal.seal(msgspec.json.encode(flow), context=name)
    request = HttpRequest("GET", "/", "", Headers.of({"cookie": f"{name}={sealed}"}))
    with pytest.raises(FlowLost, match="flow_unreadable"):
        party.flows.find(request, other, provider.clock())


async def test_a_session_of_another_issuer_is_not_ours(provider: HostileProvider, browser: Browser) -> None:
    """Two relying parties may share a store, a key and a cookie name."""
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    digest = signed_in.record.digest
    stranger = Sessions(
        browser.party.sessions._store,
        issuer="https://other.example",
        client_id="web",
        site=browser.party.site,
        seal=browser.party.seal,
        handles=Handles(ROOTS.derive("handles")),
        clock=provider.clock,
    )
    assert await browser.party.sessions.load(digest) is not None
    assert await stranger.load(digest) is None


async def test_sec_P2_an_attempt_of_another_client_or_issuer_is_not_taken(
    provider: HostileProvider, browser: Browser
) -> None:
    """P2: several apps behind one callback, with one key: state is bound to client and issuer."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    browser.party = relying_party(provider, client=RelyingPartyClient(client_id="other", auth=Public()))
    assert error_code(await browser.get(url)) == "flow_of_another_issuer"
    assert provider.asked("/token") == 0


@pytest.mark.parametrize(
    ("member", "endpoint"),
    [
        ("token_endpoint", "https://user@op.example/token"),
        ("token_endpoint", "https://"),
        ("token_endpoint", "https://[::1/token"),
        ("userinfo_endpoint", "https://@/"),
        ("jwks_uri", "https:///jwks"),
    ],
)
async def test_an_endpoint_that_cannot_be_called_is_503(
    provider: HostileProvider, browser: Browser, member: str, endpoint: str
) -> None:
    """Nonsense in the metadata is a fault of the provider, not a crash of ours."""
    provider.metadata[member] = endpoint
    response = await sign_in(provider, browser)
    assert (response.status, error_code(response)) == (503, "endpoint_malformed")


@pytest.mark.parametrize("token", ["a\r\nx: y", "\u20ac", "\ud800", "a\x00"])
@pytest.mark.parametrize("member", ["access_token", "refresh_token"])
async def test_a_token_no_header_can_hold_is_refused(
    provider: HostileProvider, browser: Browser, member: str, token: str
) -> None:
    """RFC 6749 Appendix A: visible ASCII, or it is no token."""
    provider.answers["/token"] = lambda request: HttpResponse(
        200,
        body=json.dumps(
            {"access_token": "x", "token_type": "Bearer", "id_token": "x", member: token}
        ).encode(),
    )
    response = await sign_in(provider, browser)
    assert response.status == 400
    assert error_code(response) in ("token_response_malformed", "token_response_not_json")


async def test_an_error_acts_only_with_a_flow(provider: HostileProvider, browser: Browser) -> None:
    """Anybody can send a browser here with an error: without the attempt it is not even looked at."""
    response = await browser.get("/auth/callback?error=access_denied&iss=https://op.example")
    assert error_code(response) == "state_missing"
    response = await sign_in(provider, browser, code=None, error="access_denied")
    assert (response.status, error_code(response)) == (400, "access_denied")


async def test_the_provider_s_words_are_not_shown(provider: HostileProvider, browser: Browser) -> None:
    """Whoever has the browser can choose them."""
    response = await sign_in(
        provider, browser, code=None, error="<b>x</b>", error_description="call 555-1234"
    )
    page = response.body.decode()
    assert "555-1234" not in page
    assert "<b>" not in page


async def test_a_lost_attempt_starts_again_once_by_itself(
    provider: HostileProvider, browser: Browser
) -> None:
    """The page says so with 400 and sends the browser on; when cookies never stick, it does so once, not for ever."""
    url = provider.authorize(location(await browser.get("/auth/login?return_to=/x")))
    browser.cookies.clear()
    first = await browser.get(url)
    assert first.status == 400
    again = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', first.body.decode())
    assert again is not None
    url = provider.authorize(location(await browser.get(again[1])))
    browser.cookies.clear()
    second = await browser.get(url)
    assert second.status == 400
    assert 'http-equiv="refresh"' not in second.body.decode()
    assert 'id="start-again"' in second.body.decode()


async def test_a_stale_tab_of_a_signed_in_user_goes_home(provider: HostileProvider, browser: Browser) -> None:
    """The back button after a sign-in must not start another one."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    await browser.get(url)
    response = await browser.get(url)
    assert response.status == 400
    assert f'content="0; url={BASE}/"' in response.body.decode()


async def test_an_expired_attempt_is_refused_on_the_server_s_clock(
    provider: HostileProvider, browser: Browser
) -> None:
    """15 minutes, whatever the browser does with Max-Age."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    provider.clock.forward(minutes=15)
    response = await browser.get(url)
    assert (response.status, error_code(response)) == (400, "flow_expired")
    assert provider.asked("/token") == 0
