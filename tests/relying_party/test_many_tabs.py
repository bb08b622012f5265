"""sec_P5: many login attempts at once in one browser."""

from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    HostileProvider,
    location,
)


async def test_sec_P5_a_hundred_tabs_leave_five_attempts(provider: HostileProvider, browser: Browser) -> None:
    """P5: 100 tabs start login: at most 5 live flows and 3.5 KB, the oldest evicted; each of the five can finish."""
    urls = []
    for number in range(100):
        provider.clock.forward(seconds=1)
        response = await browser.get(f"/auth/login?return_to=/tab/{number}{'/x' * 200}")
        urls.append(provider.authorize(location(response)))
        names = browser.flow_cookies()
        assert len(names) <= 5
        assert sum(len(name) + len(browser.cookies[name]) for name in names) <= 3500
    alive = len(browser.flow_cookies())
    assert alive >= 2
    responses = [await browser.get(url) for url in urls]
    finished = [number for number, response in enumerate(responses) if response.status == 303]
    assert finished == list(range(100 - alive, 100))


async def test_sec_P5_five_small_attempts_are_all_kept(provider: HostileProvider, browser: Browser) -> None:
    """P5: ordinary tabs have room for five, each independent of the others."""
    urls = []
    for number in range(7):
        provider.clock.forward(seconds=1)
        urls.append(provider.authorize(location(await browser.get(f"/auth/login?return_to=/{number}"))))
    assert len(browser.flow_cookies()) == 5
    finished = [location(await browser.get(url)) for url in reversed(urls[2:])]
    assert finished == [f"{BASE}/{number}" for number in (6, 5, 4, 3, 2)]


async def test_sec_P5_garbage_in_flow_cookies_is_swept(browser: Browser) -> None:
    """P5: cookies that do not open, planted by a sibling site perhaps, go away with the next attempt."""
    for number in range(20):
        browser.cookies[f"__Host-authwright_rp_flow_{number:016x}"] = "garbage" * 20
    await browser.get("/auth/login")
    assert len(browser.flow_cookies()) == 1
