"""Pages that need more than somebody: scopes, a strength or an age of the sign-in, claims; and what stands in `request`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint
from starlette.responses import JSONResponse
from starlette.routing import Route

import authwright
from authwright.asgi.types import ASGIApp
from authwright.crypto.seal import RootKeys
from authwright.protocol.http import HttpResponse, Json
from authwright.relying_party.user import User
from authwright.resource_server.access_token import AccessToken
from authwright.standard_rp import RelyingParty
from authwright.standard_rs import ResourceServer
from authwright.stores.memory import MemoryRelyingPartySessions
from authwright.stores.protocols import StoreUnavailable
from tests.asgi.asgi_peer import Exchange, http_scope
from tests.asgi.test_relying_party_middleware import AppBrowser
from tests.relying_party.hostile_provider import BASE, ISSUER, SECRET, Clock, HostileProvider, location
from tests.resource_server.test_bearer_guard import API, mint

STRONG, WEAK = "urn:example:strong", "urn:example:weak"
Guarded = Callable[..., Awaitable[User]]


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


def relying_party(provider: HostileProvider, **options: Any) -> RelyingParty:
    arguments: dict[str, Any] = {"fetch": provider, "clock": provider.clock, **options}
    return RelyingParty(
        issuer=ISSUER, client_id="web", client_secret=SECRET, base_url=BASE,
        scopes=["openid", "profile", "offline_access"], **arguments,
    )  # fmt: skip


@pytest.fixture
def rp(provider: HostileProvider) -> RelyingParty:
    return relying_party(provider)


def page_for(rp: RelyingParty, required: Guarded) -> ASGIApp:
    """An application with one page, at /page, for users whom `required` lets in."""
    app = FastAPI()

    @app.get("/page")
    async def page(user: Annotated[User, Depends(required)]) -> str:
        return user.sub

    app.add_middleware(rp.middleware)
    return app


async def visit(browser: AppBrowser) -> dict[str, list[str]]:
    """The authorization request that opening the page leads to."""
    return parse_qs(urlsplit(location(await browser.get("/page"))).query)


async def come_back(provider: HostileProvider, browser: AppBrowser, **id_token: Json) -> HttpResponse:
    """Open the page, sign in as the page wants it, and open it again."""
    sent = location(await browser.get("/page"))
    provider.id_token = id_token
    await browser.get(provider.authorize(sent))
    return await browser.get("/page")


# --- rp.require


async def test_a_stronger_sign_in_is_asked_for(provider: HostileProvider, rp: RelyingParty) -> None:
    """`acr`: the request names it; a session that has it is let in without another sign-in."""
    browser = AppBrowser(rp, page_for(rp, rp.require(acr=STRONG)))
    assert (await visit(browser))["acr_values"] == [STRONG]
    assert (await come_back(provider, browser, acr=STRONG)).json() == "u-alice"
    assert (await browser.get("/page")).status == 200


async def test_a_session_that_is_too_weak_is_sent_to_sign_in_again(
    provider: HostileProvider, rp: RelyingParty
) -> None:
    """Signed in, but not well enough: away once more, with what is needed."""
    browser = AppBrowser(rp, page_for(rp, rp.require(acr=[STRONG, "urn:example:other"])))
    provider.id_token = {"acr": WEAK}
    await browser.get(provider.authorize(location(await browser.get("/auth/login"))))
    assert (await visit(browser))["acr_values"] == [f"{STRONG} urn:example:other"]
    assert (await come_back(provider, browser, acr="urn:example:other")).status == 200


async def test_a_provider_that_brings_no_stronger_sign_in_makes_no_loop(
    provider: HostileProvider, rp: RelyingParty
) -> None:
    """Asked and not given: 403; after a while the user may try again."""
    browser = AppBrowser(rp, page_for(rp, rp.require(acr=STRONG)))
    refused = await come_back(provider, browser, acr=WEAK)
    assert refused.status == 403
    assert "You may not open this page" in refused.body.decode()
    provider.clock.forward(minutes=6)
    assert (await visit(browser))["acr_values"] == [STRONG]


async def test_a_recent_sign_in_is_asked_for(provider: HostileProvider, rp: RelyingParty) -> None:
    """`max_age`: by `auth_time`, with the leeway of the callback, so that what it let in is not sent away again."""
    browser = AppBrowser(rp, page_for(rp, rp.require(max_age=300)))
    assert (await visit(browser))["max_age"] == ["300"]
    now = int(provider.clock().timestamp())
    assert (await come_back(provider, browser, auth_time=now - 299)).status == 200
    provider.clock.forward(seconds=61)
    assert (await browser.get("/page")).status == 200
    provider.clock.forward(seconds=1)
    assert (await visit(browser))["max_age"] == ["300"]


async def test_a_session_that_does_not_say_when_counts_as_old(
    provider: HostileProvider, rp: RelyingParty
) -> None:
    """No `auth_time`: nobody knows, so the user signs in again."""
    browser = AppBrowser(rp, page_for(rp, rp.require(max_age=300)))
    await browser.get(provider.authorize(location(await browser.get("/auth/login"))))
    assert (await visit(browser))["max_age"] == ["300"]


async def test_a_page_for_the_very_moment_can_be_opened(provider: HostileProvider, rp: RelyingParty) -> None:
    """`max_age=0` asks for a sign-in now, not for one with every click for ever."""
    browser = AppBrowser(rp, page_for(rp, rp.require(max_age=0)))
    answer = await come_back(provider, browser, auth_time=int(provider.clock().timestamp()))
    assert answer.status == 200


async def test_a_scope_is_asked_for_beside_those_granted(provider: HostileProvider, rp: RelyingParty) -> None:
    """Incremental: what the session has, and what is missing; refused once the provider did not grant it."""
    browser = AppBrowser(rp, page_for(rp, rp.require(scopes=["orders"])))
    assert (await visit(browser))["scope"] == ["openid profile offline_access orders"]
    provider.token_answer = {"scope": "openid profile orders"}
    assert (await come_back(provider, browser)).status == 200
    other = AppBrowser(rp, page_for(rp, rp.require(scopes=["orders"])))
    provider.token_answer = {"scope": "openid profile"}
    assert (await come_back(provider, other)).status == 403


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"groups": "staff"}, 200),
        ({"name": "Alice Example"}, 200),
        ({"name": "Alice Example", "groups": "staff"}, 200),
        ({"groups": ["staff", "all"]}, 200),
        ({"groups": "admins"}, 403),
        ({"name": "Alice"}, 403),
        ({"verified": True}, 403),
        ({"missing": None}, 200),
    ],
)
async def test_claims_let_in_or_not(
    provider: HostileProvider, rp: RelyingParty, claims: dict[str, Json], status: int
) -> None:
    """Equal, or in the list; no sign-in mends a claim, so it is 403 at once."""
    browser = AppBrowser(rp, page_for(rp, rp.require(claims=claims)))
    assert (await come_back(provider, browser, groups=["staff", "all"], verified="yes")).status == status


async def test_a_script_is_told_403_as_json(provider: HostileProvider, rp: RelyingParty) -> None:
    """No page where nobody reads one."""
    browser = AppBrowser(rp, page_for(rp, rp.require(claims={"groups": "admins"})))
    await come_back(provider, browser)
    answer = await browser.get("/page", accept="application/json", sec_fetch_mode="cors")
    assert (answer.status, answer.json()) == (403, {"error": "forbidden"})


async def test_the_login_url_of_a_script_asks_for_what_was_missing(
    provider: HostileProvider, rp: RelyingParty
) -> None:
    """A background request gets 401; whoever follows its `login_url` signs in as strongly as the page needs."""
    browser = AppBrowser(rp, page_for(rp, rp.require(acr=STRONG, max_age=60)))
    answer = await browser.get("/page", accept="application/json", sec_fetch_mode="cors")
    assert answer.status == 401
    url = answer.json()["login_url"]
    asked = parse_qs(urlsplit(location(await browser.get(url))).query)
    assert (asked["acr_values"], asked["max_age"]) == ([STRONG], ["60"])
    # Sealed: nobody else can make up a login for our users.
    forged = url.partition("ask=")[0] + "ask=eyJtYXhfYWdlIjowfQ"
    assert "max_age" not in parse_qs(urlsplit(location(await browser.get(forged))).query)


async def test_the_login_url_of_a_script_carries_no_items_of_the_application(
    provider: HostileProvider, rp: RelyingParty
) -> None:
    """Whoever is handed the address could hand it to somebody else, whose session the items would end in."""
    app = FastAPI()

    @app.get("/page")
    async def page() -> None:
        raise authwright.LoginRequired(items={"cart": "mallory's"})

    mallory, alice = AppBrowser(rp, rp.wrap(app)), AppBrowser(rp, rp.wrap(app))
    answer = await mallory.get("/page", accept="application/json", sec_fetch_mode="cors")
    assert answer.status == 401
    await alice.get(provider.authorize(location(await alice.get(answer.json()["login_url"]))))
    signed_in = await rp.core.session(alice.request("GET", "/"))
    assert signed_in is not None
    assert dict(signed_in.properties) == {}


@pytest.mark.parametrize("needed", [{"max_age": -1}, {"acr": "a b"}, {"scopes": ["a b"]}, {"acr": [""]}])
def test_what_nobody_can_meet_is_refused_when_the_route_is_made(
    rp: RelyingParty, needed: dict[str, Any]
) -> None:
    """Not on the first request."""
    with pytest.raises(ValueError, match=r"max_age|single words"):
        rp.require(**needed)


async def test_an_application_can_forbid(provider: HostileProvider, rp: RelyingParty) -> None:
    """`raise Forbidden` from anywhere."""
    app = FastAPI()

    @app.get("/page")
    async def page() -> None:
        raise authwright.Forbidden("not_yours")

    browser = AppBrowser(rp, rp.wrap(app))
    assert (await browser.get("/page")).status == 403


async def test_a_web_socket_is_closed_for_who_may_not(provider: HostileProvider, rp: RelyingParty) -> None:
    """1008, as for nobody at all."""
    app = FastAPI()

    @app.websocket("/page")
    async def page(socket: WebSocket, user: Annotated[User, Depends(rp.require(claims={"x": 1}))]) -> None:
        await socket.accept()

    browser = AppBrowser(rp, rp.wrap(app))
    await browser.get(provider.authorize(location(await browser.get("/auth/login"))))
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = [(b"cookie", cookie.encode()), (b"origin", BASE.encode())]
    scope = http_scope("GET", "/page", headers=headers) | {"type": "websocket", "subprotocols": []}
    sent = (await Exchange().run(rp.wrap(app), scope)).sent
    assert sent == [{"type": "websocket.close", "code": 1008}]


# --- several providers


async def test_a_step_up_goes_to_the_provider_the_user_came_from(provider: HostileProvider) -> None:
    """Nobody: the user chooses, and is asked for more once it is known whom to ask. Somebody: the same provider."""
    other = HostileProvider(provider.clock, "https://other.example")
    shared: dict[str, Any] = {
        "sessions": MemoryRelyingPartySessions(provider.clock),
        "keys": RootKeys([b"k" * 32]),
        "clock": provider.clock,
    }
    ours = relying_party(provider, name="ours", **shared)
    theirs = RelyingParty(
        issuer=other.issuer, client_id="web", client_secret=SECRET, base_url=BASE, name="theirs", fetch=other, **shared
    )  # fmt: skip
    parties = authwright.RelyingParties([ours, theirs])
    app = FastAPI()

    @app.get("/page")
    async def page(user: Annotated[User, Depends(parties.require(acr=STRONG, scopes=["orders"]))]) -> str:
        return user.iss

    browser = AppBrowser(ours, parties.wrap(app))
    assert location(await browser.get("/page")).startswith(f"{BASE}/auth/login")
    await browser.get(other.authorize(location(await browser.get("/auth/theirs/login"))))
    sent = location(await browser.get("/page"))
    asked = parse_qs(urlsplit(sent).query)
    assert sent.startswith(other.issuer)
    assert (asked["acr_values"], asked["scope"]) == ([STRONG], ["openid profile orders"])
    other.id_token, other.token_answer = {"acr": STRONG}, {"scope": "openid profile orders"}
    await browser.get(other.authorize(sent))
    assert (await browser.get("/page")).json() == other.issuer


# --- rp.login_required


def starlette_app(rp: RelyingParty) -> Starlette:
    @rp.login_required
    async def page(request: Request) -> JSONResponse:
        return JSONResponse({"sub": request.user.sub, "name": request.user.display_name})

    @rp.login_required(max_age=300)
    async def recent(request: Request) -> JSONResponse:
        return JSONResponse("recent")

    @rp.login_required
    def blocking(request: Request) -> JSONResponse:
        return JSONResponse(request.user.identity)

    class Endpoint(HTTPEndpoint):
        @rp.login_required
        async def get(self, request: Request) -> JSONResponse:
            return JSONResponse("endpoint")

    async def public(request: Request) -> JSONResponse:
        user = request.user
        return JSONResponse([user.is_authenticated, user.display_name, user.identity, *request.auth.scopes])

    @requires("authenticated")
    async def starlettes_own(request: Request) -> JSONResponse:
        return JSONResponse("in")

    routes = [
        Route("/page", page), Route("/recent", recent), Route("/blocking", blocking), Route("/endpoint", Endpoint),
        Route("/public", public), Route("/own", starlettes_own),
    ]  # fmt: skip
    app = Starlette(routes=routes)
    app.add_middleware(rp.middleware)
    return app


async def test_login_required_guards_a_starlette_route(provider: HostileProvider, rp: RelyingParty) -> None:
    """Async or not, a function or a method; with or without more than somebody."""
    browser = AppBrowser(rp, starlette_app(rp))
    for path in ("/page", "/recent", "/blocking", "/endpoint"):
        assert location(await browser.get(path)).startswith(f"{ISSUER}/authorize?")
    answer = await come_back(provider, browser)
    assert answer.json() == {"sub": "u-alice", "name": "Alice Example"}
    assert (await browser.get("/blocking")).json() == "u-alice"
    assert (await browser.get("/endpoint")).json() == "endpoint"
    assert "max_age=300" in location(await browser.get("/recent"))


async def test_starlettes_request_user_and_auth_are_filled(
    provider: HostileProvider, rp: RelyingParty
) -> None:
    """On every page, and so Starlette's own `requires` works."""
    browser = AppBrowser(rp, starlette_app(rp))
    assert (await browser.get("/public")).json() == [False, "", ""]
    assert (await browser.get("/own")).status == 403
    await come_back(provider, browser)
    assert (await browser.get("/public")).json() == [
        True, "Alice Example", "u-alice", "authenticated", "openid", "profile",
    ]  # fmt: skip
    assert (await browser.get("/own")).json() == "in"


class Faulty(MemoryRelyingPartySessions):
    """A store that is out of reach when a test says so."""

    down = False

    async def load(self, digest: str) -> Any:
        if self.down:
            raise StoreUnavailable
        return await super().load(digest)


async def test_a_store_out_of_reach_harms_only_pages_that_ask(provider: HostileProvider) -> None:
    """A page that does not look who is there still works; one that does answers 503, not "nobody"."""
    store = Faulty(provider.clock)
    rp = relying_party(provider, sessions=store)
    app = starlette_app(rp)

    async def plain(request: Request) -> JSONResponse:
        return JSONResponse("plain")

    app.router.routes.append(Route("/plain", plain))
    browser = AppBrowser(rp, app)
    await come_back(provider, browser)
    store.down = True
    assert (await browser.get("/plain")).status == 200
    for path in ("/public", "/own", "/page"):
        assert (await browser.get(path)).status == 503


async def test_a_sign_in_that_brings_no_access_token_makes_no_loop(provider: HostileProvider) -> None:
    """A page that needs one, and a provider that gives none, or one that is over at once: 503; later, another try."""
    rp = relying_party(provider)
    app = FastAPI()

    @app.get("/page")
    async def page(user: Annotated[User, Depends(rp.user)]) -> str:
        return await user.access_token()

    app.add_middleware(rp.middleware)
    provider.token_answer = {"expires_in": 0, "refresh_token": None}
    browser = AppBrowser(rp, app)
    assert (await come_back(provider, browser)).status == 503
    provider.clock.forward(seconds=10)
    assert location(await browser.get("/page")).startswith(ISSUER)
    provider.token_answer = {"refresh_token": None}
    assert (await come_back(provider, browser)).status == 200


async def test_login_required_needs_a_request(rp: RelyingParty) -> None:
    """A function without one is a mistake of the application's, and not an open page."""

    @rp.login_required
    async def page(number: int) -> int:
        return number

    with pytest.raises(TypeError, match="none of the arguments"):
        await page(1)


# --- either


@pytest.fixture
def both(provider: HostileProvider, rp: RelyingParty) -> AppBrowser:
    """An application with a route for pages and programs."""
    api = ResourceServer(ISSUER, API, fetch=provider, clock=provider.clock)
    who_is_it = authwright.either(rp.user, api.require("read"))
    app = FastAPI()

    @app.get("/page")
    async def page(who: Annotated[User | AccessToken, Depends(who_is_it)]) -> list[str | None]:
        return [type(who).__name__, who.sub]

    app.add_middleware(rp.middleware)
    app.add_middleware(api.middleware)
    return AppBrowser(rp, app)


async def test_either_takes_a_session_or_a_token(provider: HostileProvider, both: AppBrowser) -> None:
    """One route for both; each kind keeps its own type."""
    assert (await come_back(provider, both)).json() == ["User", "u-alice"]
    token = mint(provider, sub="u-program")
    answer = await both.get("/page", authorization=f"Bearer {token}")
    assert answer.json() == ["AccessToken", "u-program"]


async def test_a_token_is_never_made_good_by_a_session(provider: HostileProvider, both: AppBrowser) -> None:
    """Whoever sends a token is judged by it: 401, 403 or 400, also with somebody signed in."""
    await come_back(provider, both)
    for headers, status in (
        ({"authorization": "Bearer x"}, 401),
        ({"authorization": f"Bearer {mint(provider, scope='write')}"}, 403),
        ({"authorization": f"DPoP {mint(provider)}"}, 401),
    ):
        answer = await both.get("/page", **headers)
        assert answer.status == status
        assert (answer.headers.get("www-authenticate") or "").startswith("Bearer error=")
    assert (await both.get("/page?access_token=x")).status == 400
    # Another scheme is not a token.
    assert (await both.get("/page", authorization="Basic dTpw")).status == 200


async def test_nobody_is_told_both_ways(both: AppBrowser) -> None:
    """A person is sent to sign in; a program is told how to send a token, and a script where to sign in."""
    assert location(await both.get("/page")).startswith(f"{ISSUER}/authorize?")
    answer = await both.get("/page", accept="application/json", sec_fetch_mode="cors")
    assert (answer.status, answer.json()["error"]) == (401, "login_required")
    session, bearer = answer.headers.many("www-authenticate")
    assert session == "Session"
    assert bearer.startswith('Bearer scope="read", resource_metadata="https://api.example/')


async def test_many_requests_at_once_each_know_their_own_user(
    provider: HostileProvider, rp: RelyingParty
) -> None:
    """What the middleware leaves in a scope stays in that scope."""
    app = starlette_app(rp)
    alice, nobody = AppBrowser(rp, app), AppBrowser(rp, app)
    await come_back(provider, alice)
    answers = await asyncio.gather(*(browser.get("/public") for browser in (alice, nobody) * 10))
    assert [answer.json()[0] for answer in answers] == [True, False] * 10
