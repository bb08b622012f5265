"""form_post in a real browser: a request that sends itself, an answer that another site posts, and the cookie for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from authwright.crypto.seal import RootKeys
from authwright.registrations import client, user
from authwright.relying_party.user import User
from authwright.standard import standard_provider
from authwright.standard_rp import RelyingParty
from authwright.stores.memory import memory_stores
from tests.flows.test_sign_in_chromium import SECRET, give_password, serving
from tests.servers.process import find_free_port

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.chromium


@asynccontextmanager
async def two_sites_that_post() -> AsyncIterator[str]:
    """A provider on 127.0.0.1 and an application on localhost: for a browser these are two sites."""
    op_port, app_port = find_free_port(), find_free_port()
    issuer, base = f"http://127.0.0.1:{op_port}", f"http://localhost:{app_port}"
    provider = standard_provider(
        issuer=issuer,
        stores=memory_stores(),
        keys=RootKeys([b"o" * 32]),
        clients=[
            client(
                "web", SECRET, redirect_uris=[base + "/auth/callback"], scope="openid profile", require_consent=False
            )
        ],
        users=[user("alice", password="alice-demo", name="Alice Example")],
    )  # fmt: skip
    rp = RelyingParty(
        issuer=issuer,
        client_id="web",
        client_secret=SECRET,
        base_url=base,
        keys=RootKeys([b"r" * 32]),
        response_mode="form_post",
        authentication_method="form_post",
    )
    app = FastAPI()

    @app.get("/private")
    async def private(user: Annotated[User, Depends(rp.user)]) -> HTMLResponse:
        return HTMLResponse(f"<title>private</title><p id=who>{user['name']}</p>")

    async with serving((op_port, provider), (app_port, rp.wrap(app))):
        yield base


async def test_rp_B11_B12_a_person_signs_in_by_forms_alone(page: "Page") -> None:
    """B11, B12: the policy lets the one script run, and the flow cookie comes along with another site's form."""
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    async with two_sites_that_post() as base:
        await page.goto(f"{base}/private")
        await give_password(page)
        await page.wait_for_url(f"{base}/private")
        assert await page.text_content("#who") == "Alice Example"
        assert any("/authorize" in url for url in posts)
        assert posts[-1] == f"{base}/auth/callback"
        (cookie,) = [held for held in await page.context.cookies(base) if "rp_" in held["name"]]
        assert (cookie["name"], cookie["sameSite"]) == ("authwright_rp_session", "Lax")


async def test_rp_C18_without_scripts_a_button_does_it(page: "Page") -> None:
    """C18: the page has one, for a browser that runs none."""
    browser = page.context.browser
    assert browser is not None
    context = await browser.new_context(java_script_enabled=False)
    try:
        async with two_sites_that_post() as base:
            plain = await context.new_page()
            await plain.goto(f"{base}/private")
            assert plain.url == f"{base}/private"
            await plain.click("#go-on")
            await plain.wait_for_selector("[name=username]")
    finally:
        await context.close()
