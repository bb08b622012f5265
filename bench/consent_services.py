"""The services of the consent rows: each on a port of its own, each taking its time over every question.

    python -m bench.consent_services --count 16 --delay-ms 50 --hanging 1

They answer yes and verify nothing: what is measured is the one who asks. Prints the ports, the hanging ones last, as a
JSON list. The end of standard input ends it.
"""

import argparse
import asyncio
import json
import sys
from typing import cast

import uvloop

BASE = "https://apis.example.com/auth/"
DISCOVERY = b"GET /.well-known/consent-configuration "


class Service(asyncio.Protocol):
    """One connection to a service. `delay` in seconds; None = it never answers a question."""

    def __init__(self, name: str, delay: float | None) -> None:
        self._name = name
        self._delay = delay
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            if head.startswith(DISCOVERY):
                self._answer(self._configuration(head))
            elif self._delay is not None:
                asyncio.get_running_loop().call_later(self._delay, self._answer, self._yes())

    def _configuration(self, head: bytes) -> dict[str, object]:
        host = next(
            line.partition(b":")[2].strip().decode()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"host:")
        )
        return {
            "authorization_endpoint": f"http://{host}/authorize",
            "scopes_supported": [BASE + self._name],
            "authorization_type": "subject_and_scopes",
        }

    def _yes(self) -> dict[str, object]:
        return {
            "authorized": True,
            "subject": "u-alice",
            "scopes": [BASE + self._name],
            "claims": [{"type": "plan", "value": "family"}],
            "custom_payload": None,
            "error": None,
        }

    def _answer(self, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(head.encode() + body)


async def serve(count: int, delay: float, hanging: int) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    ports = []
    for number in range(count + hanging):
        takes = delay if number < count else None
        server = await loop.create_server(
            lambda number=number, takes=takes: Service(f"s{number}", takes),  # type: ignore[misc]
            "127.0.0.1",
            0,
        )
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description="The services of the consent rows; bench.run starts them.")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--hanging", type=int, default=0)
    options = parser.parse_args()
    uvloop.run(serve(options.count, options.delay_ms / 1000, options.hanging))


if __name__ == "__main__":
    main()
