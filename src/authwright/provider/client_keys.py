"""The public keys of clients, inline or at their `jwks_uri`, and the one door to what they signed (RFC 7591 §2)."""

from collections.abc import Collection

from authwright.clock import Clock, utcnow
from authwright.crypto.client_certificates import certificates_of
from authwright.crypto.jwt import JwtRejected, VerifiedJwt, verify_jwt
from authwright.crypto.keys import KeySet
from authwright.protocol.errors import TemporarilyUnavailable
from authwright.protocol.http import Fetch, Json
from authwright.records import Client
from authwright.remote.documents import CachedDocument, RemoteFault, fetch_json
from authwright.remote.keys import KEYS_TTL, RemoteKeys

MAX_CACHED = 1_000

SIGNATURE_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
"""What somebody else may sign with, for us to verify."""

_REFUSED_BY_FAPI2 = frozenset({"RS256"})


def accepted_algorithms(profile: str) -> tuple[str, ...]:
    """The signature algorithms a client of that profile may use (FAPI 2.0 Security Profile §5.4)."""
    if profile == "fapi2":
        return tuple(name for name in SIGNATURE_ALGORITHMS if name not in _REFUSED_BY_FAPI2)
    return SIGNATURE_ALGORITHMS


class ClientKeys:
    """Verifies what clients, and issuers whose key set we were told, have signed.

    A key set elsewhere is fetched when it is needed and kept for a while; an unknown key id brings one fetch a minute.
    """

    def __init__(self, fetch: Fetch, *, clock: Clock = utcnow) -> None:
        self._fetch = fetch
        self._clock = clock
        self._remote: dict[str, RemoteKeys] = {}
        self._inline: dict[str, tuple[object, KeySet]] = {}
        self._certificates: dict[str, CachedDocument[frozenset[str]]] = {}

    async def verify(
        self, client: Client, token: str, *, algorithms: Collection[str], types: Collection[str]
    ) -> VerifiedJwt:
        """`token`, signed with a key of the client. Raises JwtRejected, or TemporarilyUnavailable.

        `algorithms` and `types` as in `crypto.jwt.verify_jwt`.
        """
        if client.jwks:
            return verify_jwt(token, self._inline_keys(client), algorithms=algorithms, types=types)
        if client.jwks_uri:
            return await self.verify_at(client.jwks_uri, token, algorithms=algorithms, types=types)
        raise JwtRejected("no_keys")

    async def verify_at(
        self, jwks_uri: str, token: str, *, algorithms: Collection[str], types: Collection[str]
    ) -> VerifiedJwt:
        """`token`, signed with a key of the set at `jwks_uri`. Raises JwtRejected, or TemporarilyUnavailable."""
        try:
            return await self._keys_at(jwks_uri).verify(token, algorithms=algorithms, types=types)
        except RemoteFault as fault:
            # Their keys cannot be had: that says nothing of the token, and trying again is right.
            raise TemporarilyUnavailable("Try again.", detail=f"jwks_uri.{fault.reason}") from None

    async def has_certificate(self, client: Client, digest: str) -> bool:
        """Whether a certificate of that digest is among the client's keys. Raises TemporarilyUnavailable."""
        if client.jwks:
            return digest in certificates_of(client.jwks)
        if not client.jwks_uri:
            return False
        document = self._certificates_at(client.jwks_uri)
        try:
            if digest in await document.get():
                return True
        except RemoteFault as fault:
            raise TemporarilyUnavailable("Try again.", detail=f"jwks_uri.{fault.reason}") from None
        # Certificates are replaced; whoever shows a made-up one brings one fetch a minute.
        return digest in (await document.refetch() or ())

    def _certificates_at(self, jwks_uri: str) -> CachedDocument[frozenset[str]]:
        document = self._certificates.get(jwks_uri)
        if document is None:

            async def load() -> frozenset[str]:
                content = await fetch_json(self._fetch, jwks_uri)
                if not isinstance(content, dict):
                    raise RemoteFault("not_a_key_set")
                return certificates_of(content)

            document = CachedDocument(load, ttl=KEYS_TTL, clock=self._clock)
            _remember(self._certificates, jwks_uri, document)
        return document

    def _inline_keys(self, client: Client) -> KeySet:
        known = self._inline.get(client.client_id)
        if known is None or known[0] is not client.jwks:
            try:
                known = (client.jwks, KeySet.from_jwks(client.jwks))
            except ValueError:
                raise JwtRejected("no_keys") from None
            _remember(self._inline, client.client_id, known)
        return known[1]

    def _keys_at(self, jwks_uri: str) -> RemoteKeys:
        keys = self._remote.get(jwks_uri)
        if keys is None:
            keys = RemoteKeys.at(jwks_uri, self._fetch, clock=self._clock)
            _remember(self._remote, jwks_uri, keys)
        return keys


def has_keys(client: Client) -> bool:
    """Whether the client is registered with public keys."""
    return bool(client.jwks or client.jwks_uri)


def _remember(known: dict[str, Json], name: str, value: object) -> None:
    # Whoever registers clients could make it grow, so the oldest goes.
    if len(known) >= MAX_CACHED and name not in known:
        del known[next(iter(known))]
    known[name] = value
