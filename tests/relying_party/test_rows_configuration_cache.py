"""Rows H1–H12: the provider's metadata and keys, as a sign-in meets them (tests/remote has the caches by themselves)."""

import asyncio

import pytest

from authwright.crypto.keys import SigningKey
from authwright.protocol.http import HttpRequest, HttpResponse, json_response
from tests.relying_party.hostile_provider import (
    Browser,
    HostileProvider,
    error_code,
    relying_party,
    sign_in,
)

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/jwks"


async def test_rp_H1_a_hundred_visitors_share_the_first_fetch(provider: HostileProvider) -> None:
    """H1: first fetch under a lock; concurrent callers wait for one fetch."""
    provider.delay = 0.01
    party = relying_party(provider)
    answers = await asyncio.gather(*(Browser(party).get("/auth/login") for _ in range(100)))
    assert {answer.status for answer in answers} == {303}
    assert provider.asked(DISCOVERY) == 1


async def test_rp_H2_a_visitor_who_gives_up_takes_the_fetch_from_nobody(provider: HostileProvider) -> None:
    """H2: one caller's cancellation does not cancel the shared fetch."""
    provider.delay = 0.01
    party = relying_party(provider)
    first = asyncio.create_task(Browser(party).get("/auth/login"))
    await asyncio.sleep(0)
    second = asyncio.create_task(Browser(party).get("/auth/login"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status == 303
    assert provider.asked(DISCOVERY) == 1


@pytest.mark.parametrize(("use", "accepted"), [(None, True), ("sig", True), ("enc", False)])
async def test_rp_H3_keys_for_signatures_are_those_without_use_or_with_sig(
    provider: HostileProvider, browser: Browser, use: str | None, accepted: bool
) -> None:
    """H3: discovery, then jwks_uri; use empty or sig."""
    jwk = {name: value for name, value in provider.published[0].items() if name != "use"}
    other = dict(SigningKey.generate("ES256").public_jwk)
    provider.published = [jwk if use is None else {**jwk, "use": use}, other]
    response = await sign_in(provider, browser)
    assert (response.status == 303) == accepted
    paths = [request.path for request in provider.requests if request.path in (DISCOVERY, KEYS)]
    assert paths[:2] == [DISCOVERY, KEYS]


async def test_rp_H4_a_stale_copy_is_given_at_once_and_renewed_behind_it(provider: HostileProvider) -> None:
    """H4: fresh: cached; stale: the stale one, and one refresh in the background, however many ask."""
    party = relying_party(provider)
    await party.metadata.get()
    provider.clock.forward(hours=11, minutes=59)
    await party.metadata.get()
    assert provider.asked(DISCOVERY) == 1
    provider.clock.forward(minutes=2)
    provider.metadata["authorization_endpoint"] = "https://op.example/new"
    provider.delay = 0.02
    stale = await asyncio.gather(*(party.metadata.get() for _ in range(20)))
    assert {copy.authorization_endpoint for copy in stale} == {"https://op.example/authorize"}
    await asyncio.sleep(0.05)
    assert provider.asked(DISCOVERY) == 2
    assert (await party.metadata.get()).authorization_endpoint == "https://op.example/new"
    assert provider.asked(DISCOVERY) == 2


async def test_rp_H4_a_copy_that_is_too_old_is_waited_for(provider: HostileProvider) -> None:
    """H4: after a weekend without visitors nobody is sent to where the provider used to be."""
    party = relying_party(provider)
    await party.metadata.get()
    provider.clock.forward(hours=48)
    provider.metadata["authorization_endpoint"] = "https://op.example/new"
    assert (await party.metadata.get()).authorization_endpoint == "https://op.example/new"


async def test_rp_H4_keys_are_never_given_stale_while_their_source_answers(provider: HostileProvider) -> None:
    """H4: a key that was withdrawn must not verify one more token."""
    browser = Browser(relying_party(provider))
    await sign_in(provider, browser)
    provider.published = [dict(SigningKey.generate("ES256").public_jwk)]
    provider.clock.forward(minutes=6)
    assert error_code(await sign_in(provider, browser)) == "id_token_kid"


async def test_rp_H5_a_copy_stays_while_the_provider_is_down(provider: HostileProvider) -> None:
    """H5: refetch fails: keep the stale copy, retry after the interval."""
    party = relying_party(provider)
    browser = Browser(party)
    await sign_in(provider, browser)
    provider.down |= {DISCOVERY, KEYS}
    provider.clock.forward(hours=13)
    provider.requests.clear()
    for _ in range(5):
        assert (await sign_in(provider, browser)).status == 303
        await asyncio.sleep(0)
    assert provider.asked(DISCOVERY) <= 1
    provider.clock.forward(seconds=61)
    await party.metadata.get()
    await asyncio.sleep(0.01)
    assert provider.asked(DISCOVERY) <= 2


async def test_rp_H6_without_a_first_copy_it_is_an_error_that_passes(provider: HostileProvider) -> None:
    """H6: first fetch fails: an error, and the provider is not asked again at once."""
    provider.down.add(DISCOVERY)
    party = relying_party(provider)
    for _ in range(3):
        response = await Browser(party).get("/auth/login")
        assert (response.status, error_code(response)) == (503, "unreachable")
        assert response.headers.get("retry-after")
    assert provider.asked(DISCOVERY) == 1
    provider.down.clear()
    provider.clock.forward(seconds=3)
    assert (await Browser(party).get("/auth/login")).status == 303


async def test_rp_H7_made_up_key_ids_do_not_reach_the_provider(
    provider: HostileProvider, browser: Browser
) -> None:
    """H7: a refresh only if the interval passed: no kid flood."""
    await sign_in(provider, browser)
    provider.requests.clear()
    for _ in range(10):
        provider.key = SigningKey.generate("ES256")
        assert error_code(await sign_in(provider, browser)) == "id_token_kid"
    assert provider.asked(KEYS) == 1


@pytest.mark.parametrize("status", [408, 503])
@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
async def test_rp_H8_a_passing_trouble_is_tried_once_more(
    provider: HostileProvider, browser: Browser, path: str, status: int
) -> None:
    """H8: HTTP 408/503: one retry."""
    content = provider.metadata if path == DISCOVERY else {"keys": provider.published}
    answers = [json_response(status, {}), json_response(200, content)]
    provider.answers[path] = lambda request: answers.pop(0) if len(answers) > 1 else answers[0]
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked(path) == 2


async def test_rp_H8_and_not_twice(provider: HostileProvider, browser: Browser) -> None:
    """H8: one retry, and none for what is no passing trouble."""
    for status, tries in ((503, 2), (500, 1), (404, 1), (301, 1)):
        provider.answers[KEYS] = lambda request, status=status: json_response(status, {})  # type: ignore[misc]
        provider.requests.clear()
        assert (await sign_in(provider, Browser(relying_party(provider)))).status == 503
        assert provider.asked(KEYS) == tries


async def test_rp_H9_the_login_that_meets_new_keys_succeeds(
    provider: HostileProvider, browser: Browser
) -> None:
    """H9: unknown kid: one refetch inline, rate-limited, and the very login that brought it goes on."""
    await sign_in(provider, browser)
    provider.key = SigningKey.generate("ES256")
    provider.published = [dict(provider.key.public_jwk)]
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked(KEYS) == 2
    # Rotated again within the minute: that login fails, one a minute later does not.
    provider.key = SigningKey.generate("ES256")
    provider.published = [dict(provider.key.public_jwk)]
    assert error_code(await sign_in(provider, browser)) == "id_token_kid"
    provider.clock.forward(seconds=61)
    assert (await sign_in(provider, browser)).status == 303


@pytest.mark.parametrize(
    "issuer", ["https://op.example/", "https://OP.example", "https://evil.example", None, 5]
)
async def test_rp_H10_metadata_of_another_issuer_is_refused(
    provider: HostileProvider, browser: Browser, issuer: object
) -> None:
    """H10: exact compare (RFC 8414 §3.3); conformance: discovery-issuer-mismatch."""
    provider.metadata["issuer"] = issuer
    response = await browser.get("/auth/login")
    assert (response.status, error_code(response)) == (503, "issuer_mismatch")


async def test_rp_H11_a_key_set_that_verifies_nothing_does_not_replace_a_good_one(
    provider: HostileProvider, browser: Browser
) -> None:
    """H11: last known good, with a validator: at least one usable key."""
    good = list(provider.published)
    await sign_in(provider, browser)
    for bad in ([], [{"kty": "oct", "k": "AAAA"}], [{**good[0], "use": "enc"}]):
        provider.published = bad
        provider.clock.forward(minutes=6)
        assert (await sign_in(provider, browser)).status == 303
    fresh = Browser(relying_party(provider))
    response = await sign_in(provider, fresh)
    assert (response.status, error_code(response)) == (503, "no_usable_key")


@pytest.mark.parametrize("member", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
async def test_rp_H12_endpoints_in_clear_are_refused(
    provider: HostileProvider, browser: Browser, member: str
) -> None:
    """H12: http refused unless the issuer itself is http on loopback."""
    provider.metadata[member] = f"http://op.example/{member}"
    response = await browser.get("/auth/login")
    assert (response.status, error_code(response)) == (503, "endpoint_not_https")


async def test_sec_P6_a_document_of_megabytes_is_refused(provider: HostileProvider, browser: Browser) -> None:
    """P6: cap; and a redirect is not followed."""
    provider.answers[DISCOVERY] = lambda request: HttpResponse(200, body=b" " * 600_000)
    assert error_code(await browser.get("/auth/login")) == "too_large"

    def elsewhere(request: HttpRequest) -> HttpResponse:
        return json_response(302, {}).with_headers(("location", "https://evil.example/"))

    provider.answers[DISCOVERY] = elsewhere
    fresh = Browser(relying_party(provider))
    assert error_code(await fresh.get("/auth/login")) == "status"
    assert provider.asked("/") == 0
