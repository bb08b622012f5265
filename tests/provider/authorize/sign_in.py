"""A sign-in as a test drives one: the requests an application sends, and the steps a person takes."""

from dataclasses import dataclass
from typing import Any

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.protocol.pkce import challenge_of
from authwright.provider.clients import ClientRegistration
from authwright.registrations import client
from authwright.stores.protocols import Stores
from authwright.testing.browser import Browser, Page
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CALLBACK, CLIENTS, ISSUER, SECRET, VERIFIER, Installation, install

SIGNED_OUT = "https://app.example/signed-out"
PASSWORD = "alice-secret"
EVIL = "https://evil.example"

BROWSER_CLIENTS: tuple[ClientRegistration, ...] = (
    *(item for item in CLIENTS if item.client.client_id != "web"),
    client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK, "https://app.example/other", "https://app.example/q?tenant=1"],
        post_logout_redirect_uris=[SIGNED_OUT, "https://app.example/bye?from=op"],
        scope="openid profile email offline_access read write",
        client_name="Web app",
    ),
    client(
        "own", SECRET, redirect_uris=[CALLBACK], scope="openid profile offline_access", require_consent=False
    ),
    client(
        "phone",
        redirect_uris=["http://127.0.0.1/callback", "http://[::1]/callback", "com.example.phone:/callback"],
        scope="openid profile",
        application_type="native",
    ),
    client("desk", SECRET, redirect_uris=["http://127.0.0.1/callback"], scope="openid"),
    client(
        "brief",
        SECRET,
        redirect_uris=[CALLBACK],
        scope="openid offline_access",
        grant_types=["authorization_code"],
    ),
    client("opposite", SECRET, redirect_uris=[CALLBACK], scope="openid", grant_types=["client_credentials"]),
    client(
        "odd",
        SECRET,
        redirect_uris=[CALLBACK],
        scope="openid",
        client_name="\u202eEvil\u202c <script>alert(1)</script> \u2066" + "x" * 100,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A provider, and one browser that visits it."""

    op: Installation
    browser: Browser

    @property
    def clock(self) -> FrozenClock:
        return self.op.clock

    def url(self, client_id: str | None = "web", **changes: Any) -> str:
        """The authorization request an application sends, but for `changes`; a change to None leaves one out."""
        return f"{ISSUER}/authorize?{encode(request_pairs(client_id, **changes))}"

    async def authorize(self, client_id: str | None = "web", **changes: Any) -> Page:
        """Follow an authorization request as far as it goes by itself."""
        return await self.browser.get(self.url(client_id, **changes), initiator="https://app.example")

    async def login(self, username: str = "alice", password: str = PASSWORD) -> Page:
        return await self.browser.click("login-submit", username=username, password=password)

    async def sign_in(self, client_id: str = "web", **changes: Any) -> Page:
        """A whole sign-in: request, password, consent where it is asked for; the page it ends at."""
        page = await self.authorize(client_id, **changes)
        if page.has("login-submit"):
            page = await self.login()
        if page.has("consent-allow"):
            page = await self.browser.click("consent-allow")
        return page

    async def tokens(self, page: Page, client_id: str = "web") -> dict[str, Any]:
        """Redeem the code in the address of `page`."""
        answer = await self.op.redeem(page.params.require("code"), client_id=client_id)
        assert answer.status == 200, answer.body
        return dict(answer.json())

    async def send(self, url: str, *, method: str = "GET", body: bytes = b"", **headers: str) -> HttpResponse:
        """One raw request, without cookies."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.op.provider.handle(HttpRequest.to(method, url, headers=named, body=body))

    def another_browser(self) -> "Site":
        """The same provider, seen from another browser."""
        return Site(op=self.op, browser=Browser({ISSUER: self.op.provider.handle}, clock=self.clock))


def request_pairs(client_id: str | None = "web", **changes: Any) -> list[tuple[str, str]]:
    """The parameters of an authorization request; a list as a value repeats the parameter."""
    params: dict[str, Any] = {
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid profile",
        "state": "st-1",
        "nonce": "n-1",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changes,
    }
    return [
        (name, value)
        for name, values in params.items()
        if values is not None
        for value in ([values] if isinstance(values, str) else values)
    ]


async def open_site(stores: Stores, clock: FrozenClock, **options: Any) -> Site:
    """A provider with the clients above and alice and bob, and a browser without cookies."""
    op = await install(stores, clock, clients=BROWSER_CLIENTS, **options)
    return Site(op=op, browser=Browser({ISSUER: op.provider.handle}, clock=clock))
