"""The registry of consent services, remembered for a while: any store, asked once for what many want at once."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from authwright.clock import Clock, utcnow
from authwright.records import ConsentService
from authwright.remote.documents import CachedDocument, CachedDocuments
from authwright.stores.protocols import ConsentServiceStore

_LOG = logging.getLogger("authwright")

Lists = CachedDocuments[str, Sequence[ConsentService]]
# A name nobody registered is remembered too, and None cannot be told from nothing, so each is wrapped.
Found = CachedDocuments[tuple[str, str], tuple[ConsentService | None]]


class CachedConsentServices:
    """A `ConsentServiceStore` around another, which is asked again after `ttl`.

    What changes through it is seen at once in this process, and in others when their `ttl` is over. Raises what
    `inner` raises.
    """

    def __init__(self, inner: ConsentServiceStore, ttl: timedelta, *, clock: Clock = utcnow) -> None:
        self._inner = inner
        self._ttl = ttl
        self._clock = clock
        self._lists = Lists(self._list_document)
        self._found = Found(self._get_document)

    async def list(self, tenant: str) -> Sequence[ConsentService]:
        document = self._lists.of(tenant)
        _tell("list", tenant, "", hit=document.fresh)
        return await document.get()

    async def get(self, tenant: str, name: str) -> ConsentService | None:
        document = self._found.of((tenant, name))
        _tell("get", tenant, name, hit=document.fresh)
        (service,) = await document.get()
        return service

    async def put(self, service: ConsentService) -> None:
        await self._inner.put(service)
        self._forget(service.tenant, service.name)

    async def remove(self, tenant: str, name: str) -> bool:
        removed = await self._inner.remove(tenant, name)
        self._forget(tenant, name)
        return removed

    def _forget(self, tenant: str, name: str) -> None:
        self._lists.forget(tenant)
        self._found.forget((tenant, name))

    def _list_document(self, tenant: str) -> CachedDocument[Sequence[ConsentService]]:
        return CachedDocument(lambda: self._inner.list(tenant), ttl=self._ttl, clock=self._clock)

    def _get_document(self, key: tuple[str, str]) -> CachedDocument[tuple[ConsentService | None]]:
        async def load() -> tuple[ConsentService | None]:
            return (await self._inner.get(*key),)

        return CachedDocument(load, ttl=self._ttl, clock=self._clock)


def _tell(method: str, tenant: str, service: str, *, hit: bool) -> None:
    if _LOG.isEnabledFor(logging.DEBUG):
        outcome = "hit" if hit else "miss"
        extra = {"method": method, "tenant": tenant, "service": service, "outcome": outcome}
        _LOG.debug("consent_services.cache", extra=extra)
