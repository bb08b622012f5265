"""rp_B: the options of a relying party, and what each changes."""

from datetime import timedelta
from typing import Any

import pytest

import authwright
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.relying_party.claim_actions import Claims
from authwright.relying_party.client import FlowPolicy, Paths, Public, RelyingPartyClient, SecretPost
from authwright.relying_party.events import RelyingPartyEvents
from tests.relying_party.hostile_provider import (
    BASE,
    SECRET,
    HostileProvider,
    error_code,
    location,
    relying_party,
    sign_in,
    sign_in_by_form,
)
from tests.relying_party.ways import made, query_of


async def test_rp_B3_the_secret_goes_where_the_registration_says(provider: HostileProvider) -> None:
    """B3: client_secret_basic by default, client_secret_post on demand, nothing for a public client."""
    await sign_in(provider, made(provider))
    (request,) = [request for request in provider.requests if request.path == "/token"]
    assert (request.headers.get("authorization") or "").startswith("Basic ")
    await sign_in(provider, made(provider, client_secret=None, client_auth=SecretPost(SECRET)))
    assert provider.last("/token")["client_secret"] == SECRET


async def test_rp_B4_B5_B6_the_paths_can_be_moved(provider: HostileProvider) -> None:
    """B4-B6: all our endpoints are below one prefix, and below the base URL's path."""
    browser = made(provider, base_url=BASE + "/shop", paths=Paths(prefix="/signin"))
    sent = query_of(await browser.get("/shop/signin/login"))
    assert sent["redirect_uri"] == f"{BASE}/shop/signin/callback"
    out = query_of(await browser.post("/shop/signin/logout"))
    assert out["post_logout_redirect_uri"] == f"{BASE}/shop/signin/logout/callback"
    assert browser.party.serves("/shop/signin/callback")
    assert not browser.party.serves("/auth/callback")


async def test_rp_B7_the_landing_after_a_sign_out_may_be_off_site(provider: HostileProvider) -> None:
    """B7: the operator's choice; by default the front page."""
    browser = made(provider, signed_out_redirect="https://www.example/bye")
    del provider.metadata["end_session_endpoint"]
    assert location(await browser.post("/auth/logout")) == "https://www.example/bye"
    assert location(await made(provider).post("/auth/logout")) == BASE + "/"


@pytest.mark.parametrize(
    ("parameter", "query"), [("return_to", "?return_to=%2Fx"), ("ReturnUrl", "?ReturnUrl=%2Fx"), ("", "")]
)
async def test_rp_B8_B9_where_a_user_who_declined_goes(
    provider: HostileProvider, parameter: str, query: str
) -> None:
    """B8, B9: to a path of the application, which is told where the user wanted to go."""
    flow = FlowPolicy(return_url_parameter=parameter)
    browser = made(provider, access_denied_path="/denied", flow=flow)
    done = await sign_in(provider, browser, "/auth/login?return_to=/x", code=None, error="access_denied")
    assert location(done) == f"{BASE}/denied{query}"


async def test_rp_B10_B11_code_and_query_are_the_default(provider: HostileProvider) -> None:
    """B10, B11: response_type code, response_mode left out; cookies stay Lax."""
    response = await made(provider).get("/auth/login")
    assert query_of(response)["response_type"] == "code"
    assert "response_mode" not in query_of(response)
    assert all("SameSite=Lax" in field for field in response.headers.many("set-cookie"))


@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
async def test_rp_B10_other_response_types_sign_in_too(provider: HostileProvider, response_type: str) -> None:
    """B10: hybrid and implicit, by form_post."""
    browser = made(provider, response_type=response_type)
    assert (await sign_in_by_form(provider, browser)).status == 303
    assert browser.signed_in


@pytest.mark.parametrize("response_type", ["id_token token", "code token", "code id_token token"])
async def test_rp_B10_response_types_with_token_are_opted_into(
    provider: HostileProvider, response_type: str
) -> None:
    """B10: an access token passes through the browser only where somebody said so (RFC 9700 §2.1.2)."""
    with pytest.raises(ValueError, match="front_channel_access_tokens"):
        made(provider, response_type=response_type)
    browser = made(provider, response_type=response_type, front_channel_access_tokens=True)
    assert (await sign_in_by_form(provider, browser)).status == 303


async def test_rp_B11_form_post_takes_a_cookie_that_crosses_sites(provider: HostileProvider) -> None:
    """B11: the flow cookie is SameSite=None; Secure, the session's stays Lax."""
    browser = made(provider, response_mode="form_post")
    response = await browser.get("/auth/login")
    assert query_of(response)["response_mode"] == "form_post"
    (cookie,) = response.headers.many("set-cookie")
    assert cookie.startswith("__Host-")
    assert "; Secure; HttpOnly; SameSite=None" in cookie
    done = await browser.post_back(*provider.authorize_form(location(response)))
    assert done.status == 303
    session = next(field for field in done.headers.many("set-cookie") if "session" in field)
    assert "SameSite=Lax" in session


async def test_rp_B11_on_loopback_too_the_cookie_is_secure(provider: HostileProvider) -> None:
    """B11: browsers take Secure from http on loopback, and SameSite=None not without it."""
    browser = made(provider, response_mode="form_post", base_url="http://localhost:9001")
    (cookie,) = (await browser.get("/auth/login")).headers.many("set-cookie")
    assert cookie.startswith("authwright_rp_flow_")
    assert "; Secure; HttpOnly; SameSite=None" in cookie


async def test_rp_B12_B13_B14_what_every_request_asks_for(provider: HostileProvider) -> None:
    """B13, B14: scope, prompt, max_age, acr_values and resource, as configured."""
    browser = made(
        provider, scopes=["openid", "email"], prompt=["login", "consent"], max_age=90, acr_values=["gold"],
        resource=["https://api.example"],
    )  # fmt: skip
    sent = query_of(await browser.get("/auth/login"))
    assert (sent["scope"], sent["prompt"], sent["max_age"]) == ("openid email", "login consent", "90")
    assert (sent["acr_values"], sent["resource"]) == ("gold", "https://api.example")


async def test_rp_B15_pkce_cannot_be_turned_off(provider: HostileProvider) -> None:
    """B15: S256 whenever a code is asked for; there is no option for less."""
    assert query_of(await made(provider).get("/auth/login"))["code_challenge_method"] == "S256"
    browser = made(provider, response_type="id_token")
    assert "code_challenge" not in query_of(await browser.get("/auth/login"))


@pytest.mark.parametrize(("userinfo", "times"), [("always", 1), ("missing", 0), ("never", 0)])
async def test_rp_B16_userinfo_is_asked_as_told(provider: HostileProvider, userinfo: str, times: int) -> None:
    """B16: always, when the ID token lacks a claim of a requested scope, or never."""
    await sign_in(provider, made(provider, userinfo=userinfo))
    assert provider.asked("/userinfo") == times


async def test_rp_B17_the_claims_can_be_shaped(provider: HostileProvider) -> None:
    """B17: a list of steps of the application's own."""
    browser = made(provider, claims=Claims().drop("name").unique("mail", "email"))
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.claims["mail"] == "alice@example.com"
    assert "name" not in signed_in.claims


async def test_rp_B19_the_session_lives_as_long_as_it_is_told(provider: HostileProvider) -> None:
    """B19: session_lifetime, not the ID token's five minutes."""
    browser = made(provider, session_lifetime=timedelta(hours=8))
    await sign_in(provider, browser)
    provider.clock.forward(hours=7)
    assert await browser.party.session(browser.request("GET", "/")) is not None
    provider.clock.forward(hours=1)
    assert await browser.party.session(browser.request("GET", "/")) is None


async def test_rp_B20_claims_keep_their_names(provider: HostileProvider) -> None:
    """B20: nothing is renamed to an XML URI, or at all."""
    provider.id_token = {"role": "admin", "unique_name": "alice", "http://x/y": 1}
    browser = made(provider)
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert {"sub", "role", "unique_name", "http://x/y"} <= set(signed_in.claims)


@pytest.mark.parametrize(
    ("name", "value"), [("acr", "gold"), ("amr", ["pwd"]), ("auth_time", 1795348800), ("azp", "web")]
)
async def test_rp_B21_G12_a_required_claim_must_be_there(
    provider: HostileProvider, name: str, value: object
) -> None:
    """B21, G12: RequireAcr, RequireAmr, RequireAuthTime, RequireAzp: the claim must exist."""
    browser = made(provider, required_claims=[name])
    assert error_code(await sign_in(provider, browser)) == f"id_token_{name}"
    provider.id_token = {name: value}
    assert (await sign_in(provider, browser)).status == 303


@pytest.mark.parametrize(("seconds", "accepted"), [(59, True), (61, False)])
async def test_rp_B22_the_leeway_is_a_minute(provider: HostileProvider, seconds: int, accepted: bool) -> None:
    """B22: 60 seconds by default, not 300; and as long as it is told."""
    provider.id_token = {"exp": int(provider.clock().timestamp()) - seconds}
    assert (await sign_in(provider, made(provider))).status == (303 if accepted else 400)
    assert (await sign_in(provider, made(provider, leeway=timedelta(minutes=5)))).status == 303


async def test_rp_B22_an_old_id_token_is_refused_though_it_has_not_expired(
    provider: HostileProvider,
) -> None:
    """B22, G21: iat is bounded in age: ten minutes and the leeway, or what it is told."""
    provider.id_token = {"iat": int(provider.clock().timestamp()) - 700}
    assert error_code(await sign_in(provider, made(provider))) == "id_token_iat"
    assert (await sign_in(provider, made(provider, iat_slack=timedelta(hours=1)))).status == 303


async def test_rp_B24_an_unknown_key_brings_one_fetch(provider: HostileProvider) -> None:
    """B24: the login that meets the new key works; at most one fetch a minute."""
    from authwright.crypto.keys import SigningKey

    browser = made(provider)
    await sign_in(provider, browser)
    provider.key = SigningKey.generate("ES256")
    provider.published.append(dict(provider.key.public_jwk))
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked("/jwks") == 2


@pytest.mark.parametrize(
    ("method", "query", "content_type"),
    [
        ("GET", "", None),
        ("GET", "state=somebody-else-s", None),
        ("GET", "id_token=x", None),
        ("POST", "", "application/json"),
        ("HEAD", "", None),
    ],
)
async def test_rp_B26_what_is_no_answer_may_go_on_to_the_application(
    provider: HostileProvider, method: str, query: str, content_type: str | None
) -> None:
    """B26: skip_unrecognized; by default it is a page of ours."""
    headers = {"content_type": content_type} if content_type else {}
    for skip in (True, False):
        browser = made(provider, flow=FlowPolicy(skip_unrecognized=skip))
        answer = await browser.party.handle(
            browser.request(method, f"/auth/callback?{query}", b"{}", **headers)
        )
        if skip:
            assert answer is authwright.PASS
        else:
            assert isinstance(answer, HttpResponse)
            assert answer.status == 400


async def test_rp_B27_nothing_is_told_of_the_software(provider: HostileProvider) -> None:
    """B27: no x-client-SKU, no x-client-ver, in no request."""
    response = await made(provider).get("/auth/login")
    assert not [name for name in query_of(response) if name.startswith("x-")]


async def test_rp_B28_B29_B30_one_cookie_for_each_attempt(provider: HostileProvider) -> None:
    """B28-B30: it holds nonce and all else, is bound to host and browser, and expires on the server's clock."""
    browser = made(provider, flow=FlowPolicy(lifetime=timedelta(minutes=5)))
    response = await browser.get("/auth/login")
    (cookie,) = response.headers.many("set-cookie")
    assert "; Path=/; Max-Age=300; Secure; HttpOnly; SameSite=Lax" in cookie
    assert query_of(response)["nonce"] not in cookie
    url = provider.authorize(location(response))
    provider.clock.forward(minutes=5)
    assert error_code(await browser.get(url)) == "flow_expired"


def test_rp_B30_a_flow_lives_longer_than_nothing() -> None:
    """B30: and ends at origins, not at URLs, of other sites."""
    with pytest.raises(ValueError, match="lifetime"):
        FlowPolicy(lifetime=timedelta(0))
    for origin in ("https://spa.example/", "http://spa.example", "spa.example", "https://a@spa.example"):
        with pytest.raises(ValueError, match="return_to_origins"):
            FlowPolicy(return_to_origins=(origin,))


async def test_rp_B31_the_transport_is_the_application_s(provider: HostileProvider) -> None:
    """B31: any Fetch; what it cannot reach is 503, and nothing is retried for ever."""
    provider.down.add("/token")
    response = await sign_in(provider, made(provider))
    assert (response.status, error_code(response)) == (503, "unreachable")


async def test_rp_B36_further_parameters_are_sent(provider: HostileProvider) -> None:
    """B36: AdditionalAuthorizationParameters."""
    browser = made(provider, parameters={"audience": "x", "login_hint": "alice"})
    sent = query_of(await browser.get("/auth/login"))
    assert (sent["audience"], sent["login_hint"]) == ("x", "alice")


async def test_rp_A16_events_are_an_object_or_functions(provider: HostileProvider) -> None:
    """A16: one object, functions added to it, or none."""
    seen: list[str] = []

    class Mine(RelyingPartyEvents):
        async def ticket_received(self, context: Any) -> None:
            seen.append(context.user.sub)

    assert (await sign_in(provider, made(provider))).status == 303
    await sign_in(provider, made(provider, events=Mine()))
    assert seen == ["u-alice"]


async def test_rp_A15_a_mistake_shows_before_the_first_request(provider: HostileProvider) -> None:
    """A15: not with it."""
    with pytest.raises(ValueError):
        made(provider, base_url="http://app.example")
    assert provider.requests == []


async def test_rp_B2_the_issuer_is_asked_lazily_and_once(provider: HostileProvider) -> None:
    """B2: making a relying party asks nobody; ten attempts ask once."""
    browser = made(provider)
    assert provider.requests == []
    for _ in range(10):
        await browser.get("/auth/login")
    assert provider.asked("/.well-known/openid-configuration") == 1


async def test_rp_B18_tokens_stay_on_the_server(provider: HostileProvider) -> None:
    """B18: always kept, always there, never in a cookie."""
    browser = made(provider)
    await sign_in(provider, browser)
    request = HttpRequest(
        "GET", "/", "", Headers.of({"cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())})
    )
    signed_in = await browser.party.session(request)
    assert signed_in is not None
    assert signed_in.data.access_token
    assert sum(map(len, browser.cookies.values())) < 200


def test_rp_B3_a_client_is_registered_one_way(provider: HostileProvider) -> None:
    """B3: secret or method, not both."""
    with pytest.raises(ValueError, match="not both"):
        made(provider, client_auth=Public())
    assert RelyingPartyClient(client_id="web").auth == Public()
    assert relying_party(provider).client.client_id == "web"
