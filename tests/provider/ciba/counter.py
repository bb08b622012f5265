"""A bank's counter and a customer's browser at home: what a CIBA client sends, hears and asks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from authwright.protocol.ciba import CIBA, BackchannelResponse, parse_backchannel_response
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.provider.backchannel_requests import PendingRequest
from authwright.provider.clients import ClientRegistration
from authwright.registrations import client
from authwright.stores.protocols import Stores
from authwright.testing.browser import Browser, Page
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CLIENTS, ISSUER, SECRET, Installation, install

PAGE = f"{ISSUER}/backchannel_authentication/requests"
NOTIFIED = "https://bank.example/notified"
TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"
SCOPE = "openid profile offline_access read"
BOTH = [CIBA, "refresh_token"]

CIBA_CLIENTS: tuple[ClientRegistration, ...] = (
    *CLIENTS,
    client(
        "bank",
        SECRET,
        grant_types=BOTH,
        scope=SCOPE,
        client_name="The bank",
        client_uri="https://bank.example",
    ),
    client("clinic", SECRET, grant_types=BOTH, scope=SCOPE),
    client("public", grant_types=BOTH, scope=SCOPE),
    *(
        client(
            mode,
            SECRET,
            grant_types=BOTH,
            scope=SCOPE,
            backchannel_token_delivery_mode=mode,
            backchannel_client_notification_endpoint=NOTIFIED,
        )
        for mode in ("ping", "push")
    ),
    client("deaf", SECRET, grant_types=BOTH, scope=SCOPE, backchannel_token_delivery_mode="ping"),
    client(
        "insecure",
        SECRET,
        grant_types=BOTH,
        scope=SCOPE,
        backchannel_token_delivery_mode="push",
        backchannel_client_notification_endpoint="http://bank.example/notified",
    ),
    client(
        "bound",
        SECRET,
        grant_types=BOTH,
        scope=SCOPE,
        backchannel_token_delivery_mode="push",
        backchannel_client_notification_endpoint=NOTIFIED,
        dpop_bound_access_tokens=True,
    ),
)


@dataclass
class Outside:
    """What the provider calls: it remembers, and answers as it is told."""

    answer: Callable[[HttpRequest], HttpResponse] = lambda request: HttpResponse(204)
    heard: list[HttpRequest] = field(default_factory=list)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.heard.append(request)
        return self.answer(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A provider, a client that cannot redirect anybody, and its user's browser."""

    op: Installation
    browser: Browser
    outside: Outside
    announced: list[PendingRequest]

    @property
    def clock(self) -> FrozenClock:
        return self.op.clock

    async def ask(self, client_id: str = "bank", **changes: Any) -> HttpResponse:
        """A backchannel authentication request, but for `changes`; a change to None leaves one out."""
        params: dict[str, Any] = {"scope": SCOPE, "login_hint": "alice", **changes}
        if client_id in ("ping", "push", "bound"):
            params.setdefault("client_notification_token", TOKEN)
        sent = {name: value for name, value in params.items() if value is not None}
        return await self.op.post("/backchannel_authentication", client_id=client_id, **sent)

    async def begin(self, client_id: str = "bank", **changes: Any) -> BackchannelResponse:
        answer = await self.ask(client_id, **changes)
        assert answer.status == 200, answer.body
        return parse_backchannel_response(answer.json())

    async def poll(self, auth_req_id: str, client_id: str = "bank", **params: Any) -> HttpResponse:
        return await self.op.post(
            "/token", client_id=client_id, grant_type=CIBA, auth_req_id=auth_req_id, **params
        )

    async def poll_error(self, auth_req_id: str, client_id: str = "bank", **params: Any) -> str:
        """The code of the refusal, which is a 400."""
        answer = await self.poll(auth_req_id, client_id, **params)
        assert answer.status == 400, answer.body
        return str(answer.json()["error"])

    async def visit(self) -> Page:
        """Open the page of requests, and sign in where it is asked for."""
        page = await self.browser.get(PAGE)
        if page.has("login-submit"):
            page = await self.browser.click("login-submit", username="alice", password="alice-secret")
        return page

    async def works(self, access_token: str) -> bool:
        """Whether the UserInfo endpoint takes the token."""
        return (await self.op.get("/userinfo", authorization=f"Bearer {access_token}")).status == 200


async def open_counter(stores: Stores, clock: FrozenClock, **options: Any) -> Counter:
    outside, announced = Outside(), []

    async def note(request: PendingRequest) -> None:
        announced.append(request)

    options.setdefault("ciba", note)
    op = await install(stores, clock, clients=CIBA_CLIENTS, fetch=outside, **options)
    browser = Browser({ISSUER: op.provider.handle}, clock=clock)
    return Counter(op=op, browser=browser, outside=outside, announced=announced)
