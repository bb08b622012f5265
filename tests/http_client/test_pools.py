"""Several pools in one client: as few connections as with one pool, and as many as are needed."""

import asyncio

from authwright.http_client import GuardedClient
from authwright.protocol.http import HttpRequest
from tests.http_client.outside import says, site


async def test_one_request_at_a_time_needs_one_connection() -> None:
    """Pools are filled one after the other, so that what is open is used again."""
    async with site(says(b"x")) as there:
        client = GuardedClient(allow_loopback_http=True, pools=4, parallel_per_host=8)
        for _ in range(6):
            await client(HttpRequest.to("GET", f"http://localhost:{there.port}/"))
        assert there.connections == 1
        await client.close()


async def test_as_many_as_a_host_may_have_are_there_at_once_and_no_more() -> None:
    """Whatever the number of pools, the share of a host is the same; each request finds a free connection."""
    waiting, go = 0, asyncio.Event()

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 8:
            go.set()
        await go.wait()
        await says(b"x")(head, writer)

    async with site(answer) as there:
        client = GuardedClient(allow_loopback_http=True, pools=4, parallel_per_host=8, max_connections=16)
        request = HttpRequest.to("GET", f"http://localhost:{there.port}/")
        answers = await asyncio.gather(*(client(request) for _ in range(20)))
        assert [answer.status for answer in answers] == [200] * 20
        assert there.connections == 8
        await client.close()
