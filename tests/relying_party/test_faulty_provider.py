"""sec_P6: a provider that answers nonsense, or not at all, is a page and never a crash."""

from collections.abc import Callable

import pytest

from authwright.protocol.http import HttpRequest, HttpResponse, json_response
from tests.relying_party.hostile_provider import (
    Browser,
    HostileProvider,
    error_code,
    location,
    sign_in,
)


def answer(status: int, content: object) -> Callable[[HttpRequest], HttpResponse]:
    return lambda request: json_response(status, content)


@pytest.mark.parametrize(
    ("path", "given", "status", "reason"),
    [
        ("/token", answer(400, {"error": "invalid_grant"}), 400, "invalid_grant"),
        ("/token", answer(401, {"error": "invalid_client"}), 400, "invalid_client"),
        ("/token", answer(400, {"error": 5}), 400, "token_response_status"),
        ("/token", answer(302, {}), 400, "token_response_status"),
        ("/token", answer(200, []), 400, "token_response_malformed"),
        ("/token", answer(200, {"access_token": 5}), 400, "token_response_malformed"),
        ("/token", answer(200, {"access_token": "x", "token_type": "mac"}), 400, "token_type"),
        ("/token", answer(200, {"access_token": "x", "token_type": "bearer"}), 400, "id_token_missing"),
        ("/token", lambda request: HttpResponse(200, body=b"<html>"), 400, "token_response_not_json"),
        ("/token", lambda request: HttpResponse(200, body=b"[" * 60_000), 400, "token_response_not_json"),
        ("/token", lambda request: HttpResponse(200, body=b" " * 70_000), 503, "too_large"),
        ("/token", answer(500, {"error": "invalid_grant"}), 503, "token_endpoint_unavailable"),
        ("/userinfo", answer(401, {}), 400, "userinfo_status"),
        ("/userinfo", answer(503, {}), 503, "userinfo_unavailable"),
        ("/userinfo", answer(200, []), 400, "userinfo_not_an_object"),
        ("/userinfo", lambda request: HttpResponse(200, body=b"nope"), 400, "userinfo_not_json"),
        ("/jwks", answer(200, []), 503, "not_a_key_set"),
        ("/jwks", answer(200, {"keys": [{"kty": "oct", "k": "AAAA"}]}), 503, "no_usable_key"),
        ("/jwks", lambda request: HttpResponse(200, body=b"x" * 5_000_000), 503, "too_large"),
    ],
)
async def test_an_answer_that_is_none_is_a_page_and_never_a_500(
    provider: HostileProvider,
    browser: Browser,
    path: str,
    given: Callable[[HttpRequest], HttpResponse],
    status: int,
    reason: str,
) -> None:
    """Whatever the provider says, the user sees a page: 400 for its refusals and nonsense, 503 when it is broken."""
    provider.answers[path] = given
    response = await sign_in(provider, browser)
    assert (response.status, error_code(response)) == (status, reason)
    assert not browser.signed_in
    assert browser.flow_cookies() == []


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"])
async def test_a_provider_that_does_not_answer_is_503(
    provider: HostileProvider, browser: Browser, path: str
) -> None:
    """With Retry-After, and nothing stored."""
    provider.down.add(path)
    first = await browser.get("/auth/login")
    response = first if first.status != 303 else await browser.get(provider.authorize(location(first)))
    assert response.status == 503
    assert response.headers.get("retry-after")
    assert not browser.signed_in


async def test_an_expiry_beyond_the_calendar_is_no_crash(provider: HostileProvider, browser: Browser) -> None:
    """expires_in of ten thousand years is a number like any other."""
    provider.expires_in = 10**11
    assert (await sign_in(provider, browser)).status == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://op.example/"},
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://op.example/token"},
        {"jwks_uri": "http://op.example/jwks"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://op.example/a b"},
        {"authorization_endpoint": ["https://op.example/authorize"]},
    ],
)
async def test_sec_P6_metadata_of_another_issuer_or_with_unsafe_endpoints_is_refused(
    provider: HostileProvider, browser: Browser, changes: dict[str, object]
) -> None:
    """P6: metadata `issuer` ≠ requested, http endpoints: reject; nothing is sent anywhere."""
    provider.metadata.update(changes)
    response = await browser.get("/auth/login")
    assert response.status == 503
    assert response.headers.get("location") is None
    assert browser.cookies == {}


async def test_sec_P6_a_metadata_document_of_megabytes_is_refused(
    provider: HostileProvider, browser: Browser
) -> None:
    """P6: size cap on what another server publishes."""
    provider.metadata["filler"] = "x" * 600_000
    assert error_code(await browser.get("/auth/login")) == "too_large"
