"""The services an application or a configuration file names, before those of a store."""

from collections.abc import Sequence

from authwright.records import ConsentService
from authwright.stores.protocols import ConsentServiceStore


class ConfiguredConsentServices:
    """A `ConsentServiceStore` whose `services` win over those of `inner` with the same tenant and name."""

    def __init__(self, services: Sequence[ConsentService], inner: ConsentServiceStore) -> None:
        self._services = {(service.tenant, service.name): service for service in services}
        self._inner = inner

    async def list(self, tenant: str) -> Sequence[ConsentService]:
        found = {service.name: service for service in await self._inner.list(tenant)}
        found |= {service.name: service for service in self._services.values() if service.tenant == tenant}
        return [found[name] for name in sorted(found)]

    async def get(self, tenant: str, name: str) -> ConsentService | None:
        return self._services.get((tenant, name)) or await self._inner.get(tenant, name)

    async def put(self, service: ConsentService) -> None:
        await self._inner.put(service)

    async def remove(self, tenant: str, name: str) -> bool:
        return await self._inner.remove(tenant, name)
