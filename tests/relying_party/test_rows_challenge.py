"""rp_C, rp_D: the way to the provider, and what the browser keeps of it."""

import re
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.protocol.http import HttpResponse
from authwright.protocol.pkce import challenge_of
from authwright.relying_party.client import FlowPolicy, Public, RelyingPartyClient
from authwright.relying_party.errors import LoginRequired
from authwright.relying_party.events import (
    AuthorizationCodeReceived,
    RedirectToIdentityProvider,
    TicketReceived,
)
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


def query_of(response: HttpResponse) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location(response)).query, keep_blank_values=True))


def at(provider: HostileProvider, **client: object) -> Browser:
    """A browser at a public client with these settings."""
    settings = {"client_id": "web", "auth": Public(), **client}
    return Browser(relying_party(provider, client=RelyingPartyClient(**settings)))  # type: ignore[arg-type]


# --- 1C


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
    assert "xxx" not in str(response.headers.many("set-cookie"))


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


# --- 1D


async def test_rp_D1_D7_one_random_handle_names_the_cookie(browser: Browser) -> None:
    """D1, D7: 32 random bytes; the cookie's name is a digest of them, its value sealed with all that was sent."""
    one, two = await browser.get("/auth/login"), await browser.get("/auth/login")
    states = [query_of(response)["state"] for response in (one, two)]
    assert states[0] != states[1]
    names = browser.flow_cookies()
    assert len(names) == 2
    assert not any(state in name + browser.cookies[name] for state in states for name in names)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda value: None, "flow_missing"),
        (lambda value: "N", "flow_unreadable"),
        (lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"), "flow_unreadable"),
        (lambda value: "", "flow_unreadable"),
    ],
)
async def test_rp_D2_D3_D4_without_its_cookie_an_answer_is_none(
    provider: HostileProvider, browser: Browser, spoil: object, reason: str
) -> None:
    """D2-D4: absent, another value, cut: the reason is named, and nothing is redeemed."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    (name,) = browser.flow_cookies()
    spoilt = spoil(browser.cookies.pop(name))  # type: ignore[operator]
    if spoilt is not None:
        browser.cookies[name] = spoilt
    assert error_code(await browser.get(url)) == reason
    assert provider.asked("/token") == 0


async def test_rp_D5_D6_the_cookie_goes_with_the_answer(provider: HostileProvider, browser: Browser) -> None:
    """D5, D6: deleted with the flags it was set with; nothing of it stays in the properties."""
    response = await browser.get("/auth/login")
    set_with = response.headers.many("set-cookie")[0].split("; ")[1:]
    done = await browser.get(provider.authorize(location(response)))
    (deleted,) = [field for field in done.headers.many("set-cookie") if "rp_flow" in field]
    attributes = deleted.split("; ")[1:]
    assert "Max-Age=0" in attributes
    assert {part for part in attributes if "Max-Age" not in part} == {
        part for part in set_with if "Max-Age" not in part
    }
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.properties == {}


async def test_rp_D8_the_nonce_is_used_once(provider: HostileProvider, browser: Browser) -> None:
    """D8: the attempt that holds it is spent with the first answer, right or wrong."""
    sent = location(await browser.get("/auth/login"))
    kept = dict(browser.cookies)
    await browser.get(provider.authorize(sent, code="wrong"))
    browser.cookies = kept
    assert error_code(await browser.get(provider.authorize(sent))) == "flow_used"


async def test_rp_D9_a_cookie_that_does_not_open_hinders_no_other(
    provider: HostileProvider, browser: Browser
) -> None:
    """D9: garbage beside it is skipped."""
    sent = location(await browser.get("/auth/login"))
    browser.cookies = {"__Host-authwright_rp_flow_0123456789abcdef": "garbage", **browser.cookies}
    assert (await browser.get(provider.authorize(sent))).status == 303


async def test_rp_D11_several_tabs_complete_in_any_order(provider: HostileProvider, browser: Browser) -> None:
    """D11: each attempt has a cookie of its own."""
    urls = []
    for number in range(3):
        provider.clock.forward(seconds=1)
        urls.append(provider.authorize(location(await browser.get(f"/auth/login?return_to=/{number}"))))
    assert [location(await browser.get(url)) for url in (urls[1], urls[0], urls[2])] == [
        f"{BASE}/{number}" for number in (1, 0, 2)
    ]


async def test_rp_D12_abandoned_attempts_do_not_pile_up(provider: HostileProvider, browser: Browser) -> None:
    """D12: thirty abandoned logins leave five cookies, well below any limit of a header."""
    for _ in range(30):
        provider.clock.forward(seconds=1)
        await browser.get("/auth/login")
    assert len(browser.flow_cookies()) == 5
    assert sum(len(name) + len(value) + 3 for name, value in browser.cookies.items()) < 4096


@pytest.mark.parametrize("state", ["", "%", "%ff", "x" * 5000, "fl_" + "A" * 47, "\u00e9", "~", "a~"])
async def test_rp_D13_a_state_that_does_not_decode_is_none(browser: Browser, state: str) -> None:
    """D13: never an exception."""
    response = await browser.get(f"/auth/callback?code=x&state={state}")
    assert response.status == 400
    assert error_code(response) in ("state_missing", "state_unknown", "message_malformed", "flow_missing")


async def test_rp_D14_the_age_of_an_attempt_is_checked_here(
    provider: HostileProvider, browser: Browser
) -> None:
    """D14: on the server's clock; and an attempt from the future is none."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    provider.clock.forward(minutes=-2)
    assert error_code(await browser.get(url)) == "flow_expired"


async def test_rp_C6_the_verifier_belongs_to_its_attempt(provider: HostileProvider, browser: Browser) -> None:
    """C6: a code of one tab is not redeemed with the verifier of another."""
    seen: list[str | None] = []
    browser.party.on(AuthorizationCodeReceived)(lambda context: seen.append(context.redemption.code_verifier))
    await sign_in(provider, browser)
    await sign_in(provider, browser)
    assert len(set(seen)) == 2
