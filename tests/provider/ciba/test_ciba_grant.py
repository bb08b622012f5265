"""Tokens for a backchannel request, fetched by polling (CIBA Core 1.0 §10.1, §11)."""

import asyncio

import pytest

from authwright.crypto.jwt import half_hash, unverified_claims
from authwright.protocol.ciba import CIBA
from authwright.provider.audit import RequestAnswered
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.ciba.counter import TOKEN, Counter, open_counter
from tests.provider.installation import install


async def test_pending_then_tokens_then_nothing(counter_on_each_store: Counter) -> None:
    """CIBA Core §11: authorization_pending until the user answered; then tokens, exactly once."""
    counter = counter_on_each_store
    begun = await counter.begin()
    assert await counter.poll_error(begun.auth_req_id) == "authorization_pending"
    (told,) = counter.announced
    assert await counter.op.provider.ciba.approve(told.id, acr="gold", amr=("hwk", "user"))
    answer = await counter.poll(begun.auth_req_id)
    assert answer.status == 200
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
    assert await counter.poll_error(begun.auth_req_id) == "invalid_grant"
    assert await counter.works(tokens["access_token"])
    refreshed = await counter.op.refresh(tokens["refresh_token"], client_id="bank")
    assert refreshed.status == 200
    assert not await counter.op.provider.ciba.approve(told.id)
    assert (
        counter.op.audit.count(
            RequestAnswered(
                client_id="bank",
                subject="u-alice",
                grant_type="urn:openid:params:grant-type:ciba",
                allowed=True,
            )
        )
        == 1
    )


async def test_polling_too_soon_costs_five_seconds_that_stay(counter_on_each_store: Counter) -> None:
    """CIBA Core §11: slow_down, and the interval grows by five seconds for good."""
    counter = counter_on_each_store
    auth_req_id = (await counter.begin()).auth_req_id
    assert await counter.poll_error(auth_req_id) == "authorization_pending"
    counter.clock.advance(4.9)
    assert await counter.poll_error(auth_req_id) == "slow_down"
    counter.clock.advance(9.9)
    assert await counter.poll_error(auth_req_id) == "slow_down"
    counter.clock.advance(15)
    assert await counter.poll_error(auth_req_id) == "authorization_pending"


async def test_denied(counter_on_each_store: Counter) -> None:
    """CIBA Core §11: access_denied."""
    counter = counter_on_each_store
    begun = await counter.begin()
    assert await counter.op.provider.ciba.deny(counter.announced[0].id)
    assert await counter.poll_error(begun.auth_req_id) == "access_denied"
    assert not await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert await counter.poll_error(begun.auth_req_id) == "access_denied"


async def test_expired(counter_on_each_store: Counter) -> None:
    """CIBA Core §11: expired_token, and nobody can answer any more."""
    counter = counter_on_each_store
    begun = await counter.begin()
    counter.clock.advance(301)
    assert await counter.poll_error(begun.auth_req_id) == "expired_token"
    assert not await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert await counter.op.provider.ciba.pending("u-alice") == []


async def test_another_clients_request(counter: Counter) -> None:
    """CIBA Core §11: invalid_grant, and the right client still gets its tokens."""
    begun = await counter.begin()
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert await counter.poll_error(begun.auth_req_id, "clinic") == "invalid_grant"
    assert await counter.poll_error("x") == "invalid_grant"
    assert await counter.poll_error("") == "invalid_request"
    assert (await counter.poll(begun.auth_req_id)).status == 200


async def test_the_id_of_a_pending_request_is_not_what_the_client_polls_with(counter: Counter) -> None:
    """Whoever may approve cannot fetch the tokens, and whoever fetches cannot approve."""
    begun = await counter.begin()
    assert await counter.poll_error(counter.announced[0].id) == "invalid_grant"
    assert not await counter.op.provider.ciba.approve(begun.auth_req_id)


async def test_sixteen_polls_and_an_approval_give_one_answer(counter_on_each_store: Counter) -> None:
    """Security §4.2, as for a device: exactly one 200."""
    counter = counter_on_each_store
    begun = await counter.begin()
    async with asyncio.TaskGroup() as group:
        approval = group.create_task(counter.op.provider.ciba.approve(counter.announced[0].id))
        polls = [group.create_task(counter.poll(begun.auth_req_id)) for _ in range(16)]
    assert approval.result()
    answers = [poll.result() for poll in polls]
    answers += await asyncio.gather(*(counter.poll(begun.auth_req_id) for _ in range(16)))
    assert [answer.status for answer in answers].count(200) == 1
    refusals = {answer.json()["error"] for answer in answers if answer.status != 200}
    assert refusals <= {"authorization_pending", "slow_down", "invalid_grant"}
    won = next(answer.json() for answer in answers if answer.status == 200)
    assert await counter.works(won["access_token"])


async def test_yes_and_no_at_once_count_once(counter_on_each_store: Counter) -> None:
    """One answer wins; the other is told so."""
    counter = counter_on_each_store
    begun = await counter.begin()
    ciba, told = counter.op.provider.ciba, counter.announced[0]
    yes, no = await asyncio.gather(ciba.approve(told.id), ciba.deny(told.id))
    assert (yes, no) in ((True, False), (False, True))
    assert (await counter.poll(begun.auth_req_id)).status == (200 if yes else 400)


async def test_the_id_token_is_always_there(counter: Counter) -> None:
    """Token endpoint §3: ciba always gives an ID token: at_hash, no nonce; how the user was recognised is told."""
    begun = await counter.begin(scope="openid read")
    counter.clock.advance(3)
    approved = counter.clock()
    await counter.op.provider.ciba.approve(counter.announced[0].id, acr="gold", amr=("hwk",))
    counter.clock.advance(9)
    tokens = (await counter.poll(begun.auth_req_id, scope="read")).json()
    assert (tokens["scope"], "refresh_token" in tokens) == ("read", False)
    claims = unverified_claims(tokens["id_token"])
    assert claims is not None
    assert (claims["sub"], claims["aud"], "nonce" in claims) == ("u-alice", "bank", False)
    assert claims["at_hash"] == half_hash("ES256", tokens["access_token"])
    assert claims["auth_time"] == int(approved.timestamp())
    assert (claims["acr"], claims["amr"]) == ("gold", ["hwk"])
    # CIBA Core §10.3.1: these two are for a push only.
    assert not [name for name in claims if name.startswith("urn:openid:params:jwt:claim:")]


async def test_a_user_or_a_scope_that_is_gone_gets_no_tokens(counter: Counter) -> None:
    """The user is looked at again when tokens are made."""
    begun = await counter.begin()
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    await counter.op.remove_user()
    assert await counter.poll_error(begun.auth_req_id) == "invalid_grant"


async def test_a_revoked_request_is_gone(counter_on_each_store: Counter) -> None:
    """A request is its user's from the start, so revoking all of a user's grants ends it too."""
    counter = counter_on_each_store
    begun = await counter.begin()
    assert await counter.op.stores.tickets.revoke(now=counter.clock(), subject="u-alice") == 1
    assert await counter.poll_error(begun.auth_req_id) == "invalid_grant"
    assert not await counter.op.provider.ciba.approve(counter.announced[0].id)


async def test_no_id_is_stored(clock: FrozenClock) -> None:
    """Security §5: the auth_req_id and the notification token are kept as digest and cipher only."""
    stores = memory_stores(clock)
    counter = await open_counter(stores, clock)
    begun = [await counter.begin(client_id) for client_id in ("bank", "ping", "push")]
    stored = repr(vars(stores.tickets))
    assert stored.count("auth_req_id") >= 3
    for response in begun:
        assert response.auth_req_id not in stored
    assert TOKEN not in stored


@pytest.mark.parametrize("client_id", ["bank", "ping"])
async def test_poll_and_ping_clients_poll(counter: Counter, client_id: str) -> None:
    """CIBA Core §10.1: in ping mode too the tokens are fetched at the token endpoint."""
    begun = await counter.begin(client_id)
    assert await counter.poll_error(begun.auth_req_id, client_id) == "authorization_pending"
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert (await counter.poll(begun.auth_req_id, client_id)).status == 200


async def test_a_client_that_became_public_fetches_nothing(clock: FrozenClock) -> None:
    """CIBA Core §7: only a client that authenticates takes part, to the end."""
    stores = memory_stores(clock)
    counter = await open_counter(stores, clock)
    begun = await counter.begin()
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    public = [client("bank", grant_types=[CIBA], scope="openid profile offline_access read")]
    op = await install(stores, clock, clients=public)
    body = f"grant_type={CIBA}&client_id=bank&auth_req_id={begun.auth_req_id}".encode()
    answer = await op.post_raw("/token", body, {"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
