"""The provider: a function from request to response, and the one place where a refusal becomes bytes."""

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from authwright.crypto.dpop import PROOF_ALGORITHMS
from authwright.protocol.challenge import build_challenge
from authwright.protocol.errors import (
    InsufficientScope,
    InvalidClient,
    InvalidDpopProof,
    InvalidRequest,
    InvalidToken,
    MethodNotAllowed,
    OAuthError,
    ServerError,
    SlowDown,
    TemporarilyUnavailable,
)
from authwright.protocol.http import NO_HEADERS, Headers, HttpRequest, HttpResponse, Pass, json_response
from authwright.provider.audit import Audit, StoreFailed, log_refusal, logger
from authwright.provider.cors import Sharing
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.presented import presented
from authwright.provider.sender_constraint import BEARER, DPOP
from authwright.provider.settings import Settings
from authwright.stores.protocols import StoreUnavailable

Endpoint: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponse | Pass]]

_NOT_FOUND = HttpResponse(
    404,
    Headers.of({"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}),
    b"Not found\n",
)


class Provider:
    """An issuer. `handle` is a `Fetch`: give it to a relying party and both run in one process."""

    def __init__(
        self,
        *,
        settings: Settings,
        routes: Mapping[str, Endpoint],
        opened: Callable[[], Awaitable[None]],
        closed: Callable[[], Awaitable[None]],
        maintain: Callable[[], Awaitable[None]],
        dpop_nonce: Callable[[], str] | None = None,
        events: ProviderEvents | None = None,
        sharing: Sharing | None = None,
        audit: Audit | None = None,
        fingerprint: Callable[[str], str] | None = None,
    ) -> None:
        """`routes` are full paths, the issuer's own path included, each compared exactly and as it was sent.

        `dpop_nonce` gives the nonce for a DPoP client's next proof; None = none are asked for. `sharing` tells which
        answers scripts of other origins may read; None = none. `fingerprint` names a value in the log without holding
        any of it; None = values are not named there.
        """
        self.settings = settings
        self._routes = dict(routes)
        self._opened = opened
        self._closed = closed
        self._maintain = maintain
        self._dpop_nonce = dpop_nonce
        self._events = events if events is not None and "match_endpoint" in events.wanted else None
        self._sharing = sharing
        self._audit = audit or Audit()
        self._fingerprint = fingerprint or _no_fingerprint

    @property
    def issuer(self) -> str:
        """The issuer identifier, exact."""
        return self.settings.issuer

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer any request; 404 for a path that is not ours."""
        return await self.try_handle(request) or _NOT_FOUND

    async def try_handle(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request for one of our paths; None for any other, or when an event passed it on."""
        answer = await self._answer(request)
        if answer is None or self._sharing is None:
            return answer
        return await self._sharing.shared(request, answer)

    async def _answer(self, request: HttpRequest) -> HttpResponse | None:
        path: str | None = request.path if request.path in self._routes else None
        try:
            if self._sharing is not None and request.method == "OPTIONS":
                preflight = await self._sharing.preflight(request)
                if preflight is not None:
                    return preflight
            if self._events is not None:
                path = await self._events.amend("match_endpoint", InvalidRequest, request, path)
            if path is None:
                return None
            answer = await self._routes[path](request)
        except AnsweredByEvent as event:
            answer = event.answer
        except OAuthError as refusal:
            return self._refusal(request, refusal)
        except StoreUnavailable:
            # A fault of ours is never told as a fault of the caller's grant or credentials.
            return self._store_failed(request)
        except Exception as failure:
            log_failure(request, failure)
            return self._refusal(request, ServerError())
        return None if isinstance(answer, Pass) else self._with_nonce(request, answer)

    def _with_nonce(self, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        # RFC 9449 §8.2: a client that proves a key gets the nonce for its next proof with every answer no cache keeps.
        if self._dpop_nonce is None or request.headers.get("dpop") is None:
            return answer
        if answer.headers.get("cache-control") != "no-store":
            return answer
        return answer.with_headers(("dpop-nonce", self._dpop_nonce()))

    @property
    def paths(self) -> frozenset[str]:
        """The full paths that are answered."""
        return frozenset(self._routes)

    def serves(self, path: str) -> bool:
        """Whether `path`, as it was sent, is one of ours."""
        return path in self._routes or self._events is not None

    async def open(self) -> None:
        """Open stores and read keys. Safe to call more than once."""
        await self._opened()

    async def close(self) -> None:
        """Close what was opened."""
        await self._closed()

    async def maintain(self) -> None:
        """What is to be done now and then: rotate keys, remove what is expired. Safe in every worker at once."""
        await self._maintain()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """`async with provider.lifespan():` opens it and closes it."""
        await self.open()
        try:
            yield
        finally:
            await self.close()

    def _store_failed(self, request: HttpRequest) -> HttpResponse:
        refusal = TemporarilyUnavailable("Try again.", detail=StoreFailed.name)
        if _logs_itself(request):
            # What it refuses it logs; of what it could not decide it knows nothing.
            self._log(request, refusal)
        if self._audit.watched:
            self._audit.record(StoreFailed(endpoint=request.path))
        return self._refusal(request, refusal)

    def _refusal(self, request: HttpRequest, refusal: OAuthError) -> HttpResponse:
        if not _logs_itself(request):
            self._log(request, refusal)
        headers = self._refusal_headers(request, refusal)
        answer = json_response(refusal.http_status, refusal.members(), headers)
        return self._with_nonce(request, answer)

    def _log(self, request: HttpRequest, refusal: OAuthError) -> None:
        log_refusal(request.path, refusal, request, *presented(request, self._fingerprint))

    def _refusal_headers(self, request: HttpRequest, refusal: OAuthError) -> Headers:
        realm = self.settings.issuer
        match refusal:
            case MethodNotAllowed():
                return Headers.of({"allow": refusal.allow})
            case SlowDown() | TemporarilyUnavailable():
                return Headers.of({"retry-after": str(refusal.retry_after)})
            case _ if refusal.code in (InvalidToken.error, InsufficientScope.error):
                # RFC 6750 §3.
                scope = refusal.scope if isinstance(refusal, InsufficientScope) else ""
                # RFC 9449 §7.1: the challenge names the scheme that was used, or the one that should have been.
                used = (request.headers.get("authorization") or "").partition(" ")[0]
                scheme = DPOP if used.lower() == DPOP.lower() else getattr(refusal, "scheme", BEARER)
                return _challenge(refusal, realm, scheme, scope)
            case InvalidDpopProof() if refusal.at_resource:
                return _challenge(refusal, realm, refusal.scheme)
            case _ if refusal.code == InvalidClient.error:
                # RFC 6749 §5.2: 401 names the scheme the client may use.
                return Headers.of({"www-authenticate": build_challenge("Basic", {"realm": realm})})
            case _:
                return NO_HEADERS


def _no_fingerprint(_: str) -> str:
    return ""


def _logs_itself(request: HttpRequest) -> bool:
    return request.path.endswith("/token")


def _challenge(refusal: OAuthError, realm: str, scheme: str, scope: str = "") -> Headers:
    parameters = {
        "realm": realm,
        "error": refusal.code,
        "error_description": refusal.description,
        "scope": scope,
        # RFC 9449 §7.1.
        "algs": " ".join(PROOF_ALGORITHMS) if scheme == DPOP else "",
    }
    return Headers.of({"www-authenticate": build_challenge(scheme, parameters)})


def log_failure(request: HttpRequest, failure: Exception) -> None:
    """Log where an error of ours arose: its type and the lines, not its text, which may quote what was sent."""
    frames = traceback.extract_tb(failure.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
    name = type(failure).__name__
    logger.error(
        "request.failed: %s at %s",
        name,
        where[-1] if where else "?",
        extra={"event": "request.failed", "path": request.path, "failure": name, "where": where},
    )
