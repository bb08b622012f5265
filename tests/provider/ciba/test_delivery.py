"""Ping and push (CIBA Core 1.0 §10.2, §10.3, §12; conformance 2.7)."""

import json
from collections.abc import Callable

import pytest

from authwright.crypto.jwt import half_hash, unverified_claims
from authwright.protocol.errors import Refused
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.provider.events import ProviderEvents
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.ciba.counter import NOTIFIED, TOKEN, Counter, open_counter


def unreachable(request: HttpRequest) -> HttpResponse:
    raise OSError("nobody is there")


ANSWERS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "204": lambda request: HttpResponse(204),
    "200 with a body": lambda request: HttpResponse(200, body=b'{"ok":true}'),
    "401": lambda request: HttpResponse(401),
    "403": lambda request: HttpResponse(403),
    "301": lambda request: HttpResponse(301, Headers.of({"location": "https://evil.example/"})),
    "500": lambda request: HttpResponse(500),
    "nobody": unreachable,
}


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_ping_says_which_request_and_nothing_else(
    counter_on_each_store: Counter, allowed: bool
) -> None:
    """CIBA Core §10.2: POST of the auth_req_id with the client's token, after a yes and after a no."""
    counter = counter_on_each_store
    begun = await counter.begin("ping")
    assert counter.outside.heard == []
    ciba, told = counter.op.provider.ciba, counter.announced[0]
    assert await (ciba.approve(told.id) if allowed else ciba.deny(told.id))
    (heard,) = counter.outside.heard
    assert (heard.method, heard.url) == ("POST", NOTIFIED)
    assert heard.headers.get("authorization") == f"Bearer {TOKEN}"
    assert heard.headers.get("content-type") == "application/json"
    assert json.loads(heard.body) == {"auth_req_id": begun.auth_req_id}
    answer = await counter.poll(begun.auth_req_id, "ping")
    assert answer.status == (200 if allowed else 400)


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_a_pinged_client_answers_its_tokens_wait(counter: Counter, name: str) -> None:
    """Conformance 2.7: 204, 200 with body, 401, 403 tolerated; a 301 is not followed; nothing is tried again."""
    counter.outside.answer = ANSWERS[name]
    begun = await counter.begin("ping")
    assert await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert [heard.url for heard in counter.outside.heard] == [NOTIFIED]
    assert (await counter.poll(begun.auth_req_id, "ping")).status == 200


async def test_a_push_brings_the_tokens(counter_on_each_store: Counter) -> None:
    """CIBA Core §10.3.1: the token response with auth_req_id; the ID token binds request, access and refresh token."""
    counter = counter_on_each_store
    begun = await counter.begin("push")
    assert await counter.op.provider.ciba.approve(counter.announced[0].id)
    (heard,) = counter.outside.heard
    assert (heard.method, heard.url) == ("POST", NOTIFIED)
    assert heard.headers.get("authorization") == f"Bearer {TOKEN}"
    pushed = json.loads(heard.body)
    assert set(pushed) == {
        "auth_req_id",
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "id_token",
        "scope",
    }
    assert pushed["auth_req_id"] == begun.auth_req_id
    claims = unverified_claims(pushed["id_token"])
    assert claims is not None
    assert claims["urn:openid:params:jwt:claim:auth_req_id"] == begun.auth_req_id
    assert claims["urn:openid:params:jwt:claim:rt_hash"] == half_hash("ES256", pushed["refresh_token"])
    assert claims["at_hash"] == half_hash("ES256", pushed["access_token"])
    assert await counter.works(pushed["access_token"])
    access = unverified_claims(pushed["access_token"])
    assert access is not None
    assert begun.auth_req_id not in str(access)
    refreshed = (await counter.op.refresh(pushed["refresh_token"], client_id="push")).json()
    assert begun.auth_req_id not in str(unverified_claims(refreshed["id_token"]))


async def test_a_push_without_a_refresh_token_has_no_hash_of_one(counter: Counter) -> None:
    """CIBA Core §10.3.1: rt_hash when a refresh token is delivered."""
    await counter.begin("push", scope="openid")
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    pushed = json.loads(counter.outside.heard[0].body)
    claims = unverified_claims(pushed["id_token"])
    assert claims is not None
    assert ("refresh_token" in pushed, "urn:openid:params:jwt:claim:rt_hash" in claims) == (False, False)


async def test_a_client_that_is_pushed_to_does_not_poll(counter: Counter) -> None:
    """CIBA Core §11: unauthorized_client, before and after."""
    begun = await counter.begin("push")
    assert await counter.poll_error(begun.auth_req_id, "push") == "unauthorized_client"
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert await counter.poll_error(begun.auth_req_id, "push") == "unauthorized_client"
    assert len(counter.outside.heard) == 1


async def test_a_push_of_a_no(counter: Counter) -> None:
    """CIBA Core §12: auth_req_id, error, error_description."""
    begun = await counter.begin("push")
    await counter.op.provider.ciba.deny(counter.announced[0].id)
    pushed = json.loads(counter.outside.heard[0].body)
    assert pushed["auth_req_id"] == begun.auth_req_id
    assert pushed["error"] == "access_denied"
    assert "access_token" not in pushed


@pytest.mark.parametrize("name", [name for name in ANSWERS if not name.startswith("20")])
async def test_tokens_that_nobody_took_end(counter: Counter, name: str) -> None:
    """What could not be pushed is worth nothing, wherever it went."""
    counter.outside.answer = ANSWERS[name]
    await counter.begin("push")
    assert await counter.op.provider.ciba.approve(counter.announced[0].id)
    (heard,) = counter.outside.heard
    pushed = json.loads(heard.body)
    assert not await counter.works(pushed["access_token"])
    assert (await counter.op.refresh(pushed["refresh_token"], client_id="push")).status == 400


async def test_what_an_event_refuses_is_not_pushed(clock: FrozenClock) -> None:
    """t_policy_every_path: a gate at the token endpoint holds for what is pushed as for what is fetched."""

    async def refuse(request: object, ticket: object) -> None:
        raise Refused("access_denied", "Not on Sundays.")

    counter = await open_counter(memory_stores(clock), clock, events=ProviderEvents(token_endpoint=refuse))
    await counter.begin("push")
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    pushed = json.loads(counter.outside.heard[0].body)
    assert (pushed["error"], pushed["error_description"]) == ("access_denied", "Not on Sundays.")


async def test_a_user_that_is_gone_gets_no_push(counter: Counter) -> None:
    """The checks are those of the token endpoint."""
    await counter.begin("push")
    await counter.op.remove_user()
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert json.loads(counter.outside.heard[0].body)["error"] == "invalid_grant"


async def test_polling_clients_are_not_called(counter: Counter) -> None:
    """CIBA Core §5: in poll mode the client asks."""
    await counter.begin("bank")
    await counter.op.provider.ciba.approve(counter.announced[0].id)
    assert counter.outside.heard == []
