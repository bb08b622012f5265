"""The person's side of a device sign-in (RFC 8628 §3.3, §5.1, §5.4): row T16, and what every page of ours keeps to."""

import asyncio
from datetime import timedelta

import pytest

from authwright.protocol.errors import SlowDown
from authwright.protocol.params import encode
from authwright.provider.audit import LoginCompleted, RequestAnswered
from authwright.provider.limits import Limits
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Rate, Stores
from authwright.testing.browser import Browser, Page
from authwright.testing.clock import FrozenClock
from authwright.ticket import TokenKind
from tests.provider.device.living_room import DEVICE_PAGE, LivingRoom, open_living_room
from tests.provider.installation import ISSUER, install

WRONG = "BBBB-BBBB"


async def sign_in(room: LivingRoom) -> Page:
    return await room.browser.click("login-submit", username="alice", password="alice-secret")


async def test_a_whole_sign_in_on_another_device(room: LivingRoom) -> None:
    """RFC 8628 §3.3: type the code, sign in, come back to the device page, compare, allow."""
    begun = await room.begin()
    page = await room.browser.get(DEVICE_PAGE)
    assert page.status == 200
    page = await room.browser.click("device-continue", user_code=begun.user_code)
    assert page.has("login-submit")
    assert "Living room TV" in page.html
    page = await sign_in(room)
    assert page.url.startswith(f"{DEVICE_PAGE}?visit=")
    assert page.texts["device-code"] == begun.user_code
    for shown in ("Living room TV", "Alice Example", "https://tv.example", "See your profile"):
        assert shown in page.html
    page = await room.browser.click("device-allow")
    assert page.has("device-connected")
    assert "Living room TV" in page.html
    assert (
        RequestAnswered(
            client_id="tv",
            subject="u-alice",
            grant_type="urn:ietf:params:oauth:grant-type:device_code",
            allowed=True,
        )
        in room.op.audit
    )


async def test_who_is_signed_in_already_only_confirms(room: LivingRoom) -> None:
    """The session is the provider's own: a second device needs no second login."""
    await room.answer((await room.begin()).user_code)
    page = await room.enter((await room.begin()).user_code)
    assert page.has("device-allow")


@pytest.mark.parametrize(
    "change", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[:2]} {code[2:]}."]
)
async def test_a_code_is_typed_as_people_type(room: LivingRoom, change: object) -> None:
    """RFC 8628 §6.1: case and separators do not count."""
    assert callable(change)
    page = await room.enter(change((await room.begin()).user_code))
    assert page.has("login-submit")


async def test_sec_T16_a_link_with_the_code_approves_nothing(room: LivingRoom) -> None:
    """T16: verification_uri_complete fills the field; the person still presses twice, and sees client and scopes."""
    await room.answer((await room.begin()).user_code)
    begun = await room.begin()
    assert begun.verification_uri_complete is not None
    page = await room.browser.get(begun.verification_uri_complete, initiator="https://evil.example")
    assert not page.has("device-allow")
    form, button = page.form_of("device-continue")
    assert dict(form.fields)["user_code"] == begun.user_code
    assert await room.poll_error(begun.device_code) == "authorization_pending"
    page = await room.browser.submit(form, button)
    assert page.has("device-allow")
    assert "Living room TV" in page.html
    assert "See your profile" in page.html
    room.clock.advance(5)
    assert await room.poll_error(begun.device_code) == "authorization_pending"


async def test_sec_T16_a_code_is_answered_once(room_on_each_store: LivingRoom) -> None:
    """T16: the code is single-use: neither the same page nor the same code works again, after yes as after no."""
    room = room_on_each_store
    for button in ("device-allow", "device-deny"):
        begun = await room.begin()
        page = await room.enter(begun.user_code)
        if page.has("login-submit"):
            page = await sign_in(room)
        form, chosen = page.form_of(button)
        page = await room.browser.submit(form, chosen)
        assert page.has("device-connected") or page.has("device-refused")
        again = await room.browser.post(
            f"{ISSUER}{form.action}", [*form.fields, (chosen.name, chosen.value)], initiator=ISSUER
        )
        assert (again.status, again.has("device-problem")) == (400, True)
        assert (await room.enter(begun.user_code)).has("device-problem")


async def test_sec_T16_the_sixth_wrong_code_of_a_browser_is_not_looked_at(
    room_on_each_store: LivingRoom,
) -> None:
    """T16: at most five failed tries; the sixth is 429 even when it is right, until the first is forgotten."""
    room = room_on_each_store
    begun = await room.begin()
    for _ in range(5):
        page = await room.enter(WRONG)
        assert (page.status, page.has("device-problem")) == (400, True)
    page = await room.enter(begun.user_code)
    assert page.status == 429
    assert int(page.header("retry-after") or 0) == 600
    assert (await room.another_browser().enter(begun.user_code)).status == 429
    room.clock.advance(600)
    later = await room.begin()
    assert (await room.enter(later.user_code)).has("login-submit")


async def test_sec_T16_a_right_code_does_not_win_back_wrong_ones(room: LivingRoom) -> None:
    """T16: who has codes of his own does not start his five tries over with them."""
    for _ in range(4):
        await room.enter(WRONG)
    for _ in range(3):
        assert (await room.enter((await room.begin()).user_code)).has("login-submit")
    assert (await room.enter(WRONG)).status == 400
    assert (await room.enter(WRONG)).status == 429


async def test_sec_T16_tries_at_once_do_not_slip_through(room_on_each_store: LivingRoom) -> None:
    """T16: of twenty wrong codes in parallel five are looked at."""
    room = room_on_each_store
    page = await room.browser.get(DEVICE_PAGE)
    form, _ = page.form_of("device-continue")
    csrf = dict(form.fields)["csrf"]
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in room.browser.cookies)
    answers = await asyncio.gather(
        *(
            room.op.post_raw(
                "/device",
                encode([("csrf", csrf), ("user_code", WRONG)]).encode(),
                {"content-type": "application/x-www-form-urlencoded", "cookie": cookie},
            )
            for _ in range(20)
        )
    )
    assert sorted(answer.status for answer in answers) == [400] * 5 + [429] * 15


async def test_sec_T16_all_tries_together_are_one_a_second(each_store: Stores, clock: FrozenClock) -> None:
    """T16: a global budget of one a second, from however many addresses."""
    limits = Limits(store=each_store.limits, digest=str)
    for number in range(limits.user_code_overall.burst):
        await limits.user_code_attempt(f"b{number}", f"10.0.0.{number}", clock())
    with pytest.raises(SlowDown) as limited:
        await limits.user_code_attempt("another", "10.1.0.1", clock())
    assert limited.value.retry_after == 1
    clock.advance(1)
    await limits.user_code_attempt("another", "10.1.0.1", clock())
    with pytest.raises(SlowDown):
        await limits.user_code_attempt("yet another", "10.1.0.2", clock())
    assert limits.user_code_overall.period == timedelta(seconds=1)


async def test_an_address_is_limited_whatever_the_browser(clock: FrozenClock) -> None:
    """T16: a thief without cookies is a new browser each time."""
    limits = Limits(
        store=memory_stores(clock).limits, digest=str, user_code_overall=Rate(1000, timedelta(seconds=1))
    )
    for number in range(5):
        await limits.user_code_attempt(f"b{number}", "10.0.0.1", clock())
    with pytest.raises(SlowDown):
        await limits.user_code_attempt("b9", "10.0.0.1", clock())
    await limits.user_code_attempt("b9", "10.0.0.2", clock())


@pytest.mark.parametrize("typed", ["", "nonsense", WRONG, "x" * 100, "<script>alert(1)</script>"])
async def test_a_code_nobody_has_is_told_so(room: LivingRoom, typed: str) -> None:
    """One text for all, and what was typed comes back harmless."""
    page = await room.enter(typed)
    assert (page.status, page.has("device-problem")) == (400, True)
    assert "<script>" not in page.html
    assert page.has("device-continue")


async def test_a_wrong_password_shows_the_login_again(room: LivingRoom) -> None:
    """The limits and the words are those of every sign-in here."""
    await room.enter((await room.begin()).user_code)
    page = await room.browser.click("login-submit", username="alice", password="wrong")
    assert (page.status, page.has("login-problem")) == (400, True)
    assert dict(page.form_of("login-submit")[0].fields)["username"] == "alice"
    for _ in range(5):
        page = await room.browser.click("login-submit", username="alice", password="wrong")
    assert page.status == 429
    assert page.header("retry-after")
    assert not any(isinstance(event, LoginCompleted) for event in room.op.audit)


async def test_cancelling_the_login_goes_back_to_the_code(room: LivingRoom) -> None:
    """No client waits for a redirect, so cancelling only leaves."""
    begun = await room.begin()
    await room.enter(begun.user_code)
    page = await room.browser.click("login-cancel")
    assert (page.url, page.has("device-continue")) == (DEVICE_PAGE, True)
    assert await room.poll_error(begun.device_code) == "authorization_pending"


async def test_a_session_changes_at_this_login_too(room: LivingRoom) -> None:
    """A10: a cookie planted before the sign-in is worth nothing after it."""
    await room.answer((await room.begin()).user_code)
    before = room.browser.cookie("__Host-authwright_session")
    begun = await room.begin()
    room.browser.cookies = tuple(c for c in room.browser.cookies if "session" not in c.name)
    await room.enter(begun.user_code)
    await sign_in(room)
    after = room.browser.cookie("__Host-authwright_session")
    assert before is not None
    assert after is not None
    assert after.value != before.value


async def test_a_form_from_another_site_or_browser_is_refused(room: LivingRoom) -> None:
    """RFC 9700 §4.7: none of the three forms counts without this browser's cookie, token and origin."""
    begun = await room.begin()
    page = await room.browser.get(DEVICE_PAGE)
    steps = []
    form, button = page.form_of("device-continue")
    steps.append((form, [("csrf", dict(form.fields)["csrf"]), ("user_code", begun.user_code)]))
    page = await room.browser.click("device-continue", user_code=begun.user_code)
    form, button = page.form_of("login-submit")
    steps.append(
        (
            form,
            [
                *((n, v) for n, v in form.fields if n in ("visit", "csrf")),
                ("username", "alice"),
                ("password", "alice-secret"),
            ],
        )
    )
    page = await sign_in(room)
    form, button = page.form_of("device-allow")
    steps.append((form, [*form.fields, (button.name, button.value)]))
    for form, fields in steps:
        url = f"{ISSUER}{form.action}"
        assert (await room.browser.post(url, fields, initiator="https://evil.example")).status == 403
        without = [(name, value) for name, value in fields if name != "csrf"]
        assert (await room.browser.post(url, without, initiator=ISSUER)).status == 403
        other = room.another_browser()
        assert (await other.browser.post(url, fields, initiator=ISSUER)).status == 403
        await other.browser.get(DEVICE_PAGE)
        assert (await other.browser.post(url, fields, initiator=ISSUER)).status == 403
        assert (await room.browser.post(url, [*fields, fields[0]], initiator=ISSUER)).status in (400, 403)
    room.clock.advance(5)
    assert await room.poll_error(begun.device_code) == "authorization_pending"


async def test_a_link_of_another_browser_opens_nothing(room: LivingRoom) -> None:
    """T16: a visit that somebody sends around is worth nothing in another browser."""
    await room.answer((await room.begin()).user_code)
    page = await room.enter((await room.begin()).user_code)
    other = room.another_browser()
    assert (await other.browser.get(page.url)).has("device-continue")
    await other.browser.get(DEVICE_PAGE)
    assert (await other.browser.get(page.url)).status == 403


async def test_the_confirmation_counts_for_the_person_it_was_shown_to(room: LivingRoom) -> None:
    """A8: the page of one session is not answered by another."""
    begun = await room.begin()
    await room.enter(begun.user_code)
    page = await sign_in(room)
    form, button = page.form_of("device-allow")
    room.browser.cookies = tuple(c for c in room.browser.cookies if "session" not in c.name)
    page = await room.browser.submit(form, button)
    assert page.has("login-submit")
    await sign_in(room)
    page = await room.browser.post(
        f"{ISSUER}{form.action}", [*form.fields, (button.name, button.value)], initiator=ISSUER
    )
    assert page.status == 403
    assert await room.poll_error(begun.device_code) == "authorization_pending"


async def test_a_visit_is_over_after_ten_minutes(room: LivingRoom) -> None:
    """Interactions live ten minutes; the code has gone by then too."""
    await room.enter((await room.begin()).user_code)
    room.clock.advance(601)
    page = await sign_in(room)
    assert page.has("device-continue")
    assert not any(isinstance(event, LoginCompleted) for event in room.op.audit)


async def test_neither_answer_is_no_answer(room: LivingRoom) -> None:
    """A form without a button's value is refused, and nothing is decided."""
    begun = await room.begin()
    await room.enter(begun.user_code)
    page = await sign_in(room)
    form, _ = page.form_of("device-allow")
    assert (await room.browser.submit(form)).status == 400
    assert await room.poll_error(begun.device_code) == "authorization_pending"


async def test_the_code_of_a_client_that_is_gone_is_unknown(clock: FrozenClock) -> None:
    """Whoever disables a client ends what it began."""
    stores = memory_stores(clock)
    begun = await (await open_living_room(stores, clock)).begin()
    op = await install(stores, clock)
    without_tv = LivingRoom(op=op, browser=Browser({ISSUER: op.provider.handle}, clock=clock))
    page = await without_tv.enter(begun.user_code)
    assert (page.has("login-submit"), page.has("device-problem")) == (False, True)


async def test_every_page_has_the_headers_of_a_page(room: LivingRoom) -> None:
    """RFC 9700 §4.16: no frame, no referrer, no cache, a policy without scripts."""
    begun = await room.begin()
    pages = [await room.browser.get(DEVICE_PAGE)]
    pages.append(await room.browser.click("device-continue", user_code=begun.user_code))
    pages.append(await sign_in(room))
    pages.append(await room.browser.click("device-allow"))
    for page in pages:
        assert page.status == 200
        assert page.header("x-frame-options") == "DENY"
        assert page.header("referrer-policy") == "no-referrer"
        assert page.header("cache-control") == "no-store"
        policy = page.header("content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
    assert (await room.op.post("/device/login", client_id=None)).status == 403
    assert (await room.op.get("/device/login")).status == 405
    assert (await room.op.get("/device/confirm")).status == 405


@pytest.mark.parametrize("header", ["origin", "sec-fetch-site"])
async def test_a_browser_that_says_another_site_posts_is_believed(room: LivingRoom, header: str) -> None:
    """A8: even with cookie and token, as from a page that could read ours."""
    begun = await room.begin()
    page = await room.browser.get(DEVICE_PAGE)
    form, _ = page.form_of("device-continue")
    fields = [(name, begun.user_code if name == "user_code" else value) for name, value in form.fields]
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in room.browser.cookies),
    }
    body = encode(fields).encode()
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}[header]
    assert (await room.op.post_raw("/device", body, {**headers, header: foreign})).status == 403
    assert (await room.op.post_raw("/device", body, headers)).status == 303


async def test_a_visit_ends_however_long_the_code_lives(clock: FrozenClock) -> None:
    """Interactions live ten minutes, also where a device code is given an hour."""
    lifetimes = {TokenKind.DEVICE_CODE: timedelta(hours=1)}
    room = await open_living_room(memory_stores(clock), clock, lifetimes=lifetimes)
    begun = await room.begin()
    assert begun.expires_in == 3600
    await room.enter(begun.user_code)
    page = await sign_in(room)
    clock.advance(601)
    assert (await room.browser.get(page.url)).has("device-continue")
    assert (await room.enter(begun.user_code)).has("device-allow")
