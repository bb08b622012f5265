"""What other servers publish: fetched once, kept while they are down, never asked more often than is fair."""

import asyncio
from datetime import timedelta

import pytest

from authwright.crypto.jwt import JwtRejected, sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import HttpRequest, HttpResponse, json_response
from authwright.protocol.metadata import ProviderMetadata
from authwright.remote.documents import CachedDocument, RemoteFault
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys
from authwright.remote.webfinger import find_issuer
from tests.relying_party.hostile_provider import ISSUER, Clock, HostileProvider

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


def metadata_of(provider: HostileProvider) -> IssuerMetadata:
    return IssuerMetadata(ISSUER, provider, clock=provider.clock)


def keys_of(provider: HostileProvider) -> RemoteKeys:
    return RemoteKeys(metadata_of(provider), provider, clock=provider.clock)


def token(key: SigningKey) -> str:
    return sign_jwt(key, {"sub": "x"}, typ="JWT")


async def verify(keys: RemoteKeys, key: SigningKey) -> None:
    await keys.verify(token(key), algorithms=("ES256",), types=("jwt",))


async def test_many_callers_share_one_fetch(provider: HostileProvider) -> None:
    """rp_H1: concurrent callers wait for one fetch."""
    provider.delay = 0.01
    keys = keys_of(provider)
    await asyncio.gather(*(verify(keys, provider.key) for _ in range(50)))
    assert (provider.asked(DISCOVERY), provider.asked("/jwks")) == (1, 1)


async def test_a_caller_that_gives_up_does_not_cancel_the_fetch(provider: HostileProvider) -> None:
    """rp_H2: one caller's cancellation is its own."""
    provider.delay = 0.01
    metadata = metadata_of(provider)
    first = asyncio.create_task(metadata.get())
    await asyncio.sleep(0)
    second = asyncio.create_task(metadata.get())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).issuer == ISSUER
    assert provider.asked(DISCOVERY) == 1


async def test_a_failure_nobody_waits_for_is_quiet(provider: HostileProvider) -> None:
    """All callers cancelled, then the fetch fails: no "exception was never retrieved"."""
    provider.delay = 0.005
    provider.down.add(DISCOVERY)
    task = asyncio.create_task(metadata_of(provider).get())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.02)


async def test_metadata_is_fetched_again_after_twelve_hours(provider: HostileProvider) -> None:
    """rp_H4: fresh is cached, stale is fetched."""
    metadata = metadata_of(provider)
    await metadata.get()
    provider.clock.forward(hours=11)
    await metadata.get()
    assert provider.asked(DISCOVERY) == 1
    provider.clock.forward(hours=1)
    await metadata.get()
    await asyncio.sleep(0.01)
    assert provider.asked(DISCOVERY) == 2


async def test_a_copy_serves_a_day_while_its_source_is_down(provider: HostileProvider) -> None:
    """rp_H5, sec_G5: stale while error for 24 h, one try a minute."""
    keys = keys_of(provider)
    await keys.get()
    provider.requests.clear()
    provider.down.add("/jwks")
    for _ in range(20):
        provider.clock.forward(seconds=30)
        await verify(keys, provider.key)
    assert provider.asked("/jwks") <= 6
    provider.clock.forward(hours=25)
    with pytest.raises(RemoteFault, match="unreachable"):
        await keys.get()


async def test_a_first_fetch_that_fails_is_a_fault_and_tried_again_soon(provider: HostileProvider) -> None:
    """rp_H6: an error, but not for long: the two servers may just be starting together."""
    provider.down.add(DISCOVERY)
    metadata = metadata_of(provider)
    for _ in range(10):
        with pytest.raises(RemoteFault, match="unreachable"):
            await metadata.get()
    assert provider.asked(DISCOVERY) == 1
    provider.down.clear()
    provider.clock.forward(seconds=2)
    assert (await metadata.get()).issuer == ISSUER


async def test_a_clock_that_was_set_back_does_not_freeze_the_cache(provider: HostileProvider) -> None:
    """A moment in the future is not "just now"."""
    metadata = metadata_of(provider)
    await metadata.get()
    provider.clock.forward(hours=-1)
    await metadata.get()
    assert provider.asked(DISCOVERY) == 2


async def test_sec_G5_made_up_key_ids_bring_one_fetch_a_minute(provider: HostileProvider) -> None:
    """G5: unknown-kid flood: ≤1 refetch/60 s/issuer, also when a hundred come at once or the source is down."""
    keys = keys_of(provider)
    await keys.get()
    provider.requests.clear()
    strangers = [SigningKey.generate("ES256") for _ in range(5)]

    async def attack() -> None:
        results = await asyncio.gather(
            *(verify(keys, stranger) for stranger in strangers * 20), return_exceptions=True
        )
        assert all(isinstance(result, JwtRejected) and result.reason == "kid" for result in results)

    await attack()
    await attack()
    assert provider.asked("/jwks") == 1
    provider.clock.forward(seconds=61)
    provider.down.add("/jwks")
    await attack()
    await attack()
    assert provider.asked("/jwks") == 2
    await verify(keys, provider.key)


async def test_a_rotated_key_is_found_at_once(provider: HostileProvider) -> None:
    """rp_H9: unknown kid, one fetch inline, and the very token that brought it is good."""
    keys = keys_of(provider)
    await keys.get()
    new = SigningKey.generate("ES256")
    provider.published.append(dict(new.public_jwk))
    await verify(keys, new)
    assert provider.asked("/jwks") == 2


async def test_sec_P6_a_key_set_of_megabytes_or_too_many_keys_is_refused(provider: HostileProvider) -> None:
    """P6, §4.7: JWKS at most 64 KB and 32 keys."""
    provider.answers["/jwks"] = lambda request: HttpResponse(200, body=b" " * 65_537)
    with pytest.raises(RemoteFault, match="too_large"):
        await keys_of(provider).get()
    provider.answers["/jwks"] = lambda request: json_response(200, {"keys": [provider.published[0]] * 33})
    with pytest.raises(RemoteFault, match="not_a_key_set"):
        await keys_of(provider).get()


@pytest.mark.parametrize("status", [204, 301, 302, 307, 401, 404, 500])
async def test_only_200_is_the_document(provider: HostileProvider, status: int) -> None:
    """A redirect is never followed, and nothing else is read."""
    provider.answers["/jwks"] = lambda request: json_response(status, {"keys": provider.published})
    with pytest.raises(RemoteFault):
        await keys_of(provider).get()


async def test_sec_P6_the_issuer_must_be_exact(provider: HostileProvider) -> None:
    """P6: metadata `issuer` ≠ requested, by as little as a slash."""
    for issuer in (ISSUER + "/", "https://OP.example", "https://evil.example"):
        with pytest.raises(RemoteFault, match="issuer_mismatch"):
            await IssuerMetadata(issuer, provider, clock=provider.clock).get()


async def test_an_oauth_server_publishes_elsewhere(provider: HostileProvider) -> None:
    """RFC 8414 §3.1: no OpenID document, so between host and path."""
    issuer = "https://op.example/tenant"
    asked: list[str] = []

    async def fetch(request: HttpRequest) -> HttpResponse:
        asked.append(request.path)
        if request.path == "/.well-known/oauth-authorization-server/tenant":
            return json_response(200, {"issuer": issuer, "token_endpoint": issuer + "/token"})
        return json_response(404, {})

    metadata = await IssuerMetadata(issuer, fetch, clock=provider.clock).get()
    assert metadata.token_endpoint == issuer + "/token"
    assert asked == [
        "/tenant/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/tenant",
    ]


async def test_metadata_that_is_given_is_not_fetched(provider: HostileProvider) -> None:
    """rp_A11: a static configuration."""
    given = ProviderMetadata(issuer=ISSUER)
    assert await IssuerMetadata(ISSUER, provider, given=given).get() == given
    assert provider.requests == []


async def test_a_document_is_refetched_on_demand_once_a_pause() -> None:
    """The pause counts from the demand, not from the ordinary fetch before it."""
    clock, loads = Clock(), []

    async def load() -> int:
        loads.append(1)
        return len(loads)

    document = CachedDocument(load, ttl=timedelta(hours=1), clock=clock)
    assert await document.get() == 1
    assert await document.refetch() == 2
    assert await document.refetch() is None
    clock.forward(seconds=60)
    assert await document.refetch() == 3
    assert await document.get() == 3


async def test_the_log_of_a_fetch_names_no_user(caplog: pytest.LogCaptureFixture) -> None:
    """A query says what was asked for, such as somebody's e-mail address; the log says only where."""
    caplog.set_level("INFO", logger="authwright.remote")

    async def fetch(request: HttpRequest) -> HttpResponse:
        return json_response(404 if "nobody" in request.query else 200, {"links": []})

    for identifier in ("alice@example.com", "nobody@example.com"):
        with pytest.raises(RemoteFault):
            await find_issuer(fetch, identifier)
    logged = [vars(record)["url"] for record in caplog.records]
    assert logged == ["https://example.com/.well-known/webfinger"] * 2
