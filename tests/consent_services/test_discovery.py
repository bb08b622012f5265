"""How a service is asked: fetched once, kept while it is down, and never followed to where it may not lead."""

import asyncio
from datetime import timedelta

import pytest

from authwright.consent_services.discovery import ConsentDiscovery
from authwright.consent_services.messages import WELL_KNOWN
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.remote.documents import RemoteFault
from authwright.testing.clock import FrozenClock
from tests.consent_services.outside import BASE, Outside, json_answer, registered, yes

PHOTOS = registered("photos")
DOCUMENT = f"https://photos.example{WELL_KNOWN}"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def outside() -> Outside:
    outside = Outside()
    outside.service("photos", yes())
    return outside


@pytest.fixture
def discovery(outside: Outside, clock: FrozenClock) -> ConsentDiscovery:
    return ConsentDiscovery(outside, clock=clock)


async def fault(discovery: ConsentDiscovery, service: object = PHOTOS) -> str:
    with pytest.raises(RemoteFault) as raised:
        await discovery.get(service)  # type: ignore[arg-type]
    return raised.value.reason


async def test_tx_row_17_a_document_is_kept_for_a_day(
    discovery: ConsentDiscovery, outside: Outside, clock: FrozenClock
) -> None:
    """Row 17: from the cache; asked for as JSON."""
    for _ in range(3):
        configuration = await discovery.get(PHOTOS)
    assert configuration.authorization_endpoint == "https://photos.example/authorize"
    assert configuration.scopes_supported == (
        f"{BASE}photos",
        f"{BASE}photos.read",
        f"{BASE}photos.modify",
    )
    assert [request.headers.get("accept") for request in outside.sent] == ["application/json"]
    clock.advance(timedelta(hours=24))
    await discovery.get(PHOTOS)
    assert len(outside.asked(DOCUMENT)) == 2


async def test_tx_row_17_an_error_is_kept_for_a_minute(
    discovery: ConsentDiscovery, outside: Outside, clock: FrozenClock
) -> None:
    """Row 17, §2.2: errors 60 s. Until then the service is left alone."""
    good = outside.answers.pop(DOCUMENT)
    assert await fault(discovery) == "unreachable"
    outside.answers[DOCUMENT] = good
    clock.advance(59)
    assert await fault(discovery) == "unreachable"
    assert len(outside.sent) == 1
    clock.advance(1)
    assert (await discovery.get(PHOTOS)).authorization_type == "subject_and_scopes"


async def test_what_is_held_serves_while_the_service_is_down(
    discovery: ConsentDiscovery, outside: Outside, clock: FrozenClock
) -> None:
    """Stale while error: a day longer, asked once a minute, and not for ever."""
    held = await discovery.get(PHOTOS)
    del outside.answers[DOCUMENT]
    clock.advance(timedelta(hours=25))
    assert await discovery.get(PHOTOS) == held
    assert await discovery.get(PHOTOS) == held
    assert len(outside.sent) == 2
    clock.advance(timedelta(hours=24))
    assert await fault(discovery) == "unreachable"


async def test_tx_bug_19_the_key_is_tenant_name_and_authority(
    discovery: ConsentDiscovery, outside: Outside
) -> None:
    """Defect 19: a cache keyed by the name alone gives tenant B the endpoint of tenant A."""
    outside.service("photos", yes(), host="evil")
    other = registered("photos", tenant="other", authority="https://evil.example")
    moved = registered("photos", authority="https://evil.example")
    assert (await discovery.get(PHOTOS)).authorization_endpoint == "https://photos.example/authorize"
    assert (await discovery.get(other)).authorization_endpoint == "https://evil.example/authorize"
    assert (await discovery.get(moved)).authorization_endpoint == "https://evil.example/authorize"
    assert (await discovery.get(PHOTOS)).authorization_endpoint == "https://photos.example/authorize"
    # Nor does one tenant wait for another's failures, or live on its copy.
    await discovery.get(registered("photos", tenant="other"))
    assert len(outside.sent) == 4


async def test_tx_bug_19_many_callers_bring_one_fetch(outside: Outside, clock: FrozenClock) -> None:
    """Defect 19: no thundering herd; and a caller that stops waiting takes it from nobody."""
    go = asyncio.Event()
    document = outside.answers[DOCUMENT]
    assert isinstance(document, HttpResponse)

    async def slow(_: HttpRequest) -> HttpResponse:
        await go.wait()
        return document

    outside.answers[DOCUMENT] = slow
    discovery = ConsentDiscovery(outside, clock=clock)
    impatient = asyncio.create_task(discovery.get(PHOTOS))
    waiting = [asyncio.create_task(discovery.get(PHOTOS)) for _ in range(20)]
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    go.set()
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert len(outside.sent) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HttpResponse(404), "not_found"),
        (HttpResponse(500), "status"),
        (HttpResponse(302, Headers.of({"location": "https://photos.example/elsewhere"})), "status"),
        (HttpResponse(200, body=b"<html>"), "not_json"),
        (HttpResponse(200, body=b"null"), "configuration_malformed"),
        (HttpResponse(200, body=b'{"pad":"' + b"x" * 65536 + b'"}'), "too_large"),
        (json_answer({"authorization_endpoint": "x", "authorization_type": "subject"}), "authorization_type"),
        (json_answer({"scopes_supported": []}), "no_authorization_endpoint"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_tx_row_17_what_is_no_document_is_an_error(
    discovery: ConsentDiscovery, outside: Outside, answer: HttpResponse, reason: str
) -> None:
    """Row 17, §2.2: non-JSON, non-2xx, a redirect, an unknown type. None of them is followed or believed."""
    outside.answers[DOCUMENT] = answer
    assert await fault(discovery) == reason
    assert len(outside.sent) == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/authorize",
        "https://photos.example.evil.example/authorize",
        "https://photos.example:8443/authorize",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/authorize",
        "http://photos.example/authorize",
        "http://localhost:6379/authorize",
        "https://photos.example@evil.example/authorize",
        "https://evil.example\\@photos.example/authorize",
        "file:///etc/passwd",
        "/authorize",
        "",
    ],
)
async def test_tx_bug_20_an_endpoint_elsewhere_is_not_followed(
    discovery: ConsentDiscovery, outside: Outside, endpoint: str
) -> None:
    """Defect 20 and row G1: the document must not choose whom we post to; the endpoint is where the authority is."""
    outside.service("photos", yes(), configuration={"authorization_endpoint": endpoint})
    assert await fault(discovery) == "endpoint_host"


async def test_an_endpoint_elsewhere_can_be_allowed(outside: Outside, clock: FrozenClock) -> None:
    """By the operator, for that service: a host, or a host and a port."""
    outside.service(
        "photos", yes(), configuration={"authorization_endpoint": "https://api.example:8443/authorize"}
    )
    for hosts in (("api.example",), ("API.example:8443",)):
        discovery = ConsentDiscovery(outside, clock=clock)
        found = await discovery.get(registered("photos", endpoint_hosts=hosts))
        assert found.authorization_endpoint == "https://api.example:8443/authorize"
    discovery = ConsentDiscovery(outside, clock=clock)
    assert (
        await fault(discovery, registered("photos", endpoint_hosts=("api.example:443",))) == "endpoint_host"
    )


async def test_tx_bug_22_an_authority_without_tls_is_not_asked(
    discovery: ConsentDiscovery, outside: Outside
) -> None:
    """Defect 22: https, but on loopback."""
    assert await fault(discovery, registered("photos", authority="http://photos.example")) == "authority"
    assert outside.sent == []
    outside.answers[f"http://localhost:9001/photos{WELL_KNOWN}"] = json_answer(
        {"authorization_endpoint": "http://localhost:9001/photos/authorize"}
    )
    local = registered("photos", authority="http://localhost:9001/photos")
    assert (await discovery.get(local)).authorization_endpoint == "http://localhost:9001/photos/authorize"
