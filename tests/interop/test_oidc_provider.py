"""Our relying party signs users in at npm oidc-provider: real processes, real sockets, its own pages."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from authwright.asgi import ASGIApp
from authwright.crypto.seal import RootKeys
from authwright.http_client import GuardedClient
from authwright.protocol.http import HttpRequest
from authwright.relying_party.client import ClientAuth, Public, SecretBasic, SecretPost
from authwright.standard_rp import RelyingParty
from authwright.testing.browser import Browser, Button, Page
from tests.interop.relying_party_app import application
from tests.servers.node import Node
from tests.servers.process import ServerProcess, ServerProcesses, find_free_port

pytestmark = pytest.mark.node

PROGRAM = Path(__file__).with_name("oidc_provider.mjs")
SECRET = "a secret: with / every + sign % that = encodings ~ disagree about"
PASSWORD = "alice-secret"
CLAIMS = {"name": "Alice Éxample", "email": "alice@example.com", "email_verified": True}
ACCOUNT = {"username": "alice", "password": PASSWORD, "sub": "u-alice", "claims": CLAIMS}
SCOPES = ("openid", "profile", "email", "offline_access")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A client of ours as oidc-provider knows it."""

    client_id: str
    method: str
    auth: ClientAuth
    algorithm: str
    signed_userinfo: bool = False

    def metadata(self, base_url: str) -> Mapping[str, object]:
        """RFC 7591."""
        signed = {"userinfo_signed_response_alg": self.algorithm} if self.signed_userinfo else {}
        secret = {} if self.method == "none" else {"client_secret": SECRET}
        return {
            "client_id": self.client_id,
            "token_endpoint_auth_method": self.method,
            "id_token_signed_response_alg": self.algorithm,
            "redirect_uris": [f"{base_url}/auth/callback"],
            "post_logout_redirect_uris": [f"{base_url}/auth/logout/callback"],
            "backchannel_logout_uri": f"{base_url}/auth/backchannel-logout",
            "backchannel_logout_session_required": True,
            "grant_types": ["authorization_code", "refresh_token"],
            **secret,
            **signed,
        }


REGISTRATIONS = (
    Registration(
        client_id="basic", method="client_secret_basic", auth=SecretBasic(SECRET), algorithm="RS256"
    ),
    Registration(
        client_id="post",
        method="client_secret_post",
        auth=SecretPost(SECRET),
        algorithm="ES256",
        signed_userinfo=True,
    ),
    Registration(client_id="public", method="none", auth=Public(), algorithm="PS256"),
    Registration(client_id="edwards", method="none", auth=Public(), algorithm="EdDSA", signed_userinfo=True),
)
BASIC = REGISTRATIONS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirProvider:
    """oidc-provider, and the address it knows our application by."""

    issuer: str
    base_url: str
    process: ServerProcess

    def events(self) -> list[tuple[str, str, str]]:
        """What happened there: name, client_id, what it was about. Nothing may have gone wrong on its side."""
        noted = [json.loads(line) for line in self.process.log().splitlines() if line.startswith("[")]
        assert not [text for name, _, text in noted if name == "server_error"]
        return [(name, about, what) for name, about, what in noted]


@pytest.fixture(scope="module")
def their_provider(node: Node, processes: ServerProcesses) -> TheirProvider:
    """oidc-provider in a process of its own."""
    port = find_free_port()
    issuer, base_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{find_free_port()}"
    clients = [registration.metadata(base_url) for registration in REGISTRATIONS]
    options = json.dumps({"port": port, "clients": clients, "account": ACCOUNT})
    process = processes.start(node.path, node.script(PROGRAM), options, environ=node.environ)
    process.wait_for(f"{issuer}/.well-known/openid-configuration")
    return TheirProvider(issuer=issuer, base_url=base_url, process=process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A person at our application, which serves for as long as the visit lasts."""

    op: TheirProvider
    rp: RelyingParty
    browser: Browser
    registration: Registration
    before: int
    """How many events there were when it began."""

    def events(self) -> list[tuple[str, str]]:
        """What happened at the provider since, about our client: name, and what it was about."""
        new = self.op.events()[self.before :]
        return [(name, what) for name, about, what in new if about == self.registration.client_id]

    async def sign_in(self, path: str = "/") -> Page:
        """From a page that needs a user, over their login and consent pages, and back to it."""
        page = await self.browser.get(self.op.base_url + path)
        assert page.has("login-submit"), page.html
        page = await self.browser.click("login-submit", username="alice", password=PASSWORD)
        assert page.has("consent-allow"), page.html
        return await self.browser.click("consent-allow")

    def request(self, path: str) -> HttpRequest:
        """A request with the browser's session, that leaves the browser where it is."""
        session = self.browser.cookie("authwright_rp_session")
        assert session is not None
        headers = {"cookie": f"{session.name}={session.value}"}
        return HttpRequest.to("GET", self.op.base_url + path, headers=headers)

    async def tokens(self, count: int) -> list[str]:
        """As many requests for a token, at the same time."""
        async with http() as fetch:
            answers = await asyncio.gather(*(fetch(self.request("/token")) for _ in range(count)))
        return [answer.json()["access_token"] for answer in answers]


@asynccontextmanager
async def http() -> AsyncIterator[GuardedClient]:
    """A client that may call this machine."""
    fetch = GuardedClient(allow_loopback_http=True)
    try:
        yield fetch
    finally:
        await fetch.close()


@asynccontextmanager
async def serving(app: ASGIApp, base_url: str) -> AsyncIterator[None]:
    """`app` under uvicorn at `base_url`."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", int(base_url.rpartition(":")[2])))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", ws="none", loop="asyncio")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listening]))
    while not server.started:
        assert not running.done()
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await running
        listening.close()


@pytest.fixture
def visit(
    their_provider: TheirProvider,
) -> Callable[[Registration], AbstractAsyncContextManager[Visit]]:
    """Opens our application as that client, and a browser without cookies."""

    @asynccontextmanager
    async def opened(registration: Registration) -> AsyncIterator[Visit]:
        op = their_provider
        rp = RelyingParty(
            issuer=op.issuer,
            client_id=registration.client_id,
            client_auth=registration.auth,
            base_url=op.base_url,
            # OpenID Connect Core §11: offline access is to be asked for with consent.
            prompt=("consent",),
            scopes=SCOPES,
            keys=RootKeys([bytes(range(32))]),
        )
        async with serving(application(rp), op.base_url), http() as fetch:
            browser = Browser({op.base_url: fetch, op.issuer: fetch})
            before = len(op.events())
            yield Visit(op=op, rp=rp, browser=browser, registration=registration, before=before)

    return opened


Open = Callable[[Registration], AbstractAsyncContextManager[Visit]]


@pytest.mark.parametrize("registration", REGISTRATIONS, ids=lambda one: one.client_id)
async def test_a_user_signs_in_uses_tokens_and_signs_out(visit: Open, registration: Registration) -> None:
    """The whole life of a session: their discovery, keys, pages, tokens, UserInfo, rotation, revocation, logout."""
    async with visit(registration) as here:
        op, browser = here.op, here.browser

        # 1. In: back at the page that needed a user, with the claims of their UserInfo endpoint.
        page = await here.sign_in("/?from=start")
        assert page.url == f"{op.base_url}/?from=start"
        assert page.response is not None
        known = page.response.json()
        assert (known["iss"], known["sub"]) == (op.issuer, "u-alice")
        assert known["claims"].items() >= CLAIMS.items()

        # 2. Each use refreshes, together with whoever asks meanwhile; a refresh token that was used twice would have them
        # revoke the grant.
        first, second = await here.tokens(4), await here.tokens(1)
        refreshes = len({*first, *second})
        assert refreshes >= 2
        assert second[0] not in first
        events = here.events()
        assert [event for event in events if event[0].startswith("grant.")] == [
            ("grant.success", "authorization_code"),
            *[("grant.success", "refresh_token")] * refreshes,
        ]
        assert len({jti for name, jti in events if name == "refresh_token.consumed"}) == refreshes

        # 3. Out: here, their token revoked, and there, with their own question in between.
        page = await browser.get(f"{op.base_url}/auth/logout")
        page = await browser.click("logout-confirm")
        assert page.url.startswith(f"{op.issuer}/session/end?")
        form = next(form for form in page.forms if form.id == "op.logoutForm")
        page = await browser.submit(form, Button(id="", name="logout", value="yes"))
        assert any(url.startswith(f"{op.base_url}/auth/logout/callback?state=") for url in page.visited)
        ended = [name for name, _ in here.events()]
        assert {"refresh_token.destroyed", "grant.revoked", "end_session.success"} <= set(ended)

        # 4. The home page needs a user again, and there is no session there either: they ask for the password.
        assert page.has("login-submit")


async def test_a_user_who_declines_there_comes_back_without_a_session(visit: Open) -> None:
    """Their access_denied, with their `iss` and our state, becomes a page of ours."""
    async with visit(BASIC) as here:
        await here.browser.get(f"{here.op.base_url}/")
        await here.browser.click("login-submit", username="alice", password=PASSWORD)
        page = await here.browser.click("consent-deny")
        assert page.params.require("iss") == here.op.issuer
        assert (page.status, page.texts["error-code"]) == (400, "access_denied")
        assert here.browser.cookie("authwright_rp_session") is None


async def test_a_grant_revoked_there_ends_the_session_here(visit: Open) -> None:
    """Their invalid_grant is final: the next use of a token sends the user to sign in, and back to where they were."""
    async with visit(BASIC) as here:
        await here.sign_in()
        signed_in = await here.rp.core.session(here.request("/"))
        assert signed_in is not None
        assert signed_in.data.refresh_token is not None
        revocation = f"{here.op.issuer}/token/revocation"
        await here.rp.core.revoke_refresh_token(revocation, signed_in.data.refresh_token)
        page = await here.browser.get(f"{here.op.base_url}/token")
        assert ("grant.error", "invalid_grant") in here.events()
        assert page.has("consent-allow")
        page = await here.browser.click("consent-allow")
        assert (page.url, page.status) == (f"{here.op.base_url}/token", 200)
        renewed = await here.rp.core.session(here.request("/"))
        assert renewed is not None
        assert renewed.record.digest != signed_in.record.digest


@pytest.mark.parametrize("registration", REGISTRATIONS, ids=lambda one: one.client_id)
async def test_signing_out_there_ends_the_session_here(visit: Open, registration: Registration) -> None:
    """Their logout token, for each algorithm: our application hears of it from their server, not from the browser."""
    async with visit(registration) as here:
        await here.sign_in()
        assert await here.rp.core.session(here.request("/")) is not None
        page = await here.browser.get(f"{here.op.issuer}/session/end")
        form = next(form for form in page.forms if form.id == "op.logoutForm")
        await here.browser.submit(form, Button(id="", name="logout", value="yes"))
        assert ("backchannel.success", "u-alice") in here.events()
        # The browser still has our cookie, and it is worth nothing.
        assert await here.rp.core.session(here.request("/")) is None
