"""The other side: a service answers what a provider asks. It knows HTTP as values, and nothing of a server."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from authwright.consent_services.messages import (
    WELL_KNOWN,
    ConsentAnswer,
    ConsentConfiguration,
    Decide,
    MessageRejected,
    build_answer,
    build_configuration,
    is_callable_url,
    parse_request,
)
from authwright.crypto.jwt import JwtRejected
from authwright.protocol.challenge import build_challenge
from authwright.protocol.http import NO_HEADERS, Headers, HttpRequest, HttpResponse, json_response
from authwright.remote.documents import RemoteFault

Verify: TypeAlias = Callable[[str | None], Awaitable[None]]
"""Whether the Authorization header is the provider's. Raises JwtRejected, or RemoteFault when that cannot be told."""

AUTHORIZE = "/consent/authorize"
"""Where questions are answered, below the service's own URL."""

_JSON = Headers(((b"content-type", b"application/json"), (b"cache-control", b"no-store")))
_PUBLIC_JSON = Headers(((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")))


class ConsentEndpoint:
    """Publishes how the service at `url` is asked, and lets `decide` answer those whom `verify` lets through.

    Raises ValueError when `url` cannot be the address of a service.
    """

    def __init__(self, url: str, *, scopes: Sequence[str], decide: Decide, verify: Verify) -> None:
        base = url.rstrip("/")
        if not is_callable_url(base):
            raise ValueError(f"{url!r} is not the https URL of a service (http is for loopback only)")
        self.endpoint: str = base + AUTHORIZE
        self._path = urlsplit(base).path
        self._decide = decide
        self._verify = verify
        self._configuration = build_configuration(
            ConsentConfiguration(authorization_endpoint=self.endpoint, scopes_supported=tuple(scopes))
        )

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request. Raises what `decide` raises."""
        if request.path == self._path + WELL_KNOWN:
            if request.method not in ("GET", "HEAD"):
                return _refused(405, "Only GET is allowed here.", ("allow", "GET, HEAD"))
            return HttpResponse(200, _PUBLIC_JSON, self._configuration)
        if request.path == self._path + AUTHORIZE:
            if request.method != "POST":
                return _refused(405, "Only POST is allowed here.", ("allow", "POST"))
            return await self._answer(request)
        return _refused(404, "There is no such endpoint.")

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        # 1. Who asks? Of two headers one might have been added on the way, so they count as none.
        sent = request.headers.many("authorization")
        try:
            await self._verify(sent[0] if len(sent) == 1 else None)
        except JwtRejected:
            # RFC 6750 §3: a caller that sent nothing is told the scheme, one that sent something that it was no good.
            challenge = build_challenge("Bearer", {"error": "invalid_token"} if sent else {})
            return _refused(401, "The call is not signed by the provider.", ("www-authenticate", challenge))
        except RemoteFault:
            return _refused(503, "The provider's keys cannot be had.", ("retry-after", "1"))

        # 2. What is the question?
        try:
            question = parse_request(request.body)
        except MessageRejected:
            return _refused(400, "The question is malformed.")

        # 3. The service's own answer.
        answer = await self._decide(question)
        return HttpResponse(_status(answer), _JSON, build_answer(answer))


def _status(answer: ConsentAnswer) -> int:
    if answer.authorized:
        return 200
    chosen = answer.error.status_code if answer.error is not None else 403
    return chosen if 400 <= chosen <= 499 else 403


def _refused(status: int, message: str, *fields: tuple[str, str]) -> HttpResponse:
    # Without the member `authorized`: nobody decided anything, so nobody must take it for a no.
    headers = Headers.of(fields) if fields else NO_HEADERS
    return json_response(status, {"error": {"statusCode": status, "message": message}}, headers)
