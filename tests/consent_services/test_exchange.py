"""A token exchanged for one whose scopes three services decide, through the provider's own endpoints."""

import asyncio
from datetime import timedelta

import pytest

from authwright.consent_services.messages import ConsentAnswer, ConsentRequest
from authwright.provider.audit import ConsentServiceAnswered, ConsentServiceFailed
from authwright.records import ConsentService
from authwright.standard_consent_services import ConsentServices
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.consent_services.city import BASE, City, exchange, mail, payroll, photos
from tests.provider.installation import Installation

PHOTOS, MAIL, PAYROLL = f"{BASE}photos", f"{BASE}mail", f"{BASE}payroll"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def city(clock: FrozenClock) -> City:
    return City(clock, {"photos": photos, "mail": mail, "payroll": payroll})


@pytest.fixture
async def op(city: City, clock: FrozenClock) -> Installation:
    return await city.install(memory_stores(clock), clock)


async def subject_token(op: Installation) -> str:
    """Alice's access token, as the shop got it when she signed in."""
    answer = await op.redeem(await op.code("shop", scopes=("openid", "read")), client_id="shop")
    assert answer.status == 200, answer.json()
    token: str = answer.json()["access_token"]
    return token


async def test_three_services_decide_what_a_token_may_reach(op: Installation, city: City) -> None:
    """Registry, discovery, signed calls, namespaces, claims and payload, from one end to the other."""
    answer = await exchange(op, await subject_token(op), "read", PHOTOS, f"{MAIL}.read", MAIL, PAYROLL)
    assert answer.status == 200, answer.json()
    assert answer.json()["scope"].split() == ["read", PHOTOS, f"{MAIL}.read"]
    told = (await op.post("/introspect", client_id="shop", token=answer.json()["access_token"])).json()
    assert told["active"] is True
    assert told["scope"] == f"read {PHOTOS} {MAIL}.read"
    assert told["photos.plan"] == "family"
    assert told["custom_payload"] == {"photos": {"album": 7}}
    asked = dict(city.asked)
    assert set(asked) == {"photos", "mail", "payroll"}
    assert asked["mail"].scopes == (f"{MAIL}.read", MAIL)
    assert {request.subject for request in asked.values()} == {"u-alice"}
    assert asked["photos"].requester.client_id == "shop"
    assert asked["photos"].requester.tenant == "main"
    events = [event for event in op.audit if isinstance(event, ConsentServiceAnswered)]
    assert [(event.service, event.authorized) for event in events] == [
        ("photos", True),
        ("mail", True),
        ("payroll", False),
    ]


async def test_tx_row_17_what_is_down_is_left_out(op: Installation, city: City) -> None:
    """OPINION of the reference: better continue with a token missing this bad service's scopes."""
    city.down.add("https://mail.example")
    answer = await exchange(op, await subject_token(op), PHOTOS, MAIL)
    assert (answer.status, answer.json()["scope"]) == (200, PHOTOS)
    (failed,) = (event for event in op.audit if isinstance(event, ConsentServiceFailed))
    assert (failed.service, failed.reason) == ("mail", "discovery.unreachable")


async def test_on_failure_fail_fails_the_request(city: City, clock: FrozenClock) -> None:
    """3.4: a policy of each service. 503 with Retry-After: nobody said no."""
    services = [
        ConsentService(name="photos", authority="https://photos.example", tenant="main"),
        ConsentService(name="mail", authority="https://mail.example", tenant="main", on_failure="fail"),
    ]
    op = await city.install(memory_stores(clock), clock, scope_authority=ConsentServices(services=services))
    city.down.add("https://mail.example")
    answer = await exchange(op, await subject_token(op), PHOTOS, MAIL)
    assert (answer.status, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers.get("retry-after")


async def test_a_service_that_hangs_costs_its_own_time_and_nobody_else_s(clock: FrozenClock) -> None:
    """The answer comes without it."""

    async def hang(request: ConsentRequest) -> ConsentAnswer:
        await asyncio.Event().wait()
        return request.deny()

    city = City(clock, {"photos": photos, "mail": hang})
    short = ConsentServices(services=city.registered, deadline=timedelta(milliseconds=50))
    op = await city.install(memory_stores(clock), clock, scope_authority=short)
    answer = await exchange(op, await subject_token(op), PHOTOS, MAIL)
    assert (answer.status, answer.json()["scope"]) == (200, PHOTOS)


async def test_without_a_choice_the_services_of_the_store_are_asked(city: City, clock: FrozenClock) -> None:
    """What `authwright apply` wrote, or the application did."""
    stores = memory_stores(clock)
    op = await city.install(stores, clock, scope_authority=None)
    refused = await exchange(op, await subject_token(op), PHOTOS)
    assert refused.json()["error"] == "invalid_scope"
    clock.advance(301)
    await stores.consent_services.put(city.registered[0])
    answer = await exchange(op, await subject_token(op), PHOTOS)
    assert (answer.status, answer.json().get("scope")) == (200, PHOTOS)
