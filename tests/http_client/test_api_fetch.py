"""What `user.http` calls with when an application brings no Fetch of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from authwright.protocol.errors import ServerError
from authwright.protocol.http import HttpRequest
from authwright.relying_party.api_calls import MAX_ANSWER
from authwright.standard_fetch import api_fetch, outbound


@asynccontextmanager
async def server(size: int) -> AsyncIterator[str]:
    """An API on loopback that answers `size` bytes; its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
        )
        # Whoever has read enough hangs up.
        with suppress(ConnectionError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        listening.close()
        await listening.wait_closed()


async def test_an_api_on_loopback_is_called_by_http() -> None:
    """With an answer larger than any document of a provider may be; and closing is for what was opened."""
    fetch = api_fetch()
    async with server(200_000) as url:
        answer = await fetch(HttpRequest.to("GET", f"{url}/orders"))
        assert (answer.status, len(answer.body)) == (200, 200_000)
    await fetch.close()
    await fetch.close()


async def test_an_answer_without_end_is_refused() -> None:
    """Ten megabytes are enough."""
    fetch = api_fetch()
    async with server(MAX_ANSWER + 1) as url:
        with pytest.raises(OSError, match="answered more than"):
            await fetch(HttpRequest.to("GET", f"{url}/orders"))
    await fetch.close()


@pytest.mark.parametrize("url", ["http://api.example", "https://10.0.0.1", "https://169.254.169.254"])
async def test_a_token_goes_neither_in_clear_nor_to_private_addresses(url: str) -> None:
    """Unless the host stands in `outbound_allow`."""
    fetch = api_fetch()
    with pytest.raises(OSError):
        await fetch(HttpRequest.to("GET", f"{url}/orders"))
    await fetch.close()


async def test_what_calls_nobody_needs_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `client` is looked for by the first call; without it that is our fault, and said in our log."""
    monkeypatch.setitem(sys.modules, "authwright.http_client", None)
    fetch, close = outbound("https://op.example", total_timeout=1.0)
    await close()
    with pytest.raises(ServerError) as raised:
        await fetch(HttpRequest.to("GET", "https://op.example/jwks"))
    assert raised.value.detail.endswith("install authwright[client]")
    await close()


async def test_a_closed_fetch_opens_again() -> None:
    """A provider that is stopped and started again calls as before."""
    fetch, close = outbound("http://127.0.0.1:9400")
    async with server(3) as url:
        for _ in range(2):
            assert (await fetch(HttpRequest.to("GET", f"{url}/jwks"))).body == b"xxx"
            await close()
