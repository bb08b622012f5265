"""Consent services as a provider asks them: which, how, and the authority that does, over HTTP."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from authwright.clock import Clock, utcnow
from authwright.consent_services.authority import DEADLINE, ConsentScopeAuthority
from authwright.consent_services.cached import CachedConsentServices
from authwright.consent_services.configured import ConfiguredConsentServices
from authwright.consent_services.discovery import DISCOVERY_ERROR_TTL, DISCOVERY_TTL, ConsentDiscovery
from authwright.consent_services.over_http import AskOverHttp
from authwright.consent_services.signed_calls import Authorization, SignedCalls
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Fetch
from authwright.provider.audit import Audit
from authwright.provider.scope_authority import ScopeAuthority
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing
from authwright.records import ConsentService
from authwright.stores.protocols import ConsentServiceStore

SERVICES_TTL = timedelta(minutes=5)
LIMITS: Mapping[str, Any] = {"parallel_per_host": 64, "max_connections": 256, "pools": 16}
"""Of the client that calls services: one that hangs holds some of its connections, and never all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentServices:
    """Which services a provider asks, and how."""

    services: Sequence[ConsentService] = ()
    """The application's own; they win over those in the store."""
    services_cache: timedelta = SERVICES_TTL
    """How long one that was read from the store is remembered."""
    discovery_cache: timedelta = DISCOVERY_TTL
    discovery_error_cache: timedelta = DISCOVERY_ERROR_TTL
    deadline: timedelta = DEADLINE
    """For all services of one request together."""
    authorization: Authorization | None = None
    """None: calls are signed with the issuer's keys."""
    fetch: Fetch | None = None
    """None: the provider's `fetch`, or where it has none a guarded client that calls nobody else."""


Key = Callable[[], Awaitable[SigningKey]]


def http_scope_authority(
    *,
    issuer: str,
    base_scope: str,
    store: ConsentServiceStore,
    key: Key,
    fetch: Fetch,
    chosen: ConsentServices | None = None,
    audit: Audit | None = None,
    clock: Clock = utcnow,
) -> ConsentScopeAuthority:
    """A `ScopeAuthority` over HTTP: for the exchange grant, and for any event or grant of an application's own.

    `key` gives the issuer's key that signs the calls. `fetch` must be guarded: services have a say in where it goes.
    """
    chosen = chosen or ConsentServices()
    fetch = chosen.fetch or fetch
    discovery = ConsentDiscovery(
        fetch, ttl=chosen.discovery_cache, error_ttl=chosen.discovery_error_cache, clock=clock
    )
    return ConsentScopeAuthority(
        base_scope=base_scope,
        services=ConfiguredConsentServices(
            chosen.services, CachedConsentServices(store, chosen.services_cache, clock=clock)
        ),
        ask=AskOverHttp(
            fetch=fetch,
            discovery=discovery,
            authorization=chosen.authorization or SignedCalls(issuer, key, clock=clock),
        ),
        audit=audit,
        deadline=chosen.deadline,
    )


def authority_of(
    given: ScopeAuthority | ConsentServices | None,
    *,
    base_scope: str,
    store: ConsentServiceStore,
    settings: Settings,
    signing: Signing,
    fetch: Fetch,
    audit: Audit,
    clock: Clock,
) -> ScopeAuthority | None:
    """The authority a provider was given, or one over HTTP; None where no scope belongs to a service."""
    if given is not None and not isinstance(given, ConsentServices):
        return given
    if not base_scope:
        return None
    # One call is signed for each service: ES256 takes a tenth of the time of RS256.
    algorithm = "ES256" if "ES256" in settings.algorithms else settings.algorithms[0]
    return http_scope_authority(
        issuer=settings.issuer,
        base_scope=base_scope,
        store=store,
        key=lambda: signing.key(algorithm),
        fetch=fetch,
        chosen=given,
        audit=audit,
        clock=clock,
    )
