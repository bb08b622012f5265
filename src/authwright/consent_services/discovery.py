"""How each consent service is asked: its published configuration, cached, and held to rules before it is believed."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from authwright.clock import Clock, utcnow
from authwright.consent_services.messages import (
    ConsentConfiguration,
    MessageRejected,
    configuration_url,
    is_callable_url,
    parse_configuration,
)
from authwright.protocol.http import Fetch
from authwright.records import ConsentService
from authwright.remote.documents import CachedDocument, CachedDocuments, RemoteFault, fetch_json

DISCOVERY_TTL = timedelta(hours=24)
DISCOVERY_ERROR_TTL = timedelta(seconds=60)
_FETCH_SECONDS = 5.0


class _Source(msgspec.Struct, frozen=True):
    """What a configuration is cached by: a name alone would let one tenant's service answer for another's."""

    tenant: str
    name: str
    authority: str
    endpoint_hosts: tuple[str, ...]


class ConsentDiscovery:
    """The configuration of any service, kept for `ttl`, and while the service is down for a day longer.

    A service that failed is left alone for `error_ttl`. Callers share one fetch; it goes on when they stop waiting.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        ttl: timedelta = DISCOVERY_TTL,
        error_ttl: timedelta = DISCOVERY_ERROR_TTL,
        clock: Clock = utcnow,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._error_ttl = error_ttl
        self._clock = clock
        self._documents = CachedDocuments[_Source, ConsentConfiguration](self._document)

    async def get(self, service: ConsentService) -> ConsentConfiguration:
        """How `service` is asked. Raises RemoteFault; a configuration that may not be followed is one too."""
        source = _Source(service.tenant, service.name, service.authority, service.endpoint_hosts)
        return await self._documents.of(source).get()

    def _document(self, source: _Source) -> CachedDocument[ConsentConfiguration]:
        return CachedDocument(
            lambda: self._load(source),
            ttl=self._ttl,
            clock=self._clock,
            pause=self._error_ttl,
            first_pause=self._error_ttl,
        )

    async def _load(self, source: _Source) -> ConsentConfiguration:
        if not is_callable_url(source.authority):
            raise RemoteFault("authority")
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                content = await fetch_json(self._fetch, configuration_url(source.authority))
        except TimeoutError:
            raise RemoteFault("timeout") from None
        try:
            configuration = parse_configuration(content)
        except MessageRejected as rejected:
            raise RemoteFault(rejected.reason) from None
        endpoint = configuration.authorization_endpoint
        if endpoint is not None and not _may_be_asked(endpoint, source.authority, source.endpoint_hosts):
            raise RemoteFault("endpoint_host")
        return configuration


def _may_be_asked(endpoint: str, authority: str, hosts: Collection[str]) -> bool:
    """Whether the endpoint is where its authority is, or at a host it was allowed."""
    # A document that somebody else wrote must not choose which of our neighbours we post to.
    if not is_callable_url(endpoint):
        return False
    there, here = urlsplit(endpoint), urlsplit(authority)
    if (there.scheme, there.netloc.lower()) == (here.scheme, here.netloc.lower()):
        return True
    allowed = {host.lower() for host in hosts}
    return there.netloc.lower() in allowed or (there.hostname or "") in allowed
