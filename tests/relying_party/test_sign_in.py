"""Signing in, the ordinary way: what is sent, what is kept, where it ends."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.relying_party.client import Public, RelyingPartyClient, SecretPost
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    HostileProvider,
    location,
    relying_party,
    sign_in,
)


async def test_a_sign_in_ends_where_the_user_wanted_to_go(
    provider: HostileProvider, browser: Browser
) -> None:
    """The whole way: login, provider, callback, session with the claims of ID token and UserInfo."""
    response = await sign_in(provider, browser, "/auth/login?return_to=/orders?page=2")
    assert location(response) == BASE + "/orders?page=2"
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert (signed_in.iss, signed_in.sub, signed_in.sid) == (provider.issuer, "u-alice", "op-session")
    assert signed_in.claims == {
        "sub": "u-alice",
        "name": "Alice Example",
        "email": "alice@example.com",
    }
    assert browser.flow_cookies() == []


async def test_the_authorization_request_has_all_a_careful_client_sends(browser: Browser) -> None:
    """Code flow with PKCE S256, nonce, random state and the exact redirect URI."""
    sent = location(await browser.get("/auth/login"))
    query = dict(parse_qsl(urlsplit(sent).query))
    assert sent.startswith("https://op.example/authorize?")
    assert query["response_type"] == "code"
    assert query["scope"] == "openid profile"
    assert query["redirect_uri"] == BASE + "/auth/callback"
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert len(query["nonce"]) >= 43
    assert len(query["state"]) >= 43
    again = dict(parse_qsl(urlsplit(location(await browser.get("/auth/login"))).query))
    assert all(query[name] != again[name] for name in ("state", "nonce", "code_challenge"))


async def test_cookies_are_bound_to_the_host_and_closed_to_scripts(
    provider: HostileProvider, browser: Browser
) -> None:
    """With an https base URL every cookie is __Host-, Secure, HttpOnly and Lax."""
    first = await browser.get("/auth/login")
    second = await browser.get(provider.authorize(location(first)))
    for response in (first, second):
        for cookie in response.headers.many("set-cookie"):
            assert cookie.startswith("__Host-authwright_rp_")
            assert "; Path=/; " in cookie
            assert all(part in cookie for part in ("; Secure", "; HttpOnly", "; SameSite=Lax"))


async def test_on_loopback_http_the_cookies_have_no_prefix_and_work(provider: HostileProvider) -> None:
    """Plain HTTP clients can sign in to a site in development."""
    browser = Browser(relying_party(provider, base_url="http://localhost:9001"))
    await sign_in(provider, browser)
    assert list(browser.cookies) == ["authwright_rp_session"]


@pytest.mark.parametrize(
    "base_url", ["http://app.example", "app.example", "https://app.example/?x", "ftp://a"]
)
def test_a_base_url_that_is_not_safe_is_refused_at_start(provider: HostileProvider, base_url: str) -> None:
    """http is for loopback, and nothing may hide in the URL."""
    with pytest.raises(ValueError):
        relying_party(provider, base_url=base_url)


@pytest.mark.parametrize(
    ("client", "header", "form"),
    [
        (RelyingPartyClient(client_id="web", auth=SecretPost("s3cret&")), None, "s3cret&"),
        (RelyingPartyClient(client_id="web", auth=Public()), None, None),
    ],
)
async def test_a_client_authenticates_as_it_is_registered(
    provider: HostileProvider, client: RelyingPartyClient, header: str | None, form: str | None
) -> None:
    """client_secret_post puts the secret into the form, a public client sends only its id."""
    await sign_in(provider, Browser(relying_party(provider, client=client)))
    request = next(request for request in provider.requests if request.path == "/token")
    assert request.headers.get("authorization") == header
    assert provider.last("/token")["client_id"] == "web"
    assert provider.last("/token").get("client_secret") == form


async def test_a_secret_goes_into_the_basic_header_by_default(
    provider: HostileProvider, browser: Browser
) -> None:
    """RFC 6749 §2.3.1: form-encoded, then base64; nothing of it in the body."""
    await sign_in(provider, browser)
    request = next(request for request in provider.requests if request.path == "/token")
    assert (request.headers.get("authorization") or "").startswith("Basic ")
    assert not {"client_id", "client_secret"} & set(provider.last("/token"))


async def test_signing_in_again_ends_the_earlier_session(provider: HostileProvider, browser: Browser) -> None:
    """A session id never survives a sign-in, so one that was planted is worth nothing."""
    await sign_in(provider, browser)
    planted = dict(browser.cookies)
    await sign_in(provider, browser)
    assert browser.cookies != planted
    browser.cookies = planted
    assert await browser.party.session(browser.request("GET", "/")) is None


async def test_a_session_ends_on_the_server_s_clock(provider: HostileProvider, browser: Browser) -> None:
    """Whatever the browser keeps."""
    await sign_in(provider, browser)
    provider.clock.forward(days=14)
    assert await browser.party.session(browser.request("GET", "/")) is None


async def test_the_session_at_rest_shows_no_token_and_no_claim(provider: HostileProvider) -> None:
    """Tokens and claims are sealed, the id is a digest."""
    party = relying_party(provider)
    browser = Browser(party)
    await sign_in(provider, browser)
    signed_in = await party.session(browser.request("GET", "/"))
    assert signed_in is not None
    stored = repr(signed_in.record.sealed) + signed_in.record.digest + repr(signed_in)
    assert "alice@" not in stored
    assert str(signed_in.data.access_token) not in stored
    assert next(iter(browser.cookies.values())) not in stored
