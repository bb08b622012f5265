"""Browsers at relying parties of each kind, the way there, and the way answers come back."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from authwright.crypto.seal import RootKeys
from authwright.protocol.http import HttpResponse
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.sessions import SignedIn
from authwright.standard_rp import standard_relying_party
from tests.relying_party.hostile_provider import (
    BASE,
    SECRET,
    Browser,
    HostileProvider,
    location,
    relying_party,
    sign_in,
    sign_in_by_form,
)

KEYS = RootKeys([b"k" * 32])


def at(provider: HostileProvider, response_type: str = "code", **settings: Any) -> Browser:
    """A browser at a client of that response type."""
    given: dict[str, Any] = {
        "client_id": "web", "auth": Public(), "response_type": response_type, "front_channel_access_tokens": True,
        **settings,
    }  # fmt: skip
    return Browser(relying_party(provider, client=RelyingPartyClient(**given)))


async def arrive(
    provider: HostileProvider, browser: Browser, path: str = "/auth/login", /, **changes: str | None
) -> HttpResponse:
    """One whole sign-in, the way the client's answers come."""
    way = sign_in_by_form if browser.party.client.posts_back else sign_in
    return await way(provider, browser, path, **changes)


async def session_of(browser: Browser) -> SignedIn:
    """The session of whoever signed in."""
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    return signed_in


def unsigned(token: str) -> str:
    """The same claims without a signature."""
    return f"eyJhbGciOiJub25lIn0.{token.split('.')[1]}."


def pairs_of(body: bytes) -> list[str]:
    """The pairs of a form, unescaped."""
    return [unquote(pair) for pair in body.decode().split("&")]


def query_of(response: HttpResponse) -> dict[str, str]:
    """The authorization request of a redirect."""
    return dict(parse_qsl(urlsplit(location(response)).query, keep_blank_values=True))


def made(provider: HostileProvider, **options: Any) -> Browser:
    """A browser at a relying party made as an application makes one."""
    given: dict[str, Any] = {
        "issuer": provider.issuer, "client_id": "web", "client_secret": SECRET, "base_url": BASE, "keys": KEYS,
        "fetch": provider, "clock": provider.clock, **options,
    }  # fmt: skip
    return Browser(standard_relying_party(**given))
