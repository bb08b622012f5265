"""Claims that somebody else vouches for: aggregated and distributed ones (OpenID Connect Core §5.6.2).

UserInfo brings them as a JWT of another provider, or names an endpoint that has it. Such a JWT is believed when it is of
a provider the application trusts with claims, and signed with that one's keys; it never says who the user is.
"""

import logging
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from authwright.clock import Clock
from authwright.crypto.jwt import JwtRejected, check_claims, unverified_claims
from authwright.protocol.http import Fetch, Headers, Json
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.relying_party.claim_actions import PROTOCOL_ONLY
from authwright.relying_party.client import SIGNING_ALGORITHMS, RelyingPartyClient
from authwright.remote.documents import RemoteFault, request_to, send
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys

_LOG = logging.getLogger("authwright.relying_party")

MAX_SOURCES = 8
_NEVER = frozenset((*PROTOCOL_ONLY, "sub"))
_TYPES = ("", "jwt")
_LAST_SECOND = 253_402_300_799


class ClaimSources:
    """Finds what the sources of a UserInfo answer say, as far as they are of `trusted` issuers."""

    __slots__ = ("_client", "_clock", "_fetch", "_keys")

    def __init__(
        self, trusted: Collection[str], *, client: RelyingPartyClient, fetch: Fetch, clock: Clock
    ) -> None:
        """Raises ValueError for an issuer that could be anybody."""
        if isinstance(trusted, str) or not all(_is_safe(issuer) for issuer in trusted):
            raise ValueError("claims_providers: issuers, https except on loopback")
        self._client = client
        self._fetch = fetch
        self._clock = clock
        self._keys = {
            issuer: RemoteKeys(IssuerMetadata(issuer, fetch, clock=clock), fetch, clock=clock)
            for issuer in trusted
        }

    async def claims(self, information: Mapping[str, Json]) -> dict[str, Json]:
        """What `information` leaves to others to say. A source that cannot be believed says nothing, and the log why."""
        names, sources = information.get("_claim_names"), information.get("_claim_sources")
        if not self._keys or not isinstance(names, Mapping) or not isinstance(sources, Mapping):
            return {}
        found: dict[str, Json] = {}
        for source in list(dict.fromkeys(value for value in names.values() if isinstance(value, str)))[
            :MAX_SOURCES
        ]:
            try:
                vouched = await self._verified(await self._token(sources.get(source)))
            except (JwtRejected, RemoteFault) as refused:
                _LOG.warning(
                    "claims of another provider left out",
                    extra={"event": "rp.claims_left_out", "reason": refused.reason},
                )
                continue
            # Only what was announced: a source must not slip in another claim, nor say who the user is.
            wanted = {name for name, of in names.items() if of == source} - _NEVER
            found |= {name: vouched[name] for name in wanted if name in vouched}
        return found

    async def _token(self, source: Json) -> str:
        """The JWT of a source. Raises RemoteFault."""
        if not isinstance(source, Mapping):
            raise RemoteFault("claim_source_malformed")
        token, endpoint, bearer = source.get("JWT"), source.get("endpoint"), source.get("access_token")
        if isinstance(token, str):
            return token
        if not isinstance(endpoint, str) or not _is_safe(endpoint):
            raise RemoteFault("claim_source_malformed")
        fields = {"accept": "application/jwt"}
        if isinstance(bearer, str) and bearer.isascii() and bearer.isprintable():
            fields["authorization"] = f"Bearer {bearer}"
        response = await send(self._fetch, request_to("GET", endpoint, Headers.of(fields)))
        if response.status != 200:
            raise RemoteFault("claim_source_status")
        return response.body.decode("ascii", "replace").strip()

    async def _verified(self, token: str) -> Mapping[str, Json]:
        """The claims of a token of a trusted provider. Raises JwtRejected or RemoteFault."""
        issuer = (unverified_claims(token) or {}).get("iss")
        keys = self._keys.get(issuer) if isinstance(issuer, str) else None
        if keys is None or not isinstance(issuer, str):
            raise JwtRejected("iss")
        claims = (await keys.verify(token, algorithms=SIGNING_ALGORITHMS, types=_TYPES)).claims
        # An ID token for somebody else is signed as well as this. An end is not required of claims (Core §5.6.2).
        check_claims(
            {"exp": _LAST_SECOND, **claims},
            issuer=issuer,
            audience=self._client.client_id if "aud" in claims else None,
            now=self._clock(),
            leeway=self._client.leeway,
        )
        return claims


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.netloc))
