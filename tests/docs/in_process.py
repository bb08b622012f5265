"""An ASGI application as a `Fetch`: the network of two programs that run in one process."""

from typing import Any
from urllib.parse import unquote

from authwright.asgi.types import ASGIApp, Message
from authwright.protocol.http import Headers, HttpRequest, HttpResponse


class InProcess:
    """Sends requests to `app` as a server would hand them over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        received = [{"type": "http.request", "body": request.body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return received.pop(0) if received else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope_of(request), receive, send)
        lines = tuple((bytes(name), bytes(value)) for name, value in sent[0]["headers"])
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return HttpResponse(sent[0]["status"], Headers(lines), body)

    async def close(self) -> None:
        """There are no connections."""


def scope_of(request: HttpRequest) -> dict[str, Any]:
    """The request as uvicorn describes it."""
    host = request.origin.partition("://")[2].encode()
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.origin.partition(":")[0],
        "path": unquote(request.path),
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": request.query.encode(),
        "headers": [(b"host", host), *request.headers.lines],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 80),
    }
