"""rp_C: the way to the provider."""

import re
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.protocol.pkce import challenge_of
from authwright.relying_party.client import FlowPolicy, Public, RelyingPartyClient
from authwright.relying_party.errors import LoginRequired
from authwright.relying_party.events import RedirectToIdentityProvider, TicketReceived
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    HostileProvider,
    error_code,
    location,
    relying_party,
    sign_in,
    sign_in_by_form,
)
from tests.relying_party.ways import query_of


def at(provider: HostileProvider, **client: object) -> Browser:
    """A browser at a public client with these settings."""
    settings = {"client_id": "web", "auth": Public(), **client}
    return Browser(relying_party(provider, client=RelyingPartyClient(**settings)))  # type: ignore[arg-type]


async def test_rp_C1_the_challenge_remembers_where_the_user_was(
    provider: HostileProvider, browser: Browser
) -> None:
    """C1: without a target of its own: path and query of the request; what is not a GET cannot be repeated."""
    for method, end in (("GET", "/orders?page=2"), ("POST", "/")):
        response = await browser.party.challenge(browser.request(method, "/orders?page=2"))
        browser.keep(response)
        assert location(await browser.get(provider.authorize(location(response)))) == BASE + end


@pytest.mark.parametrize(
    ("target", "end"),
    [
        ("/x?y=1", BASE + "/x?y=1"),
        ("https://spa.example/inbox?a=b", "https://spa.example/inbox?a=b"),
        ("https://spa.example", BASE + "/"),
        ("https://spa.example.evil.example/", BASE + "/"),
        ("https://spa.example//evil", BASE + "/"),
        ("https://spa.example/\\evil", BASE + "/"),
        ("https://spa.example@evil.example/", BASE + "/"),
        ("https://evil.example/", BASE + "/"),
        ("//evil.example/", BASE + "/"),
    ],
)
async def test_rp_C2_a_target_is_ours_or_of_an_allowed_origin(
    provider: HostileProvider, target: str, end: str
) -> None:
    """C2: never used unchanged: a path of ours, or a URL whose origin the application lists."""
    flow = FlowPolicy(return_to_origins=("https://spa.example",))
    browser = Browser(relying_party(provider, flow=flow))
    response = await browser.party.challenge(browser.request("GET", "/"), target)
    browser.keep(response)
    assert location(await browser.get(provider.authorize(location(response)))) == end


async def test_rp_C3_the_metadata_is_fetched_on_first_use(
    provider: HostileProvider, browser: Browser
) -> None:
    """C3: lazily, and kept."""
    assert provider.requests == []
    await browser.get("/auth/login")
    await browser.get("/auth/login")
    assert [request.path for request in provider.requests] == ["/.well-known/openid-configuration"]


async def test_rp_C4_the_parameters_of_a_request(provider: HostileProvider) -> None:
    """C4: these, and none that was not asked for."""
    sent = query_of(
        await at(provider, prompt=("login",), resource=("https://api.example",)).get("/auth/login")
    )
    assert sent.keys() == {
        "client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "prompt", "resource",
    }  # fmt: skip
    assert sent["redirect_uri"] == BASE + "/auth/callback"


async def test_rp_C5_a_challenge_may_ask_for_more_than_usual(provider: HostileProvider) -> None:
    """C5: prompt, scope and max_age override the options; the next challenge knows nothing of them."""
    browser = at(provider, prompt=("consent",), max_age=600)
    response = await browser.party.challenge(
        browser.request("GET", "/"), prompt="login", scopes=["email"], max_age=0, parameters={"x": "y"}
    )
    sent = query_of(response)
    assert (sent["prompt"], sent["scope"], sent["max_age"], sent["x"]) == ("login", "openid email", "0", "y")
    sent = query_of(await browser.party.challenge(browser.request("GET", "/")))
    assert (sent["prompt"], sent["scope"], sent["max_age"]) == ("consent", "openid profile", "600")
    assert "x" not in sent


async def test_rp_C5b_items_travel_through_every_event(provider: HostileProvider, browser: Browser) -> None:
    """C5b: readable and writable on the way, and they end in the session."""
    browser.party.on(RedirectToIdentityProvider)(
        lambda context: replace(context, properties={**context.properties, "b": 2})
    )
    browser.party.on(TicketReceived)(
        lambda context: replace(context, properties={**context.properties, "c": [3]})
    )
    response = await browser.party.challenge(browser.request("GET", "/"), items={"a": 1})
    browser.keep(response)
    await browser.get(provider.authorize(location(response)))
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.properties == {"a": 1, "b": 2, "c": [3]}


@pytest.mark.parametrize("response_type", ["code", "code id_token"])
async def test_rp_C6_C7_pkce_wherever_a_code_is_asked_for(
    provider: HostileProvider, response_type: str
) -> None:
    """C6, C7: 32 random bytes, S256, in hybrid flows as well; the verifier goes to the token endpoint alone."""
    browser = at(provider, response_type=response_type, response_mode="form_post")
    sent = location(await browser.get("/auth/login"))
    challenge = dict(parse_qsl(urlsplit(sent).query))["code_challenge"]
    await browser.post_back(*provider.authorize_form(sent))
    verifier = provider.last("/token")["code_verifier"]
    assert len(verifier) == 43
    assert challenge_of(verifier) == challenge
    assert verifier not in sent


async def test_rp_C7_no_pkce_where_no_code_is_asked_for(provider: HostileProvider) -> None:
    """C7: an implicit request has nothing to bind."""
    sent = query_of(await at(provider, response_type="id_token").get("/auth/login"))
    assert not {"code_challenge", "code_challenge_method"} & sent.keys()


@pytest.mark.parametrize(
    ("client", "sent"),
    [
        ({}, None),
        ({"response_mode": "query"}, None),
        ({"response_mode": "form_post"}, "form_post"),
        ({"response_type": "id_token"}, "form_post"),
        ({"response_type": "code id_token"}, "form_post"),
    ],
)
async def test_rp_C8_C9_numbers_are_whole_and_the_response_mode_is_left_out_where_it_goes_without_saying(
    provider: HostileProvider, client: dict[str, object], sent: str | None
) -> None:
    """C8: max_age is an integer; C9: response_mode is omitted only for code in a query."""
    query = query_of(await at(provider, max_age=90, **client).get("/auth/login"))
    assert query["max_age"] == "90"
    assert query.get("response_mode") == sent


async def test_rp_C10_a_nonce_is_sent_in_the_code_flow_too(
    provider: HostileProvider, browser: Browser
) -> None:
    """C10: and it must come back."""
    assert len(query_of(await browser.get("/auth/login"))["nonce"]) == 43
    provider.id_token = {"nonce": None}
    assert error_code(await sign_in(provider, browser)) == "id_token_nonce"


async def test_rp_C11_a_challenge_that_fails_leaves_no_cookie(
    provider: HostileProvider, browser: Browser
) -> None:
    """C11: cookies are set last."""
    del provider.metadata["authorization_endpoint"]
    response = await browser.get("/auth/login")
    assert response.status == 503
    assert response.headers.many("set-cookie") == ()


async def test_rp_C12_the_event_may_replace_the_message(provider: HostileProvider, browser: Browser) -> None:
    """C12: whatever it holds is sent, but for what the attempt rests on."""
    browser.party.on(RedirectToIdentityProvider)(
        lambda context: replace(
            context,
            message=replace(context.message, ui_locales=("de",), code_challenge="mine", prompt=("login",)),
        )
    )
    sent = query_of(await browser.get("/auth/login"))
    assert (sent["ui_locales"], sent["prompt"]) == ("de", "login")
    assert sent["code_challenge"] != "mine"


async def test_rp_C12_the_event_may_ask_for_another_response_type(provider: HostileProvider) -> None:
    """C12: within what the client can receive."""
    browser = at(provider, response_mode="form_post")
    wanted = ["code id_token"]
    browser.party.on(RedirectToIdentityProvider)(
        lambda context: replace(context, message=replace(context.message, response_type=wanted[0]))
    )
    assert (await sign_in_by_form(provider, browser)).status == 303
    for wanted[0] in ("token", "code token"):
        with pytest.raises(ValueError, match="event"):
            await browser.get("/auth/login")


async def test_rp_C13_C14_what_the_event_set_is_what_comes_back(
    provider: HostileProvider, browser: Browser
) -> None:
    """C13: a state of its own is kept for it; C14: its redirect_uri is replayed at the token endpoint."""
    target = BASE + "/auth/callback?tenant=1"
    browser.party.on(RedirectToIdentityProvider)(
        lambda context: replace(context, message=replace(context.message, state="mine", redirect_uri=target))
    )
    sent = location(await browser.get("/auth/login"))
    assert "state=mine" not in sent
    await browser.get(provider.authorize(sent).replace("?tenant=1?", "?"))
    assert provider.last("/token")["redirect_uri"] == target


async def test_rp_C15_D15_the_state_in_the_url_is_a_handle(
    provider: HostileProvider, browser: Browser
) -> None:
    """C15, D15: random and short, whatever travels along; everything else is sealed in the cookie."""
    response = await browser.party.challenge(browser.request("GET", "/"), items={"plan": "x" * 500})
    state = query_of(response)["state"]
    assert len(state) < 70
    assert "x" * 30 not in str(response.headers.many("set-cookie"))


async def test_rp_C16_an_event_may_supply_the_endpoint(provider: HostileProvider, browser: Browser) -> None:
    """C16: looked at after the event; still none is a page that says so."""
    del provider.metadata["authorization_endpoint"]
    assert error_code(await browser.get("/auth/login")) == "no_authorization_endpoint"
    endpoint = ["https://op.example/elsewhere"]
    browser.party.on(RedirectToIdentityProvider)(
        lambda context: replace(context, authorization_endpoint=endpoint[0])
    )
    assert location(await browser.get("/auth/login")).startswith("https://op.example/elsewhere?")
    for endpoint[0] in ("", "nonsense", "https://", "javascript:alert(1)", "https://op.example/\r\nx: y"):
        response = await browser.get("/auth/login")
        assert (response.status, error_code(response)) == (503, "endpoint_malformed")


async def test_rp_C17_parameters_are_added_to_the_endpoint_s_own(
    provider: HostileProvider, browser: Browser
) -> None:
    """C17: with "?" or "&"; what is absent is not sent."""
    provider.metadata["authorization_endpoint"] = "https://op.example/authorize?tenant=1"
    response = await browser.get("/auth/login")
    assert location(response).startswith("https://op.example/authorize?tenant=1&client_id=web&")
    assert "" not in query_of(response).values()
    assert location(response).count("?") == 1


async def test_rp_C18_the_request_may_be_a_form_that_sends_itself(provider: HostileProvider) -> None:
    """C18: hidden fields, escaped; a script whose hash the policy names; a button without scripts; nothing cached."""
    browser = at(provider, authentication_method="form_post", parameters={"x": '"><script>alert(1)</script>'})
    response = await browser.get("/auth/login")
    page = response.body.decode()
    assert response.status == 200
    assert response.headers.get("content-type") == "text/html; charset=utf-8"
    assert response.headers.get("cache-control") == "no-store"
    assert "<script>alert" not in page
    fields = {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    }
    assert (fields["x"], fields["client_id"]) == ('"><script>alert(1)</script>', "web")
    assert '<form method="post" action="https://op.example/authorize">' in page
    assert "<noscript><p>" in page
    assert '<button id="go-on">' in page
    (script,) = re.findall(r"<script>(.*?)</script>", page)
    named = re.search(r"script-src 'sha256-([^']+)'", response.headers.get("content-security-policy") or "")
    assert named is not None
    assert b64decode(named[1]) == sha256(script.encode()).digest()
    browser.keep(response)
    back = provider.respond(fields)
    query = "&".join(f"{name}={value}" for name, value in back.items())
    assert (await browser.get(f"/auth/callback?{query}")).status == 303


@pytest.mark.parametrize("method", ["carrier pigeon", "", "REDIRECT"])
def test_rp_C19_there_is_no_other_way_to_send_it(method: str) -> None:
    """C19: found at construction."""
    with pytest.raises(ValueError, match="authentication_method"):
        RelyingPartyClient(client_id="web", authentication_method=method)  # type: ignore[arg-type]


async def test_rp_C20_a_challenge_is_what_login_required_becomes(browser: Browser) -> None:
    """C20: raised from anywhere in the application; forbidding is the application's own 403."""
    response = await browser.party.challenge_for(
        browser.request("GET", "/x"), LoginRequired(prompt="login", acr_values=["gold"])
    )
    sent = query_of(response)
    assert (sent["prompt"], sent["acr_values"]) == ("login", "gold")


async def test_rp_C21_a_background_request_leaves_nothing_behind(browser: Browser) -> None:
    """C21: 401 and an address, no redirect, no cookie."""
    request = browser.request("GET", "/orders", sec_fetch_mode="cors", accept="application/json")
    response = await browser.party.challenge_for(request, LoginRequired())
    assert response.status == 401
    assert response.headers.many("set-cookie") == ()
    assert response.json()["error"] == "login_required"
    ahead = await browser.get("/auth/login", sec_purpose="prefetch")
    assert (ahead.status, browser.cookies) == (401, {})
