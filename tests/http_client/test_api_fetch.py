"""What `user.http` calls with when an application brings no Fetch of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from authwright.protocol.http import HttpRequest
from authwright.relying_party.api_calls import MAX_ANSWER
from authwright.standard_fetch import ApiFetch


@asynccontextmanager
async def server(size: int) -> AsyncIterator[str]:
    """An API on loopback that answers `size` bytes; its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
        )
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
    fetch = ApiFetch()
    async with server(200_000) as url:
        answer = await fetch(HttpRequest.to("GET", f"{url}/orders"))
        assert (answer.status, len(answer.body)) == (200, 200_000)
    await fetch.close()
    await fetch.close()


async def test_an_answer_without_end_is_refused() -> None:
    """Ten megabytes are enough."""
    fetch = ApiFetch()
    async with server(MAX_ANSWER + 1) as url:
        with pytest.raises(OSError, match="answered more than"):
            await fetch(HttpRequest.to("GET", f"{url}/orders"))
    await fetch.close()


@pytest.mark.parametrize("url", ["http://api.example", "https://10.0.0.1", "https://169.254.169.254"])
async def test_a_token_goes_neither_in_clear_nor_to_private_addresses(url: str) -> None:
    """Unless the host stands in `outbound_allow`."""
    fetch = ApiFetch()
    with pytest.raises(OSError):
        await fetch(HttpRequest.to("GET", f"{url}/orders"))
    await fetch.close()
