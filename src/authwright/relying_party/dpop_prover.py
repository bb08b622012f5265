"""DPoP as a client does it: a proof with each request, with the nonce its server wants (RFC 9449 §4, §8, §9)."""

from collections.abc import Callable

from authwright.clock import Clock
from authwright.crypto.dpop import sign_proof
from authwright.crypto.handles import random_id
from authwright.crypto.keys import SigningKey
from authwright.protocol.dpop import build_proof
from authwright.protocol.http import Fetch, Headers, HttpRequest, HttpResponse
from authwright.remote.documents import MAX_DOCUMENT, RemoteFault, read_json, send

USE_DPOP_NONCE = "use_dpop_nonce"
MAX_ORIGINS = 256
"""Servers whose nonces are remembered."""
MAX_NONCE = 1024


class DpopProver:
    """Sends requests with proofs. It remembers the latest nonce of each server, which serves every key (§8.2)."""

    __slots__ = ("_clock", "_nonces")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._nonces: dict[str, str] = {}

    async def send(
        self,
        fetch: Fetch,
        build: Callable[[], HttpRequest],
        key: SigningKey,
        *,
        access_token: str | None = None,
        max_size: int = MAX_DOCUMENT,
    ) -> HttpResponse:
        """The answer to the request that `build` makes, with a proof of `key`; `access_token` is the one it uses.

        A server that wants a newer nonce gets one more try, with a request built anew: a client assertion in it is
        good for one request only. Raises RemoteFault.
        """
        request = build()
        used = self._nonces.get(request.origin)
        response = await self._send(fetch, request, key, access_token, max_size)
        if not wants_nonce(response) or self._nonces.get(request.origin) in (None, used):
            return response
        return await self._send(fetch, build(), key, access_token, max_size)

    async def _send(
        self, fetch: Fetch, request: HttpRequest, key: SigningKey, access_token: str | None, max_size: int
    ) -> HttpResponse:
        response = await send(fetch, self._proven(request, key, access_token), max_size=max_size)
        # RFC 9449 §8.2: whatever the answer, its nonce is the one to use from then on.
        self._remember(request.origin, response.headers.get("dpop-nonce"))
        return response

    def _proven(self, request: HttpRequest, key: SigningKey, access_token: str | None) -> HttpRequest:
        try:
            proof = build_proof(
                request.method,
                request.url,
                jti=random_id(),
                now=self._clock(),
                access_token=access_token,
                nonce=self._nonces.get(request.origin),
            )
        except ValueError:
            raise RemoteFault("endpoint_malformed") from None
        headers = request.headers.plus(Headers.of({"dpop": sign_proof(key, proof)}))
        return HttpRequest(request.method, request.path, request.query, headers, request.body, request.origin)

    def _remember(self, origin: str, nonce: str | None) -> None:
        if nonce is None or not 0 < len(nonce) <= MAX_NONCE or not (nonce.isascii() and nonce.isprintable()):
            return
        self._nonces.pop(origin, None)
        if len(self._nonces) >= MAX_ORIGINS:
            del self._nonces[next(iter(self._nonces))]
        self._nonces[origin] = nonce


def wants_nonce(response: HttpResponse) -> bool:
    """Whether the answer is "use this nonce": of an authorization server (RFC 9449 §8) or of an API (§9)."""
    if response.status not in (400, 401):
        return False
    # The scheme is matched without case, and may stand beside others in one field.
    if any(USE_DPOP_NONCE in field for field in response.headers.many("www-authenticate")):
        return True
    try:
        content = read_json(response)
    except RemoteFault:
        return False
    return isinstance(content, dict) and content.get("error") == USE_DPOP_NONCE
