"""Introspection as a resource server uses it, with a small memory of what was alive a moment ago (RFC 7662, RFC 9701)."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from authwright.clock import Clock
from authwright.crypto.jwt import JwtRejected
from authwright.protocol.http import Fetch, Headers, HttpRequest, HttpResponse, Json
from authwright.protocol.introspection import (
    SIGNED_MEDIA_TYPE,
    SIGNED_TYPE,
    parse_introspection,
    parse_signed_introspection,
)
from authwright.remote.client_authentication import ClientAuth, authenticated_form
from authwright.remote.documents import RemoteFault, read_json, send
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys

MAX_CACHE_TIME = timedelta(seconds=10)
MAX_CACHED = 1000


@dataclass(frozen=True, slots=True)
class Introspection:
    """Who asks, and for how long an answer counts: a revocation is seen that much later."""

    client_id: str
    auth: ClientAuth = field(repr=False)
    cache_time: timedelta = timedelta(seconds=5)
    signed: bool = False
    """Ask for answers the issuer signs, and take no others (RFC 9701)."""

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.cache_time <= MAX_CACHE_TIME:
            raise ValueError(f"cache_time: up to {MAX_CACHE_TIME.seconds} seconds")


class Introspector:
    """Asks the issuer about tokens. Only "active" is remembered, at most 1000 times, never past `exp`."""

    __slots__ = ("_algorithms", "_alive", "_clock", "_fetch", "_keys", "_metadata", "_settings")

    def __init__(
        self,
        settings: Introspection,
        metadata: IssuerMetadata,
        keys: RemoteKeys,
        fetch: Fetch,
        clock: Clock,
        *,
        algorithms: Collection[str],
    ) -> None:
        self._keys = keys
        self._algorithms = algorithms
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
        request = authenticated_form(
            metadata.introspection_endpoint,
            self._settings.client_id,
            self._settings.auth,
            pairs,
            issuer=metadata.issuer,
            now=self._clock(),
        )
        response = await send(self._fetch, _asking_for_signed(request) if self._settings.signed else request)
        # A refusal of our own credentials says nothing of the token.
        if response.status != 200:
            raise RemoteFault("introspection_refused" if response.status in (400, 401, 403) else "status")
        try:
            if self._settings.signed:
                return await self._verified(response, metadata.issuer)
            return parse_introspection(read_json(response))
        except (ValueError, JwtRejected):
            raise RemoteFault("introspection_malformed") from None

    async def _verified(self, response: HttpResponse, issuer: str) -> Mapping[str, Json] | None:
        # RFC 9701 §5, §8.1: signed by the issuer, for us, and by its typ nothing but such an answer.
        content_type = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if content_type != SIGNED_MEDIA_TYPE:
            raise ValueError("the introspection response is not signed")
        verified = await self._keys.verify(
            response.body.decode("ascii"), algorithms=self._algorithms, types=(SIGNED_TYPE,)
        )
        return parse_signed_introspection(verified.claims, issuer=issuer, audience=self._settings.client_id)

    def _remember(self, key: bytes, until: datetime, claims: Mapping[str, Json]) -> None:
        if not self._settings.cache_time:
            return
        self._alive.pop(key, None)
        if len(self._alive) >= MAX_CACHED:
            # Insertion order is age, so the first is the one that ends first.
            del self._alive[next(iter(self._alive))]
        self._alive[key] = (until, claims)


def _asking_for_signed(request: HttpRequest) -> HttpRequest:
    others = (line for line in request.headers.lines if line[0] != b"accept")
    accept = (b"accept", SIGNED_MEDIA_TYPE.encode("ascii"))
    return msgspec.structs.replace(request, headers=Headers((*others, accept)))
