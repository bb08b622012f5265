"""The guarded Fetches that an application gets when it brings none of its own: one for each purpose, with its limits."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.relying_party.api_calls import MAX_ANSWER

API_TIMEOUT = 30.0
"""Seconds that an API may take."""


class ClosableFetch(Protocol):
    """A Fetch of ours, with connections to close."""

    async def __call__(self, request: HttpRequest) -> HttpResponse: ...

    async def close(self) -> None: ...


def standard_fetch(
    issuer: str, *, allow: Sequence[str] = (), ca_file: str = "", client_certificate: str = ""
) -> ClosableFetch:
    """A guarded Fetch for that issuer; needs the extra `client`. An http issuer on loopback may call loopback."""
    from authwright.http_client import GuardedClient

    parts = urlsplit(issuer)
    local = parts.scheme == "http" and is_loopback_host(parts.netloc)
    return GuardedClient(
        allow=allow, ca_file=ca_file, client_certificate=client_certificate, allow_loopback_http=local
    )


class ApiFetch:
    """Calls the APIs that an application calls for its users. What it needs (extra `client`) is loaded on first use."""

    def __init__(self, *, allow: Sequence[str] = (), ca_file: str = "") -> None:
        self._allow = tuple(allow)
        self._ca_file = ca_file
        self._clients: dict[bool, ClosableFetch] = {}

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """As `GuardedClient`; an API on loopback may be called by http."""
        local = is_loopback_host(urlsplit(request.origin).netloc)
        if local not in self._clients:
            from authwright.http_client import GuardedClient

            self._clients[local] = GuardedClient(
                allow=self._allow,
                ca_file=self._ca_file,
                total_timeout=API_TIMEOUT,
                max_bytes=MAX_ANSWER,
                allow_loopback_http=local,
            )
        return await self._clients[local](request)

    async def close(self) -> None:
        """Close the connections."""
        while self._clients:
            await self._clients.popitem()[1].close()
