"""An ASGI application as a `Fetch`: requests reach it as a server would hand them over, and nothing passes a socket."""

import asyncio
from urllib.parse import unquote, urlsplit

from authwright.asgi.types import ASGIApp, Message, Scope
from authwright.protocol.http import Headers, HttpRequest, HttpResponse


class InProcess:
    """Sends requests to `app`. What the application raises, the caller gets; its lifespan is left alone."""

    __slots__ = ("_app",)

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """The whole answer. Raises RuntimeError when there is none."""
        waiting: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]
        sent: list[Message] = []
        answered = asyncio.Event()

        async def receive() -> Message:
            if waiting:
                return waiting.pop()
            # Some applications wait for the caller to hang up while they answer, and give up when it does.
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()

        await self._app(scope_of(request), receive, send)
        if not sent or not answered.is_set():
            raise RuntimeError("the application did not answer")
        lines = ((bytes(name).lower(), bytes(value)) for name, value in sent[0].get("headers", ()))
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return HttpResponse(sent[0]["status"], Headers(lines), body)

    async def close(self) -> None:
        """There are no connections."""


def scope_of(request: HttpRequest) -> Scope:
    """The request as a server describes it."""
    parts = urlsplit(request.origin)
    headers = [(b"host", parts.netloc.encode("ascii")), *request.headers.lines]
    if request.body and request.headers.get("content-length") is None:
        headers.append((b"content-length", b"%d" % len(request.body)))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": unquote(request.path),
        "raw_path": request.path.encode("ascii"),
        "root_path": "",
        "query_string": request.query.encode("ascii"),
        "headers": headers,
        "client": (request.peer or "127.0.0.1", 40000),
        "server": (parts.hostname or "localhost", parts.port or (443 if parts.scheme == "https" else 80)),
    }
