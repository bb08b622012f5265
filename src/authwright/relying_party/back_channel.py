"""Our own requests to the provider's endpoints: as this client, and with a proof of the key tokens are bound to.

RFC 6749 §2.3, RFC 9449 §5, RFC 9126 §2.
"""

from collections.abc import Iterable

from authwright.clock import Clock
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Fetch, Headers, HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.relying_party.client import RelyingPartyClient
from authwright.relying_party.dpop_prover import DpopProver
from authwright.remote.client_authentication import FORM, authenticated_form
from authwright.remote.documents import MAX_DOCUMENT, request_to, send

BEARER = "Bearer"
DPOP = "DPoP"


class BackChannel:
    """Who we are, and how the provider is reached."""

    __slots__ = ("client", "clock", "fetch", "issuer", "prover")

    def __init__(self, *, issuer: str, client: RelyingPartyClient, fetch: Fetch, clock: Clock) -> None:
        self.issuer: str = issuer
        self.client: RelyingPartyClient = client
        self.fetch: Fetch = fetch
        self.clock: Clock = clock
        self.prover: DpopProver = DpopProver(clock)

    async def post(
        self,
        url: str,
        pairs: Iterable[tuple[str, str]],
        *,
        dpop_key: SigningKey | None = None,
        authenticated: bool = True,
    ) -> HttpResponse:
        """The answer to a form. `authenticated` False: the pairs say who we are. Raises RemoteFault."""
        sent = tuple(pairs)

        def build() -> HttpRequest:
            if not authenticated:
                return request_to("POST", url, FORM, encode(sent).encode("ascii"))
            return authenticated_form(
                url, self.client.client_id, self.client.auth, sent, issuer=self.issuer, now=self.clock()
            )

        if dpop_key is None:
            return await send(self.fetch, build())
        return await self.prover.send(self.fetch, build, dpop_key)

    async def send_with_token(
        self,
        request: HttpRequest,
        access_token: str,
        *,
        dpop_key: SigningKey | None = None,
        fetch: Fetch | None = None,
        max_size: int = MAX_DOCUMENT,
    ) -> HttpResponse:
        """The answer to a request that uses `access_token`, bound to `dpop_key` where one is given. Raises RemoteFault.

        An Authorization header of the request is replaced.
        """
        scheme = BEARER if dpop_key is None else DPOP
        lines = tuple(line for line in request.headers.lines if line[0] not in (b"authorization", b"dpop"))
        headers = Headers(lines).plus(Headers.of({"authorization": f"{scheme} {access_token}"}))
        carrying = HttpRequest(
            request.method, request.path, request.query, headers, request.body, request.origin
        )
        outward = fetch or self.fetch
        if dpop_key is None:
            return await send(outward, carrying, max_size=max_size)
        return await self.prover.send(
            outward, lambda: carrying, dpop_key, access_token=access_token, max_size=max_size
        )
