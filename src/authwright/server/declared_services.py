"""Consent services of a configuration as the provider's own objects."""

from datetime import timedelta

from authwright.protocol.http import Fetch
from authwright.records import ConsentService
from authwright.server.config import Configuration, ConsentServiceTable
from authwright.standard_consent_services import ConsentServices


def consent_service(table: ConsentServiceTable, tenant: str) -> ConsentService:
    """A service as it is declared; `tenant` is the issuer's."""
    return ConsentService(
        name=table.name,
        authority=table.authority,
        tenant=table.tenant or tenant,
        description=table.description,
        enabled=table.enabled,
        timeout=timedelta(seconds=table.timeout),
        may_add_scopes=table.may_add_scopes,
        on_failure=table.on_failure,
        endpoint_hosts=table.endpoint_hosts,
    )


def consent_services(values: Configuration, fetch: Fetch) -> ConsentServices:
    """Which services are asked, by `fetch`, and how long what is known of them is remembered."""
    kept = values.token_exchange
    return ConsentServices(
        services=[consent_service(table, values.tenant) for table in values.consent_services],
        services_cache=timedelta(seconds=kept.services_cache),
        discovery_cache=timedelta(seconds=kept.discovery_cache),
        discovery_error_cache=timedelta(seconds=kept.discovery_error_cache),
        fetch=fetch,
    )
