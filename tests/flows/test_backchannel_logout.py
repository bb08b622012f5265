"""Our provider tells our relying parties that a session is over: single sign-out, in one process."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest

from authwright.crypto.jwt import unverified_claims, unverified_header
from authwright.crypto.seal import RootKeys
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse, Pass, html_response
from authwright.registrations import client, user
from authwright.relying_party.sessions import SignedIn
from authwright.standard import standard_provider
from authwright.standard_rp import RelyingParty
from authwright.stores.memory import memory_stores
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock

OP = "https://op.test"
SECRET = "a-secret-that-is-long-enough"
SITES = {"news": "https://news.test", "shop": "https://shop.test"}


@dataclass
class Network:
    """What the provider's server can reach: the applications, and how often it was tried."""

    sites: dict[str, Fetch] = field(default_factory=dict)
    posted: list[HttpRequest] = field(default_factory=list)
    answers: list[HttpResponse] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, nothing arrives."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        async with self.changed:
            self.posted.append(request)
            self.changed.notify_all()
        await self.held.wait()
        answer = await self.sites[request.origin](request)
        async with self.changed:
            self.answers.append(answer)
            self.changed.notify_all()
        return answer

    async def saw(self, *, posted: int = 0, answered: int = 0) -> None:
        """Until so many were tried, and so many answered."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: len(self.posted) >= posted and len(self.answers) >= answered)


@dataclass
class World:
    network: Network
    parties: dict[str, RelyingParty]
    browser: Browser

    async def session(self, name: str) -> SignedIn | None:
        for cookie in self.browser.cookies:
            headers = {"cookie": f"{cookie.name}={cookie.value}"}
            request = HttpRequest.to("GET", SITES[name] + "/", headers=headers)
            # Each application has keys of its own, so another's cookie opens nothing here.
            if (found := await self.parties[name].core.session(request)) is not None:
                return found
        return None

    async def sign_in(self, name: str) -> None:
        page = await self.browser.get(SITES[name] + "/auth/login")
        if page.has("login-submit"):
            page = await self.browser.click("login-submit", username="alice", password="alice-demo")
        if page.has("consent-allow"):
            await self.browser.click("consent-allow")
        assert await self.session(name) is not None

    async def sign_out(self, name: str) -> str:
        await self.browser.get(SITES[name] + "/auth/logout?return_to=/bye")
        return (await self.browser.click("logout-confirm")).url


def application(rp: RelyingParty) -> Fetch:
    async def answer(request: HttpRequest) -> HttpResponse:
        found = await rp.handle(request)
        return html_response(200, "<p>hello</p>") if isinstance(found, Pass) else found

    return answer


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock, network = FrozenClock(), Network()
    network.held.set()
    provider = standard_provider(
        issuer=OP,
        stores=memory_stores(clock),
        keys=RootKeys([b"o" * 32]),
        clients=[
            client(
                name,
                SECRET,
                redirect_uris=[base + "/auth/callback"],
                post_logout_redirect_uris=[base + "/auth/logout/callback"],
                backchannel_logout_uri=base + "/auth/backchannel-logout",
                scope="openid profile offline_access",
            )
            for name, base in SITES.items()
        ],
        users=[user("alice", password="alice-demo")],
        algorithms=("ES256",),
        fetch=network,
        clock=clock,
    )
    parties = {
        name: RelyingParty(
            issuer=OP,
            client_id=name,
            client_secret=SECRET,
            base_url=base,
            scopes=["openid", "profile", "offline_access"],
            fetch=provider.handle,
            keys=RootKeys([name.encode() * 8]),
            clock=clock,
        )
        for name, base in SITES.items()
    }
    network.sites = {SITES[name]: application(rp) for name, rp in parties.items()}
    async with provider.lifespan():
        yield World(network, parties, Browser({OP: provider.handle, **network.sites}, clock=clock))


async def test_signing_out_of_one_application_signs_out_of_all(world: World) -> None:
    """RP-initiated in one, back-channel to both; each gets a token of its own."""
    await world.sign_in("news")
    await world.sign_in("shop")
    assert await world.sign_out("news") == SITES["news"] + "/bye"
    await world.network.saw(answered=2)
    assert [answer.status for answer in world.network.answers] == [200, 200]
    assert await world.session("shop") is None
    tokens = [dict(parse_qsl(request.body.decode()))["logout_token"] for request in world.network.posted]
    claims = [unverified_claims(token) or {} for token in tokens]
    assert sorted(str(each["aud"]) for each in claims) == ["news", "shop"]
    assert all(each["sid"] and each["sub"] for each in claims)
    assert len({each["jti"] for each in claims}) == 2
    assert [(unverified_header(token) or {})["typ"] for token in tokens] == ["logout+jwt"] * 2


async def test_an_application_the_user_was_not_in_is_not_told(world: World) -> None:
    """Only the clients of the session hear of it."""
    await world.sign_in("news")
    await world.sign_out("news")
    await world.network.saw(answered=1)
    await asyncio.sleep(0.01)
    assert [request.origin for request in world.network.posted] == [SITES["news"]]


async def test_a_dead_receiver_does_not_delay_the_answer(world: World) -> None:
    """The person is back before anything arrives."""
    await world.sign_in("news")
    await world.sign_in("shop")
    world.network.held.clear()
    assert await world.sign_out("news") == SITES["news"] + "/bye"
    assert world.network.answers == []
    assert await world.session("shop") is not None
    world.network.held.set()
    await world.network.saw(answered=2)
    assert await world.session("shop") is None


async def test_a_token_for_one_application_is_nothing_to_another(world: World) -> None:
    """sec L2: aud: what news was sent, handed on to shop, ends nothing there."""
    await world.sign_in("news")
    await world.sign_in("shop")
    world.network.held.clear()
    await world.sign_out("news")
    await world.network.saw(posted=2)
    (to_news,) = [request for request in world.network.posted if request.origin == SITES["news"]]
    stolen = HttpRequest.to(
        "POST",
        SITES["shop"] + "/auth/backchannel-logout",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=to_news.body,
    )
    assert (await world.network.sites[SITES["shop"]](stolen)).status == 400
    assert await world.session("shop") is not None
    world.network.held.set()
    await world.network.saw(answered=2)


async def test_discovery_says_that_clients_are_told(world: World) -> None:
    """Back-Channel Logout §2.1: supported, and with the session's `sid`."""
    metadata = await world.parties["news"].core.metadata.get()
    assert metadata.backchannel_logout_supported
    assert metadata.backchannel_logout_session_supported
