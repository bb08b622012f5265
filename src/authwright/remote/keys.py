"""An issuer's published keys, cached, and the one door through which its tokens are verified (RFC 7517, RFC 8725)."""

from collections.abc import Collection
from datetime import timedelta

from authwright.clock import Clock, utcnow
from authwright.crypto.jwt import JwtRejected, VerifiedJwt, verify_jwt
from authwright.crypto.keys import KeySet
from authwright.protocol.http import Fetch
from authwright.protocol.metadata import ProviderMetadata
from authwright.remote.documents import CachedDocument, RemoteFault, fetch_json
from authwright.remote.issuer_metadata import IssuerMetadata

KEYS_TTL = timedelta(minutes=5)
MAX_JWT = 16 * 1024


class RemoteKeys:
    """The key set at the issuer's `jwks_uri`: at most 64 KB and 32 keys, kept 24 hours while its source is down."""

    __slots__ = ("_document", "_fetch", "_metadata")

    def __init__(
        self, metadata: IssuerMetadata, fetch: Fetch, *, clock: Clock = utcnow, ttl: timedelta = KEYS_TTL
    ) -> None:
        self._metadata = metadata
        self._fetch = fetch
        self._document = CachedDocument(self._load, ttl=ttl, clock=clock)

    @classmethod
    def at(cls, url: str, fetch: Fetch, *, clock: Clock = utcnow, ttl: timedelta = KEYS_TTL) -> "RemoteKeys":
        """The key set at `url`, of somebody whose metadata we were told instead of fetching it."""
        given = ProviderMetadata(issuer=url, jwks_uri=url)
        return cls(IssuerMetadata(url, fetch, clock=clock, given=given), fetch, clock=clock, ttl=ttl)

    async def get(self) -> KeySet:
        """The keys. Raises RemoteFault."""
        return await self._document.get()

    async def verify(
        self, token: str, *, algorithms: Collection[str], types: Collection[str], max_size: int = MAX_JWT
    ) -> VerifiedJwt:
        """`token`, signed by the issuer with one of `algorithms`. Raises JwtRejected or RemoteFault.

        A key id that is not in the set brings one fetch of a newer set, at most once a minute: keys rotate, and key
        ids can be made up.
        """
        keys = await self._document.get()
        try:
            return verify_jwt(token, keys, algorithms=algorithms, types=types, max_size=max_size)
        except JwtRejected as rejected:
            if rejected.reason not in ("kid", "key"):
                raise
            newer = await self._document.refetch()
            if newer is None:
                raise
        return verify_jwt(token, newer, algorithms=algorithms, types=types, max_size=max_size)

    async def _load(self) -> KeySet:
        metadata = await self._metadata.get()
        if metadata.jwks_uri is None:
            raise RemoteFault("no_jwks_uri")
        content = await fetch_json(self._fetch, metadata.jwks_uri)
        if not isinstance(content, dict):
            raise RemoteFault("not_a_key_set")
        try:
            keys = KeySet.from_jwks(content)
        except ValueError:
            raise RemoteFault("not_a_key_set") from None
        # A set that verifies nothing would lock everybody out; while there is a copy of a better one, that serves.
        if not keys.keys:
            raise RemoteFault("no_usable_key")
        return keys
