"""Our relying party against our provider without a socket: `fetch=provider.handle`, one frozen clock for both."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.base64url import decode
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, json_response
from authwright.provider.signing import Signing
from authwright.registrations import client, user
from authwright.relying_party.client import Public, SecretBasic, SecretPost
from authwright.relying_party.errors import ProviderRefused, SessionEnded
from authwright.relying_party.sessions import SignedIn
from authwright.standard import standard_provider
from authwright.standard_rp import RelyingParty
from authwright.stores.memory import MemoryRelyingPartySessions, memory_stores
from authwright.stores.protocols import RelyingPartySessionStore, Stores
from authwright.testing.browser import Browser, Page
from authwright.testing.clock import FrozenClock

OP, APP = "https://op.example", "https://app.example"
SECRET = "a secret: with / every + sign % that = encodings ~ disagree about ü"
KEYS, RP_KEYS = RootKeys([bytes(range(32))]), RootKeys([bytes(range(32, 64))])
SCOPES = ("openid", "profile", "email", "offline_access")
PASSWORD = "alice-secret"
AUTHENTICATIONS = {"basic": SecretBasic(SECRET), "post": SecretPost(SECRET), "public": Public()}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A provider, an application that signs in with it, and a person's browser."""

    clock: FrozenClock
    stores: Stores
    provider: ServedProvider
    sessions: RelyingPartySessionStore

    def relying_party(self, client_id: str = "basic", base_url: str = APP, **options: Any) -> RelyingParty:
        """One process of the application; all of them share their sessions and keys."""
        arguments: dict[str, Any] = {
            "client_auth": AUTHENTICATIONS[client_id],
            "keys": RP_KEYS,
            "sessions": self.sessions,
            "clock": self.clock,
        }
        return RelyingParty(
            issuer=self.provider.issuer,
            client_id=client_id,
            base_url=base_url,
            scopes=SCOPES,
            fetch=self.provider.handle,
            **(arguments | options),
        )

    def browser(self, *parties: RelyingParty) -> Browser:
        """A browser without cookies, to which the provider and these applications are the whole Web."""
        sites = {party.core.site.origin: Application(party).answer for party in parties}
        return Browser({OP: self.provider.handle} | sites, clock=self.clock)


@dataclass(frozen=True, slots=True)
class Application:
    """Whatever is not the relying party's needs a user and shows who it is."""

    rp: RelyingParty

    async def answer(self, request: HttpRequest) -> HttpResponse:
        answer = await self.rp.handle(request)
        if not isinstance(answer, Pass):
            return answer
        visitor = await self.rp.user_of(request)
        if visitor is None:
            return await self.rp.core.challenge(request)
        return json_response(200, {"iss": visitor.iss, "sub": visitor.sub, "claims": dict(visitor.claims)})


async def open_world(path: str = "", base_path: str = "", **options: Any) -> World:
    """A provider whose issuer has that path, and one client for each way to authenticate."""
    clock = FrozenClock()
    stores = memory_stores(clock)
    at_app: dict[str, Any] = {
        "redirect_uris": [f"{APP}{base_path}/auth/callback"],
        "post_logout_redirect_uris": [f"{APP}{base_path}/auth/logout/callback"],
        "scope": " ".join(SCOPES),
    }
    clients: Mapping[str, dict[str, Any]] = {
        "basic": {"client_secret": SECRET},
        "post": {
            "client_secret": SECRET,
            "token_endpoint_auth_method": "client_secret_post",
            "access_token_format": "opaque",
        },
        "public": {"require_consent": False},
    }
    options.setdefault("algorithms", ("ES256",))
    provider = standard_provider(
        issuer=OP + path,
        stores=stores,
        keys=KEYS,
        clients=[client(client_id, **(metadata | at_app)) for client_id, metadata in clients.items()],
        users=[user("alice", PASSWORD, name="Alice Éxample", email="alice@example.com")],
        clock=clock,
        **options,
    )
    await provider.open()
    return World(clock=clock, stores=stores, provider=provider, sessions=MemoryRelyingPartySessions(clock))


async def sign_in(browser: Browser, url: str = f"{APP}/") -> Page:
    """From a page that needs a user, through whatever the provider asks, to where that ends."""
    page = await browser.get(url)
    if page.has("login-submit"):
        page = await browser.click("login-submit", username="alice", password=PASSWORD)
    if page.has("consent-allow"):
        page = await browser.click("consent-allow")
    return page


def shown(page: Page) -> Any:
    """What the application answered."""
    assert (page.status, page.header("content-type")) == (200, "application/json"), page.html
    assert page.response is not None
    return page.response.json()


async def session_of(browser: Browser, rp: RelyingParty) -> SignedIn:
    """The session the browser has."""
    cookie = browser.cookie("__Host-authwright_rp_session")
    assert cookie is not None
    request = HttpRequest.to("GET", APP, headers={"cookie": f"{cookie.name}={cookie.value}"})
    signed_in = await rp.core.session(request)
    assert signed_in is not None
    return signed_in


@pytest.mark.parametrize("client_id", AUTHENTICATIONS)
@pytest.mark.parametrize(("path", "base_path"), [("", ""), ("/tenants/a", "/shop")])
async def test_a_user_signs_in_uses_tokens_and_signs_out(client_id: str, path: str, base_path: str) -> None:
    """The whole life of a session, for each way to authenticate, at hosts' roots and below them."""
    world = await open_world(path, base_path)
    rp = world.relying_party(client_id, APP + base_path)
    browser = world.browser(rp)

    # 1. In: by name and password, and back at the page that needed a user.
    page = await sign_in(browser, f"{APP}{base_path}/orders?page=2")
    assert page.url == f"{APP}{base_path}/orders?page=2"
    visitor = shown(page)
    assert (visitor["iss"], visitor["sub"]) == (OP + path, "u-alice")
    claims = {"name": "Alice Éxample", "email": "alice@example.com", "amr": ["pwd"]}
    assert visitor["claims"].items() >= claims.items()

    # 2. A fresh token is used as it is; one near its end is replaced, and so is the refresh token.
    before = await session_of(browser, rp)
    first = await rp.core.access_token(before)
    assert first == await rp.core.access_token(before)
    world.clock.advance(10 * 60)
    second = await rp.core.access_token(before)
    after = await session_of(browser, rp)
    assert second == after.data.access_token != first
    assert after.data.refresh_token != before.data.refresh_token
    assert (await rp.core.fetch_userinfo(second))["sub"] == "u-alice"

    # 3. Out: here and there, and on to where the application wanted.
    await browser.get(f"{APP}{base_path}/auth/logout?return_to={base_path}/bye")
    page = await browser.click("logout-confirm")
    assert [url.partition("?")[0] for url in page.visited[:4]] == [
        f"{APP}{base_path}/auth/logout",
        f"{OP}{path}/end_session",
        f"{APP}{base_path}/auth/logout/callback",
        f"{APP}{base_path}/bye",
    ]

    # 4. That page needs a user again, and the provider asks for the password.
    assert page.has("login-submit")
    assert after.data.refresh_token is not None
    with pytest.raises(ProviderRefused) as refused:
        await rp.core.use_refresh_token(f"{OP}{path}/token", after.data.refresh_token)
    assert refused.value.error == "invalid_grant"


async def test_a_second_application_finds_the_user_signed_in() -> None:
    """Single sign-on: the session at the provider is enough, and a first-party client asks for no consent."""
    world = await open_world()
    browser = world.browser(world.relying_party())
    await sign_in(browser)
    # The same site under another client, with sessions of its own.
    other = world.relying_party("public", keys=RootKeys([b"o" * 32]))
    second = world.browser(other)
    second.cookies = tuple(cookie for cookie in browser.cookies if cookie.host == "op.example")
    page = await second.get(f"{APP}/")
    assert shown(page)["sub"] == "u-alice"
    assert [urlsplit(url).netloc for url in page.visited] == [
        "app.example",
        "op.example",
        "app.example",
        "app.example",
    ]


@pytest.mark.parametrize("button", ["login-cancel", "consent-deny"])
async def test_a_user_who_declines_comes_back_without_a_session(button: str) -> None:
    """Either page can be declined; the application hears access_denied and says so."""
    world = await open_world()
    browser = world.browser(world.relying_party())
    page = await browser.get(f"{APP}/")
    if button == "consent-deny":
        await browser.click("login-submit", username="alice", password=PASSWORD)
    page = await browser.click(button)
    assert (page.status, page.texts["error-code"]) == (400, "access_denied")
    assert page.url.startswith(f"{APP}/auth/callback?")
    assert browser.cookie("__Host-authwright_rp_session") is None


async def test_two_processes_that_refresh_at_once_use_the_refresh_token_once() -> None:
    """The provider takes a second use for theft and revokes the grant; nothing of the kind may happen."""
    world = await open_world()
    processes = [world.relying_party() for _ in range(3)]
    browser = world.browser(processes[0])
    await sign_in(browser)
    signed_in = await session_of(browser, processes[0])
    world.clock.advance(10 * 60)
    tokens = await asyncio.gather(*(rp.core.access_token(signed_in) for rp in processes * 4))
    assert len(set(tokens)) == 1
    assert (await processes[0].core.fetch_userinfo(tokens[0]))["sub"] == "u-alice"
    world.clock.advance(10 * 60)
    assert await processes[1].core.access_token(await session_of(browser, processes[1])) != tokens[0]


async def test_a_grant_revoked_at_the_provider_ends_the_session_at_the_next_refresh() -> None:
    """invalid_grant is final: the user signs in again, which the session at the provider makes easy."""
    world = await open_world()
    rp = world.relying_party()
    browser = world.browser(rp)
    await sign_in(browser)
    signed_in = await session_of(browser, rp)
    assert signed_in.data.refresh_token is not None
    await rp.core.revoke_refresh_token(f"{OP}/revoke", signed_in.data.refresh_token)
    world.clock.advance(10 * 60)
    with pytest.raises(SessionEnded):
        await rp.core.access_token(signed_in)
    page = await browser.get(f"{APP}/")
    assert len(page.visited) > 1
    assert shown(page)["sub"] == "u-alice"
    assert (await session_of(browser, rp)).record.digest != signed_in.record.digest


async def test_a_sign_in_works_right_after_the_provider_changed_its_keys() -> None:
    """An unknown key id brings the newer keys at once, not the failure of a sign-in."""
    world = await open_world()
    rp = world.relying_party()
    first_browser, second_browser = world.browser(rp), world.browser(rp)
    await sign_in(first_browser)
    signing = Signing(world.stores.keys, Seal(KEYS, "signing-key"), algorithms=("ES256",), clock=world.clock)
    world.clock.advance(61)
    await signing.rotate()
    world.clock.advance(10)
    assert shown(await sign_in(second_browser))["sub"] == "u-alice"
    kids = [
        key_id((await session_of(browser, rp)).data.id_token) for browser in (first_browser, second_browser)
    ]
    assert len(set(kids)) == 2


def key_id(id_token: str | None) -> str:
    assert id_token is not None
    kid: str = json.loads(decode(id_token.partition(".")[0].encode()))["kid"]
    return kid
