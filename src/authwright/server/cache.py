"""The cache a configuration names beside its store: limits and the ids of used proofs, which need not be durable."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from authwright.protocol.dpop import MAX_AGE, MAX_AHEAD
from authwright.server.config import ConfigurationError, Loaded
from authwright.stores.protocols import OnceStore, Stores

PROOF_WINDOW = MAX_AGE + 2 * MAX_AHEAD
"""How far ahead the end of a proof's use can be: made by a clock that is ahead, kept until no clock takes it."""


@asynccontextmanager
async def with_cache(loaded: Loaded, stores: Stores) -> AsyncIterator[tuple[Stores, OnceStore | None]]:
    """`stores` with the limits in the cache, and where used DPoP proofs are kept; as they are without a cache.

    A cache that is away does not keep the server from starting: limits are counted by each process meanwhile, and
    requests with proofs are 503. Raises ConfigurationError when its driver is not installed.
    """
    url = loaded.values.store.cache_url
    if not url:
        yield stores, None
        return
    try:
        from authwright.stores.valkey import ValkeyDatabase
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{loaded.file}: store.cache_url: Valkey needs the package {error.name}; install authwright[valkey]"
        ) from None
    try:
        cache = ValkeyDatabase(url)
    except ValueError as error:
        raise ConfigurationError(f"{loaded.file}: store.cache_url: {error}") from None
    async with cache:
        # Everything else that happens once (codes, assertions, forms) stays in the store, which forgets nothing.
        yield msgspec.structs.replace(stores, limits=cache.limits), cache.once(PROOF_WINDOW)
