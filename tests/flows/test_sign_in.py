"""Our relying party signs in at our provider: whole flows in one process, over `fetch=provider.handle`."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.seal import RootKeys
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse, Pass, html_response
from authwright.registrations import client, user
from authwright.relying_party.errors import SessionEnded
from authwright.relying_party.sessions import SignedIn
from authwright.remote.client_authentication import SecretBasic
from authwright.resource_server.guard import ResourceServer
from authwright.resource_server.introspection import Introspection
from authwright.resource_server.refusals import BearerRefused
from authwright.standard import standard_provider
from authwright.standard_rp import RelyingParty
from authwright.stores.memory import memory_stores
from authwright.testing.browser import Browser, Page
from authwright.testing.clock import FrozenClock

OP = "https://op.test"
APP = "https://app.test"
SECRET = "web-secret-that-is-long-enough"


@dataclass(frozen=True, slots=True)
class Site:
    """An application with the relying party in front, as a Fetch, and a browser that knows it and the provider."""

    provider: ServedProvider
    rp: RelyingParty
    browser: Browser
    clock: FrozenClock

    async def session(self) -> SignedIn | None:
        """The session of the browser."""
        cookie = self.browser.cookie("__Host-authwright_rp_session")
        if cookie is None:
            return None
        headers = {"cookie": f"{cookie.name}={cookie.value}"}
        return await self.rp.core.session(HttpRequest.to("GET", APP + "/", headers=headers))

    async def signed_in(self) -> SignedIn:
        found = await self.session()
        assert found is not None
        return found

    async def sign_in(self, path: str = "/auth/login") -> Page:
        """From the login to the page the user wanted."""
        page = await self.browser.get(APP + path)
        if page.has("login-submit"):
            page = await self.browser.click("login-submit", username="alice", password="alice-demo")
        if page.has("consent-allow"):
            page = await self.browser.click("consent-allow")
        return page


def application(rp: RelyingParty) -> Fetch:
    async def answer(request: HttpRequest) -> HttpResponse:
        found = await rp.handle(request)
        if not isinstance(found, Pass):
            return found
        return html_response(200, f'<p id="path">{request.path}</p>')

    return answer


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    clock = FrozenClock()
    stores = memory_stores(clock)
    provider = standard_provider(
        issuer=OP,
        stores=stores,
        keys=RootKeys([b"o" * 32]),
        clients=[
            client(
                "web",
                SECRET,
                redirect_uris=[APP + "/auth/callback"],
                post_logout_redirect_uris=[APP + "/auth/logout/callback"],
                scope="openid profile email offline_access",
            ),
        ],
        users=[user("alice", password="alice-demo", name="Alice Example", email="alice@example.com")],
        clock=clock,
    )
    rp = RelyingParty(
        issuer=OP,
        client_id="web",
        client_secret=SECRET,
        base_url=APP,
        scopes=["openid", "profile", "email", "offline_access"],
        fetch=provider.handle,
        sessions=stores.relying_party_sessions,
        keys=RootKeys([b"r" * 32]),
        clock=clock,
    )
    async with provider.lifespan():
        browser = Browser({OP: provider.handle, APP: application(rp)}, clock=clock)
        yield Site(provider, rp, browser, clock)


async def test_a_user_signs_in_and_lands_where_she_wanted(site: Site) -> None:
    """Login page, consent page, callback, session with the claims of ID token and UserInfo."""
    page = await site.sign_in("/auth/login?return_to=/orders?page=2")
    assert page.url == APP + "/orders?page=2"
    signed_in = await site.signed_in()
    assert (signed_in.iss, signed_in.claims["name"]) == (OP, "Alice Example")
    assert signed_in.claims["email"] == "alice@example.com"
    assert signed_in.sid
    assert signed_in.data.refresh_token


async def test_the_second_sign_in_needs_no_password(site: Site) -> None:
    """Single sign-on: the provider's session answers."""
    await site.sign_in()
    first = await site.signed_in()
    page = await site.browser.get(APP + "/auth/login?return_to=/again")
    assert page.url == APP + "/again"
    second = await site.signed_in()
    assert second.sub == first.sub
    assert second.record.digest != first.record.digest


async def test_refreshing_by_many_tasks_spends_one_refresh_token(site: Site) -> None:
    """The provider rotates, and takes a second use for theft: single flight keeps the session alive."""
    await site.sign_in()
    held = await site.signed_in()
    site.clock.advance(595)
    tokens = await asyncio.gather(*(site.rp.core.access_token(held) for _ in range(64)))
    assert len(set(tokens)) == 1
    renewed = await site.signed_in()
    assert renewed.data.refresh_token != held.data.refresh_token
    site.clock.advance(595)
    assert await site.rp.core.access_token(renewed) not in tokens


async def test_a_revoked_refresh_token_ends_the_session(site: Site) -> None:
    """invalid_grant from the real endpoint."""
    await site.sign_in()
    held = await site.signed_in()
    metadata = await site.rp.core.metadata.get()
    assert metadata.revocation_endpoint is not None
    await site.rp.core.revoke_refresh_token(metadata.revocation_endpoint, str(held.data.refresh_token))
    site.clock.advance(595)
    with pytest.raises(SessionEnded):
        await site.rp.core.access_token(held)
    assert await site.session() is None


async def test_signing_out_ends_both_sessions(site: Site) -> None:
    """POST to our logout, through the provider's end session, back to the page that was asked for."""
    await site.sign_in()
    await site.browser.get(APP + "/auth/logout?return_to=/bye")
    page = await site.browser.click("logout-confirm")
    if page.has("logout-confirm"):
        page = await site.browser.click("logout-confirm")
    assert page.url == APP + "/bye"
    assert await site.session() is None
    page = await site.browser.get(APP + "/auth/login")
    assert urlsplit(page.url).netloc == "op.test"
    assert page.has("login-submit")


async def test_a_user_who_declines_is_not_signed_in(site: Site) -> None:
    """access_denied, as a page with a way to start again."""
    await site.browser.get(APP + "/auth/login")
    await site.browser.click("login-submit", username="alice", password="alice-demo")
    page = await site.browser.click("consent-deny")
    assert (page.status, page.texts["error-code"]) == (400, "access_denied")
    assert "start-again" in page.links
    assert await site.session() is None


async def test_prompt_none_without_a_session_is_told_apart(site: Site) -> None:
    """login_required comes back through the callback."""
    core = site.rp.core
    request = HttpRequest.to("GET", APP + "/", headers={"accept": "text/html"})
    response = await core.challenge(request, prompt="none")
    name, _, value = (response.headers.get("set-cookie") or "").partition(";")[0].partition("=")
    answered = await site.provider.handle(HttpRequest.to("GET", response.headers.get("location") or ""))
    back = HttpRequest.to(
        "GET", answered.headers.get("location") or "", headers={"cookie": f"{name}={value}"}
    )
    refused = await core.callback(back)
    assert isinstance(refused, HttpResponse)
    assert b"login_required" in refused.body


async def test_an_api_takes_the_access_token(site: Site) -> None:
    """By its signature, and by introspection; after its revocation only introspection knows."""
    await site.sign_in()
    token = await site.rp.core.access_token(await site.signed_in())
    request = HttpRequest.to("GET", "https://api.test/x", headers={"authorization": f"Bearer {token}"})
    by_key = ResourceServer(issuer=OP, audience=OP, fetch=site.provider.handle, clock=site.clock)
    accepted = await by_key.guard(request, ["profile"])
    assert (accepted.sub, accepted.client_id) == ((await site.signed_in()).sub, "web")
    by_introspection = ResourceServer(
        issuer=OP,
        audience=OP,
        fetch=site.provider.handle,
        clock=site.clock,
        introspection=Introspection("web", SecretBasic(SECRET)),
        introspect_jwts=True,
    )
    assert (await by_introspection.guard(request)).sub == accepted.sub
    elsewhere = ResourceServer(
        issuer=OP, audience="https://api.test", fetch=site.provider.handle, clock=site.clock
    )
    with pytest.raises(BearerRefused, match="invalid_token"):
        await elsewhere.guard(request)
    site.clock.advance(601)
    with pytest.raises(BearerRefused, match="invalid_token"):
        await by_key.guard(request)
