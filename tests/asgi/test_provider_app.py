"""Scope and messages in, `HttpRequest` through, response out."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from authwright.asgi import ASGIApp, ProviderApp
from authwright.asgi.types import Message, Receive, Scope, Send
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, json_response
from tests.asgi.asgi_peer import Exchange, http_scope

LIMIT = 64 * 1024


class Endpoint:
    """A function from request to response that remembers what it was given."""

    def __init__(self, response: HttpResponse | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self.response = response or json_response(200, {"ok": True})

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self.response


class Behind:
    """The application behind us: reads its body whole and says what it got."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.events: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{step}"
                self.events.append(step)
                await send({"type": f"lifespan.{step}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"behind"})


async def test_a_request_reaches_the_handler_as_it_was_sent() -> None:
    """Path and query keep their percent-encoding; headers are not touched."""
    endpoint = Endpoint()
    scope = http_scope(
        "POST",
        "/a b",
        raw_path=b"/a%20b;x/%2e%2e",
        query=b"x=%41",
        headers=[(b"x-one", b"1"), (b"x-one", b"2")],
    )
    exchange = await Exchange(b"grant_type=x").run(ProviderApp(endpoint), scope)
    assert endpoint.requests == [
        HttpRequest(
            "POST",
            "/a%20b;x/%2e%2e",
            "x=%41",
            Headers([(b"x-one", b"1"), (b"x-one", b"2")]),
            b"grant_type=x",
            "",
            "203.0.113.9",
        )
    ]
    assert exchange.status == 200
    assert exchange.headers[b"content-length"] == str(len(exchange.body)).encode()
    assert exchange.received == 1


@pytest.mark.parametrize(
    ("raw", "path", "root", "seen"),
    [
        (b"/token", "/token", "", "/token"),
        (b"/auth/token", "/auth/token", "/auth", "/auth/token"),
        (b"/auth", "/auth", "/auth", "/auth"),
        (b"/authx/token", "/authx/token", "/auth", "/auth/authx/token"),
        (b"/token", "/token", "/auth", "/auth/token"),
        (b"/a%20b/token", "/a b/token", "/a b", "/a%20b/token"),
        (None, "/auth/a b/%/é", "/auth", "/auth/a%20b/%25/%C3%A9"),
        (b"/token", "/token", "/", "/token"),
        (b"/auth/token", "/auth/token", "/auth/", "/auth/token"),
    ],
)
async def test_the_mounts_prefix_is_in_the_path_exactly_once(
    raw: bytes | None, path: str, root: str, seen: str
) -> None:
    """Endpoints are known by the issuer's full path; a server may give no raw_path, a proxy may have cut the prefix off."""
    endpoint = Endpoint()
    scope = http_scope(path=path, raw_path=raw, root_path=root)
    if raw is None:
        del scope["raw_path"]
    await Exchange().run(ProviderApp(endpoint), scope)
    assert [request.path for request in endpoint.requests] == [seen]


async def test_a_body_in_many_messages_is_put_together() -> None:
    """The server may cut it anywhere."""
    endpoint = Endpoint()
    await Exchange(b"a=", b"", b"1&b", b"=2").run(ProviderApp(endpoint), http_scope("POST"))
    assert endpoint.requests[0].body == b"a=1&b=2"


async def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_413() -> None:
    """The DoS bound on bodies: 64 KB."""
    endpoint = Endpoint()
    app = ProviderApp(endpoint)
    assert (await Exchange(b"x" * LIMIT).run(app, http_scope("POST"))).status == 200
    for parts in ([b"x" * (LIMIT + 1)], [b"x" * LIMIT, b"x"]):
        exchange = await Exchange(*parts).run(app, http_scope("POST"))
        assert exchange.status == 413
        assert json.loads(exchange.body)["error"] == "invalid_request"
        assert exchange.headers[b"connection"] == b"close"
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("length", [b"65537", b"9" * 30])
async def test_a_declared_length_over_the_limit_is_413_before_a_byte_is_read(length: bytes) -> None:
    """Nothing is received, so nothing is buffered."""
    exchange = await Exchange(b"x").run(
        ProviderApp(Endpoint()), http_scope("POST", headers=[(b"content-length", length)])
    )
    assert (exchange.status, exchange.received) == (413, 0)


async def test_no_more_than_the_limit_and_one_message_is_read_of_an_endless_body() -> None:
    """An undeclared body stops at the message that passes the limit."""
    exchange = await Exchange(*[b"x" * 1024] * 1000).run(ProviderApp(Endpoint()), http_scope("POST"))
    assert exchange.status == 413
    assert exchange.received == 65


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"0x10", b"", b"+5"])
async def test_a_malformed_length_is_invalid_request(length: bytes) -> None:
    """RFC 9110 §8.6: digits only."""
    exchange = await Exchange(b"x").run(
        ProviderApp(Endpoint()), http_scope("POST", headers=[(b"content-length", length)])
    )
    assert exchange.status == 400
    assert json.loads(exchange.body)["error"] == "invalid_request"


async def test_a_request_cut_off_before_its_end_calls_nothing_and_answers_nothing() -> None:
    """Half a form must not be acted on."""
    endpoint = Endpoint()
    for parts in ([b"grant_type=x"], [b"grant_type=x", b"&code="]):
        exchange = await Exchange(*parts, disconnect=True).run(ProviderApp(endpoint), http_scope("POST"))
        assert exchange.sent == []
    assert endpoint.requests == []


async def test_an_answer_to_head_has_the_length_but_no_body() -> None:
    """RFC 9110 §9.3.2."""
    exchange = await Exchange().run(ProviderApp(Endpoint()), http_scope("HEAD"))
    assert exchange.body == b""
    assert exchange.headers[b"content-length"] == b"11"


async def test_a_204_has_no_length_and_a_length_of_ones_own_is_not_doubled() -> None:
    """RFC 9110 §8.6."""
    exchange = await Exchange().run(ProviderApp(Endpoint(HttpResponse(204))), http_scope())
    assert b"content-length" not in exchange.headers
    own = HttpResponse(200, Headers.of({"content-length": "7"}), b"12345")
    exchange = await Exchange().run(ProviderApp(Endpoint(own)), http_scope())
    assert exchange.headers[b"content-length"] == b"5"


async def test_an_unexpected_error_is_a_plain_500_and_the_log_holds_no_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The peer sees no traceback, the operator sees where, and nobody sees the secret in the message."""

    async def broken(request: HttpRequest) -> HttpResponse:
        raise KeyError("s3cret-token")

    scope = http_scope("POST", query=b"code=s3cret-code")
    with caplog.at_level(logging.DEBUG, logger="authwright"):
        exchange = await Exchange(b"password=s3cret").run(ProviderApp(broken), scope)
    assert exchange.status == 500
    assert json.loads(exchange.body)["error"] == "server_error"
    assert b"Traceback" not in exchange.body
    [record] = caplog.records
    assert "KeyError" in record.getMessage()
    assert "test_provider_app.py" in record.getMessage()
    assert "s3cret" not in exchange.body.decode() + caplog.text + repr(record.__dict__)


async def test_the_host_header_is_seen_by_nobody() -> None:
    """Row H1: the issuer is never derived from the request, so `origin` stays empty."""
    endpoint = Endpoint()
    headers = [(b"host", b"evil.example"), (b"x-forwarded-host", b"evil.example")]
    await Exchange().run(ProviderApp(endpoint, trusted_proxies=["203.0.113.9"]), http_scope(headers=headers))
    assert endpoint.requests[0].origin == ""
    assert endpoint.requests[0].peer == "203.0.113.9"


async def test_what_is_not_ours_goes_on_with_its_body() -> None:
    """`try_handle` answers None: the application behind us gets the request whole."""
    behind = Behind()

    async def none_of_ours(request: HttpRequest) -> HttpResponse | None:
        return None

    app = ProviderApp(Endpoint(), try_handle=none_of_ours, fallback=behind)
    assert (await Exchange(b"one", b"two").run(app, http_scope("POST"))).status == 299
    assert (await Exchange().run(app, http_scope("GET"))).status == 299
    assert behind.bodies == [b"onetwo", b""]


async def test_an_upload_to_the_application_behind_us_may_be_larger_than_our_limit() -> None:
    """The cap is on what we read, not on what stands behind us; nothing of it is lost."""
    behind, endpoint = Behind(), Endpoint()
    app = ProviderApp(endpoint, try_handle=endpoint, fallback=behind)
    parts = [b"x" * 50_000] * 4
    assert (await Exchange(*parts).run(app, http_scope("POST", "/upload"))).status == 299
    assert behind.bodies == [b"".join(parts)]
    declared = http_scope("POST", "/upload", headers=[(b"content-length", b"200000")])
    assert (await Exchange(*parts).run(app, declared)).status == 299
    assert behind.bodies[1] == b"".join(parts)
    assert endpoint.requests == []


async def test_a_path_that_cannot_be_ours_is_not_read_and_one_that_is_keeps_its_limit() -> None:
    """With `serves` the path decides before the body is touched."""
    behind, endpoint = Behind(), Endpoint()
    app = ProviderApp(
        endpoint, try_handle=endpoint, fallback=behind, serves=lambda path: path.startswith("/token")
    )
    assert (await Exchange(b"x" * 100_000).run(app, http_scope("POST", "/upload"))).status == 299
    assert (await Exchange(b"x" * 100_000).run(app, http_scope("POST", "/token"))).status == 413
    assert (await Exchange(b"x").run(app, http_scope("POST", "/token"))).status == 200
    assert len(endpoint.requests) == 1


class Steps:
    """Start and stop that count."""

    def __init__(self, failures: int = 0) -> None:
        self.log: list[str] = []
        self.failures = failures

    async def start(self) -> None:
        await asyncio.sleep(0.01)
        self.log.append("start")
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no store")

    async def stop(self) -> None:
        self.log.append("stop")


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[list[Message]]:
    """Run the lifespan of `app` around the block."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    sent: list[Message] = []
    answered = asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)
        answered.set()

    task = asyncio.create_task(_call(app, inbox.get, send))
    inbox.put_nowait({"type": "lifespan.startup"})
    await answered.wait()
    yield sent
    inbox.put_nowait({"type": "lifespan.shutdown"})
    await task


async def _call(app: ASGIApp, receive: Receive, send: Send) -> None:
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


async def test_the_servers_lifespan_starts_and_stops_once() -> None:
    """And requests in between start nothing."""
    steps = Steps()
    app = ProviderApp(Endpoint(), startup=steps.start, shutdown=steps.stop)
    async with served(app) as sent:
        await Exchange().run(app, http_scope())
        assert steps.log == ["start"]
    assert steps.log == ["start", "stop"]
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_both_lifespans_run_ours_outside() -> None:
    """The application behind us finds us started and is stopped before us."""
    steps, behind = Steps(), Behind()
    behind.events = steps.log
    async with served(ProviderApp(Endpoint(), fallback=behind, startup=steps.start, shutdown=steps.stop)):
        assert steps.log == ["start", "startup"]
    assert sorted(steps.log) == ["shutdown", "start", "startup", "stop"]


async def test_an_application_behind_us_without_a_lifespan_is_no_obstacle() -> None:
    """ASGI lets it raise; ours is served all the same."""
    steps = Steps()

    async def no_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"

    app = ProviderApp(Endpoint(), fallback=no_lifespan, startup=steps.start, shutdown=steps.stop)
    async with served(app) as sent:
        pass
    assert steps.log == ["start", "stop"]
    assert len(sent) == 2


async def test_a_failed_start_is_told_to_the_server() -> None:
    """So that it exits instead of serving 503 for ever."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    inbox.put_nowait({"type": "lifespan.startup"})
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(ConnectionError):
        await _call(ProviderApp(Endpoint(), startup=Steps(failures=1).start), inbox.get, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]


async def test_without_a_lifespan_racing_first_requests_start_once() -> None:
    """A mounted application gets no lifespan; every request waits for the one start."""
    steps = Steps()
    app = ProviderApp(Endpoint(), startup=steps.start)
    exchanges = await asyncio.gather(*(Exchange().run(app, http_scope()) for _ in range(20)))
    assert {exchange.status for exchange in exchanges} == {200}
    assert steps.log == ["start"]


async def test_a_first_request_that_is_cancelled_does_not_cancel_the_start() -> None:
    """The others still get their answer."""
    steps = Steps()
    app = ProviderApp(Endpoint(), startup=steps.start)
    first = asyncio.create_task(Exchange().run(app, http_scope()))
    second = asyncio.create_task(Exchange().run(app, http_scope()))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status == 200
    assert steps.log == ["start"]


async def test_a_start_that_fails_is_503_and_the_next_request_tries_again() -> None:
    """Rule R: our fault is 503 with Retry-After, never an OAuth refusal."""
    app = ProviderApp(Endpoint(), startup=Steps(failures=1).start)
    exchange = await Exchange().run(app, http_scope())
    assert exchange.status == 503
    assert exchange.headers[b"retry-after"] == b"1"
    assert json.loads(exchange.body)["error"] == "temporarily_unavailable"
    assert (await Exchange().run(app, http_scope())).status == 200


async def test_a_lifespan_of_ones_own_can_hold_ours() -> None:
    """`async with app.lifespan()` for a framework that mounts us."""
    steps = Steps()
    app = ProviderApp(Endpoint(), startup=steps.start, shutdown=steps.stop)
    async with app.lifespan():
        assert (await Exchange().run(app, http_scope())).status == 200
    assert steps.log == ["start", "stop"]


async def test_a_websocket_is_closed_or_goes_to_the_application_behind_us() -> None:
    """We have none."""
    sent: list[Any] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await ProviderApp(Endpoint())({"type": "websocket", "path": "/"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
