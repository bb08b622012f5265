"""The page on which a signed-in user answers (CIBA Core 1.0 §8)."""

import asyncio

from authwright.crypto.jwt import unverified_claims
from authwright.crypto.passwords import Passwords
from authwright.protocol.params import encode
from authwright.registrations import user, write_users
from authwright.stores.memory import memory_stores
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock
from tests.provider.ciba.counter import PAGE, Counter, open_counter
from tests.provider.installation import ISSUER


async def test_a_user_signs_in_and_allows(counter: Counter) -> None:
    """The person sees who asks, for what and with which message; the tokens tell the sign-in at the page."""
    begun = await counter.begin(binding_message="W4SCT")
    page = await counter.browser.get(PAGE)
    assert page.has("login-submit")
    counter.clock.advance(2)
    signed_in = counter.clock()
    page = await counter.visit()
    assert page.url.startswith(PAGE)
    assert page.texts["binding-message"] == "W4SCT"
    for shown in ("The bank", "https://bank.example", "Alice Example", "See your profile"):
        assert shown in page.html
    assert await counter.poll_error(begun.auth_req_id) == "authorization_pending"
    counter.clock.advance(30)
    page = await counter.browser.click("ciba-allow")
    assert page.has("nothing-pending")
    tokens = (await counter.poll(begun.auth_req_id)).json()
    claims = unverified_claims(tokens["id_token"])
    assert claims is not None
    assert (claims["sub"], claims["amr"]) == ("u-alice", ["pwd"])
    assert claims["auth_time"] == int(signed_in.timestamp())
    assert claims["sid"]


async def test_a_user_denies(counter: Counter) -> None:
    """A no is told to the client, and the request is gone from the page."""
    begun = await counter.begin()
    await counter.visit()
    assert (await counter.browser.click("ciba-deny")).has("nothing-pending")
    assert await counter.poll_error(begun.auth_req_id) == "access_denied"


async def test_requests_come_one_at_a_time_the_oldest_first(counter: Counter) -> None:
    """Each is decided by itself."""
    for message in ("first", "second", "third"):
        await counter.begin(binding_message=message)
        counter.clock.advance(1)
    page = await counter.visit()
    assert (page.texts["binding-message"], page.texts["further"]) == ("first", "2 more after this one.")
    page = await counter.browser.click("ciba-deny")
    assert (page.texts["binding-message"], page.texts["further"]) == ("second", "1 more after this one.")
    page = await counter.browser.click("ciba-allow")
    assert (page.texts["binding-message"], page.has("further")) == ("third", False)


async def test_a_ping_follows_an_answer_on_the_page(counter: Counter) -> None:
    """CIBA Core §10.2: wherever the user answered."""
    await counter.begin("ping")
    await counter.visit()
    await counter.browser.click("ciba-allow")
    assert len(counter.outside.heard) == 1


async def test_a_request_of_somebody_else_is_neither_shown_nor_answered(clock: FrozenClock) -> None:
    """Only the user who is meant may answer, also with a form made by hand."""
    stores = memory_stores(clock)
    counter = await open_counter(stores, clock)
    bob = user("bob", "bob-secret", sub="u-bob")
    await write_users([bob], stores.accounts, Passwords())
    begun = await counter.begin()
    alices = await counter.visit()
    form, button = alices.form_of("ciba-allow")
    bobs = Browser({ISSUER: counter.op.provider.handle}, clock=clock)
    await bobs.get(PAGE)
    page = await bobs.click("login-submit", username="bob", password="bob-secret")
    assert page.has("nothing-pending")
    page = await bobs.post(
        f"{ISSUER}{form.action}", [*form.fields, (button.name, button.value)], initiator=ISSUER
    )
    assert page.has("nothing-pending")
    assert await counter.poll_error(begun.auth_req_id) == "authorization_pending"


async def test_a_form_from_another_site_or_changed_is_refused(counter: Counter) -> None:
    """RFC 9700 §4.7: cookie, token and origin; and what was shown is what is answered."""
    begun = await counter.begin(binding_message="one")
    await counter.begin(binding_message="two")
    page = await counter.visit()
    form, button = page.form_of("ciba-allow")
    fields = [*form.fields, (button.name, button.value)]
    url = f"{ISSUER}{form.action}"
    assert (await counter.browser.post(url, fields, initiator="https://evil.example")).status == 403
    without = [(name, value) for name, value in fields if name != "csrf"]
    assert (await counter.browser.post(url, without, initiator=ISSUER)).status == 403
    other = Browser({ISSUER: counter.op.provider.handle}, clock=counter.clock)
    assert (await other.post(url, fields, initiator=ISSUER)).status == 403
    other_id = next(asked.id for asked in counter.announced if asked.id != dict(fields)["request"])
    swapped = [(name, other_id if name == "request" else value) for name, value in fields]
    assert (await counter.browser.post(url, swapped, initiator=ISSUER)).status == 403
    neither = [(name, value) for name, value in fields if name != "action"]
    assert (await counter.browser.post(url, neither, initiator=ISSUER)).status == 400
    assert await counter.poll_error(begun.auth_req_id) == "authorization_pending"
    assert len(await counter.op.provider.ciba.pending("u-alice")) == 2


async def test_an_answer_counts_once(counter_on_each_store: Counter) -> None:
    """Of eight posts of one page one is the answer; a push goes out once."""
    counter = counter_on_each_store
    await counter.begin("push")
    page = await counter.visit()
    form, button = page.form_of("ciba-allow")
    body = encode([*form.fields, (button.name, button.value)]).encode()
    cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in counter.browser.cookies)
    headers = {"content-type": "application/x-www-form-urlencoded", "cookie": cookie}
    answers = await asyncio.gather(*(counter.op.post_raw(form.action, body, headers) for _ in range(8)))
    assert {answer.status for answer in answers} == {303}
    assert len(counter.outside.heard) == 1


async def test_who_signs_out_meanwhile_answers_nothing(counter: Counter) -> None:
    """The session must be there when the answer comes."""
    begun = await counter.begin()
    await counter.visit()
    await counter.op.stores.sessions.remove(subject="u-alice")
    page = await counter.browser.click("ciba-allow")
    assert page.has("login-submit")
    assert await counter.poll_error(begun.auth_req_id) == "authorization_pending"


async def test_a_request_that_expired_is_no_longer_shown(counter: Counter) -> None:
    """Nothing is asked in vain."""
    await counter.begin(requested_expiry="10")
    counter.clock.advance(11)
    assert (await counter.visit()).has("nothing-pending")


async def test_the_page_has_the_headers_and_methods_of_a_page(counter: Counter) -> None:
    """RFC 9700 §4.16."""
    await counter.begin()
    for page in (await counter.browser.get(PAGE), await counter.visit()):
        assert page.status == 200
        assert page.header("x-frame-options") == "DENY"
        assert page.header("cache-control") == "no-store"
        assert "script-src" not in (page.header("content-security-policy") or "")
    assert (await counter.op.post("/backchannel_authentication/requests", client_id=None)).status == 405
    assert (await counter.op.get("/backchannel_authentication/answer")).status == 405
    await counter.browser.get(PAGE)
    counter.browser.forget_cookies()
    page = await counter.browser.get(PAGE)
    assert (await counter.browser.click("login-cancel")).has("login-submit")
