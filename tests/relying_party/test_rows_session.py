"""rp_J: what the session keeps of the tokens."""

from datetime import timedelta

import pytest

from authwright.protocol.http import HttpResponse
from authwright.relying_party.events import (
    TicketReceived,
)
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    HostileProvider,
    error_code,
    location,
    sign_in,
)
from tests.relying_party.ways import arrive, at, session_of


async def test_rp_J1_J2_the_session_keeps_what_the_token_endpoint_gave(
    provider: HostileProvider, browser: Browser
) -> None:
    """J1, J2: access, ID and refresh token, their type, and the end as a moment; nothing merged in."""
    await sign_in(provider, browser)
    data = (await session_of(browser)).data
    assert all((data.access_token, data.id_token, data.refresh_token))
    assert data.token_type == "Bearer"
    assert data.access_expires_at == provider.clock() + timedelta(seconds=600)
    provider.token_answer = {"expires_in": None, "refresh_token": None}
    await sign_in(provider, browser)
    data = (await session_of(browser)).data
    assert (data.access_expires_at, data.refresh_token) == (None, None)


@pytest.mark.parametrize(
    ("response_type", "prefix"),
    [("code id_token token", "at_"), ("code token", "at_"), ("id_token token", "fat_")],
)
async def test_rp_J2_the_browser_s_token_is_kept_only_where_there_is_no_code(
    provider: HostileProvider, response_type: str, prefix: str
) -> None:
    """J2: the token endpoint's answer stands in place of the authorization response's, whole."""
    browser = at(provider, response_type)
    assert (await arrive(provider, browser)).status == 303
    data = (await session_of(browser)).data
    assert (data.access_token or "").startswith(prefix)
    lifetime = 600 if prefix == "at_" else 300
    assert data.access_expires_at == provider.clock() + timedelta(seconds=lifetime)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"token_type": "mac"}, "token_type"), ({"token_type": None}, "token_type"),
     ({"access_token": "a\u00e9"}, "id_token_at_hash")],
)  # fmt: skip
async def test_rp_J2_the_browser_s_token_must_be_one_we_understand(
    provider: HostileProvider, changes: dict[str, str | None], reason: str
) -> None:
    """J2: RFC 6749 §7.1: a type we do not know is not used."""
    assert error_code(await arrive(provider, at(provider, "id_token token"), **changes)) == reason


async def test_rp_J1_an_odd_lifetime_is_no_lifetime(provider: HostileProvider) -> None:
    """J1: expires_in that is no integer is left out."""
    for value in ("soon", "-5", "1.5", "9" * 20, None):
        browser = at(provider, "id_token token")
        assert (await arrive(provider, browser, expires_in=value)).status == 303
        assert (await session_of(browser)).data.access_expires_at is None


async def test_rp_J3_a_sign_out_always_has_its_hint(provider: HostileProvider, browser: Browser) -> None:
    """J3: tokens are kept, so the provider learns whose session to end."""
    await sign_in(provider, browser)
    assert "id_token_hint=" in location(await browser.post("/auth/logout"))


async def test_rp_J4_the_end_of_a_sign_in(provider: HostileProvider, browser: Browser) -> None:
    """J4: the event, a new session, and a redirect to where the user wanted to go or the front page."""
    seen: list[object] = []
    browser.party.on(TicketReceived)(lambda context: seen.append((context.user.sub, context.return_to)))
    assert location(await sign_in(provider, browser, "/auth/login?return_to=/x")) == BASE + "/x"
    assert location(await sign_in(provider, browser)) == BASE + "/"
    assert seen == [("u-alice", "/x"), ("u-alice", "/")]


async def test_rp_J5_an_answered_ticket_is_no_sign_in(provider: HostileProvider, browser: Browser) -> None:
    """J5: nobody is signed in."""
    browser.party.on(TicketReceived)(lambda context: HttpResponse(204))
    assert (await sign_in(provider, browser)).status == 204
    assert not browser.signed_in


async def test_rp_J6_the_cookie_is_a_key_to_a_session_on_the_server(
    provider: HostileProvider, browser: Browser
) -> None:
    """J6: 14 days, Lax, HttpOnly, one cookie however much the session holds."""
    provider.id_token = {"groups": [f"group-{number}" for number in range(400)]}
    done = await sign_in(provider, browser)
    (cookie,) = [field for field in done.headers.many("set-cookie") if "rp_session" in field]
    assert "; Max-Age=1209600; Secure; HttpOnly; SameSite=Lax" in cookie
    assert len(cookie) < 300
    assert len((await session_of(browser)).claims["groups"]) == 400


async def test_rp_J7_refresh_tokens_are_used(provider: HostileProvider, browser: Browser) -> None:
    """J7: an access token that is about to expire is replaced before it is used."""
    await sign_in(provider, browser)
    before = await session_of(browser)
    provider.clock.forward(seconds=599)
    assert await browser.party.access_token(before) != before.data.access_token
    assert provider.last("/token")["grant_type"] == "refresh_token"
