"""Each example, as it stands in its file: a sign-in with our provider, a call to an API, a step-up, a sign-out."""

import importlib.util
import logging
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from authwright.asgi.types import ASGIApp
from authwright.clock import utcnow
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, json_response
from authwright.provider.settings import Settings
from authwright.standard_rp import RelyingParty
from authwright.testing.browser import Browser
from authwright.testing.in_process_provider import InProcessProvider, SignIn
from authwright.testing.pytest_plugin import authwright_network, authwright_provider, sign_in

__all__ = ["authwright_network", "authwright_provider", "sign_in"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*_app.py") if path.stem != "api_app")
APP, API, ISSUER = "http://localhost:9001", "http://localhost:9002", "http://localhost:9000"
GREETING = {"hello": "Alice Example", "orders": ["tea", "biscuits"]}
LINES = 15


@cache
def example(name: str) -> ModuleType:
    """The module of an example, loaded once: Django can be configured only once in a process."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NAMES)
def module(request: pytest.FixtureRequest, authwright_provider: InProcessProvider) -> ModuleType:
    """An example, with its provider and the API it calls."""
    loaded, api = example(request.param), example("api_app")
    authwright_provider.register(loaded.rp, api.api)
    authwright_provider.add_user("alice", name="Alice Example")
    authwright_provider.network.serve(API, api.app)
    authwright_provider.network.serve(APP, loaded.app)
    return loaded


@pytest.fixture
def rp(module: ModuleType) -> RelyingParty:
    found: RelyingParty = module.rp
    return found


@pytest.fixture
def app(module: ModuleType) -> ASGIApp:
    found: ASGIApp = module.app
    return found


async def test_a_page_signs_in_comes_back_and_calls_the_api(
    authwright_provider: InProcessProvider, module: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    """From the first click to the orders, with nothing in the log that looks like a fault."""
    caplog.set_level(logging.WARNING)
    browser = Browser(authwright_provider.network.sites)
    page = await browser.get(APP + "/")
    assert page.url.startswith(ISSUER)
    page = await authwright_provider.log_in(browser, "alice")
    assert (page.url, page.status) == (APP + "/", 200)
    assert page.response is not None
    assert page.response.json() == GREETING
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_background_request_gets_401_and_no_redirect(
    authwright_provider: InProcessProvider, module: ModuleType
) -> None:
    """On every page, and with the address where a person can sign in."""
    browser = Browser(authwright_provider.network.sites)
    await browser.get(APP + "/auth/logout")
    for path in ("/", "/pay"):
        answer = await browser.fetch(path)
        assert answer.status == 401
        assert answer.json()["error"] == "login_required"
        assert answer.json()["login_url"].startswith(APP + "/auth/login")


async def test_a_page_for_strong_sign_ins_steps_up(
    app: ASGIApp, sign_in: SignIn, authwright_provider: InProcessProvider
) -> None:
    """`acr`: a session that began in a weaker way is sent to the provider, and only for /pay; what it brings counts."""
    authwright_provider.acr = "urn:example:weak"
    browser = await sign_in(app, "alice")
    assert (await browser.get(APP + "/")).url == APP + "/"
    page = await browser.get(APP + "/pay")
    assert any("acr_values=urn%3Aauthwright%3Aacr%3Apassword" in url for url in page.visited)
    assert page.status == 403
    authwright_provider.acr = None
    browser.forget_cookies()
    await sign_in(app, "alice", browser=browser)
    assert (await browser.get(APP + "/pay")).status == 200


async def test_a_page_for_fresh_sign_ins_steps_up(
    app: ASGIApp,
    rp: RelyingParty,
    sign_in: SignIn,
    authwright_provider: InProcessProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let in at once after a sign-in; ten minutes later the same session is sent to the provider, and only for /pay."""
    browser = await sign_in(app, "alice")
    page = await browser.get(APP + "/pay")
    assert page.response is not None
    assert (page.url, page.response.json()) == (APP + "/pay", {"paid by": "Alice Example"})
    monkeypatch.setattr(rp.core, "clock", lambda: utcnow() + timedelta(minutes=10))
    assert (await browser.get(APP + "/")).url == APP + "/"
    page = await browser.get(APP + "/pay")
    assert any(url.startswith(ISSUER + "/authorize") and "max_age=300" in url for url in page.visited)


async def test_the_token_is_refreshed(
    app: ASGIApp,
    rp: RelyingParty,
    sign_in: SignIn,
    authwright_provider: InProcessProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Near its end, before the API is called, and once."""
    browser = await sign_in(app, "alice")
    redeemed = []

    async def counted(request: HttpRequest) -> HttpResponse:
        if request.path == "/token":
            redeemed.append(request)
        return await authwright_provider.handle(request)

    authwright_provider.network.add(ISSUER, counted)
    page = await browser.get(APP + "/")
    assert (page.status, len(redeemed)) == (200, 0)
    monkeypatch.setattr(rp.core, "clock", lambda: utcnow() + timedelta(minutes=10))
    page = await browser.get(APP + "/")
    assert (page.status, len(redeemed)) == (200, 1)
    assert b"grant_type=refresh_token" in redeemed[0].body


async def test_an_api_that_wants_a_fresher_sign_in_gets_one(
    app: ASGIApp, sign_in: SignIn, authwright_provider: InProcessProvider
) -> None:
    """RFC 9470: what the API refuses becomes a new sign-in, also where the framework catches every exception."""

    async def strict(request: HttpRequest) -> HttpResponse:
        challenge = 'Bearer error="insufficient_user_authentication", max_age="0"'
        return json_response(401, {}, Headers.of({"www-authenticate": challenge}))

    browser = await sign_in(app, "alice")
    authwright_provider.network.add(API, strict)
    page = await browser.get(APP + "/")
    assert page.url.startswith(ISSUER + "/authorize?")
    assert page.params.one("max_age") == "0"


async def test_signing_out_ends_both_sessions(app: ASGIApp, sign_in: SignIn) -> None:
    """Here and at the provider: the page it ends at, which needs a user, has to ask for a password anew."""
    browser = await sign_in(app, "alice")
    await browser.get(APP + "/auth/logout")
    form = browser.page.forms[0]
    page = await browser.submit(form, form.buttons[0])
    visited = [url.partition("?")[0] for url in page.visited]
    assert visited[1:4] == [ISSUER + "/end_session", APP + "/auth/logout/callback", APP + "/"]
    assert page.has("login-submit")


@pytest.mark.parametrize("name", ["fastapi_app", "starlette_app"])
def test_fifteen_lines_are_enough(name: str) -> None:
    """All of it, imports and configuration included; empty lines and the docstring aside."""
    lines = (EXAMPLES / f"{name}.py").read_text("utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith('"""')]) <= LINES


@pytest.mark.parametrize("name", NAMES)
def test_a_step_up_asks_for_what_our_provider_brings(name: str) -> None:
    """So that the examples work with `authwright demo` and `authwright serve` as they are."""
    (acr,) = Settings(issuer=ISSUER).acr_values
    assert f'acr="{acr}", max_age=300' in (EXAMPLES / f"{name}.py").read_text("utf-8")


def test_every_framework_has_its_example() -> None:
    """None goes missing unnoticed."""
    assert set(NAMES) == {
        f"{name}_app" for name in ("asgi", "django", "fastapi", "litestar", "quart", "starlette")
    }
