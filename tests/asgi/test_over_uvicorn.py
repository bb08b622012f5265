"""The application under a real server, over real sockets, with the real client."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from authwright.asgi import ASGIApp, ProviderApp
from authwright.http_client import GuardedClient
from authwright.protocol.http import HttpRequest, HttpResponse, json_response


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    """The port of a server that runs `app` for as long as the block lasts."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", ws="none", loop="asyncio")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listening]))
    while not server.started:
        assert not running.done()
        await asyncio.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await running
        listening.close()


async def echo(request: HttpRequest) -> HttpResponse:
    """What the application saw."""
    return json_response(
        200,
        {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "size": len(request.body),
            "peer": request.peer,
        },
    )


async def raw(port: int, text: bytes) -> bytes:
    """Everything the server sends until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_our_client_reaches_our_application_over_a_socket() -> None:
    """Start, request, answer, stop, by nothing but real parts."""
    steps: list[str] = []

    async def start() -> None:
        steps.append("start")

    async def stop() -> None:
        steps.append("stop")

    async with served(ProviderApp(echo, startup=start, shutdown=stop)) as port:
        fetch = GuardedClient(allow_loopback_http=True)
        url = f"http://127.0.0.1:{port}/a%2Fb?x=%20"
        answer = await fetch(HttpRequest.to("POST", url, body=b"x" * 60_000))
        head = await fetch(HttpRequest.to("HEAD", url))
        await fetch.close()
    assert answer.json() == {
        "method": "POST",
        "path": "/a%2Fb",
        "query": "x=%20",
        "size": 60_000,
        "peer": "127.0.0.1",
    }
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers.get("content-length") or 0) > 0
    assert steps == ["start", "stop"]


async def test_sec_H1_an_absolute_request_target_or_odd_path_reaches_no_endpoint_by_another_name() -> None:
    """Row H1: what is not an endpoint's exact path is not that endpoint."""
    async with served(ProviderApp(echo)) as port:
        for target in (b"/%74oken", b"//token", b"/token;x", b"/a/../token", b"/token/"):
            got = await raw(port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b'"path":"/token"' not in got
            assert b'"path":"' + target + b'"' in got


async def test_an_oversize_body_is_refused_and_the_connection_closed_at_once() -> None:
    """The client has sent a fraction of what it declared, and has its answer."""
    async with served(ProviderApp(echo)) as port:
        got = await raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nabc")
        assert got.startswith(b"HTTP/1.1 413 ")
        assert b'"invalid_request"' in got
        endless = (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"2000\r\n" + b"x" * 0x2000 + b"\r\n") * 9
        )
        assert (await raw(port, endless)).startswith(b"HTTP/1.1 413 ")


async def test_requests_one_after_the_other_share_a_connection() -> None:
    """Keep-alive works: nothing of one request is left in the way of the next."""
    async with served(ProviderApp(echo)) as port:
        post = b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        last = b"GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        got = await raw(port, post + post + last)
        assert got.count(b"HTTP/1.1 200 OK") == 3
        assert got.count(b'"size":3') == 2
