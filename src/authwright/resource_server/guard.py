"""The guard: from a request to the access token that allows it, or to the refusal.

RFC 6750, RFC 9068, RFC 7662; RFC 9449 and RFC 8705 for tokens that are bound to a key; RFC 9470 for how the user
signed in; RFC 9728 for what the resource server says of itself.
"""

import logging
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from authwright.clock import Clock, utcnow
from authwright.crypto.jwt import JwtRejected
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import PASS, Fetch, HttpRequest, HttpResponse, Pass
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.protected_resource import ProtectedResourceMetadata
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.protocol.scopes import format_scope
from authwright.protocol.userinfo import parse_bearer_token
from authwright.remote.documents import RemoteFault
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys
from authwright.resource_server.access_token import JWT_TYPES, AccessToken, from_introspection, from_jwt
from authwright.resource_server.description import Description
from authwright.resource_server.holder import DpopAcceptance, check_holder
from authwright.resource_server.introspection import Introspection, Introspector
from authwright.resource_server.refusals import (
    BearerRefused,
    insufficient_authentication,
    insufficient_scope,
    invalid_token,
    malformed,
    no_token,
    unavailable,
)
from authwright.resource_server.requirement import Requirement
from authwright.stores.protocols import StoreUnavailable

_LOG = logging.getLogger("authwright.resource_server")

ALGORITHMS: tuple[str, ...] = ("ES256", "RS256", "PS256", "EdDSA")


class ResourceServer:
    """Guards an API whose tokens come from one issuer.

    `audience`: who we are in `aud`, exactly; there is no guard without it. `introspection`: how to look up tokens
    that are not JWTs; `introspect_jwts` looks those up as well, so that a revocation is seen before the token
    expires. `scopes`: what every request needs. `dpop`: how tokens bound to a key are taken; without it they are
    refused. A token bound to a certificate needs `HttpRequest.client_certificate`. `described`: the document that
    `handle` serves and every refusal points to; its `resource` says where.
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
        described: ProtectedResourceMetadata | None = None,
    ) -> None:
        parts = urlsplit(issuer)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback_host(parts.netloc)):
            raise ValueError("issuer must be an https URL, except on loopback")
        if not audience:
            raise ValueError("audience is empty: a token for anybody would be good enough")
        if introspect_jwts and introspection is None:
            raise ValueError("introspect_jwts needs client_id and client_secret, or introspection")
        if not algorithms or not set(algorithms).issubset(ALGORITHMS):
            raise ValueError(f"algorithms: some of {', '.join(ALGORITHMS)}")
        self.issuer: str = issuer
        self.audience: str = audience
        self.scopes: tuple[str, ...] = tuple(scopes)
        self.fetch: Fetch = fetch
        self._clock = clock
        self._algorithms = tuple(algorithms)
        self._introspect_jwts = introspect_jwts
        self._dpop = dpop
        # RFC 9449 §7.1: a caller without a token learns every way to send one.
        self._schemes = ("Bearer",) if dpop is None else ("DPoP",) if dpop.required else ("Bearer", "DPoP")
        self._description = None if described is None else Description(described)
        self._metadata = IssuerMetadata(issuer, fetch, clock=clock, given=metadata)
        self._keys = RemoteKeys(self._metadata, fetch, clock=clock)
        self._introspector = (
            None
            if introspection is None
            else Introspector(
                introspection, self._metadata, self._keys, fetch, clock, algorithms=self._algorithms
            )
        )

    async def guard(
        self,
        request: HttpRequest,
        scopes: Collection[str] = (),
        *,
        acr_values: Sequence[str] = (),
        max_age: int | None = None,
    ) -> AccessToken:
        """The access token of a request that is allowed. Raises BearerRefused.

        `acr_values`: one of them must be the token's `acr`. `max_age`: how many seconds ago the user may have signed in.
        """
        needed = Requirement(
            scopes=tuple(dict.fromkeys((*self.scopes, *scopes))),
            acr_values=tuple(acr_values),
            max_age=max_age,
        )
        try:
            return await self._guard(request, needed)
        except BearerRefused as refused:
            _LOG.info("request refused", extra={"event": "rs.refused", "reason": refused.reason})
            raise self._told(request, refused) from None

    def no_token(self, scopes: Collection[str] = ()) -> BearerRefused:
        """What somebody without a token is told."""
        scope = format_scope(tuple(dict.fromkeys((*self.scopes, *scopes))))
        return no_token(scope, self._schemes).told_by(scheme="", resource_metadata=self._described_at)

    def serves(self, path: str) -> bool:
        """Whether the path is that of the document that describes us."""
        return self._description is not None and path == self._description.path

    def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """The document that describes us, at its path; PASS for any other request."""
        if self._description is None or request.path != self._description.path:
            return PASS
        return self._description.answer(request)

    def describe(self, described: ProtectedResourceMetadata | None) -> None:
        """Replace the document, while the application is being put together."""
        self._description = None if described is None else Description(described)

    @property
    def _described_at(self) -> str:
        return "" if self._description is None else self._description.url

    def _told(self, request: HttpRequest, refused: BearerRefused) -> BearerRefused:
        # RFC 9449 §7.1: a caller that used DPoP is answered in DPoP, where we speak it.
        used = (request.headers.get("authorization") or "").partition(" ")[0].lower()
        speaks = self._dpop is not None and (used == "dpop" or self._dpop.required)
        return refused.told_by(scheme="DPoP" if speaks else "Bearer", resource_metadata=self._described_at)

    async def _guard(self, request: HttpRequest, needed: Requirement) -> AccessToken:
        # 1. The token, from one place only.
        try:
            found = parse_bearer_token(request)
        except InvalidRequest as error:
            raise malformed(error) from None
        if found is None:
            raise no_token(format_scope(needed.scopes), self._schemes)
        scheme, value = found
        if scheme == "dpop" and self._dpop is None:
            raise invalid_token("scheme")

        # 2. Whose is it, and is it for us?
        try:
            token = await self._accept(value)
        except RemoteFault as fault:
            raise unavailable(fault.reason) from None

        # 3. Is the caller the one it is bound to?
        now = self._clock()
        try:
            await check_holder(request, scheme, token, self._dpop, now)
        except StoreUnavailable:
            raise unavailable("storage") from None

        # 4. Is it enough? First how the user signed in: a new sign-in can bring the scope along.
        lacking = "" if token.allows(*needed.scopes) else format_scope(needed.scopes)
        if not needed.is_authenticated(token, now):
            raise insufficient_authentication(needed.acr_values, needed.max_age, lacking)
        if lacking:
            raise insufficient_scope(lacking)
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
