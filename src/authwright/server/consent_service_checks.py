"""What no single key of `[[consent_services]]` and `[token_exchange]` can tell: whether it can work at all."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from authwright.consent_services.messages import is_callable_url
from authwright.protocol.exchange import SQUATTED_TOKEN_EXCHANGE_MUTATE, TOKEN_EXCHANGE_MUTATE
from authwright.server.config_file import Source

if TYPE_CHECKING:
    from authwright.server.config import Configuration, ConsentServiceTable

# A dot would begin a permission; the name stands in scopes and in front of claims.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
MAX_TIMEOUT = 60.0
MUTATE_GRANT_TYPES = (TOKEN_EXCHANGE_MUTATE, SQUATTED_TOKEN_EXCHANGE_MUTATE)


def check_base_scope(values: "Configuration", source: Source) -> None:
    """Raises ConfigurationError for services nobody can ask for."""
    if values.consent_services and not values.token_exchange.base_scope:
        raise source.error(
            "token_exchange.base_scope",
            "is missing; with consent_services it is what the names of their scopes begin with",
        )


def check_consent_services(services: "Sequence[ConsentServiceTable]", source: Source) -> None:
    """Raises ConfigurationError for the first service that cannot work."""
    seen: set[tuple[str, str]] = set()
    for index, service in enumerate(services):
        at = f"consent_services[{index}]"
        if not _NAME.fullmatch(service.name):
            raise source.error(
                f"{at}.name", f"found {service.name!r}; allowed: letters, digits, '-' and '_', up to 64"
            )
        if (service.tenant, service.name) in seen:
            raise source.error(f"{at}.name", f"{service.name!r} stands here twice; allowed: once in a tenant")
        seen.add((service.tenant, service.name))
        if not is_callable_url(service.authority) or "?" in service.authority:
            raise source.error(
                f"{at}.authority",
                f"found {service.authority!r}; allowed: an https URL without a query, http on loopback only",
            )
        if not 0 < service.timeout <= MAX_TIMEOUT:
            raise source.error(
                f"{at}.timeout", f"found {service.timeout}; allowed: seconds, more than 0 and up to 60"
            )
        for number, host in enumerate(service.endpoint_hosts):
            if not _HOST.fullmatch(host):
                raise source.error(
                    f"{at}.endpoint_hosts[{number}]", f"found {host!r}; allowed: 'host' or 'host:port'"
                )


def check_mutate(values: "Configuration", source: Source) -> None:
    """Raises ConfigurationError for a client with a grant that nobody serves."""
    for index, client in enumerate(values.clients):
        for number, name in enumerate(client.grant_types):
            if name in MUTATE_GRANT_TYPES and name not in values.token_exchange.mutate_grant_types:
                raise source.error(
                    f"clients[{index}].grant_types[{number}]",
                    f"found {name!r}; allowed once it stands in token_exchange.mutate_grant_types",
                )
