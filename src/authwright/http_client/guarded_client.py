"""Outbound HTTP that cannot be turned against us: a `Fetch` over httpcore2, the connection layer of httpx2.

There is nothing here that follows a redirect, keeps a cookie, reads a proxy from the environment or unpacks a
compressed answer: each would be a way around the guard.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

try:
    import httpcore2
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        f"calling other servers needs the package {_missing.name}; install authwright[client], or hand over a fetch",
        name=_missing.name,
    ) from None

from authwright.http_client.guard import (
    Guard,
    OutboundFailed,
    OutboundRefused,
    Resolver,
    Target,
    parse_target,
    system_resolver,
)
from authwright.http_client.pools import Pools
from authwright.http_client.vetted_connections import VettedConnections
from authwright.protocol.http import Headers, HttpRequest, HttpResponse

PARALLEL_PER_HOST = 8
MAX_CONNECTIONS = 64
# Shorter than the five seconds after which many servers close an idle connection, so that none is used dying.
IDLE_SECONDS = 4.0

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_TARGET = re.compile(r"[!-~]+", re.ASCII)
# RFC 9110 §7.6.1: fields of the connection, and those we set ourselves.
_OURS = frozenset(
    {
        b"accept-encoding",
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"user-agent",
    }
)


class GuardedClient:
    """Sends requests to public https hosts, within limits. It is a `Fetch`.

    `allow` names hosts ("host" or "host:port") that may be private and http. `allow_loopback_http` lets hosts that
    say loopback (localhost, 127.0.0.1, ::1) be called, by http too: for an issuer that is on loopback itself.
    `ca_file` is a PEM file trusted besides the system's certificates; `client_certificate` one with our certificate and
    its private key, for servers that ask for it. Times are in seconds: `connect_timeout` for
    name and connection, `total_timeout` for everything; an answer has at most `max_bytes`. Of `max_connections` one
    host has at most `parallel_per_host`; `pools` share the work where many hosts are called at once.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        ca_file: str = "",
        client_certificate: str = "",
        connect_timeout: float = 3.0,
        total_timeout: float = 5.0,
        max_bytes: int = 65536,
        parallel_per_host: int = PARALLEL_PER_HOST,
        max_connections: int = MAX_CONNECTIONS,
        pools: int = 1,
        allow_loopback_http: bool = False,
        resolver: Resolver | None = None,
        connector: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._guard = Guard(
            allow=frozenset(host.lower() for host in allow), allow_loopback=allow_loopback_http
        )
        self._connect_timeout = connect_timeout
        self._total_timeout = total_timeout
        self._max_bytes = max_bytes
        self._parallel_per_host = parallel_per_host
        self._turns: dict[str, tuple[asyncio.Semaphore, set[object]]] = {}
        ssl_context = _ssl_context(ca_file, client_certificate)
        backend = VettedConnections(
            self._guard, resolver or system_resolver, connector or httpcore2.AnyIOBackend()
        )
        self._pools = Pools(
            lambda: httpcore2.AsyncConnectionPool(
                ssl_context=ssl_context,
                max_connections=max_connections // pools,
                max_keepalive_connections=max_connections // pools // 2,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=backend,
            ),
            count=pools,
            busy=max(1, parallel_per_host // pools),
        )

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status; a redirect is an answer.

        Raises OutboundRefused when the guard forbids the request or its answer, OutboundFailed when no answer came.
        """
        # 1. May it be called at all?
        target = parse_target(request.origin)
        self._guard.check_scheme(target)
        outgoing = self._outgoing(request, target)

        # 2. Call, in the time there is. The addresses are vetted when the connection is made.
        try:
            async with asyncio.timeout(self._total_timeout), self._turn(target):
                with self._pools.one(target.authority) as pool:
                    return await self._exchange(pool, outgoing, target)
        except TimeoutError:
            raise OutboundFailed(f"{target.host} did not answer in time") from None
        except (httpcore2.TimeoutException, httpcore2.PoolTimeout):
            raise OutboundFailed(f"{target.host} did not answer in time") from None
        except httpcore2.ConnectError as error:
            raise OutboundFailed(f"{target.host} cannot be reached: {error}") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            # The text of these may quote what the peer sent, so only their kind is told.
            raise OutboundFailed(f"{target.host} did not answer properly: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close every connection."""
        await self._pools.close()

    def _outgoing(self, request: HttpRequest, target: Target) -> httpcore2.Request:
        path = f"{request.path}?{request.query}" if request.query else request.path
        if request.method not in _METHODS or not path.startswith("/") or not _TARGET.fullmatch(path):
            raise OutboundRefused(f"the request to {target.host} is malformed")
        headers = [
            (b"host", target.authority.encode("ascii")),
            (b"user-agent", b"authwright"),
            (b"accept-encoding", b"identity"),
            *(field for field in request.headers.lines if field[0] not in _OURS),
        ]
        if request.body or request.method in _WITH_BODY:
            headers.append((b"content-length", b"%d" % len(request.body)))
        return httpcore2.Request(
            request.method,
            httpcore2.URL(
                scheme=target.scheme.encode("ascii"),
                host=target.host.encode("ascii"),
                port=target.port,
                target=path.encode("ascii"),
            ),
            headers=headers,
            content=request.body,
            extensions={"timeout": {"connect": self._connect_timeout}},
        )

    async def _exchange(
        self, pool: httpcore2.AsyncConnectionPool, outgoing: httpcore2.Request, target: Target
    ) -> HttpResponse:
        response = await pool.handle_async_request(outgoing)
        try:
            headers = Headers((name.lower(), value) for name, value in response.headers)
            if headers.get("content-encoding") not in (None, "", "identity"):
                # Not asked for; unpacking it would let a small answer become a large one.
                raise OutboundRefused(f"{target.host} answered in an encoding that was not asked for")
            declared = headers.get("content-length") or ""
            if declared.isdecimal() and int(declared) > self._max_bytes and outgoing.method != b"HEAD":
                raise OutboundRefused(f"{target.host} answered more than {self._max_bytes} bytes")
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > self._max_bytes:
                    raise OutboundRefused(f"{target.host} answered more than {self._max_bytes} bytes")
            return HttpResponse(response.status, headers, bytes(body))
        finally:
            await response.aclose()

    @asynccontextmanager
    async def _turn(self, target: Target) -> AsyncIterator[None]:
        # A host that answers slowly holds this many of our connections and no more.
        key = target.authority
        waiting = object()
        semaphore, users = self._turns.setdefault(key, (asyncio.Semaphore(self._parallel_per_host), set()))
        users.add(waiting)
        try:
            async with semaphore:
                yield
        finally:
            users.discard(waiting)
            if not users:
                self._turns.pop(key, None)


def _ssl_context(ca_file: str, client_certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    if client_certificate:
        # RFC 8705 §2: shown to servers that ask for one, and to no others.
        context.load_cert_chain(client_certificate)
    return context
