"""The default pages in a real browser: the policy lets the right things happen, and axe finds nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.crypto.seal import RootKeys
from authwright.html_pages.pages import HtmlPages
from authwright.protocol.params import Params, encode, parse_params
from authwright.protocol.pkce import challenge_of
from authwright.registrations import client, user
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from tests.html_pages.sample_pages import SAMPLES
from tests.servers.process import find_free_port

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.chromium

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


@asynccontextmanager
async def serving(app: ASGIApp, port: int) -> AsyncIterator[None]:
    """`app` on a port of loopback, for as long as the block lasts."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 uvicorn offers no event to wait for
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@dataclass
class Application:
    """A client of the provider, on another site: it notes what comes back, and can post a request by form."""

    issuer: str
    onward: str
    returned: list[Params] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status, headers, body = 200, [(b"content-type", b"text/html")], b"<title>back</title><p>back</p>"
        if scope["path"] == "/callback":
            message = await receive()
            text = message["body"] if scope["method"] == "POST" else scope["query_string"]
            self.returned.append(parse_params(text))
        elif scope["path"] == "/forwarding":
            status, headers, body = 303, [(b"location", self.onward.encode())], b""
        elif scope["path"] == "/start":
            fields = parse_params(scope["query_string"]).pairs()
            inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields)
            form = f'<form method="post" action="{self.issuer}/authorize">{inputs}<button id="go">Go</button></form>'
            body = form.encode()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    issuer: str
    app: str
    application: Application

    def request(self, **changes: str) -> str:
        """The query of an authorization request."""
        params = {
            "client_id": "app",
            "redirect_uri": f"{self.app}/callback",
            "response_type": "code",
            "scope": "openid profile",
            "state": "s",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return encode(params.items())


@asynccontextmanager
async def sites(registered: bool = False, **pages: Any) -> AsyncIterator[Sites]:
    """A provider on localhost and its client on 127.0.0.1, which a browser takes for two sites."""
    issuer = f"http://localhost:{find_free_port()}"
    app_port = find_free_port()
    app = f"http://127.0.0.1:{app_port}"
    application = Application(issuer=issuer, onward=f"http://localhost:{app_port}/callback?forwarded=1")
    provider = standard_provider(
        issuer=issuer,
        stores=memory_stores(),
        keys=RootKeys([bytes(32)]),
        clients=[
            client(
                "app",
                "s" * 32,
                redirect_uris=[f"{app}/callback", f"{app}/forwarding"],
                post_logout_redirect_uris=[application.onward] if registered else [],
                scope="openid profile",
            )
        ],
        users=[user("alice", "alice-secret", name="Alice Example")],
        pages=HtmlPages(**pages),
    )
    async with serving(provider, int(issuer.rpartition(":")[2])), serving(application, app_port):
        yield Sites(issuer=issuer, app=app, application=application)


async def sign_in(page: "Page", both: Sites, **changes: str) -> None:
    """Fill the pages in, as a person does with a keyboard."""
    await page.goto(f"{both.issuer}/authorize?{both.request(**changes)}")
    await page.wait_for_function("document.activeElement.id === 'username'")
    await page.keyboard.type("alice")
    await page.keyboard.press("Tab")
    await page.keyboard.type("alice-secret")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#consent-allow")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.id") == "consent-allow"
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_person_signs_in_with_or_without_scripts(browser: "Browser", scripts: bool) -> None:
    """Login, consent, back to another site: form-action lets the chain of redirects through."""
    async with sites() as both:
        context = await browser.new_context(java_script_enabled=scripts)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        if scripts:
            await sign_in(page, both)
        else:
            await page.goto(f"{both.issuer}/authorize?{both.request()}")
            await page.fill("#username", "alice")
            await page.fill("#password", "alice-secret")
            await page.click("#login-submit")
            await page.click("#consent-allow")
        await page.wait_for_url(f"{both.app}/callback?code=*")
        assert both.application.returned[-1].one("code")
        await context.close()


async def test_form_post_submits_itself(page: "Page") -> None:
    """The page's own policy does not block its script."""
    async with sites() as both:
        await sign_in(page, both, response_mode="form_post")
        await page.wait_for_url(f"{both.app}/callback")
        assert both.application.returned[-1].one("code")


async def test_form_post_has_a_button_for_those_without_scripts(browser: "Browser") -> None:
    """And the button does the same."""
    async with sites() as both:
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        await page.goto(f"{both.issuer}/authorize?{both.request(response_mode='form_post')}")
        await page.click("#login-cancel")
        await page.click("#form-post-continue")
        await page.wait_for_url(f"{both.app}/callback")
        assert both.application.returned[-1].one("error") == "access_denied"
        await context.close()


async def test_a_request_posted_by_another_site_finds_who_is_signed_in(page: "Page") -> None:
    """SameSite=Lax cookies stay away from the POST and come with the GET it is answered with."""
    async with sites() as both:
        await sign_in(page, both)
        await page.wait_for_url(f"{both.app}/callback?code=*")
        await page.goto(f"{both.app}/start?{both.request(state='posted', prompt='none')}")
        await page.click("#go")
        await page.wait_for_url(f"{both.app}/callback?*state=posted*")
        assert both.application.returned[-1].one("code")


@pytest.mark.parametrize("how", ["registered", "among form_targets"])
async def test_a_client_may_forward_to_another_origin(page: "Page", how: str) -> None:
    """Chromium applies form-action to every redirect after a form: also to where the client sends the browser on."""
    registered = how == "registered"
    async with sites(registered, form_targets=[] if registered else ["http://localhost:*"]) as both:
        await sign_in(page, both, redirect_uri=f"{both.app}/forwarding")
        await page.wait_for_url("**/callback?forwarded=1")


async def test_a_wrong_password_is_announced_and_can_be_corrected(page: "Page") -> None:
    """The problem is an alert that describes both fields, and the form works again."""
    async with sites() as both:
        await page.goto(f"{both.issuer}/authorize?{both.request()}")
        await page.fill("#username", "alice")
        await page.fill("#password", "wrong")
        await page.click("#login-submit")
        assert "Wrong username or password" in await page.inner_text("[role=alert]")
        assert await page.get_attribute("#password", "aria-describedby") == "login-problem"
        assert await page.evaluate("document.activeElement.id") == "password"
        await page.fill("#password", "alice-secret")
        await page.click("#login-submit")
        await page.wait_for_selector("#consent-allow")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: "Browser", scheme: Any) -> None:
    """Contrast, labels, landmarks, language: no violation on any page, in light and in dark, wide and narrow."""
    from axe_playwright_python.async_playwright import Axe

    pages = HtmlPages(name="auth.example")
    for width in (1024, 320):
        context = await browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 700}, java_script_enabled=True
        )
        page = await context.new_page()
        for name, sample in SAMPLES.items():
            html = (await sample(pages)).body.decode()
            # Without its script the page stays to be looked at.
            await page.set_content(html.replace("document.forms[0].submit();", ""))
            found = await Axe().run(page)
            assert found.response["violations"] == [], name
            scrolls = await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            assert not scrolls, f"{name} is wider than {width}"
        await context.close()
