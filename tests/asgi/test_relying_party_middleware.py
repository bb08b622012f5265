"""The relying party in front of real frameworks: FastAPI, Starlette, and an application that is neither."""

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.relying_party.errors import LoginRequired
from authwright.relying_party.events import TokenValidated
from authwright.relying_party.user import User
from authwright.resource_server.access_token import AccessToken
from authwright.standard_rp import RelyingParty
from authwright.standard_rs import ResourceServer
from authwright.stores.protocols import StoreUnavailable
from tests.asgi.asgi_peer import Exchange, http_scope
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    SECRET,
    Browser,
    Clock,
    HostileProvider,
    location,
    sign_in,
)
from tests.resource_server.test_bearer_guard import mint


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


@pytest.fixture
def rp(provider: HostileProvider) -> RelyingParty:
    return RelyingParty(
        issuer=ISSUER,
        client_id="web",
        client_secret=SECRET,
        base_url=BASE,
        scopes=["openid", "profile", "offline_access"],
        fetch=provider,
        clock=provider.clock,
    )


class AppBrowser(Browser):
    """A browser that talks to an ASGI application."""

    def __init__(self, rp: RelyingParty, app: ASGIApp) -> None:
        super().__init__(rp.core)
        self.app = app

    async def send(self, request: HttpRequest) -> HttpResponse:
        scope = http_scope(
            request.method, request.path, query=request.query.encode(), headers=request.headers.lines
        )
        sent = (await Exchange(request.body).run(self.app, scope)).sent
        assert [message["type"] for message in sent].count("http.response.start") == 1
        body = b"".join(message.get("body", b"") for message in sent[1:])
        response = HttpResponse(sent[0]["status"], Headers(sent[0]["headers"]), body)
        self.keep(response)
        return response


def fastapi_app(rp: RelyingParty) -> FastAPI:
    """What an application writes."""
    app = FastAPI()

    @app.get("/")
    async def home(user: Annotated[User, Depends(rp.user)]) -> dict[str, str]:
        return {"hello": user["name"], "token": await user.access_token()}

    @app.get("/maybe")
    async def maybe(user: Annotated[User | None, Depends(rp.optional_user)]) -> dict[str, str | None]:
        return {"sub": user.sub if user else None}

    @app.get("/step-up")
    async def step_up() -> None:
        raise LoginRequired(max_age=0, acr_values=["high"], return_to="/after")

    @app.post("/bye")
    async def bye(request: Request) -> Any:
        return await rp.sign_out(request, return_to="/gone")

    @app.post("/change")
    async def change(user: Annotated[User, Depends(rp.user)]) -> str:
        return user.sub

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    @app.get("/closed")
    async def closed() -> None:
        raise StoreUnavailable

    return app


@pytest.fixture(params=["add_middleware", "wrap"])
def browser(request: pytest.FixtureRequest, rp: RelyingParty) -> AppBrowser:
    """Both ways of putting it in front: inside and outside of the framework's own layers."""
    app = fastapi_app(rp)
    if request.param == "wrap":
        return AppBrowser(rp, rp.wrap(app))
    app.add_middleware(rp.middleware)
    return AppBrowser(rp, app)


async def test_depends_on_the_user_signs_in_and_comes_back(
    provider: HostileProvider, browser: AppBrowser
) -> None:
    """No session: away to the provider and back to the page; then the route runs with the user and a token."""
    response = await browser.get("/?a=b")
    assert location(response).startswith("https://op.example/authorize?")
    done = await browser.get(provider.authorize(location(response)))
    assert location(done) == BASE + "/?a=b"
    page = await browser.get("/")
    assert page.status == 200
    assert page.json()["hello"] == "Alice Example"
    assert page.json()["token"].startswith("at_")


async def test_a_script_gets_401_with_a_login_url(browser: AppBrowser) -> None:
    """fetch() and XHR are told, not redirected."""
    response = await browser.get("/", accept="application/json", sec_fetch_mode="cors")
    assert response.status == 401
    assert response.json()["login_url"] == BASE + "/auth/login"


async def test_optional_user(provider: HostileProvider, browser: AppBrowser) -> None:
    """None without a session, the user with one."""
    assert (await browser.get("/maybe")).json() == {"sub": None}
    await sign_in(provider, browser)
    assert (await browser.get("/maybe")).json() == {"sub": "u-alice"}


async def test_login_required_carries_its_wishes(browser: AppBrowser) -> None:
    """From anywhere: max_age, acr_values, return_to."""
    sent = location(await browser.get("/step-up"))
    assert "max_age=0" in sent
    assert "acr_values=high" in sent


async def test_a_route_signs_out_with_the_framework_s_own_response(
    provider: HostileProvider, browser: AppBrowser
) -> None:
    """`return await rp.sign_out(request)`: redirect and cookie deletion arrive."""
    await sign_in(provider, browser)
    assert browser.signed_in
    response = await browser.post("/bye")
    assert location(response).startswith("https://op.example/end_session?")
    assert not browser.signed_in


async def test_a_session_the_provider_ended_asks_to_sign_in(
    provider: HostileProvider, browser: AppBrowser
) -> None:
    """invalid_grant in the middle of a route: back to the login, and the dead cookie goes."""
    await sign_in(provider, browser)
    provider.clock.forward(seconds=601)
    provider.refresh_tokens.clear()
    response = await browser.get("/")
    assert location(response).startswith("https://op.example/authorize?")
    assert not browser.signed_in


async def test_a_provider_out_of_reach_is_503(provider: HostileProvider, browser: AppBrowser) -> None:
    """In the middle of a route, and the session stays."""
    await sign_in(provider, browser)
    provider.clock.forward(seconds=601)
    provider.down.add("/token")
    response = await browser.get("/")
    assert response.status == 503
    assert response.headers.get("retry-after")
    assert browser.signed_in
    assert (await browser.get("/closed")).status == 503


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://sibling.app.example", "sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"origin": "null"},
    ],
)
async def test_sec_P7_a_request_from_another_site_changes_nothing(
    provider: HostileProvider, browser: AppBrowser, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    """P7: 403 unless the Origin check passes; a sibling of our domain has the cookie, but not our origin."""
    await sign_in(provider, browser)
    caplog.clear()
    assert (await browser.post("/change", b"", **headers)).status == 403
    assert (await browser.post("/auth/logout", b"", **headers)).status == 403
    told = [(vars(record)["event"], vars(record)["reason"]) for record in caplog.records]
    assert told == [("rp.forbidden", "cross_site")] * 2
    assert (await browser.post("/change", b"", origin=BASE)).status == 200
    assert (await browser.post("/change")).status == 200


async def test_an_error_of_the_application_stays_its_own(browser: AppBrowser) -> None:
    """Only what is ours is translated: its 500 goes out, its exception goes on."""
    with pytest.raises(ZeroDivisionError):
        await browser.get("/broken")


async def test_the_endpoints_of_fastapi_are_still_documented(browser: AppBrowser) -> None:
    """The dependency's signature is one FastAPI understands: no stray parameter in the schema."""
    schema = (await browser.get("/openapi.json")).json()
    assert "parameters" not in schema["paths"]["/"]["get"]


async def test_an_event_added_to_the_front_reaches_the_core(
    provider: HostileProvider, rp: RelyingParty, browser: AppBrowser
) -> None:
    """`@rp.on(TokenValidated)`."""
    seen: list[str] = []

    @rp.on(TokenValidated)
    async def link(event: TokenValidated) -> None:
        seen.append(event.user.sub)

    await sign_in(provider, browser)
    assert seen == ["u-alice"]


async def test_starlette_with_a_mounted_application(provider: HostileProvider, rp: RelyingParty) -> None:
    """A mounted sub-application reads the same visitor; the page it came from has the mount in its path."""

    async def page(request: Any) -> PlainTextResponse:
        user = await request.scope["authwright"].user()
        if user is None:
            raise LoginRequired
        return PlainTextResponse(user.sub)

    app = Starlette(routes=[Mount("/sub", routes=[Route("/page", page)])])
    app.add_middleware(rp.middleware)
    browser = AppBrowser(rp, app)
    response = await browser.get("/sub/page")
    done = await browser.get(provider.authorize(location(response)))
    assert location(done) == BASE + "/sub/page"
    assert (await browser.get("/sub/page")).body == b"u-alice"


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without a framework."""
    user = await scope["authwright"].user()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": (user.sub if user else "-").encode()})


async def test_plain_asgi_reads_the_scope(provider: HostileProvider, rp: RelyingParty) -> None:
    """`await scope["authwright"].user()`."""
    browser = AppBrowser(rp, rp.wrap(bare))
    assert (await browser.get("/")).body == b"-"
    await sign_in(provider, browser)
    assert (await browser.get("/")).body == b"u-alice"
    user = await rp.user_of(browser.request("GET", "/"))
    assert user is not None
    assert (user.iss, user.sub) == (ISSUER, "u-alice")


@pytest.mark.parametrize(
    ("path", "root"), [("/app/auth/login", "/app"), ("/auth/login", "/app"), ("/app/auth/login", "")]
)
async def test_below_a_prefix_the_full_path_counts(provider: HostileProvider, path: str, root: str) -> None:
    """Whether or not a server puts the root_path into the path, and for a base URL with a path."""
    rp = RelyingParty(
        issuer=ISSUER, client_id="web", base_url=BASE + "/app", fetch=provider, clock=provider.clock
    )
    scope = http_scope("GET", path, root_path=root, headers=[(b"accept", b"text/html")])
    sent = (await Exchange().run(rp.wrap(bare), scope)).sent
    assert sent[0]["status"] == 303
    assert b"https%3A%2F%2Fapp.example%2Fapp%2Fauth%2Fcallback" in dict(sent[0]["headers"])[b"location"]


async def test_a_form_larger_than_the_limit_is_413(rp: RelyingParty) -> None:
    """Nothing of ours takes more than 64 KB."""
    browser = AppBrowser(rp, rp.wrap(bare))
    assert (await browser.post("/auth/logout", b"x" * 70_000)).status == 413


async def test_a_websocket_without_a_session_is_closed(rp: RelyingParty) -> None:
    """LoginRequired before or after the handshake: close with 1008."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if await scope["authwright"].user() is None:
            raise LoginRequired

    scope = http_scope("GET", "/ws", type="websocket")
    sent = (await Exchange().run(rp.wrap(app), scope)).sent
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_reply_that_began_is_not_replaced(rp: RelyingParty) -> None:
    """Too late to send anybody to sign in: the server sees the exception."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LoginRequired

    with pytest.raises(LoginRequired):
        await Exchange().run(rp.wrap(app), http_scope("GET", "/"))


async def test_a_500_of_the_application_goes_out_whole(rp: RelyingParty) -> None:
    """It is only held back until it is known that nothing of ours was raised."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    sent = (await Exchange().run(rp.wrap(app), http_scope("GET", "/"))).sent
    assert [message.get("body") for message in sent] == [None, b"a", b"b"]


async def test_the_server_s_stop_closes_our_connections() -> None:
    """With the lifespan of the application, before it is complete."""
    closed: list[str] = []
    rp = RelyingParty(issuer=ISSUER, client_id="web", base_url=BASE)

    async def close() -> None:
        closed.append("closed")

    original, rp.close = rp.close, close  # type: ignore[method-assign]
    sent: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        assert closed == []
        await send({"type": "lifespan.shutdown.complete"})

    async def send(message: Any) -> None:
        sent.append((message["type"], list(closed)))

    async def receive() -> Any:
        return {}

    await rp.wrap(app)({"type": "lifespan"}, receive, send)
    assert sent == [("lifespan.startup.complete", []), ("lifespan.shutdown.complete", ["closed"])]
    await original()


def test_random_keys_are_told(provider: HostileProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Without keys it works, and says what that means."""
    with caplog.at_level(logging.WARNING):
        RelyingParty(issuer=ISSUER, client_id="web", base_url=BASE, fetch=provider)
    assert "no keys given" in caplog.text


# --- the API's side


@pytest.fixture(params=["add_middleware", "wrap"])
def api(request: pytest.FixtureRequest, provider: HostileProvider) -> Callable[..., Awaitable[HttpResponse]]:
    guard = ResourceServer(ISSUER, "https://api.example", fetch=provider, clock=provider.clock)
    app = FastAPI()

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(guard.token)]) -> dict[str, str | None]:
        return {"sub": token.sub}

    @app.get("/admin")
    async def admin(token: Annotated[AccessToken, Depends(guard.require("admin"))]) -> None: ...

    served: ASGIApp = app
    if request.param == "wrap":
        served = guard.wrap(app)
    else:
        app.add_middleware(guard.middleware)

    async def call(path: str, token: str | None = None) -> HttpResponse:
        headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
        sent = (await Exchange().run(served, http_scope("GET", path, headers=headers))).sent
        return HttpResponse(sent[0]["status"], Headers(sent[0]["headers"]), sent[1]["body"])

    return call


async def test_depends_on_the_token(
    provider: HostileProvider, api: Callable[..., Awaitable[HttpResponse]]
) -> None:
    """In with a good token; 401 and 403 with their challenges without."""
    assert (await api("/me", mint(provider))).json() == {"sub": "u-alice"}
    missing = await api("/me")
    assert missing.status == 401
    where = "https://api.example/.well-known/oauth-protected-resource"
    assert missing.headers.get("www-authenticate") == f'Bearer resource_metadata="{where}"'
    low = await api("/admin", mint(provider))
    assert low.status == 403
    assert 'scope="admin"' in (low.headers.get("www-authenticate") or "")
