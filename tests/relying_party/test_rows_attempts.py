"""rp_D, and rp_C6: what the browser keeps of an attempt, and which answers it takes."""

import pytest

from authwright.relying_party.events import AuthorizationCodeReceived
from tests.relying_party.hostile_provider import BASE, Browser, HostileProvider, error_code, location, sign_in
from tests.relying_party.ways import query_of


async def test_rp_D1_D7_one_random_handle_names_the_cookie(browser: Browser) -> None:
    """D1, D7: 32 random bytes; the cookie's name is a digest of them, its value sealed with all that was sent."""
    one, two = await browser.get("/auth/login"), await browser.get("/auth/login")
    states = [query_of(response)["state"] for response in (one, two)]
    assert states[0] != states[1]
    names = browser.flow_cookies()
    assert len(names) == 2
    assert not any(state in name + browser.cookies[name] for state in states for name in names)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda value: None, "flow_missing"),
        (lambda value: "N", "flow_unreadable"),
        (lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"), "flow_unreadable"),
        (lambda value: "", "flow_unreadable"),
    ],
)
async def test_rp_D2_D3_D4_without_its_cookie_an_answer_is_none(
    provider: HostileProvider, browser: Browser, spoil: object, reason: str
) -> None:
    """D2-D4: absent, another value, cut: the reason is named, and nothing is redeemed."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    (name,) = browser.flow_cookies()
    spoilt = spoil(browser.cookies.pop(name))  # type: ignore[operator]
    if spoilt is not None:
        browser.cookies[name] = spoilt
    assert error_code(await browser.get(url)) == reason
    assert provider.asked("/token") == 0


async def test_rp_D5_D6_the_cookie_goes_with_the_answer(provider: HostileProvider, browser: Browser) -> None:
    """D5, D6: deleted with the flags it was set with; nothing of it stays in the properties."""
    response = await browser.get("/auth/login")
    set_with = response.headers.many("set-cookie")[0].split("; ")[1:]
    done = await browser.get(provider.authorize(location(response)))
    (deleted,) = [field for field in done.headers.many("set-cookie") if "rp_flow" in field]
    attributes = deleted.split("; ")[1:]
    assert "Max-Age=0" in attributes
    assert {part for part in attributes if "Max-Age" not in part} == {
        part for part in set_with if "Max-Age" not in part
    }
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.properties == {}


async def test_rp_D8_the_nonce_is_used_once(provider: HostileProvider, browser: Browser) -> None:
    """D8: the attempt that holds it is spent with the first answer, right or wrong."""
    sent = location(await browser.get("/auth/login"))
    kept = dict(browser.cookies)
    await browser.get(provider.authorize(sent, code="wrong"))
    browser.cookies = kept
    assert error_code(await browser.get(provider.authorize(sent))) == "flow_used"


async def test_rp_D9_a_cookie_that_does_not_open_hinders_no_other(
    provider: HostileProvider, browser: Browser
) -> None:
    """D9: garbage beside it is skipped."""
    sent = location(await browser.get("/auth/login"))
    browser.cookies = {"__Host-authwright_rp_flow_0123456789abcdef": "garbage", **browser.cookies}
    assert (await browser.get(provider.authorize(sent))).status == 303


async def test_rp_D11_several_tabs_complete_in_any_order(provider: HostileProvider, browser: Browser) -> None:
    """D11: each attempt has a cookie of its own."""
    urls = []
    for number in range(3):
        provider.clock.forward(seconds=1)
        urls.append(provider.authorize(location(await browser.get(f"/auth/login?return_to=/{number}"))))
    assert [location(await browser.get(url)) for url in (urls[1], urls[0], urls[2])] == [
        f"{BASE}/{number}" for number in (1, 0, 2)
    ]


async def test_rp_D12_abandoned_attempts_do_not_pile_up(provider: HostileProvider, browser: Browser) -> None:
    """D12: thirty abandoned logins leave five cookies, well below any limit of a header."""
    for _ in range(30):
        provider.clock.forward(seconds=1)
        await browser.get("/auth/login")
    assert len(browser.flow_cookies()) == 5
    assert sum(len(name) + len(value) + 3 for name, value in browser.cookies.items()) < 4096


@pytest.mark.parametrize("state", ["", "%", "%ff", "x" * 5000, "fl_" + "A" * 47, "\u00e9", "~", "a~"])
async def test_rp_D13_a_state_that_does_not_decode_is_none(browser: Browser, state: str) -> None:
    """D13: never an exception."""
    response = await browser.get(f"/auth/callback?code=x&state={state}")
    assert response.status == 400
    assert error_code(response) in ("state_missing", "state_unknown", "message_malformed", "flow_missing")


async def test_rp_D14_the_age_of_an_attempt_is_checked_here(
    provider: HostileProvider, browser: Browser
) -> None:
    """D14: on the server's clock; and an attempt from the future is none."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    provider.clock.forward(minutes=-2)
    assert error_code(await browser.get(url)) == "flow_expired"


async def test_rp_C6_the_verifier_belongs_to_its_attempt(provider: HostileProvider, browser: Browser) -> None:
    """C6: a code of one tab is not redeemed with the verifier of another."""
    seen: list[str | None] = []
    browser.party.on(AuthorizationCodeReceived)(lambda context: seen.append(context.redemption.code_verifier))
    await sign_in(provider, browser)
    await sign_in(provider, browser)
    assert len(set(seen)) == 2
