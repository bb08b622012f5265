"""The management port: whether the process is alive, and whether it can do its work. For orchestrators, not clients."""

from collections.abc import Awaitable, Callable

from authwright.asgi.provider_app import ProviderApp
from authwright.asgi.types import ASGIApp
from authwright.protocol.http import Headers, HttpRequest, HttpResponse

Ready = Callable[[], Awaitable[bool]]


def health_app(ready: Ready) -> ASGIApp:
    """An ASGI app: `/livez` answers 200 while the process runs, `/readyz` 200 or 503 as `ready` says."""

    async def handle(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return _answer(405, "method not allowed").with_headers(("allow", "GET, HEAD"))
        match request.path:
            case "/livez":
                return _answer(200, "alive")
            case "/readyz":
                return _answer(200, "ready") if await ready() else _answer(503, "not ready")
            case _:
                return _answer(404, "not found")

    return ProviderApp(handle)


def _answer(status: int, text: str) -> HttpResponse:
    fields = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    return HttpResponse(status, Headers.of(fields), f"{text}\n".encode())
