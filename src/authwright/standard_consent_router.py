"""A consent service as its owner writes one: the router, wired to the provider's published keys."""

from collections.abc import Sequence

from authwright.asgi.provider_app import ProviderApp
from authwright.clock import Clock, utcnow
from authwright.consent_services.answering import AUTHORIZE, ConsentEndpoint, Verify
from authwright.consent_services.messages import Decide
from authwright.consent_services.signed_calls import SignedCallVerifier
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys
from authwright.standard_fetch import ClosableFetch, standard_fetch


class ConsentRouter:
    """What a service needs to be asked: its discovery document, and an endpoint that only the provider can call.

        async def decide(request: ConsentRequest) -> ConsentAnswer:
            if request.subject not in albums:
                return request.deny("has no album")
            return request.allow(claims={"plan": "family"})

        router = ConsentRouter(
            "https://photos.example.com", issuer="https://auth.example.com", scopes=[...], decide=decide
        )
        app.mount("/", router.asgi)

    The URL is the `authority` the service is registered with; mount the router at its path. `verify` takes the place of
    the check that the provider at `issuer` signed the call. Raises ValueError for a URL that cannot be a service's.
    """

    def __init__(
        self,
        url: str,
        *,
        issuer: str,
        scopes: Sequence[str],
        decide: Decide,
        verify: Verify | None = None,
        fetch: Fetch | None = None,
        outbound_allow: Sequence[str] = (),
        ca_file: str = "",
        clock: Clock = utcnow,
    ) -> None:
        self._own_fetch: ClosableFetch | None = None
        if verify is None:
            if fetch is None:
                fetch = self._own_fetch = standard_fetch(issuer, allow=outbound_allow, ca_file=ca_file)
            keys = RemoteKeys(IssuerMetadata(issuer, fetch, clock=clock), fetch, clock=clock)
            verify = SignedCallVerifier(issuer, url.rstrip("/") + AUTHORIZE, keys, clock=clock)
        self._endpoint = ConsentEndpoint(url, scopes=scopes, decide=decide, verify=verify)
        self.asgi: ProviderApp = ProviderApp(self.handle, shutdown=self.close)
        """The ASGI application."""

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request, for a server or test that has no ASGI. Raises what `decide` raises."""
        return await self._endpoint.handle(request)

    async def close(self) -> None:
        """Close the connections to the provider."""
        if self._own_fetch is not None:
            await self._own_fetch.close()
