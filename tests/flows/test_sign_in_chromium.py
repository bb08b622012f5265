"""The relying party in a real browser: its own pages, its cookies, and whether a browser agrees on where a path leads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import pytest
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.crypto.seal import RootKeys
from authwright.registrations import client, user
from authwright.relying_party.return_to import local_path
from authwright.relying_party.user import User
from authwright.standard import standard_provider
from authwright.standard_rp import RelyingParty
from authwright.stores.memory import memory_stores
from tests.relying_party.test_return_to import BAD, GOOD, PIECES
from tests.servers.process import find_free_port

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.chromium

SECRET = "web-secret-that-is-long-enough"


async def test_sec_P4_chromium_agrees_that_what_is_kept_stays(page: "Page") -> None:
    """P4: 0 foreign destinations as resolved by a WHATWG parser that is not ours."""
    combined = [a + b + c + d for a in PIECES for b in PIECES for c in PIECES for d in PIECES]
    kept = [text for text in (*GOOD, *BAD, *combined) if local_path(text) is not None]
    assert len(kept) > 100
    origins = await page.evaluate(
        "texts => texts.map(text => new URL(text, 'https://app.example/auth/callback').origin)", kept
    )
    assert set(origins) == {"https://app.example"}
    # The other way round, so that the corpus is known to bite: many of what is refused do leave the site.
    left = await page.evaluate(
        """texts => texts.filter(text => {
            try { return new URL(text, 'https://app.example/').origin !== 'https://app.example' }
            catch { return true }
        }).length""",
        list(BAD),
    )
    assert left > 40


@asynccontextmanager
async def serving(*apps: tuple[int, ASGIApp]) -> AsyncIterator[None]:
    """Each application on its port of loopback."""
    servers = [
        uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="none"))
        for port, app in apps
    ]
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    async with asyncio.timeout(10):
        while not all(server.started for server in servers):  # noqa: ASYNC110 uvicorn offers no event to wait for
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


@asynccontextmanager
async def two_sites(*, forgetful: bool = False) -> AsyncIterator[str]:
    """A provider and an application, each on its own port; gives the application's address.

    `forgetful`: the application never sees a cookie, as if the browser kept none for it.
    """
    op_port, app_port = find_free_port(), find_free_port()
    issuer, base = f"http://localhost:{op_port}", f"http://localhost:{app_port}"
    provider = standard_provider(
        issuer=issuer,
        stores=memory_stores(),
        keys=RootKeys([b"o" * 32]),
        clients=[
            client(
                "web",
                SECRET,
                redirect_uris=[base + "/auth/callback"],
                post_logout_redirect_uris=[base + "/auth/logout/callback"],
                scope="openid profile offline_access",
                require_consent=False,
            )
        ],
        users=[user("alice", password="alice-demo", name="Alice Example")],
    )
    rp = RelyingParty(
        issuer=issuer,
        client_id="web",
        client_secret=SECRET,
        base_url=base,
        scopes=["openid", "profile", "offline_access"],
        keys=RootKeys([b"r" * 32]),
    )
    app = FastAPI()

    @app.get("/private/{name}")
    async def private(name: str, user: Annotated[User, Depends(rp.user)]) -> HTMLResponse:
        return HTMLResponse(f"<title>private</title><p id=who>{user['name']}</p><p id=name>{name}</p>")

    @app.get("/public")
    async def public() -> HTMLResponse:
        return HTMLResponse("<title>public</title>")

    front = rp.wrap(app)

    async def without_cookies(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = [field for field in scope["headers"] if field[0] != b"cookie"]
        await front(scope, receive, send)

    served: ASGIApp = without_cookies if forgetful else front
    async with serving((op_port, provider), (app_port, served)):
        yield base


async def give_password(page: "Page") -> None:
    await page.fill("[name=username]", "alice")
    await page.fill("[name=password]", "alice-demo")
    await page.click("#login-submit")


async def test_a_person_signs_in_in_two_tabs_and_out_again(page: "Page") -> None:
    """Each tab comes back to its own page; a script is told 401; sign-out asks, then leads where it was told to."""
    async with two_sites() as base:
        other = await page.context.new_page()
        await page.goto(f"{base}/private/one")
        await other.goto(f"{base}/private/two")
        await give_password(page)
        await page.wait_for_url(f"{base}/private/one")
        assert await page.text_content("#who") == "Alice Example"
        await give_password(other)
        await other.wait_for_url(f"{base}/private/two")
        names = {cookie["name"] for cookie in await page.context.cookies(base)}
        assert [name for name in names if "_rp_" in name] == ["authwright_rp_session"]

        await page.goto(f"{base}/auth/logout?return_to=/public")
        colour = await page.eval_on_selector(
            "#logout-confirm", "button => getComputedStyle(button).backgroundColor"
        )
        assert colour == "rgb(11, 87, 208)"
        await page.click("#logout-confirm")
        if "localhost" in page.url and await page.query_selector("#logout-confirm"):
            await page.click("#logout-confirm")
        await page.wait_for_url(f"{base}/public")
        answer = await page.evaluate(
            "async url => { const a = await fetch(url); return [a.status, (await a.json()).login_url] }",
            f"{base}/private/three",
        )
        assert answer == [401, f"{base}/auth/login?return_to=%2Fprivate%2Fthree"]


async def test_a_browser_that_lost_its_cookie_starts_again_by_itself_once(page: "Page") -> None:
    """The 400 page sends it on; the provider's session answers; the person sees no error."""
    async with two_sites() as base:
        await page.goto(f"{base}/private/one")
        await page.context.clear_cookies(name="authwright_rp_session")
        flows = [c["name"] for c in await page.context.cookies(base) if "_rp_flow_" in c["name"]]
        for name in flows:
            await page.context.clear_cookies(name=name)
        assert flows
        await give_password(page)
        await page.wait_for_url(f"{base}/")
        await page.goto(f"{base}/private/one")
        assert await page.text_content("#who") == "Alice Example"


async def test_a_browser_that_keeps_no_cookie_is_not_sent_round_for_ever(page: "Page") -> None:
    """Two callbacks, then a page that stays."""
    async with two_sites(forgetful=True) as base:
        callbacks: list[str] = []
        page.on("framenavigated", lambda frame: callbacks.append(frame.url))
        await page.goto(f"{base}/private/one")
        callbacks.clear()
        await give_password(page)
        async with asyncio.timeout(10):
            while len(callbacks) < 2:  # noqa: ASYNC110 the second page comes by itself
                await asyncio.sleep(0.02)
        await page.wait_for_load_state()
        await asyncio.sleep(0.3)
        assert len(callbacks) == 2
        assert all("/auth/callback?" in url for url in callbacks)
        assert await page.text_content("#error-code") == "flow_missing"
        assert await page.get_attribute("#start-again", "href") == f"{base}/auth/login"
