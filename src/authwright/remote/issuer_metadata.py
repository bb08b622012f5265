"""An issuer's metadata over a Fetch, cached (OpenID Connect Discovery 1.0 §4, RFC 8414 §3, RFC 8705 §5)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from authwright.clock import Clock, utcnow
from authwright.protocol.http import Fetch
from authwright.protocol.metadata import (
    MetadataRejected,
    ProviderMetadata,
    oauth_metadata_url,
    openid_configuration_url,
    parse_metadata,
)
from authwright.remote.documents import CachedDocument, RemoteFault, fetch_json

METADATA_TTL = timedelta(hours=12)
_ALIASED = (
    "token_endpoint",
    "userinfo_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "backchannel_authentication_endpoint",
)


class IssuerMetadata:
    """What `issuer` says of itself: fetched on first use, one fetch at a time, kept 24 hours while it is down."""

    __slots__ = ("_document", "_fetch", "_mtls", "_url", "issuer")

    def __init__(
        self,
        issuer: str,
        fetch: Fetch,
        *,
        clock: Clock = utcnow,
        ttl: timedelta = METADATA_TTL,
        url: str | None = None,
        given: ProviderMetadata | None = None,
        mtls: bool = False,
    ) -> None:
        """`url`: where the document is, when not where the specifications say. `given`: use this, fetch nothing.

        `mtls`: connections carry a client certificate, so the endpoints are those that ask for one, where they differ.
        """
        self.issuer: str = issuer
        self._fetch = fetch
        self._url = url
        self._mtls = mtls
        self._document = CachedDocument(
            self._load if given is None else _constant(given), ttl=ttl, background=ttl, clock=clock
        )

    async def get(self) -> ProviderMetadata:
        """The metadata. Raises RemoteFault; a document of another issuer or with unsafe endpoints is one too."""
        metadata = await self._document.get()
        return with_mtls_endpoints(metadata) if self._mtls else metadata

    async def _load(self) -> ProviderMetadata:
        try:
            content = await fetch_json(self._fetch, self._url or openid_configuration_url(self.issuer))
        except RemoteFault as fault:
            # RFC 8414 §3: an OAuth server that is no OpenID provider publishes at its own well-known address.
            if fault.reason != "not_found" or self._url is not None:
                raise
            content = await fetch_json(self._fetch, oauth_metadata_url(self.issuer))
        try:
            return parse_metadata(content, issuer=self.issuer)
        except MetadataRejected as rejected:
            raise RemoteFault(rejected.reason) from None


def with_mtls_endpoints(metadata: ProviderMetadata) -> ProviderMetadata:
    """The endpoints for a client with a certificate in place of the ordinary ones (RFC 8705 §5)."""
    aliases = {
        name: url
        for name, url in metadata.mtls_endpoint_aliases.items()
        # The browser's endpoints are none of ours to call, and an extension's we do not know.
        if name in _ALIASED
    }
    return msgspec.structs.replace(metadata, **aliases)


def _constant(given: ProviderMetadata) -> Callable[[], Awaitable[ProviderMetadata]]:
    async def load() -> ProviderMetadata:
        return given

    return load
