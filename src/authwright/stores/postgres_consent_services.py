"""The registry of consent services in PostgreSQL."""

from collections.abc import Sequence

from authwright.records import ConsentService
from authwright.stores.postgres_tickets import Run
from authwright.stores.rows import decode_consent_service, encode_record


class PostgresConsentServices:
    """A `ConsentServiceStore`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def list(self, tenant: str) -> Sequence[ConsentService]:
        sql = 'SELECT body FROM consent_services WHERE tenant = $1 ORDER BY name COLLATE "C"'
        found = await self._run(lambda connection: connection.fetch(sql, tenant))
        return [decode_consent_service(row[0]) for row in found]

    async def get(self, tenant: str, name: str) -> ConsentService | None:
        sql = "SELECT body FROM consent_services WHERE tenant = $1 AND name = $2"
        body = await self._run(lambda connection: connection.fetchval(sql, tenant, name))
        return None if body is None else decode_consent_service(body)

    async def put(self, service: ConsentService) -> None:
        sql = (
            "INSERT INTO consent_services (tenant, name, body) VALUES ($1, $2, $3)"
            " ON CONFLICT (tenant, name) DO UPDATE SET body = excluded.body"
        )
        values = (service.tenant, service.name, encode_record(service))
        await self._run(lambda connection: connection.execute(sql, *values))

    async def remove(self, tenant: str, name: str) -> bool:
        sql = "DELETE FROM consent_services WHERE tenant = $1 AND name = $2 RETURNING 1"
        return await self._run(lambda connection: connection.fetchval(sql, tenant, name)) is not None
