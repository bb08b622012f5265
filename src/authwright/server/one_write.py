"""uvicorn's HTTP protocol, with head and body of a response in one write.

uvicorn writes the head when it is told the status, and the body after it: two system calls and two packets for answers
that fit into one.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class OneWriteTransport:
    """A transport that holds the first write of a turn back until the next one, or until the turn is over."""

    __slots__ = ("_held", "_inner", "_loop")

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Write `data`, after what was held back; the first piece waits for the second."""
        if self._held:
            held, self._held = self._held, b""
            self._inner.write(held + data)
        elif data:
            self._held = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Close, with everything written."""
        self._flush()
        self._inner.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._inner.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class OneWriteProtocol(HttpToolsProtocol):
    """`http=OneWriteProtocol` in a uvicorn configuration."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put our transport in front of the connection's."""
        super().connection_made(OneWriteTransport(transport, self.loop))  # type: ignore[arg-type]
