"""The guarded Fetches that an application gets when it brings none of its own: one for each purpose, with its limits."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from authwright.protocol.errors import ServerError
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse
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

    return GuardedClient(
        allow=allow,
        ca_file=ca_file,
        client_certificate=client_certificate,
        allow_loopback_http=_is_on_loopback(issuer),
    )


def api_fetch(*, allow: Sequence[str] = (), ca_file: str = "") -> ClosableFetch:
    """For the APIs that an application calls for its users; one on loopback may be called by http."""
    return OutboundFetch(
        allow=allow,
        ca_file=ca_file,
        total_timeout=API_TIMEOUT,
        max_bytes=MAX_ANSWER,
        allow_loopback_http=True,
    )


def outbound(
    issuer: str, *, allow: Sequence[str] = (), ca_file: str = "", **limits: Any
) -> tuple[Fetch, Callable[[], Awaitable[None]]]:
    """What a provider calls others with, and what closes it. An http issuer on loopback may call loopback.

    `allow`, `ca_file` and `limits` as for `GuardedClient`.
    """
    fetch = OutboundFetch(allow=allow, ca_file=ca_file, allow_loopback_http=_is_on_loopback(issuer), **limits)
    return fetch, fetch.close


class OutboundFetch:
    """A `GuardedClient` that is made, from these arguments, when somebody is first called: many never call anybody.

    Until then nothing of what it needs, the extra `client`, has to be installed.
    """

    __slots__ = ("_arguments", "_client")

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments
        self._client: ClosableFetch | None = None

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """As `GuardedClient`. Raises ServerError where the extra is not installed."""
        if self._client is None:
            try:
                from authwright.http_client import GuardedClient
            except ModuleNotFoundError as missing:
                raise ServerError(
                    detail=f"outbound: {missing.name} is not installed; install authwright[client]"
                ) from missing
            self._client = GuardedClient(**self._arguments)
        return await self._client(request)

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _is_on_loopback(issuer: str) -> bool:
    parts = urlsplit(issuer)
    return parts.scheme == "http" and is_loopback_host(parts.netloc)
