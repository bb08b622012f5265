"""Plays the server's side of ASGI: builds scopes, feeds messages, keeps what was sent."""

from collections.abc import Iterable
from typing import Any

from authwright.asgi import ASGIApp
from authwright.asgi.types import Message


def http_scope(
    method: str = "GET",
    path: str = "/token",
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    query: bytes = b"",
    client: tuple[str, int] | None = ("203.0.113.9", 40000),
    **more: Any,
) -> dict[str, Any]:
    """A scope as uvicorn makes it."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": client,
        "server": ("127.0.0.1", 9000),
    }
    return scope | more


class Exchange:
    """One call of an application: the messages it is given, the messages it sends."""

    def __init__(self, *parts: bytes, disconnect: bool = False) -> None:
        self.sent: list[Message] = []
        self.received = 0
        messages: list[Message] = [
            {"type": "http.request", "body": part, "more_body": disconnect or number < len(parts) - 1}
            for number, part in enumerate(parts or (b"",))
        ]
        if disconnect:
            messages.append({"type": "http.disconnect"})
        self._messages = messages

    async def receive(self) -> Message:
        """The next message; asking for more than there is fails the test instead of hanging it."""
        self.received += 1
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        """Keep what the application sent."""
        self.sent.append(message)

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> "Exchange":
        """Call the application."""
        await app(scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        """The status that was sent."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The header fields that were sent; a name sent twice fails."""
        fields = list(self.sent[0]["headers"])
        assert len({name for name, _ in fields}) == len(fields)
        return dict(fields)

    @property
    def body(self) -> bytes:
        """The body that was sent."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])
