"""A television without a browser, and the person in front of it: what a device sends, and what somebody does."""

from dataclasses import dataclass
from typing import Any

from authwright.protocol.device import (
    DEVICE_CODE,
    DeviceAuthorizationResponse,
    parse_device_authorization_response,
)
from authwright.protocol.http import HttpResponse
from authwright.provider.clients import ClientRegistration
from authwright.registrations import client
from authwright.stores.protocols import Stores
from authwright.testing.browser import Browser, Page
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CLIENTS, ISSUER, SECRET, Installation, install

DEVICE_PAGE = f"{ISSUER}/device"
BOTH = [DEVICE_CODE, "refresh_token"]

DEVICE_CLIENTS: tuple[ClientRegistration, ...] = (
    *CLIENTS,
    client(
        "tv",
        grant_types=BOTH,
        scope="openid profile offline_access read",
        client_name="Living room TV",
        client_uri="https://tv.example",
    ),
    client("box", SECRET, grant_types=BOTH, scope="openid profile offline_access read"),
    client("plain", grant_types=[DEVICE_CODE], scope="openid offline_access"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingRoom:
    """A provider, a device that polls it, and one browser."""

    op: Installation
    browser: Browser

    @property
    def clock(self) -> FrozenClock:
        return self.op.clock

    async def ask(self, client_id: str = "tv", **params: Any) -> HttpResponse:
        """A device authorization request; a client with a secret sends it."""
        params.setdefault("scope", "openid profile offline_access")
        return await self._post("/device_authorization", client_id, params)

    async def begin(self, client_id: str = "tv", **params: Any) -> DeviceAuthorizationResponse:
        answer = await self.ask(client_id, **params)
        assert answer.status == 200, answer.body
        return parse_device_authorization_response(answer.json())

    async def poll(self, device_code: str, client_id: str = "tv", **params: Any) -> HttpResponse:
        return await self._post(
            "/token", client_id, {"grant_type": DEVICE_CODE, "device_code": device_code, **params}
        )

    async def poll_error(self, device_code: str, client_id: str = "tv", **params: Any) -> str:
        """The code of the refusal, which is a 400."""
        answer = await self.poll(device_code, client_id, **params)
        assert answer.status == 400, answer.body
        return str(answer.json()["error"])

    async def works(self, access_token: str) -> bool:
        """Whether the UserInfo endpoint takes the token."""
        answer = await self.op.get("/userinfo", authorization=f"Bearer {access_token}")
        return answer.status == 200

    async def enter(self, user_code: str) -> Page:
        """Type a code into the device page."""
        await self.browser.get(DEVICE_PAGE)
        return await self.browser.click("device-continue", user_code=user_code)

    async def answer(self, user_code: str, button: str = "device-allow") -> Page:
        """Type the code, sign in where it is asked for, and press a button of the confirmation."""
        page = await self.enter(user_code)
        if page.has("login-submit"):
            page = await self.browser.click("login-submit", username="alice", password="alice-secret")
        assert page.has(button), page.html
        return await self.browser.click(button)

    def another_browser(self) -> "LivingRoom":
        return LivingRoom(op=self.op, browser=Browser({ISSUER: self.op.provider.handle}, clock=self.clock))

    async def _post(self, path: str, client_id: str, params: dict[str, Any]) -> HttpResponse:
        known = self.op.clients.get(client_id)
        if known is not None and known.confidential:
            return await self.op.post(path, client_id=client_id, **params)
        return await self.op.post_raw(path, *_form({"client_id": client_id, **params}))


def _form(params: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    from authwright.protocol.params import encode

    pairs = [
        (name, value)
        for name, values in params.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return encode(pairs).encode(), {"content-type": "application/x-www-form-urlencoded"}


async def open_living_room(stores: Stores, clock: FrozenClock, **options: Any) -> LivingRoom:
    op = await install(stores, clock, clients=DEVICE_CLIENTS, **options)
    return LivingRoom(op=op, browser=Browser({ISSUER: op.provider.handle}, clock=clock))
