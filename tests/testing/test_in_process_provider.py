"""The provider for the tests of applications: whatever their configuration, it signs users in for real."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from authwright.asgi.in_process import InProcess
from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.relying_party.user import User
from authwright.remote.client_authentication import (
    ClientAuth,
    ClientSecretJwt,
    PrivateKeyJwt,
    Public,
    SecretPost,
    TlsClientCertificate,
)
from authwright.resource_server.access_token import AccessToken
from authwright.standard_rp import RelyingParty
from authwright.standard_rs import ResourceServer
from authwright.testing.browser import Browser
from authwright.testing.in_process_provider import InProcessProvider, SignIn
from authwright.testing.network import Network
from authwright.testing.pytest_plugin import authwright_network, authwright_provider, sign_in

__all__ = ["authwright_network", "authwright_provider", "sign_in"]

ISSUER, APP, API = "https://accounts.example/realm", "https://app.example", "https://api.example"


def relying_party(**options: Any) -> RelyingParty:
    arguments: dict[str, Any] = {
        "issuer": ISSUER, "client_id": "web", "base_url": APP, "scopes": ["openid", "profile", "offline_access"],
    }  # fmt: skip
    if "client_auth" not in options:
        arguments["client_secret"] = "the secret of an application"
    return RelyingParty(**(arguments | options))


def app_of(rp: RelyingParty) -> ASGIApp:
    """Greets, and calls the API."""
    app = FastAPI()

    @app.get("/")
    async def home(user: Annotated[User, Depends(rp.user)]) -> dict[str, Any]:
        return {"sub": user.sub, **{name: user.get(name) for name in ("name", "email")}}

    @app.get("/call")
    async def call(user: Annotated[User, Depends(rp.user)]) -> Any:
        async with user.http(API) as api:
            answer = await api.get("/me")
        return {"status": answer.status, "said": answer.json()}

    app.add_middleware(rp.middleware)
    return app


def api_of(api: ResourceServer) -> ASGIApp:
    """Says who calls, and how the token is bound."""
    app = FastAPI()

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(api.require("read"))]) -> dict[str, Any]:
        return {"sub": token.sub, "bound": token.confirmation is not None}

    app.add_middleware(api.middleware)
    return app


async def seen(browser: Browser, path: str = "/") -> Any:
    page = await browser.get(path)
    assert page.response is not None
    return page.response.json()


@pytest.mark.parametrize(
    "auth",
    [
        SecretPost("x" * 32),
        ClientSecretJwt("x" * 32),
        PrivateKeyJwt(SigningKey.generate("ES256")),
        Public(),
    ],
    ids=lambda auth: type(auth).__name__,
)
async def test_an_application_signs_in_however_it_proves_itself(sign_in: SignIn, auth: ClientAuth) -> None:
    """With its own secret or key, which the provider learns from its configuration."""
    rp = relying_party(client_auth=auth)
    browser = await sign_in(app_of(rp), "alice", rp=rp, name="Alice Example")
    assert await seen(browser) == {"sub": "u-alice", "name": "Alice Example", "email": None}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"client_secret": "another secret"}, "ended at https://app.example/auth/callback"),
        ({"client_id": "somebody else"}, "ended at https://accounts.example/realm/authorize"),
        ({"scopes": ["openid", "everything"]}, "ended at https://app.example/auth/callback"),
        ({"issuer": "https://elsewhere.example"}, "ended at https://app.example/auth/login"),
    ],
)
async def test_a_wrong_configuration_fails_as_in_production(
    sign_in: SignIn, options: dict[str, Any], said: str
) -> None:
    """What is registered counts, and the test is told where the sign-in ended."""
    with pytest.raises(AssertionError, match=said):
        await sign_in(app_of(relying_party(**options)), "alice", rp=relying_party())


async def test_a_bound_token_reaches_the_api(sign_in: SignIn, authwright_provider: InProcessProvider) -> None:
    """RFC 9449: `dpop="require"`: the session's tokens are bound, and `user.http` proves their key."""
    rp = relying_party(dpop="require", scopes=["openid", "read"])
    api = ResourceServer(ISSUER, API, base_url=API, dpop_required=True)
    authwright_provider.network.serve(API, api_of(api))
    authwright_provider.register(rp, api)
    browser = await sign_in(app_of(rp))
    assert await seen(browser, "/call") == {"status": 200, "said": {"sub": "u-alice", "bound": True}}


async def test_tokens_for_the_tests_of_an_api(authwright_provider: InProcessProvider) -> None:
    """By signature or by introspection, with the scopes that are wanted."""
    asked: dict[str, Any] = {"client_id": "api", "client_secret": "the api's secret", "introspect_jwts": True}
    for options in ({}, asked):
        provider = InProcessProvider(authwright_provider.network)
        api = ResourceServer(ISSUER, API, **options)
        fetch = InProcess(api_of(api))
        token = await provider.access_token("carol", "read", api=api)
        request = HttpRequest.to("GET", f"{API}/me", headers={"authorization": f"Bearer {token}"})
        answer = await fetch(request)
        assert (answer.status, answer.json()) == (200, {"sub": "u-carol", "bound": False})


async def test_users_are_added_changed_and_remembered(
    sign_in: SignIn, authwright_provider: InProcessProvider
) -> None:
    """Their subject and claims; a second sign-in in the same browser needs no password."""
    rp = relying_party(scopes=["openid", "profile", "email"])
    authwright_provider.add_user("dave", sub="42", name="Dave")
    browser = await sign_in(app_of(rp), "dave", rp=rp, email="dave@example.com")
    assert await seen(browser) == {"sub": "42", "name": "Dave", "email": "dave@example.com"}
    again = await sign_in(app_of(rp), "dave", browser=browser)
    assert again is browser
    assert (await seen(browser))["sub"] == "42"


async def test_a_page_for_strong_sign_ins_can_be_tested(
    sign_in: SignIn, authwright_provider: InProcessProvider
) -> None:
    """`rp.require(acr=…)`: the provider brings what was asked for, unless the test says how users sign in."""
    rp = relying_party()
    app = FastAPI()

    @app.get("/")
    async def home(user: Annotated[User, Depends(rp.optional_user)]) -> bool:
        return user is not None

    @app.get("/vault")
    async def vault(user: Annotated[User, Depends(rp.require(acr="urn:example:strong"))]) -> str:
        return user.sub

    app.add_middleware(rp.middleware)
    browser = await sign_in(app, "alice", rp=rp)
    page = await browser.get(APP + "/vault")
    assert any(url.startswith(ISSUER + "/authorize") for url in page.visited)
    assert page.response is not None
    assert (page.url, page.response.json()) == (APP + "/vault", "u-alice")
    authwright_provider.acr = "urn:example:weak"
    browser.forget_cookies()
    await sign_in(app, "alice", browser=browser)
    assert (await browser.get(APP + "/vault")).status == 403


async def test_the_login_page_is_filled_in_where_the_browser_is_at_it(
    sign_in: SignIn, authwright_provider: InProcessProvider
) -> None:
    """For a page that sends the browser there in the middle of a test; any other page stays as it is."""
    rp = relying_party()
    browser = await sign_in(app_of(rp), "alice", rp=rp)
    before = browser.page
    assert await authwright_provider.log_in(browser) is before
    browser.forget_cookies()
    page = await browser.get(APP + "/")
    assert page.has("login-submit")
    page = await authwright_provider.log_in(browser, "alice")
    assert page.url == APP + "/"


async def test_what_cannot_be_is_said(authwright_provider: InProcessProvider, sign_in: SignIn) -> None:
    """Nothing registered, several, another issuer, a certificate, a host nobody serves."""
    one, other = relying_party(), relying_party(base_url="https://other.example")
    with pytest.raises(LookupError, match="0 relying parties"):
        await sign_in(app_of(one))
    authwright_provider.register(one, other)
    with pytest.raises(LookupError, match="2 relying parties"):
        await sign_in(app_of(one))
    with pytest.raises(ValueError, match="another one is wanted"):
        authwright_provider.register(relying_party(issuer="https://elsewhere.example"))
    with pytest.raises(ValueError, match="certificate"):
        authwright_provider.register(relying_party(client_auth=TlsClientCertificate()))
    with pytest.raises(OSError, match=r"serves https://nowhere\.example"):
        await authwright_provider.network(HttpRequest.to("GET", "https://nowhere.example/"))


async def test_nothing_leaves_the_process(authwright_network: Network) -> None:
    """A relying party whose provider the test does not serve gets no answer, from anywhere."""
    rp = relying_party(issuer="https://example.com")
    answer = await rp.handle(HttpRequest.to("GET", f"{APP}/auth/login", headers={"accept": "text/html"}))
    assert isinstance(answer, HttpResponse)
    assert answer.status == 503


async def test_an_application_that_does_not_answer_is_a_mistake() -> None:
    """Not an empty page."""

    async def silent(scope: Scope, receive: Receive, send: Send) -> None: ...

    with pytest.raises(RuntimeError, match="did not answer"):
        await InProcess(silent)(HttpRequest.to("GET", APP))


async def test_an_application_that_waits_for_the_end_is_not_cut_off() -> None:
    """Some watch for the caller to hang up while they answer: it stays until they have answered."""

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"in"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-A", b"1")]})
        await send({"type": "http.response.body", "body": b"out", "more_body": True})
        await send({"type": "http.response.body", "body": b"!"})
        assert (await receive())["type"] == "http.disconnect"

    answer = await InProcess(watching)(HttpRequest.to("POST", APP, body=b"in"))
    assert (answer.body, answer.headers.get("x-a")) == (b"out!", "1")
