"""Which answers a script of another origin may read (the CORS protocol of the Fetch Standard, RFC 9700 §2.6).

A browser client runs at the origin of one of its redirect URIs, so these origins, and no others, may call the token,
userinfo and revocation endpoints and read the keys. Discovery is public. Nothing else is ever shared, least of all
the authorization endpoint, and never with credentials: no cookie of ours has a say at these endpoints.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from authwright.clock import Clock, utcnow
from authwright.protocol.errors import AccessDenied
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.provider.clients import Clients
from authwright.records import Client
from authwright.stores.protocols import StoreUnavailable

REGISTERED = "registered"
"""Shared with the origins of the clients' redirect URIs."""

ANY = "*"
"""Shared with everybody: a document that says the same to all."""

_METHODS = "GET, POST"
_REQUEST_HEADERS = "Authorization, Content-Type, DPoP"
# RFC 6750 §3, RFC 9449 §8.2: what a client must read beside the body.
_EXPOSED = ("access-control-expose-headers", "WWW-Authenticate, DPoP-Nonce")
_PREFLIGHT_SECONDS = "600"
_DEFAULT_PORTS = {"https": 443, "http": 80}


class OriginNotRegistered(AccessDenied):
    """A preflight from an origin that is no client's."""

    status = 403


def origin_of(redirect_uri: str) -> str | None:
    """The origin a browser names for a page at that URI (RFC 6454 §6.2); None where no web page of a client can be.

    Such a page is at https, or at http on loopback.
    """
    parts = urlsplit(redirect_uri)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    if parts.scheme == "http" and not is_loopback_host(parts.netloc):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    standard = parts.port is None or parts.port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if standard else f"{parts.scheme}://{host}:{parts.port}"


def registered_origins(clients: Iterable[Client]) -> frozenset[str]:
    """The origins of the clients' redirect URIs."""
    origins = (origin_of(uri) for client in clients for uri in client.redirect_uris)
    return frozenset(origin for origin in origins if origin is not None)


def sent_origin(request: HttpRequest) -> str | None:
    """The value of `Origin`; "" for a request with several, which is nobody's; None without one."""
    match request.headers.many("origin"):
        case ():
            return None
        case (origin,):
            return origin
        case _:
            return ""


def is_preflight(request: HttpRequest) -> bool:
    """Whether a browser asks, before it sends a script's request (Fetch Standard, CORS-preflight request)."""
    return (
        request.method == "OPTIONS"
        and request.headers.get("origin") is not None
        and request.headers.get("access-control-request-method") is not None
    )


class RegisteredOrigins:
    """The origins of all enabled clients. A change in the store is seen within `reread`, by every worker."""

    def __init__(
        self, clients: Clients, *, clock: Clock = utcnow, reread: timedelta = timedelta(seconds=2)
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._reread = reread
        self._lock = asyncio.Lock()
        self._known: frozenset[str] = frozenset()
        self._read_at: datetime | None = None

    async def has(self, origin: str) -> bool:
        """Whether a page of a client is there. Raises StoreUnavailable.

        `null`, the origin of sandboxed frames and local files, belongs to anybody and so to no client.
        """
        if not self._is_fresh():
            async with self._lock:
                # Whoever waited for the lock finds it done: one reading every `reread`, however many ask.
                if not self._is_fresh():
                    now = self._clock()
                    self._known = registered_origins(await self._clients.enabled())
                    self._read_at = now
        return origin in self._known

    def _is_fresh(self) -> bool:
        # A clock that was set back makes nothing fresh again.
        return self._read_at is not None and timedelta(0) <= self._clock() - self._read_at < self._reread


class Sharing:
    """The answers that may be shared, by path."""

    def __init__(self, origins: RegisteredOrigins, paths: Mapping[str, str]) -> None:
        """`paths` are full paths, each with `REGISTERED` or `ANY`."""
        self._origins = origins
        self._paths = dict(paths)

    async def preflight(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to a preflight for one of the paths; None for any other request.

        Raises OriginNotRegistered, or StoreUnavailable.
        """
        rule = self._paths.get(request.path)
        if rule is None or not is_preflight(request):
            return None
        origin = sent_origin(request)
        if rule == REGISTERED and not (origin and await self._origins.has(origin)):
            raise OriginNotRegistered(
                "The origin is not that of a registered redirect URI.", detail="cors.reject"
            )
        return HttpResponse(
            204,
            Headers.of(
                (
                    ("access-control-allow-origin", origin if rule == REGISTERED and origin else ANY),
                    ("access-control-allow-methods", _METHODS),
                    ("access-control-allow-headers", _REQUEST_HEADERS),
                    ("access-control-max-age", _PREFLIGHT_SECONDS),
                    ("cache-control", "no-store"),
                    ("vary", "Origin"),
                )
            ),
        )

    async def shared(self, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        """`answer`, marked readable for the script that sent `request` where it is one of a client's."""
        rule = self._paths.get(request.path)
        if rule is None or is_preflight(request):
            return answer
        if rule == ANY:
            return answer.with_headers(("access-control-allow-origin", ANY))
        origin = sent_origin(request)
        if origin is None:
            # Only what caches keep must tell them that it differs by origin.
            return answer if _kept_by_no_cache(answer) else answer.with_headers(("vary", "Origin"))
        if not await self._readable(origin):
            return answer.with_headers(("vary", "Origin"))
        return answer.with_headers(("access-control-allow-origin", origin), _EXPOSED, ("vary", "Origin"))

    async def _readable(self, origin: str) -> bool:
        try:
            return await self._origins.has(origin)
        except StoreUnavailable:
            # The answer stands, and may hold tokens; without the mark the browser keeps it from the script.
            return False


def _kept_by_no_cache(answer: HttpResponse) -> bool:
    return answer.headers.get("cache-control") == "no-store"
