"""The document in which a resource server says what it is and whose tokens it takes (RFC 9728)."""

from urllib.parse import urlsplit

import msgspec

from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.protocol.protected_resource import (
    ProtectedResourceMetadata,
    build_protected_resource,
    metadata_url,
)

# Anybody may read it, a page of another origin too (RFC 9728 §3: it is for clients that know nothing of us yet).
_HEADERS = Headers.of(
    {
        "content-type": "application/json",
        "cache-control": "public, max-age=3600",
        "access-control-allow-origin": "*",
    }
)


class Description:
    """The document, ready to be sent, and where it is."""

    __slots__ = ("_body", "path", "url")

    url: str
    path: str

    def __init__(self, metadata: ProtectedResourceMetadata) -> None:
        """Raises ValueError for a resource identifier that is none."""
        self.url = metadata_url(metadata.resource)
        self.path = urlsplit(self.url).path
        self._body = msgspec.json.encode(build_protected_resource(metadata))

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The document for a GET; anything else is 405."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(405, Headers.of({"allow": "GET, HEAD"}), b"")
        return HttpResponse(200, _HEADERS, self._body)
