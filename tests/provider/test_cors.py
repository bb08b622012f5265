"""Answers that scripts of other origins may read: those of the clients' own pages (row A15)."""

from collections.abc import Mapping

import msgspec
import pytest

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.provider.cors import origin_of
from authwright.registrations import client
from authwright.stores.memory import MemoryClients, memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import ISSUER, VERIFIER, Installation, install
from tests.provider.token.test_faults_of_ours import Unreachable

APP = "https://app.example"
SPA = "https://spa.example:8443"
SHARED = ("/token", "/userinfo", "/revoke", "/jwks")
DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
NEVER = (
    "/authorize",
    "/introspect",
    "/end_session",
    "/device_authorization",
    "/device",
    "/backchannel_authentication",
    "/nothing-here",
)


async def asked(
    op: Installation, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> HttpResponse:
    return await op.provider.handle(HttpRequest.to(method, ISSUER + path, headers=headers, body=body))


async def preflight(op: Installation, path: str, origin: str, method: str = "POST") -> HttpResponse:
    """What a browser asks before a script of `origin` may send `method`."""
    headers = {"origin": origin, "access-control-request-method": method}
    return await asked(op, "OPTIONS", path, headers)


def cors_headers(answer: HttpResponse) -> dict[str, str]:
    """The headers that share the answer; each may stand there once."""
    found = [
        (name.decode(), value.decode())
        for name, value in answer.headers.lines
        if name.startswith(b"access-control-")
    ]
    assert len(dict(found)) == len(found), "a browser refuses an answer that says it twice"
    return dict(found)


@pytest.mark.parametrize("path", SHARED)
async def test_sec_A15_a_preflight_of_a_registered_origin_is_answered(op: Installation, path: str) -> None:
    """A15: token, userinfo, revocation and jwks are for registered origins; nothing is shared with credentials."""
    answer = await preflight(op, path, APP)
    assert (answer.status, answer.body) == (204, b"")
    assert cors_headers(answer) == {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "Authorization, Content-Type, DPoP",
        "access-control-max-age": "600",
    }
    assert answer.headers.get("vary") == "Origin"


@pytest.mark.parametrize("path", SHARED)
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "https://evil.example",
        "http://app.example",
        "https://app.example:444",
        "https://app.example.evil.example",
        "https://APP.example",
        "https://app.example/auth/callback",
        f"{APP}, https://evil.example",
    ],
)
async def test_sec_A15_any_other_origin_is_refused(op: Installation, path: str, origin: str) -> None:
    """A15: `Origin: null` and origins that are nobody's get a 403 to the preflight and no shared answer."""
    refused = await preflight(op, path, origin)
    assert (refused.status, refused.json()["error"]) == (403, "access_denied")
    assert cors_headers(refused) == {}
    for method in ("GET", "POST", "OPTIONS"):
        assert cors_headers(await asked(op, method, path, {"origin": origin})) == {}


@pytest.mark.parametrize("path", SHARED)
async def test_sec_A15_two_origins_are_nobodys(op: Installation, path: str) -> None:
    """A15: a request with two `Origin` fields is not that of the first one."""
    request = HttpRequest.to("GET", ISSUER + path)
    lines = ((b"origin", APP.encode()), (b"origin", b"https://evil.example"))
    request = msgspec.structs.replace(request, headers=type(request.headers)(lines))
    assert cors_headers(await op.provider.handle(request)) == {}


@pytest.mark.parametrize("path", NEVER)
async def test_sec_A15_no_other_endpoint_is_ever_shared(op: Installation, path: str) -> None:
    """A15, RFC 9700 §2.6: no CORS headers at the authorization endpoint, nor at anything else people or servers call."""
    for method in ("GET", "POST"):
        refused = await preflight(op, path, APP, method)
        assert refused.status in (404, 405)
        assert cors_headers(refused) == {}
        assert cors_headers(await asked(op, method, path, {"origin": APP})) == {}


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_sec_A15_discovery_is_public_and_shared_without_credentials(
    op: Installation, path: str
) -> None:
    """A15: `*` never stands beside credentials. The document says the same to all, so one copy serves every origin."""
    for headers in ({}, {"origin": "https://anywhere.example"}, {"origin": "null"}):
        answer = await asked(op, "GET", path, headers)
        assert answer.status == 200
        assert cors_headers(answer) == {"access-control-allow-origin": "*"}
    assert cors_headers(await preflight(op, path, "https://anywhere.example", "GET")) == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "Authorization, Content-Type, DPoP",
        "access-control-max-age": "600",
    }


async def test_a_browser_client_redeems_reads_and_revokes_from_its_own_origin(op: Installation) -> None:
    """Success and refusal alike are readable, with the challenge and the nonce exposed."""
    form = {"origin": APP, "content-type": "application/x-www-form-urlencoded"}
    code = await op.code("spa")
    body = (
        f"grant_type=authorization_code&client_id=spa&code={code}&code_verifier={VERIFIER}"
        "&redirect_uri=https%3A%2F%2Fapp.example%2Fauth%2Fcallback"
    )
    given = await asked(op, "POST", "/token", form, body.encode())
    token = given.json()["access_token"]
    read = await asked(op, "GET", "/userinfo", {"origin": APP, "authorization": f"Bearer {token}"})
    unread = await asked(op, "GET", "/userinfo", {"origin": APP})
    revoked = await asked(op, "POST", "/revoke", form, f"client_id=spa&token={token}".encode())
    again = await asked(op, "POST", "/token", form, body.encode())
    keys = await asked(op, "GET", "/jwks", {"origin": APP})
    answers = (given, read, unread, revoked, again, keys)
    assert [answer.status for answer in answers] == [200, 200, 401, 200, 400, 200]
    for answer in answers:
        assert cors_headers(answer) == {
            "access-control-allow-origin": APP,
            "access-control-expose-headers": "WWW-Authenticate, DPoP-Nonce",
        }
        assert answer.headers.get("vary") == "Origin"


async def test_keys_without_an_origin_tell_caches_that_they_differ_by_origin(op: Installation) -> None:
    """Else a cached copy of an answer without the mark would break the browser client."""
    answer = await op.get("/jwks")
    assert (cors_headers(answer), answer.headers.get("vary")) == ({}, "Origin")


async def test_an_options_request_that_is_no_preflight_is_a_method_nobody_has(op: Installation) -> None:
    """RFC 9110 §15.5.6, as any other method."""
    assert (await asked(op, "OPTIONS", "/token", {})).status == 405
    assert (await asked(op, "OPTIONS", "/token", {"origin": APP})).status == 405


async def test_a_stored_client_counts_within_two_seconds_and_so_does_its_end(clock: FrozenClock) -> None:
    """Added, disabled, removed: each is seen after two seconds at the latest."""
    op = await install(memory_stores(clock), clock)
    stored = client("spa-2", redirect_uris=[f"{SPA}/cb"]).client
    assert (await preflight(op, "/token", SPA)).status == 403
    await op.stores.clients.put(stored)
    clock.advance(2)
    assert (await preflight(op, "/token", SPA)).status == 204
    await op.stores.clients.put(msgspec.structs.replace(stored, enabled=False))
    clock.advance(2)
    assert (await preflight(op, "/token", SPA)).status == 403


async def test_a_stored_client_behind_a_configured_one_does_not_count(clock: FrozenClock) -> None:
    """The configuration wins, so what the store has under the same id is nobody's."""
    op = await install(memory_stores(clock), clock)
    await op.stores.clients.put(client("web", redirect_uris=[f"{SPA}/cb"]).client)
    clock.advance(2)
    assert (await preflight(op, "/token", SPA)).status == 403


async def test_a_disabled_client_of_the_configuration_does_not_count(clock: FrozenClock) -> None:
    """Only enabled clients have origins."""
    configured = (client("off", redirect_uris=[f"{SPA}/cb"], enabled=False),)
    op = await install(memory_stores(clock), clock, clients=configured)
    assert (await preflight(op, "/token", SPA)).status == 403


async def test_a_store_that_cannot_answer_is_our_fault_and_costs_no_answer(clock: FrozenClock) -> None:
    """The preflight is a 503; an answer that stands already is sent, unshared."""
    clients = MemoryClients()
    op = await install(msgspec.structs.replace(memory_stores(clock), clients=clients), clock)
    clients.list = Unreachable().list  # type: ignore[method-assign]
    failed = await preflight(op, "/token", APP)
    assert (failed.status, cors_headers(failed)) == (503, {})
    answer = await asked(op, "GET", "/jwks", {"origin": APP})
    assert (answer.status, cors_headers(answer)) == (200, {})


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example/cb?x=1", "https://app.example"),
        ("https://app.example:443/cb", "https://app.example"),
        ("https://app.example:8443/cb", "https://app.example:8443"),
        ("http://localhost:3000/cb", "http://localhost:3000"),
        ("http://127.0.0.1/cb", "http://127.0.0.1"),
        ("http://[::1]:3000/cb", "http://[::1]:3000"),
        ("http://app.example/cb", None),
        ("com.example.app:/cb", None),
    ],
)
def test_the_origin_of_a_redirect_uri(uri: str, origin: str | None) -> None:
    """RFC 6454 §6.2: scheme, host and a port that is not the scheme's own; private schemes and plain http have none."""
    assert origin_of(uri) == origin
