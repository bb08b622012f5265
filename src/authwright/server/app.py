"""The provider of a configuration as an ASGI app: opened with the server's lifespan, kept in order while it runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from authwright.asgi.lifecycle import upkeep
from authwright.asgi.provider_app import ProviderApp
from authwright.asgi.types import ASGIApp
from authwright.clock import utcnow
from authwright.crypto.passwords import Passwords
from authwright.crypto.seal import RootKeys
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.provider.provider import Provider
from authwright.server import declared
from authwright.server.config import ConfigurationError, Loaded
from authwright.server.database import faults_named, opened
from authwright.server.declared_accounts import DeclaredAccounts
from authwright.standard import outbound, standard_provider
from authwright.stores.protocols import Stores

_LOG = logging.getLogger("authwright.server")


async def provider_of(loaded: Loaded, keys: RootKeys, stores: Stores) -> Provider:
    """The provider that a configuration describes, over stores that are open. Raises ValueError."""
    values, now, passwords = loaded.values, utcnow(), Passwords()
    ca_file = str(loaded.path(values.outbound.ca_file)) if values.outbound.ca_file else ""
    fetch, hang_up = outbound(values.issuer, allow=values.outbound.allow, ca_file=ca_file)
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
        fetch=fetch,
        closed=hang_up,
        passwords=passwords,
    )


@asynccontextmanager
async def running(loaded: Loaded) -> AsyncIterator[tuple[Provider, Stores]]:
    """The provider with its stores open and its signing keys read. Raises ConfigurationError."""
    keys = declared.root_keys(loaded)
    async with opened(loaded) as stores, AsyncExitStack() as stack:
        await check_key_file(loaded, keys, stores)
        try:
            async with faults_named(loaded):
                provider = await provider_of(loaded, keys, stores)
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
    """`app` is the ASGI app; `ready` tells whether it can answer."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._stack = AsyncExitStack()
        self._provider: Provider | None = None
        self._stores: Stores | None = None
        self.app: ASGIApp = ProviderApp(
            self._handle,
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

    async def _handle(self, request: HttpRequest) -> HttpResponse:
        if self._provider is None:
            raise AssertionError("a request came before the start")
        return await self._provider.handle(request)

    async def _start(self) -> None:
        provider, stores = await self._stack.enter_async_context(running(self._loaded))
        self._provider, self._stores = provider, stores
        await self._stack.enter_async_context(upkeep(provider.maintain))

    async def _stop(self) -> None:
        await self._stack.aclose()
        self._provider = self._stores = None


def create_app(loaded: Loaded) -> ASGIApp:
    """The ASGI app of a configuration, for a server of your own choice; it opens the store with the lifespan."""
    return ServerApp(loaded).app
