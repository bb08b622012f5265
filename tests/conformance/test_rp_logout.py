"""The logout plans of the OpenID Foundation for relying parties, against a provider that does what each module does."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.crypto.keys import SigningKey
from authwright.protocol.http import HttpResponse
from authwright.protocol.params import encode
from authwright.relying_party.logout import LogoutPolicy
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    Browser,
    Clock,
    HostileProvider,
    location,
    relying_party,
    sign_in,
)
from tests.relying_party.logout_tokens import PATH, is_signed_in, logout_token, tell, unsigned


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


@pytest.fixture
async def user(provider: HostileProvider) -> tuple[Browser, Browser]:
    """One user, signed in in two browsers: the first will sign out."""
    party = relying_party(provider, logout=LogoutPolicy(frontchannel=True))
    browsers = Browser(party), Browser(party)
    for number, browser in enumerate(browsers):
        provider.id_token = {"sid": f"session-{number}"}
        await sign_in(provider, browser)
    provider.requests.clear()
    return browsers


async def sign_out(browser: Browser) -> dict[str, str]:
    """The relying party sends the browser to the end-session endpoint; with what."""
    sent = location(await browser.post("/auth/logout", b"return_to=/bye", origin=BASE))
    assert sent.startswith(ISSUER + "/end_session?")
    return dict(parse_qsl(urlsplit(sent).query))


async def test_oidf_oidcc_client_test_rp_init_logout(user: tuple[Browser, Browser]) -> None:
    """oidcc-client-test-rp-init-logout: hint and post_logout_redirect_uri go out, state comes back, the user lands."""
    asked = await sign_out(user[0])
    assert asked["post_logout_redirect_uri"] == BASE + "/auth/logout/callback"
    assert asked["id_token_hint"]
    back = await user[0].get(f"{asked['post_logout_redirect_uri'].removeprefix(BASE)}?state={asked['state']}")
    assert location(back) == BASE + "/bye"
    assert not await is_signed_in(user[0])


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("other", id="oidcc-client-test-rp-init-logout-other-state"),
        pytest.param(None, id="oidcc-client-test-rp-init-logout-no-state"),
    ],
)
async def test_oidf_oidcc_client_test_rp_init_logout_survives(
    user: tuple[Browser, Browser], state: str | None
) -> None:
    """…-other-state, -no-state: the provider comes back with another state, or none: a page, no error, no redirect."""
    await sign_out(user[0])
    query = f"?state={state}" if state else ""
    back = await user[0].get(f"/auth/logout/callback{query}")
    assert (back.status, back.headers.get("location")) == (200, None)
    assert not await is_signed_in(user[0])
    assert await is_signed_in(user[1])


async def test_oidf_oidcc_client_test_rp_backchannel_rpinitlogout(
    provider: HostileProvider, user: tuple[Browser, Browser]
) -> None:
    """oidcc-client-test-rp-backchannel-rpinitlogout: the token that follows our own sign-out is answered 200."""
    await sign_out(user[0])
    answer = await tell(user[0], logout_token(provider, {"sid": "session-0"}))
    assert (answer.status, answer.headers.get("cache-control")) == (200, "no-store")
    assert await is_signed_in(user[1])
    assert (await tell(user[0], logout_token(provider, {"sid": "session-1"}))).status == 200
    assert not await is_signed_in(user[1])


def alg_none(provider: HostileProvider) -> str:
    return unsigned(provider)


def no_event(provider: HostileProvider) -> str:
    return logout_token(provider, {"sid": "session-1", "events": None})


def with_nonce(provider: HostileProvider) -> str:
    return logout_token(provider, {"sid": "session-1", "nonce": "n"})


def wrong_alg(provider: HostileProvider) -> str:
    """RS256 with a key that is published, where ES256 is what the provider says it uses."""
    other = SigningKey.generate("RS256")
    provider.published.append(dict(other.public_jwk))
    return logout_token(provider, {"sid": "session-1"}, key=other)


def wrong_aud(provider: HostileProvider) -> str:
    return logout_token(provider, {"sid": "session-1", "aud": "another"})


def wrong_event(provider: HostileProvider) -> str:
    return logout_token(provider, {"sid": "session-1", "events": {ISSUER: {}}})


def wrong_iss(provider: HostileProvider) -> str:
    return logout_token(provider, {"sid": "session-1", "iss": ISSUER + "/"})


REFUSED = (alg_none, no_event, with_nonce, wrong_alg, wrong_aud, wrong_event, wrong_iss)


@pytest.mark.parametrize(
    "token_of",
    REFUSED,
    ids=lambda made: f"oidcc-client-test-rp-backchannel-rpinitlogout-{made.__name__.replace('_', '-')}",
)
async def test_oidf_oidcc_client_test_rp_backchannel_rpinitlogout_refuses(
    provider: HostileProvider, user: tuple[Browser, Browser], token_of: object
) -> None:
    """…-alg-none, -no-event, -with-nonce, -wrong-alg, -wrong-aud, -wrong-event, -wrong-iss: 400 and no-store."""
    assert callable(token_of)
    await sign_out(user[0])
    answer: HttpResponse = await tell(user[0], token_of(provider))
    assert (answer.status, answer.headers.get("cache-control")) == (400, "no-store")
    assert answer.json()["error"] == "invalid_request"
    assert await is_signed_in(user[1])


async def frame(browser: Browser, sid: str) -> HttpResponse:
    """The provider's page loads our address in a frame."""
    query = encode([("iss", ISSUER), ("sid", sid)])
    return await browser.get(
        f"/auth/frontchannel-logout?{query}", sec_fetch_dest="iframe", sec_fetch_site="cross-site"
    )


async def test_oidf_oidcc_client_test_rp_frontchannel_rpinitlogout(user: tuple[Browser, Browser]) -> None:
    """oidcc-client-test-rp-frontchannel-rpinitlogout: the frame that follows our own sign-out changes nothing more."""
    asked = await sign_out(user[0])
    assert (await frame(user[0], "session-0")).status == 200
    back = await user[0].get(f"/auth/logout/callback?state={asked['state']}")
    assert location(back) == BASE + "/bye"
    assert await is_signed_in(user[1])


async def test_oidf_oidcc_client_test_rp_frontchannel_opinitlogout(user: tuple[Browser, Browser]) -> None:
    """oidcc-client-test-rp-frontchannel-opinitlogout: signed out at the provider: the frame ends the session here."""
    answer = await frame(user[0], "session-0")
    assert answer.status == 200
    assert not await is_signed_in(user[0])
    assert await is_signed_in(user[1])


async def test_the_back_channel_address_is_the_one_that_is_registered(user: tuple[Browser, Browser]) -> None:
    """What a registration names is where it answers, and a browser that opens it changes nothing."""
    assert user[0].party.site.url(user[0].party.site.paths.backchannel_logout) == BASE + PATH
    assert (await user[0].get(PATH)).status == 405
    assert await is_signed_in(user[0])
