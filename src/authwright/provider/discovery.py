"""What the issuer publishes: its metadata, derived from what is wired, and its keys.

OpenID Connect Discovery 1.0 §4, RFC 8414 §3, RFC 7517 §5. Nothing is advertised that does not work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from authwright.protocol.errors import InvalidRequest, MethodNotAllowed
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.metadata import ProviderMetadata, build_metadata
from authwright.protocol.pkce import S256
from authwright.protocol.scopes import OFFLINE_ACCESS, OPENID
from authwright.protocol.userinfo import SCOPE_CLAIMS
from authwright.provider.client_authentication import METHODS
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.settings import Settings
from authwright.provider.signing import KeyRing, Signing

METADATA_MAX_AGE = 300
JWKS_MAX_AGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What this provider was put together from, as far as clients need to know."""

    endpoints: Mapping[str, str]
    """Metadata member to path, for each endpoint that is there."""
    grant_types: tuple[str, ...]
    response_types: tuple[str, ...] = ("code",)
    response_modes: tuple[str, ...] = ("query", "fragment", "form_post")
    prompts: tuple[str, ...] = ("none", "login", "consent", "select_account")


def derive_metadata(settings: Settings, wiring: Wiring) -> dict[str, Json]:
    """The discovery document of what is wired."""
    scopes = (
        OPENID,
        OFFLINE_ACCESS,
        *SCOPE_CLAIMS,
        *(s for resource in settings.resources for s in resource.scopes),
    )
    metadata = ProviderMetadata(
        issuer=settings.issuer,
        scopes_supported=tuple(dict.fromkeys(scopes)),
        response_types_supported=wiring.response_types,
        response_modes_supported=wiring.response_modes,
        grant_types_supported=wiring.grant_types,
        subject_types_supported=("public",),
        id_token_signing_alg_values_supported=settings.algorithms,
        token_endpoint_auth_methods_supported=METHODS,
        # RFC 7662 §2.1: introspection is for callers that authenticate.
        introspection_endpoint_auth_methods_supported=tuple(method for method in METHODS if method != "none"),
        revocation_endpoint_auth_methods_supported=METHODS,
        code_challenge_methods_supported=(S256,),
        prompt_values_supported=wiring.prompts,
        claims_supported=("sub", *(name for names in SCOPE_CLAIMS.values() for name in names)),
        acr_values_supported=settings.acr_values,
        authorization_response_iss_parameter_supported=True,
        # OpenID Connect Discovery §3: request_uri counts as supported when it is not said otherwise.
        request_parameter_supported=False,
        request_uri_parameter_supported=False,
        claims_parameter_supported=False,
        **{member: settings.url(path) for member, path in wiring.endpoints.items()},
    )
    return build_metadata(metadata)


class ConfigurationEndpoint:
    """The discovery document, at both of its places."""

    def __init__(self, metadata: Mapping[str, Json], events: ProviderEvents) -> None:
        self._metadata = metadata
        self._events = events
        self._ready = Document(metadata, "application/json", METADATA_MAX_AGE)

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        if "configuration_endpoint" not in self._events.wanted:
            return self._ready.answer(http)
        try:
            amended = await self._events.ask("configuration_endpoint", InvalidRequest, self._metadata)
        except AnsweredByEvent as event:
            return event.answer
        return (
            self._ready.answer(http)
            if amended is None
            else Document(amended, "application/json", METADATA_MAX_AGE).answer(http)
        )


class CryptographyEndpoint:
    """The JWK Set."""

    def __init__(self, signing: Signing, events: ProviderEvents) -> None:
        self._signing = signing
        self._events = events
        self._ready: tuple[KeyRing, Document] | None = None

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        ring = await self._signing.ring()
        if "cryptography_endpoint" in self._events.wanted:
            try:
                amended = await self._events.ask("cryptography_endpoint", InvalidRequest, ring.jwks)
            except AnsweredByEvent as event:
                return event.answer
            return Document(amended or ring.jwks, "application/jwk-set+json", JWKS_MAX_AGE).answer(http)
        ready = self._ready
        if ready is None or ready[0] is not ring:
            # Made once for each reading of the keys, not for each request.
            ready = self._ready = (ring, Document(ring.jwks, "application/jwk-set+json", JWKS_MAX_AGE))
        return ready[1].answer(http)


class Document:
    """A JSON document as ready bytes, with its ETag."""

    __slots__ = ("_etag", "_fresh", "_unchanged")

    def __init__(self, content: Mapping[str, Json], content_type: str, max_age: int) -> None:
        body = msgspec.json.encode(content)
        self._etag = f'"{sha256(body).hexdigest()[:32]}"'
        caching = (
            ("cache-control", f"public, max-age={max_age}, stale-if-error=86400"),
            ("etag", self._etag),
        )
        self._fresh = HttpResponse(200, Headers.of((("content-type", content_type), *caching)), body)
        self._unchanged = HttpResponse(304, Headers.of(caching))

    def answer(self, http: HttpRequest) -> HttpResponse:
        """The document, or 304 when the caller has it. Raises MethodNotAllowed."""
        if http.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        return self._unchanged if http.headers.get("if-none-match") == self._etag else self._fresh
