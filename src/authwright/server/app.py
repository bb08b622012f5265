"""The provider of a configuration as an ASGI app: opened with the server's lifespan, kept in order while it runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from authwright.asgi.lifecycle import upkeep
from authwright.asgi.provider_app import ProviderApp
from authwright.asgi.types import ASGIApp
from authwright.clock import utcnow
from authwright.crypto.passwords import Passwords
from authwright.crypto.seal import RootKeys
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.provider.audit import AuditEvent, AuditSink
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.provider import Provider
from authwright.registrations import check_subjects
from authwright.server import declared
from authwright.server.audit_log import log_event
from authwright.server.cache import with_cache
from authwright.server.config import ConfigurationError, Loaded
from authwright.server.config_checks import subject_of
from authwright.server.database import faults_named, opened
from authwright.server.declared_accounts import DeclaredAccounts
from authwright.server.declared_services import consent_services
from authwright.server.exposition import exposition
from authwright.server.health import health_app
from authwright.server.metrics import Counts, SharedCounts
from authwright.standard import standard_provider
from authwright.standard_consent_services import LIMITS
from authwright.standard_fetch import outbound
from authwright.stores.protocols import OnceStore, Stores, StoreUnavailable

_LOG = logging.getLogger("authwright.server")


async def provider_of(
    loaded: Loaded,
    keys: RootKeys,
    stores: Stores,
    audit: AuditSink | None = None,
    proofs_once: OnceStore | None = None,
) -> Provider:
    """The provider that a configuration describes, over stores that are open. Raises ValueError."""
    values, now, passwords = loaded.values, utcnow(), Passwords()
    for subject in map(subject_of, values.users):
        if await stores.clients.get(subject) is not None:
            # Those in the file against those in the file are the configuration's own check.
            check_subjects([subject], [subject])
    ca_file = str(loaded.path(values.outbound.ca_file)) if values.outbound.ca_file else ""
    fetch, hang_up = outbound(values.issuer, allow=values.outbound.allow, ca_file=ca_file)
    asking, stop_asking = outbound(values.issuer, allow=values.outbound.allow, ca_file=ca_file, **LIMITS)

    async def close() -> None:
        await hang_up()
        await stop_asking()

    return standard_provider(
        issuer=values.issuer,
        stores=stores,
        keys=keys,
        clients=[declared.registration(table, now) for table in values.clients],
        accounts=await DeclaredAccounts.of(values.users, stores.accounts, passwords),
        resources=[declared.resource(table) for table in values.resources],
        trusted_issuers=[declared.trusted_issuer(table) for table in values.trusted_issuers],
        algorithms=values.keys.algorithms,
        lifetimes=declared.lifetimes(
            values.tokens.access_token_lifetime, values.tokens.refresh_token_lifetime
        ),
        sliding_refresh=values.tokens.sliding_refresh,
        refresh_absolute_lifetime=declared.seconds(values.tokens.refresh_absolute_lifetime),
        tenant=values.tenant,
        profile=values.profile,
        dpop_nonce=values.tokens.dpop_nonce,
        trusted_proxies=values.http.trusted_proxies,
        client_certificate_header=values.http.client_certificate_header,
        token_exchange=ExchangePolicy(
            base_scope=values.token_exchange.base_scope,
            mutate_grant_types=values.token_exchange.mutate_grant_types,
        ),
        scope_authority=consent_services(values, asking),
        fetch=fetch,
        proofs_once=proofs_once,
        audit=audit,
        closed=close,
        passwords=passwords,
    )


@asynccontextmanager
async def running(loaded: Loaded, audit: AuditSink | None = None) -> AsyncIterator[tuple[Provider, Stores]]:
    """The provider with its stores open and its signing keys read. Raises ConfigurationError."""
    keys = declared.root_keys(loaded)
    async with opened(loaded) as durable, AsyncExitStack() as stack:
        stores, proofs_once = await stack.enter_async_context(with_cache(loaded, durable))
        await check_key_file(loaded, keys, stores)
        try:
            async with faults_named(loaded):
                provider = await provider_of(loaded, keys, stores, audit, proofs_once)
                await stack.enter_async_context(provider.lifespan())
        except ValueError as error:
            raise ConfigurationError(f"{loaded.file}: {error}") from None
        yield provider, stores


async def check_key_file(loaded: Loaded, keys: RootKeys, stores: Stores) -> None:
    """Raises ConfigurationError when the key file is not the store's: it opens none of the signing keys there."""
    try:
        async with faults_named(loaded):
            await declared.signing(loaded, keys, stores).ring()
    except ValueError:
        path = loaded.path(loaded.values.store.key_file)
        raise ConfigurationError(
            f"{loaded.file}: store.key_file: the key file {path} does not open the signing keys in the store;"
            " it is not the one they were made with"
        ) from None


async def check_start(loaded: Loaded) -> None:
    """Start and stop once, so that a mistake is told before any worker runs. Raises ConfigurationError."""
    async with running(loaded):
        pass


class ServerApp:
    """`app` is the ASGI app; `ready` tells whether it can answer. `counts` is where it counts what it does."""

    def __init__(self, loaded: Loaded, counts: Counts | None = None) -> None:
        self._loaded = loaded
        self._counts = counts
        self._stack = AsyncExitStack()
        self._provider: Provider | None = None
        self._stores: Stores | None = None
        self.app: ASGIApp = ProviderApp(
            self._handle if counts is None else counts.counting(self._handle),
            trusted_proxies=loaded.values.http.trusted_proxies,
            client_certificate_header=loaded.values.http.client_certificate_header,
            startup=self._start,
            shutdown=self._stop,
        )

    async def ready(self) -> bool:
        """Whether the store answers."""
        if self._stores is None:
            return False
        try:
            await asyncio.wait_for(self._stores.keys.list(), 3)
        except Exception as error:
            _LOG.warning("not ready", extra={"reason": type(error).__name__})
            return False
        return True

    async def key_ages(self) -> dict[tuple[str, str], float]:
        """The age of the oldest signing key of each algorithm and state, in seconds; none while the store is away."""
        now, ages = utcnow(), dict[tuple[str, str], float]()
        if self._stores is None:
            return ages
        with suppress(StoreUnavailable, TimeoutError):
            # Oldest first, so the first of its kind is the one.
            for record in await asyncio.wait_for(self._stores.keys.list(), 3):
                kind = (record.algorithm, record.state.value)
                ages.setdefault(kind, (now - record.created_at).total_seconds())
        return ages

    async def _handle(self, request: HttpRequest) -> HttpResponse:
        if self._provider is None:
            raise AssertionError("a request came before the start")
        return await self._provider.handle(request)

    async def _start(self) -> None:
        provider, stores = await self._stack.enter_async_context(running(self._loaded, self._audit))
        if self._counts is not None:
            self._counts.serve(provider.paths, provider.settings.base_path)
        self._provider, self._stores = provider, stores
        await self._stack.enter_async_context(upkeep(provider.maintain))

    def _audit(self, event: AuditEvent) -> None:
        log_event(event)
        if self._counts is not None:
            self._counts.record(event)

    async def _stop(self) -> None:
        await self._stack.aclose()
        self._provider = self._stores = None


def management_app(server: ServerApp, counts: SharedCounts) -> ASGIApp:
    """What answers on the management port: for one worker's health, and for what all of them have counted."""

    async def measured() -> bytes:
        return exposition(counts.sums(), await server.key_ages())

    return health_app(server.ready, measured)


def create_app(loaded: Loaded) -> ASGIApp:
    """The ASGI app of a configuration, for a server of your own choice; it opens the store with the lifespan."""
    return ServerApp(loaded).app
