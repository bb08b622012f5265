"""The registry of consent services in memory."""

from collections.abc import Mapping, Sequence

from authwright.records import ConsentService


class MemoryConsentServices:
    """A `ConsentServiceStore`."""

    def __init__(self, services: Sequence[ConsentService] = ()) -> None:
        self._services: Mapping[tuple[str, str], ConsentService] = {
            (service.tenant, service.name): service for service in services
        }

    async def list(self, tenant: str) -> Sequence[ConsentService]:
        found = [service for service in self._services.values() if service.tenant == tenant]
        return sorted(found, key=lambda service: service.name)

    async def get(self, tenant: str, name: str) -> ConsentService | None:
        return self._services.get((tenant, name))

    async def put(self, service: ConsentService) -> None:
        self._services = {**self._services, (service.tenant, service.name): service}

    async def remove(self, tenant: str, name: str) -> bool:
        found = (tenant, name) in self._services
        self._services = {key: kept for key, kept in self._services.items() if key != (tenant, name)}
        return found
