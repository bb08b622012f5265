"""Introspection as a resource server uses it, with a small memory of what was alive a moment ago (RFC 7662)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from authwright.clock import Clock
from authwright.protocol.http import Fetch, Json
from authwright.protocol.introspection import parse_introspection
from authwright.remote.client_authentication import ClientAuth, authenticated_form
from authwright.remote.documents import RemoteFault, read_json, send
from authwright.remote.issuer_metadata import IssuerMetadata

MAX_CACHE_TIME = timedelta(seconds=10)
MAX_CACHED = 1000


@dataclass(frozen=True, slots=True)
class Introspection:
    """Who asks, and for how long an answer counts: a revocation is seen that much later."""

    client_id: str
    auth: ClientAuth = field(repr=False)
    cache_time: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.cache_time <= MAX_CACHE_TIME:
            raise ValueError(f"cache_time: up to {MAX_CACHE_TIME.seconds} seconds")


class Introspector:
    """Asks the issuer about tokens. Only "active" is remembered, at most 1000 times, never past `exp`."""

    __slots__ = ("_alive", "_clock", "_fetch", "_metadata", "_settings")

    def __init__(self, settings: Introspection, metadata: IssuerMetadata, fetch: Fetch, clock: Clock) -> None:
        self._settings = settings
        self._metadata = metadata
        self._fetch = fetch
        self._clock = clock
        self._alive: dict[bytes, tuple[datetime, Mapping[str, Json]]] = {}

    async def ask(self, token: str) -> Mapping[str, Json] | None:
        """What the issuer says of a live token, None for one that is not. Raises RemoteFault."""
        key, now = hashlib.sha256(token.encode()).digest(), self._clock()
        held = self._alive.get(key)
        if held is not None and held[0] - self._settings.cache_time <= now < held[0]:
            return held[1]
        claims = await self._ask(token)
        if claims is None:
            self._alive.pop(key, None)
            return None
        self._remember(key, now + self._settings.cache_time, claims)
        return claims

    async def _ask(self, token: str) -> Mapping[str, Json] | None:
        metadata = await self._metadata.get()
        if metadata.introspection_endpoint is None:
            raise RemoteFault("no_introspection_endpoint")
        pairs = (("token", token), ("token_type_hint", "access_token"))
        response = await send(
            self._fetch,
            authenticated_form(
                metadata.introspection_endpoint, self._settings.client_id, self._settings.auth, pairs
            ),
        )
        # A refusal of our own credentials says nothing of the token.
        if response.status != 200:
            raise RemoteFault("introspection_refused" if response.status in (400, 401, 403) else "status")
        try:
            return parse_introspection(read_json(response))
        except ValueError:
            raise RemoteFault("introspection_malformed") from None

    def _remember(self, key: bytes, until: datetime, claims: Mapping[str, Json]) -> None:
        if not self._settings.cache_time:
            return
        self._alive.pop(key, None)
        if len(self._alive) >= MAX_CACHED:
            # Insertion order is age, so the first is the one that ends first.
            del self._alive[next(iter(self._alive))]
        self._alive[key] = (until, claims)
