"""The guard: from a request to the access token that allows it, or to the refusal.

RFC 6750, RFC 9068, RFC 7662; RFC 9449 and RFC 8705 for tokens that are bound to a key.
"""

import logging
from collections.abc import Collection, Sequence

from authwright.clock import Clock, utcnow
from authwright.crypto.jwt import JwtRejected
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import Fetch, HttpRequest
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.scopes import format_scope
from authwright.protocol.userinfo import parse_bearer_token
from authwright.remote.documents import RemoteFault
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys
from authwright.resource_server.access_token import JWT_TYPES, AccessToken, from_introspection, from_jwt
from authwright.resource_server.holder import DpopAcceptance, check_holder
from authwright.resource_server.introspection import Introspection, Introspector
from authwright.resource_server.refusals import (
    BearerRefused,
    insufficient_scope,
    invalid_token,
    malformed,
    no_token,
    unavailable,
)
from authwright.stores.protocols import StoreUnavailable

_LOG = logging.getLogger("authwright.resource_server")

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")


class ResourceServer:
    """Guards an API whose tokens come from one issuer.

    `audience`: who we are in `aud`, exactly; there is no guard without it. `introspection`: how to look up tokens
    that are not JWTs; `introspect_jwts` looks those up as well, so that a revocation is seen before the token
    expires. `scopes`: what every request needs. `dpop`: how tokens bound to a key are taken; without it they are
    refused. A token bound to a certificate needs `HttpRequest.client_certificate`.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        fetch: Fetch,
        clock: Clock = utcnow,
        introspection: Introspection | None = None,
        introspect_jwts: bool = False,
        scopes: Sequence[str] = (),
        algorithms: Collection[str] = ALGORITHMS,
        metadata: ProviderMetadata | None = None,
        dpop: DpopAcceptance | None = None,
    ) -> None:
        if not audience:
            raise ValueError("audience is empty: a token for anybody would be good enough")
        if introspect_jwts and introspection is None:
            raise ValueError("introspect_jwts needs introspection")
        if not algorithms or not set(algorithms).issubset(ALGORITHMS):
            raise ValueError(f"algorithms: some of {', '.join(ALGORITHMS)}")
        self.issuer = issuer
        self.audience = audience
        self.scopes = tuple(scopes)
        self.fetch = fetch
        self._clock = clock
        self._algorithms = tuple(algorithms)
        self._introspect_jwts = introspect_jwts
        self._dpop = dpop
        # RFC 9449 §7.1: a caller without a token learns every way to send one.
        self._schemes = "Bearer" if dpop is None else "DPoP" if dpop.required else "Bearer, DPoP"
        self._metadata = IssuerMetadata(issuer, fetch, clock=clock, given=metadata)
        self._keys = RemoteKeys(self._metadata, fetch, clock=clock)
        self._introspector = (
            None
            if introspection is None
            else Introspector(
                introspection, self._metadata, self._keys, fetch, clock, algorithms=self._algorithms
            )
        )

    async def guard(self, request: HttpRequest, scopes: Collection[str] = ()) -> AccessToken:
        """The access token of a request that is allowed. Raises BearerRefused."""
        needed = tuple(dict.fromkeys((*self.scopes, *scopes)))
        try:
            return await self._guard(request, needed)
        except BearerRefused as refused:
            _LOG.info("request refused", extra={"event": "rs.refused", "reason": refused.reason})
            raise

    async def _guard(self, request: HttpRequest, needed: tuple[str, ...]) -> AccessToken:
        # 1. The token, from one place only.
        try:
            found = parse_bearer_token(request)
        except InvalidRequest as error:
            raise malformed(error) from None
        if found is None:
            raise no_token(format_scope(needed), self._schemes)
        scheme, value = found
        if scheme == "dpop" and self._dpop is None:
            raise invalid_token("scheme")

        # 2. Whose is it, and is it for us?
        try:
            token = await self._accept(value)
        except RemoteFault as fault:
            raise unavailable(fault.reason) from None

        # 3. Is the caller the one it is bound to?
        try:
            await check_holder(request, scheme, token, self._dpop, self._clock())
        except StoreUnavailable:
            raise unavailable("storage") from None

        # 4. Is it enough?
        if not token.allows(*needed):
            raise insufficient_scope(format_scope(needed))
        return token

    async def _accept(self, value: str) -> AccessToken:
        """Raises BearerRefused or RemoteFault."""
        now = self._clock()
        is_jwt = value.count(".") == 2
        if self._introspector is not None and (self._introspect_jwts or not is_jwt):
            claims = await self._introspector.ask(value)
            if claims is None:
                raise invalid_token("inactive")
            return from_introspection(value, claims, issuer=self.issuer, audience=self.audience, now=now)
        if not is_jwt:
            raise invalid_token("not_a_jwt")
        try:
            verified = await self._keys.verify(value, algorithms=self._algorithms, types=JWT_TYPES)
        except JwtRejected as rejected:
            raise invalid_token(rejected.reason) from None
        return from_jwt(value, verified.claims, issuer=self.issuer, audience=self.audience, now=now)
