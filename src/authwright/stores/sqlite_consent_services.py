"""The registry of consent services in SQLite."""

from collections.abc import Sequence

from authwright.records import ConsentService
from authwright.stores.rows import decode_consent_service, encode_record
from authwright.stores.sqlite_reader import Reader
from authwright.stores.sqlite_writer import GroupWriter


class SqliteConsentServices:
    """A `ConsentServiceStore`."""

    def __init__(self, reader: Reader, writer: GroupWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def list(self, tenant: str) -> Sequence[ConsentService]:
        sql = "SELECT body FROM consent_services WHERE tenant = ? ORDER BY name"
        return [decode_consent_service(body) for (body,) in self._reader.all(sql, (tenant,))]

    async def get(self, tenant: str, name: str) -> ConsentService | None:
        sql = "SELECT body FROM consent_services WHERE tenant = ? AND name = ?"
        row = self._reader.one(sql, (tenant, name))
        return None if row is None else decode_consent_service(row[0])

    async def put(self, service: ConsentService) -> None:
        sql = (
            "INSERT INTO consent_services (tenant, name, body) VALUES (?, ?, ?)"
            " ON CONFLICT (tenant, name) DO UPDATE SET body = excluded.body"
        )
        values = (service.tenant, service.name, encode_record(service))
        await self._writer.submit(lambda db: db.execute(sql, values).rowcount)

    async def remove(self, tenant: str, name: str) -> bool:
        sql = "DELETE FROM consent_services WHERE tenant = ? AND name = ?"
        removed: int = await self._writer.submit(lambda db: db.execute(sql, (tenant, name)).rowcount)
        return removed == 1
