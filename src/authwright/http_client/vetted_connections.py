"""Connections to vetted addresses only: the layer below TLS of httpcore2.

The name is resolved once, here, and the connection goes to an address that was vetted, so that a second answer
of the name server (DNS rebinding) is never asked for. TLS and the Host field still carry the name.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore2

from authwright.http_client.guard import Guard, OutboundFailed, Resolver, parse_address


class VettedConnections(httpcore2.AsyncNetworkBackend):
    """Resolves, vets every address, then lets `connector` connect to one of them."""

    def __init__(self, guard: Guard, resolver: Resolver, connector: httpcore2.AsyncNetworkBackend) -> None:
        self._guard = guard
        self._resolver = resolver
        self._connector = connector

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to `host`. Raises OutboundRefused, OutboundFailed or httpcore2's ConnectError."""
        try:
            async with asyncio.timeout(timeout):
                addresses = self._guard.check_addresses(host, port, await self._resolve(host, port))
                return await self._connect(addresses, port, timeout, local_address, socket_options)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the connection took too long") from None

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        if parse_address(host) is not None:
            return (host,)
        try:
            addresses = await self._resolver(host, port)
        except TimeoutError:
            raise
        except (OSError, UnicodeError):
            raise OutboundFailed(f"{host} has no address") from None
        if not addresses:
            raise OutboundFailed(f"{host} has no address")
        return addresses

    async def _connect(
        self,
        addresses: Sequence[str],
        port: int,
        seconds: float | None,
        local_address: str | None,
        socket_options: Iterable[Any] | None,
    ) -> httpcore2.AsyncNetworkStream:
        # Each address gets its share, so that a dead one leaves time for the next.
        share = None if seconds is None else seconds / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._connector.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._connector.connect_tcp(addresses[-1], port, seconds, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Never."""
        raise httpcore2.ConnectError("no outbound request goes to a unix socket")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
