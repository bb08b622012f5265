"""A device polls (RFC 8628 §3.4, §3.5): rows T15 and the race of §4.2."""

import asyncio

import pytest

from authwright.crypto.jwt import half_hash, unverified_claims
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import TokenKind
from tests.provider.device.living_room import LivingRoom, open_living_room


async def test_sec_T15_pending_then_tokens_then_nothing(room_on_each_store: LivingRoom) -> None:
    """T15: pending is authorization_pending; approved gives tokens exactly once; redeemed is invalid_grant."""
    room = room_on_each_store
    begun = await room.begin()
    assert await room.poll_error(begun.device_code) == "authorization_pending"
    page = await room.answer(begun.user_code)
    assert page.has("device-connected")
    answer = await room.poll(begun.device_code)
    assert answer.status == 200
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
    assert tokens["scope"] == "openid profile offline_access"
    assert await room.poll_error(begun.device_code) == "invalid_grant"
    # A device that asks once too often loses nothing.
    assert await room.works(tokens["access_token"])
    refreshed = await room.op.post_raw(
        "/token",
        f"grant_type=refresh_token&client_id=tv&refresh_token={tokens['refresh_token']}".encode(),
        {"content-type": "application/x-www-form-urlencoded"},
    )
    assert refreshed.status == 200


async def test_sec_T15_polling_too_soon_costs_five_seconds_that_stay(room_on_each_store: LivingRoom) -> None:
    """T15: early is 400 slow_down, five seconds more, and it is persisted."""
    room = room_on_each_store
    code = (await room.begin()).device_code
    assert await room.poll_error(code) == "authorization_pending"
    room.clock.advance(4.9)
    assert await room.poll_error(code) == "slow_down"
    # Ten seconds now, counted from the poll that came too soon; five are not enough any more.
    room.clock.advance(9.9)
    assert await room.poll_error(code) == "slow_down"
    room.clock.advance(15)
    assert await room.poll_error(code) == "authorization_pending"
    room.clock.advance(14.9)
    assert await room.poll_error(code) == "slow_down"
    room.clock.advance(20)
    assert await room.poll_error(code) == "authorization_pending"


async def test_the_interval_itself_is_not_too_soon(room: LivingRoom) -> None:
    """RFC 8628 §3.2: `interval` is the least time to wait, so waiting exactly that long is right."""
    code = (await room.begin()).device_code
    for _ in range(3):
        assert await room.poll_error(code) == "authorization_pending"
        room.clock.advance(5)


async def test_an_answer_that_is_there_is_given_however_soon(room: LivingRoom) -> None:
    """RFC 8628 §3.5: slow_down is a variant of authorization_pending, so it ends with the waiting."""
    begun = await room.begin()
    assert await room.poll_error(begun.device_code) == "authorization_pending"
    await room.answer(begun.user_code)
    assert (await room.poll(begun.device_code)).status == 200


async def test_sec_T15_denied(room_on_each_store: LivingRoom) -> None:
    """T15: denied is access_denied, and stays so."""
    room = room_on_each_store
    begun = await room.begin()
    page = await room.answer(begun.user_code, "device-deny")
    assert page.has("device-refused")
    for _ in range(2):
        assert await room.poll_error(begun.device_code) == "access_denied"


async def test_sec_T15_expired(room_on_each_store: LivingRoom) -> None:
    """T15: expired is expired_token, also when the person had approved; the user code no longer works either."""
    room = room_on_each_store
    approved, waiting = await room.begin(), await room.begin()
    await room.answer(approved.user_code)
    room.clock.advance(600.5)
    assert await room.poll_error(waiting.device_code) == "expired_token"
    assert await room.poll_error(approved.device_code) == "expired_token"
    page = await room.enter(waiting.user_code)
    assert (page.status, page.has("device-problem")) == (400, True)


@pytest.mark.parametrize("other", ["box", "plain"])
async def test_sec_T15_another_clients_code(room: LivingRoom, other: str) -> None:
    """T15: another client's code is invalid_grant, whatever its state, and is neither spent nor slowed down."""
    begun = await room.begin()
    assert await room.poll_error(begun.device_code, other) == "invalid_grant"
    assert await room.poll_error(begun.device_code) == "authorization_pending"
    await room.answer(begun.user_code)
    assert await room.poll_error(begun.device_code, other) == "invalid_grant"
    assert (await room.poll(begun.device_code)).status == 200


async def test_what_is_no_device_code_is_refused(room: LivingRoom) -> None:
    """RFC 6749 §5.2: a missing one is invalid_request, an unknown one invalid_grant; a user code is none."""
    begun = await room.begin()
    assert await room.poll_error("x") == "invalid_grant"
    assert await room.poll_error(begun.device_code[:-1]) == "invalid_grant"
    assert await room.poll_error(begun.user_code) == "invalid_grant"
    assert await room.poll_error("") == "invalid_request"
    assert await room.poll_error(begun.device_code, "web") == "unauthorized_client"


async def test_sec_T15_sixteen_polls_and_an_approval_give_one_answer(room_on_each_store: LivingRoom) -> None:
    """§4.2: device poll ×16 ∥ approve: exactly one 200, all others a refusal of T15."""
    room = room_on_each_store
    begun = await room.begin()
    await room.enter(begun.user_code)
    await room.browser.click("login-submit", username="alice", password="alice-secret")
    async with asyncio.TaskGroup() as group:
        approval = group.create_task(room.browser.click("device-allow"))
        polls = [group.create_task(room.poll(begun.device_code)) for _ in range(16)]
    assert approval.result().has("device-connected")
    answers = [poll.result() for poll in polls]
    answers += await asyncio.gather(*(room.poll(begun.device_code) for _ in range(16)))
    assert [answer.status for answer in answers].count(200) == 1
    refusals = {answer.json()["error"] for answer in answers if answer.status != 200}
    assert refusals <= {"authorization_pending", "slow_down", "invalid_grant"}
    assert "invalid_grant" in refusals
    won = next(answer.json() for answer in answers if answer.status == 200)
    assert await room.works(won["access_token"])


async def test_sec_T15_two_answers_at_once_count_once(room_on_each_store: LivingRoom) -> None:
    """T15: the user code is spent by the first answer; the other is told that it came too late."""
    room = room_on_each_store
    begun = await room.begin()
    other = room.another_browser()
    for one in (room, other):
        await one.enter(begun.user_code)
        await one.browser.click("login-submit", username="alice", password="alice-secret")
    pages = await asyncio.gather(room.browser.click("device-allow"), other.browser.click("device-deny"))
    done = [page for page in pages if page.has("device-connected") or page.has("device-refused")]
    assert len(done) == 1
    late = next(page for page in pages if page not in done)
    assert (late.status, late.has("device-problem")) == (400, True)
    answer = await room.poll(begun.device_code)
    assert answer.status == (200 if done[0].has("device-connected") else 400)


async def test_the_id_token_has_at_hash_and_no_nonce(room: LivingRoom) -> None:
    """Token endpoint §3: device_code gives an ID token with openid: at_hash, no nonce; the sign-in is the person's."""
    begun = await room.begin()
    room.clock.advance(7)
    signed_in = room.clock()
    await room.answer(begun.user_code)
    room.clock.advance(20)
    tokens = (await room.poll(begun.device_code)).json()
    claims = unverified_claims(tokens["id_token"])
    assert claims is not None
    assert (claims["sub"], claims["aud"], "nonce" in claims) == ("u-alice", "tv", False)
    assert claims["at_hash"] == half_hash("ES256", tokens["access_token"])
    assert claims["auth_time"] == int(signed_in.timestamp())
    assert claims["amr"] == ["pwd"]


@pytest.mark.parametrize(
    ("client_id", "scope", "given"),
    [
        ("tv", "profile", {"access_token"}),
        ("tv", "openid", {"access_token", "id_token"}),
        ("tv", "openid offline_access", {"access_token", "id_token", "refresh_token"}),
        ("plain", "openid offline_access", {"access_token", "id_token"}),
    ],
)
async def test_which_tokens_a_device_gets(
    room: LivingRoom, client_id: str, scope: str, given: set[str]
) -> None:
    """Token endpoint §3: a refresh token with offline_access, an ID token with openid."""
    begun = await room.begin(client_id, scope=scope)
    await room.answer(begun.user_code)
    tokens = (await room.poll(begun.device_code, client_id)).json()
    assert {name for name in tokens if name.endswith("_token")} == given


async def test_a_device_may_ask_for_less_and_never_for_more(room: LivingRoom) -> None:
    """RFC 6749 §6 and RFC 8707 §2.2, as for a refresh: nothing beyond what the person saw."""
    begun = await room.begin(scope="openid read", resource="https://api.example")
    await room.answer(begun.user_code)
    assert await room.poll_error(begun.device_code, scope="openid profile") == "invalid_scope"
    assert await room.poll_error(begun.device_code, resource="https://other.example") == "invalid_target"
    tokens = (await room.poll(begun.device_code, scope="read")).json()
    assert tokens["scope"] == "read"
    claims = unverified_claims(tokens["access_token"])
    assert claims is not None
    assert claims["aud"] == "https://api.example"


async def test_a_confidential_client_polls_with_its_secret(room: LivingRoom) -> None:
    """RFC 8628 §3.4: the client authenticates as it is registered."""
    begun = await room.begin("box")
    await room.answer(begun.user_code)
    refused = await room.op.post(
        "/token",
        client_id="box",
        secret="wrong",
        grant_type="urn:ietf:params:oauth:grant-type:device_code",
        device_code=begun.device_code,
    )
    assert refused.status == 401
    assert (await room.poll(begun.device_code, "box")).status == 200


async def test_what_a_person_allowed_is_found_and_revoked_by_that_person(
    room_on_each_store: LivingRoom,
) -> None:
    """RFC 7009 §2: an approval counts as a grant of its user from the moment it is given, before any token exists."""
    room = room_on_each_store
    begun, later = await room.begin(), await room.begin()
    tickets = room.op.stores.tickets
    assert await tickets.grants(subject="u-alice") == []
    await room.answer(begun.user_code)
    assert [grant.client_id for grant in await tickets.grants(subject="u-alice")] == ["tv"]
    assert await tickets.revoke(now=room.clock(), subject="u-alice") == 1
    assert await room.poll_error(begun.device_code) == "invalid_grant"

    await room.answer(later.user_code)
    tokens = (await room.poll(later.device_code)).json()
    assert await tickets.revoke(now=room.clock(), subject="u-alice") == 1
    assert not await room.works(tokens["access_token"])


async def test_an_account_that_is_gone_gets_no_tokens(room: LivingRoom) -> None:
    """T17 in spirit: the user is looked at again when tokens are made."""
    begun = await room.begin()
    await room.answer(begun.user_code)
    await room.op.remove_user()
    assert await room.poll_error(begun.device_code) == "invalid_grant"


async def test_no_code_is_stored(stores_and_room: tuple[Stores, LivingRoom]) -> None:
    """Security §5: device and user codes are kept as keyed digests only."""
    stores, room = stores_and_room
    begun = await room.begin()
    stored = repr(vars(stores.tickets))
    assert begun.device_code not in stored
    assert begun.user_code not in stored
    assert begun.user_code.replace("-", "") not in stored
    assert (await stores.tickets.grants(client_id="tv"))[0].subject is None
    assert TokenKind.USER_CODE.value in stored


@pytest.fixture
async def stores_and_room(clock: FrozenClock) -> tuple[Stores, LivingRoom]:
    stores = memory_stores(clock)
    return stores, await open_living_room(stores, clock)
