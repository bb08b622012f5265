"""The Web of a test: a few applications in one process, each under its origin, and nothing beyond."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from authwright.asgi.in_process import InProcess
from authwright.asgi.types import ASGIApp
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse


class Network:
    """A `Fetch` to whatever was put into it."""

    def __init__(self) -> None:
        self._sites: dict[str, Fetch] = {}

    def serve(self, url: str, app: ASGIApp) -> None:
        """Have an ASGI application answer at the origin of `url`."""
        self.add(url, InProcess(app))

    def add(self, url: str, fetch: Fetch) -> None:
        """Have a `Fetch` answer at the origin of `url`."""
        parts = urlsplit(url)
        self._sites[f"{parts.scheme}://{parts.netloc}"] = fetch

    @property
    def sites(self) -> Mapping[str, Fetch]:
        """Each origin and what answers there."""
        return dict(self._sites)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer of the origin. Raises OSError for one that nobody serves."""
        fetch = self._sites.get(request.origin)
        if fetch is None:
            raise OSError(
                f"nothing serves {request.origin} in this test; authwright_network.serve puts it there"
            )
        return await fetch(request)
