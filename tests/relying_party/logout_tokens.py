"""Logout tokens of a `HostileProvider`, right or wrong in one place."""

from typing import Any

from authwright.crypto import base64url
from authwright.crypto.handles import random_id
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import HttpResponse, Json
from authwright.protocol.params import encode
from tests.relying_party.hostile_provider import Browser, HostileProvider, json_body

EVENT = "http://schemas.openid.net/event/backchannel-logout"
PATH = "/auth/backchannel-logout"


def logout_token(
    provider: HostileProvider,
    changes: dict[str, Any] | None = None,
    /,
    *,
    typ: str = "logout+jwt",
    key: SigningKey | None = None,
) -> str:
    """A token about the session of `provider`'s ID tokens; `changes` add, replace or (None) leave out claims."""
    now = int(provider.clock().timestamp())
    claims: dict[str, Json] = {
        "iss": provider.issuer,
        "aud": "web",
        "iat": now,
        "exp": now + 120,
        "jti": random_id(),
        "events": {EVENT: {}},
        "sub": provider.subject,
        "sid": "op-session",
        **(changes or {}),
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return sign_jwt(key or provider.key, claims, typ=typ)


def unsigned(provider: HostileProvider) -> str:
    """The same token, but with `alg` none and no signature."""
    payload = logout_token(provider).split(".")[1]
    header = base64url.encode(json_body({"alg": "none", "typ": "logout+jwt"})).decode()
    return f"{header}.{payload}."


async def tell(browser: Browser, token: str) -> HttpResponse:
    """The provider's server posts `token`: no cookie, no browser."""
    server = Browser(browser.party)
    return await server.post(PATH, encode([("logout_token", token)]).encode())


async def is_signed_in(browser: Browser) -> bool:
    return await browser.party.session(browser.request("GET", "/")) is not None
