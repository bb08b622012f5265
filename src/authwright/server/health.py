"""The management port: whether the server is alive, whether it can do its work, and what it has done.

For orchestrators and monitoring, not for clients: it is bound apart, once, whatever the number of workers.
"""

from collections.abc import Awaitable, Callable

from authwright.asgi.provider_app import ProviderApp
from authwright.asgi.types import ASGIApp
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.server.exposition import CONTENT_TYPE

Ready = Callable[[], Awaitable[bool]]
Measured = Callable[[], Awaitable[bytes]]


def health_app(ready: Ready, measured: Measured) -> ASGIApp:
    """An ASGI app: `/livez` answers 200 while the process runs, `/readyz` 200 or 503 as `ready` says.

    `/metrics` answers what `measured` gives, which is text in the format of Prometheus.
    """

    async def handle(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return _answer(405, "method not allowed").with_headers(("allow", "GET, HEAD"))
        match request.path:
            case "/livez":
                return _answer(200, "alive")
            case "/readyz":
                return _answer(200, "ready") if await ready() else _answer(503, "not ready")
            case "/metrics":
                return HttpResponse(200, _METRICS, await measured())
            case _:
                return _answer(404, "not found")

    return ProviderApp(handle)


_METRICS = Headers.of({"content-type": CONTENT_TYPE, "cache-control": "no-store"})


def _answer(status: int, text: str) -> HttpResponse:
    fields = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    return HttpResponse(status, Headers.of(fields), f"{text}\n".encode())
