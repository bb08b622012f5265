"""What the issuer publishes: its metadata, derived from what is wired, and its keys.

OpenID Connect Discovery 1.0 §4, RFC 8414 §3, RFC 7517 §5. Nothing is advertised that does not work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from authwright.crypto.dpop import PROOF_ALGORITHMS
from authwright.protocol.ciba import DELIVERY_MODES
from authwright.protocol.errors import InvalidRequest, MethodNotAllowed
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.metadata import ProviderMetadata, build_metadata
from authwright.protocol.pkce import S256
from authwright.protocol.scopes import OFFLINE_ACCESS, OPENID
from authwright.protocol.userinfo import SCOPE_CLAIMS
from authwright.provider.client_authentication import ASSERTION_ALGORITHMS, METHODS
from authwright.provider.events import ProviderEvents
from authwright.provider.settings import Settings
from authwright.provider.signing import KeyRing, Signing

CONFIGURATION_EVENTS = ("configuration_endpoint", "configuration_endpoint_response")
CRYPTOGRAPHY_EVENTS = ("cryptography_endpoint", "cryptography_endpoint_response")

METADATA_MAX_AGE = 300
JWKS_MAX_AGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What this provider was put together from, as far as clients need to know."""

    endpoints: Mapping[str, str]
    """Metadata member to path, for each endpoint that is there."""
    grant_types: tuple[str, ...]
    auth_methods: tuple[str, ...] = METHODS
    response_types: tuple[str, ...] = ("code",)
    response_modes: tuple[str, ...] = ("query", "fragment", "form_post")
    prompts: tuple[str, ...] = ("none", "login", "consent", "select_account")
    client_certificates: bool = False
    """Whether a trusted proxy hands client certificates on."""


def derive_metadata(settings: Settings, wiring: Wiring) -> dict[str, Json]:
    """The discovery document of what is wired."""
    scopes = (
        OPENID,
        OFFLINE_ACCESS,
        *SCOPE_CLAIMS,
        *(s for resource in settings.resources for s in resource.scopes),
    )
    backchannel = "backchannel_authentication_endpoint" in wiring.endpoints
    metadata = ProviderMetadata(
        issuer=settings.issuer,
        scopes_supported=tuple(dict.fromkeys(scopes)),
        response_types_supported=wiring.response_types,
        response_modes_supported=wiring.response_modes,
        grant_types_supported=wiring.grant_types,
        subject_types_supported=("public",),
        id_token_signing_alg_values_supported=settings.algorithms,
        token_endpoint_auth_methods_supported=wiring.auth_methods,
        # OpenID Connect Discovery §3: with client assertions, their algorithms are named too.
        token_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        # RFC 7662 §2.1: introspection is for callers that authenticate.
        introspection_endpoint_auth_methods_supported=tuple(
            method for method in wiring.auth_methods if method != "none"
        ),
        introspection_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        revocation_endpoint_auth_methods_supported=wiring.auth_methods,
        revocation_endpoint_auth_signing_alg_values_supported=ASSERTION_ALGORITHMS,
        # RFC 9701 §7, RFC 9449 §5.1, RFC 8705 §3.3.
        introspection_signing_alg_values_supported=settings.algorithms,
        dpop_signing_alg_values_supported=PROOF_ALGORITHMS,
        tls_client_certificate_bound_access_tokens=wiring.client_certificates or None,
        code_challenge_methods_supported=(S256,),
        prompt_values_supported=wiring.prompts,
        claims_supported=("sub", *(name for names in SCOPE_CLAIMS.values() for name in names)),
        acr_values_supported=settings.acr_values,
        backchannel_token_delivery_modes_supported=DELIVERY_MODES if backchannel else (),
        backchannel_user_code_parameter_supported=False if backchannel else None,
        # Back-Channel Logout §2.1: said only where there is a session to sign out of.
        backchannel_logout_supported="end_session_endpoint" in wiring.endpoints or None,
        backchannel_logout_session_supported="end_session_endpoint" in wiring.endpoints or None,
        authorization_response_iss_parameter_supported=True,
        # OpenID Connect Discovery §3: request_uri counts as supported when it is not said otherwise.
        request_parameter_supported=False,
        request_uri_parameter_supported=False,
        claims_parameter_supported=False,
    )
    endpoints = {member: settings.url(path) for member, path in wiring.endpoints.items()}
    return build_metadata(msgspec.structs.replace(metadata, **endpoints))


class ConfigurationEndpoint:
    """The discovery document, at both of its places."""

    def __init__(self, metadata: Mapping[str, Json], events: ProviderEvents) -> None:
        self._metadata = metadata
        self._events = events
        self._ready = Document(metadata, "application/json", METADATA_MAX_AGE)

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        if self._events.wanted.isdisjoint(CONFIGURATION_EVENTS):
            return self._ready.answer(http)
        amended = await self._events.amend("configuration_endpoint", InvalidRequest, self._metadata)
        amended = await self._events.amend("configuration_endpoint_response", InvalidRequest, amended)
        return Document(amended, "application/json", METADATA_MAX_AGE).answer(http)


class CryptographyEndpoint:
    """The JWK Set."""

    def __init__(self, signing: Signing, events: ProviderEvents) -> None:
        self._signing = signing
        self._events = events
        self._ready: tuple[KeyRing, Document] | None = None

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        ring = await self._signing.ring()
        if not self._events.wanted.isdisjoint(CRYPTOGRAPHY_EVENTS):
            amended = await self._events.amend("cryptography_endpoint", InvalidRequest, ring.jwks)
            amended = await self._events.amend("cryptography_endpoint_response", InvalidRequest, amended)
            return Document(amended, "application/jwk-set+json", JWKS_MAX_AGE).answer(http)
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
