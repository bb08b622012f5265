"""What holds for every answer of the provider, whatever was asked: each of a whole day of flows and refusals is looked at."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from tests.attacks.test_secret_hygiene import everything, world_on

Answered = Sequence[tuple[HttpRequest, HttpResponse]]


@pytest.fixture(scope="module")
async def answered(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Answered:
    """All that the provider answered in the flows of the test of secrets."""
    clock = FrozenClock()
    path: Path = tmp_path_factory.mktemp("answers") / "store.db"
    async with world_on(SqliteDatabase(path, clock=clock), clock) as world:
        await everything(world, clock)
        return world.answered


def html(answered: Answered) -> Answered:
    return [
        (request, answer)
        for request, answer in answered
        if (answer.headers.get("content-type") or "").startswith("text/html")
    ]


async def test_sec_A9_no_page_can_be_framed_or_leaks_where_it_was(answered: Answered) -> None:
    """A9: login, consent, device, backchannel requests, signed out, errors: all of them, not the few one thinks of."""
    pages = html(answered)
    assert {request.path for request, _ in pages} >= {
        "/authorize", "/authorize/login", "/device", "/backchannel_authentication/requests", "/end_session",
    }  # fmt: skip
    for request, answer in pages:
        policy = answer.headers.get("content-security-policy") or ""
        assert "frame-ancestors 'none'" in policy, request
        assert "unsafe" not in policy, request
        assert answer.headers.get("x-frame-options") == "DENY", request
        assert answer.headers.get("referrer-policy") == "no-referrer", request
        assert answer.headers.get("cache-control") == "no-store", request


async def test_sec_A12_every_redirect_of_every_flow_is_a_303(answered: Answered) -> None:
    """A12: 303 always; 307 and 308 would post the password on."""
    redirects = {answer.status for _, answer in answered if answer.headers.get("location") is not None}
    assert redirects == {303}


async def test_sec_A11_every_cookie_is_for_this_host_alone_and_no_script(answered: Answered) -> None:
    """A11: `__Host-`, Secure, HttpOnly, SameSite=Lax, the whole path and no domain: nobody else can plant or read one."""
    cookies = [line for _, answer in answered for line in answer.headers.many("set-cookie")]
    assert len(cookies) > 4
    for line in cookies:
        name, *attributes = line.split("; ")
        assert name.startswith("__Host-"), name.partition("=")[0]
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes), attributes
        assert not any(attribute.lower().startswith("domain") for attribute in attributes)


async def test_no_answer_with_a_credential_or_a_refusal_is_kept_by_a_cache(answered: Answered) -> None:
    """Rule a: JSON errors, and everything that carries a token or a code, is `no-store`; and nothing is a fault of ours."""
    public = ("/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
    seen = 0
    for request, answer in answered:
        assert answer.status < 500, request
        if request.path not in public:
            assert answer.headers.get("cache-control") == "no-store", (request, answer.status)
            seen += 1
    assert seen > 300
