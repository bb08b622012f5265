"""The cache in front of any registry of services."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest

from authwright.consent_services.cached import CachedConsentServices
from authwright.consent_services.configured import ConfiguredConsentServices
from authwright.records import ConsentService
from authwright.stores.memory_consent_services import MemoryConsentServices
from authwright.stores.protocols import StoreUnavailable
from authwright.testing.clock import FrozenClock

PHOTOS = ConsentService(name="photos", authority="https://a.example", tenant="a")
OTHERS = ConsentService(name="photos", authority="https://b.example", tenant="b")


class Counted(MemoryConsentServices):
    """It counts the questions, takes its time, and can be down."""

    def __init__(self, *services: ConsentService) -> None:
        super().__init__(services)
        self.questions: list[tuple[str, ...]] = []
        self.down = False

    async def list(self, tenant: str) -> Sequence[ConsentService]:
        self.questions.append(("list", tenant))
        await self._pause()
        return await super().list(tenant)

    async def get(self, tenant: str, name: str) -> ConsentService | None:
        self.questions.append(("get", tenant, name))
        await self._pause()
        return await super().get(tenant, name)

    async def _pause(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise StoreUnavailable("down")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def inner() -> Counted:
    return Counted(PHOTOS, OTHERS)


@pytest.fixture
def cache(inner: Counted, clock: FrozenClock) -> CachedConsentServices:
    return CachedConsentServices(inner, timedelta(minutes=5), clock=clock)


async def test_tx_row_2_the_list_is_cached_by_tenant(
    cache: CachedConsentServices, inner: Counted, clock: FrozenClock
) -> None:
    """Row 2: key by tenant and method, for as long as was said."""
    for _ in range(3):
        assert list(await cache.list("a")) == [PHOTOS]
        assert list(await cache.list("b")) == [OTHERS]
        assert await cache.get("a", "photos") == PHOTOS
    assert inner.questions == [("list", "a"), ("list", "b"), ("get", "a", "photos")]
    clock.advance(timedelta(minutes=5))
    await cache.list("a")
    assert inner.questions[3:] == [("list", "a")]


async def test_tx_bug_19_one_tenant_never_gets_another_s_service(cache: CachedConsentServices) -> None:
    """Defect 19: the reference's cache knew services by their name alone."""
    assert await cache.get("a", "photos") == PHOTOS
    assert await cache.get("b", "photos") == OTHERS
    assert await cache.get("c", "photos") is None


async def test_tx_bug_19_many_callers_bring_one_question(
    cache: CachedConsentServices, inner: Counted, clock: FrozenClock
) -> None:
    """Defect 19: no thundering herd, neither at first nor when what is held has grown old."""
    for _ in range(2):
        inner.questions.clear()
        found = await asyncio.gather(*(cache.get("a", "photos") for _ in range(50)))
        assert found == [PHOTOS] * 50
        assert inner.questions == [("get", "a", "photos")]
        clock.advance(timedelta(minutes=6))


async def test_an_unknown_name_is_remembered_too(cache: CachedConsentServices, inner: Counted) -> None:
    """Or whoever makes names up would reach the store each time."""
    assert [await cache.get("a", "nobody") for _ in range(3)] == [None] * 3
    assert len(inner.questions) == 1


async def test_made_up_names_do_not_grow_it_without_end(inner: Counted, clock: FrozenClock) -> None:
    """What was not asked for longest is forgotten, and asked for again."""
    cache = CachedConsentServices(inner, timedelta(minutes=5), clock=clock)
    await cache.get("a", "first")
    for number in range(1_000):
        await cache.get("a", f"made-up-{number}")
    inner.questions.clear()
    await cache.get("a", "made-up-999")
    await cache.get("a", "first")
    assert inner.questions == [("get", "a", "first")]


async def test_what_changes_through_it_is_seen_at_once(cache: CachedConsentServices) -> None:
    """put and remove forget what was held."""
    mail = ConsentService(name="mail", authority="https://m.example", tenant="a")
    assert await cache.get("a", "mail") is None
    assert list(await cache.list("a")) == [PHOTOS]
    await cache.put(mail)
    assert await cache.get("a", "mail") == mail
    assert list(await cache.list("a")) == [mail, PHOTOS]
    assert await cache.remove("a", "mail")
    assert await cache.get("a", "mail") is None
    assert not await cache.remove("a", "mail")


async def test_a_store_that_is_down_is_not_an_empty_one(cache: CachedConsentServices, inner: Counted) -> None:
    """Nothing is remembered of a question that was not answered."""
    inner.down = True
    with pytest.raises(StoreUnavailable):
        await cache.get("a", "photos")
    inner.down = False
    assert await cache.get("a", "photos") == PHOTOS


async def test_hits_and_misses_are_logged(
    cache: CachedConsentServices, caplog: pytest.LogCaptureFixture
) -> None:
    """At debug: method, tenant, service and which of the two."""
    with caplog.at_level(logging.DEBUG, "authwright"):
        await cache.get("a", "photos")
        await cache.get("a", "photos")
        await cache.list("a")
    told = [record.__dict__ for record in caplog.records if record.message == "consent_services.cache"]
    assert [(one["method"], one["tenant"], one["service"], one["outcome"]) for one in told] == [
        ("get", "a", "photos", "miss"),
        ("get", "a", "photos", "hit"),
        ("list", "a", "", "miss"),
    ]


async def test_configured_services_win_over_the_store(inner: Counted) -> None:
    """As clients and users of the configuration file do."""
    ours = ConsentService(name="photos", authority="https://ours.example", tenant="a")
    known = ConfiguredConsentServices([ours], inner)
    assert await known.get("a", "photos") == ours
    assert await known.get("b", "photos") == OTHERS
    assert list(await known.list("a")) == [ours]
    mail = ConsentService(name="mail", authority="https://m.example", tenant="a")
    await known.put(mail)
    assert [service.name for service in await known.list("a")] == ["mail", "photos"]
    assert await known.remove("a", "mail")
