"""Head and body of a response in one write, and nothing lost or held back for good."""

import asyncio
from typing import Any

from authwright.server.one_write import OneWriteTransport


class Wire:
    """What the kernel would get: each write on its own."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> str:
        return name


def wired() -> tuple[OneWriteTransport, Wire]:
    wire: Any = Wire()
    return OneWriteTransport(wire, asyncio.get_running_loop()), wire


async def test_head_and_body_go_out_together_and_at_once() -> None:
    """No turn of the loop passes in between."""
    transport, wire = wired()
    transport.write(b"head")
    transport.write(b"body")
    assert wire.writes == [b"headbody"]
    await asyncio.sleep(0)
    assert wire.writes == [b"headbody"]


async def test_a_head_alone_goes_out_when_the_turn_is_over() -> None:
    """An interim response, or the start of a stream, is not kept."""
    transport, wire = wired()
    transport.write(b"HTTP/1.1 100 Continue")
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [b"HTTP/1.1 100 Continue"]


async def test_an_empty_body_sends_the_head_and_no_empty_write_is_made() -> None:
    """uvicorn writes an empty body too."""
    transport, wire = wired()
    transport.write(b"head")
    transport.write(b"")
    transport.write(b"")
    await asyncio.sleep(0)
    assert wire.writes == [b"head"]


async def test_closing_writes_what_is_held_first() -> None:
    """Connection: close, with all that was to be said before."""
    transport, wire = wired()
    transport.write(b"head")
    transport.close()
    assert (wire.writes, wire.closed) == ([b"head"], True)
    await asyncio.sleep(0)
    assert wire.writes == [b"head"]


async def test_pieces_keep_their_order() -> None:
    """Whatever the turns they come in."""
    transport, wire = wired()
    for number in range(50):
        transport.write(b"%d," % number)
        if number % 3 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert b"".join(wire.writes) == b"".join(b"%d," % number for number in range(50))


async def test_everything_else_is_the_connections_own() -> None:
    """Addresses, flow control, whether it is closing."""
    transport, _ = wired()
    assert transport.get_extra_info("peername") == "peername"
