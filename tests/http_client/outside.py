"""The outside world in one process: a name server that is told what to say, and servers on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpcore2

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Names:
    """A resolver that gives its answers in turn, the last one for ever, and counts the questions."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Rerouted(httpcore2.AsyncNetworkBackend):
    """Notes the address a connection was to go to, and makes it to a port of this machine instead."""

    def __init__(self, port: int, dead: Iterable[str] = ()) -> None:
        self._real = httpcore2.AnyIOBackend()
        self._port = port
        self._dead = frozenset(dead)
        self.connected: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.connected.append(host)
        if host in self._dead:
            raise httpcore2.ConnectError("dead")
        return await self._real.connect_tcp("127.0.0.1", self._port, timeout)


class Site:
    """A server that keeps the requests it got (head only) and counts its connections."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self.connections = 0


@asynccontextmanager
async def site(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """A site on loopback that answers each request with `answer`."""
    found = Site()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found.heads.append(head)
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        await reader.readexactly(int(line.partition(b":")[2]))
                await answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


def says(body: bytes, status: bytes = b"200 OK", *fields: bytes) -> Answer:
    """An answer that is always the same."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields, b"", b""]
        writer.write(b"\r\n".join(lines) + (b"" if head.startswith(b"HEAD") else body))
        await writer.drain()

    return answer
