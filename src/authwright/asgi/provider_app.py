"""The provider as an ASGI 3 application: scope and messages become an `HttpRequest`, the `HttpResponse` goes back.

It runs alone, mounted under any framework, or in front of another application that answers what is not ours.
It knows nothing of OAuth but the shape of an error: what answers is a function it is given.
"""

import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from authwright.asgi.body import BodyTooLarge, Disconnected, check_declared_length, read_body, replay
from authwright.asgi.connection import full_path
from authwright.asgi.forwarded import client_certificate, peer_behind, trusted_by
from authwright.asgi.lifecycle import Lifecycle, Step, serve_lifespan
from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.protocol.errors import OAuthError, PayloadTooLarge, ServerError, TemporarilyUnavailable
from authwright.protocol.http import NO_HEADERS, Headers, HttpRequest, HttpResponse, json_response
from authwright.protocol.params import MAX_BODY

Handle: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponse]]
TryHandle: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponse | None]]

_LOG = logging.getLogger("authwright")
_CLOSE = Headers(((b"connection", b"close"),))
_RETRY = Headers(((b"retry-after", b"1"),))
_BODILESS = ("GET", "HEAD")


class ProviderApp:
    """An ASGI application around `handle`.

    `try_handle` answers None for a request that is not ours; `fallback` then gets it, body and all. `serves` tells
    by the path alone (percent-encoded, the mount's prefix in it) whether a request can be ours: one that cannot
    goes to `fallback` with its body unread. `trusted_proxies` are the addresses or networks whose `Forwarded`,
    `X-Forwarded-For` and client certificate headers count. `startup` and `shutdown` run once each, with the
    server's lifespan or, in a mounted application that gets none, before the first request.
    """

    __slots__ = ("_certificate_header", "_fallback", "_handle", "_is_trusted", "_lifecycle", "_serves")

    def __init__(
        self,
        handle: Handle,
        *,
        try_handle: TryHandle | None = None,
        fallback: ASGIApp | None = None,
        serves: Callable[[str], bool] | None = None,
        trusted_proxies: Sequence[str] = (),
        client_certificate_header: str = "client-cert",
        startup: Step | None = None,
        shutdown: Step | None = None,
    ) -> None:
        self._handle: TryHandle = try_handle if fallback is not None and try_handle is not None else handle
        self._fallback = fallback
        self._serves = serves if fallback is not None else None
        self._is_trusted = trusted_by(trusted_proxies) if trusted_proxies else None
        self._certificate_header = client_certificate_header.lower().encode("ascii")
        self._lifecycle = Lifecycle(startup, shutdown)

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Start on entry, stop on exit: for an application that mounts us and has a lifespan of its own."""
        await self._lifecycle.start()
        try:
            yield
        finally:
            await self._lifecycle.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return

        # 1. Whose request is it, as far as the path tells?
        path = full_path(scope)
        if self._serves is not None and self._fallback is not None and not self._serves(path):
            await self._fallback(scope, receive, send)
            return

        # 2. Read the body, never beyond the limit.
        method: str = scope["method"]
        body = b""
        if method not in _BODILESS:
            try:
                check_declared_length(scope, MAX_BODY)
                body = await read_body(receive, MAX_BODY)
            except Disconnected:
                return
            except BodyTooLarge as error:
                if self._fallback is not None and self._serves is None:
                    # Nothing of ours takes that much, so it is the fallback's, with what was read put back.
                    await self._fallback(scope, _put_back(error, receive), send)
                else:
                    await _send_response(_too_large(), method, send)
                return
            except OAuthError as error:
                await _send_response(_refusal(error, _CLOSE), method, send)
                return

        # 3. Answer.
        request = self._request(scope, method, path, body)
        response = await self._answer(request)
        if response is None and self._fallback is not None:
            again = receive if method in _BODILESS else replay(body, receive)
            await self._fallback(scope, again, send)
            return
        await _send_response(response or _NOT_FOUND, method, send)

    def _request(self, scope: Scope, method: str, path: str, body: bytes) -> HttpRequest:
        client = scope.get("client")
        peer: str | None = client[0] if client else None
        certificate: bytes | None = None
        if self._is_trusted is not None and peer is not None and self._is_trusted(peer):
            certificate = client_certificate(scope, self._certificate_header)
            peer = peer_behind(scope, peer, self._is_trusted)
        query: bytes = scope["query_string"]
        return HttpRequest(
            method, path, query.decode("latin-1"), Headers(scope["headers"]), body, "", peer, certificate
        )

    async def _answer(self, request: HttpRequest) -> HttpResponse | None:
        if not self._lifecycle.ready:
            try:
                await self._lifecycle.start()
            except Exception as error:
                _log_failure("start failed", error, request)
                return _refusal(TemporarilyUnavailable("The server is not ready yet."), _RETRY)
        try:
            return await self._handle(request)
        except Exception as error:
            _log_failure("request failed", error, request)
            return _refusal(ServerError("The server met an unexpected condition."))

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(self._lifecycle, self._fallback, scope, receive, send)
        elif self._fallback is not None:
            await self._fallback(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})


async def _send_response(response: HttpResponse, method: str, send: Send) -> None:
    body, status = response.body, response.status
    headers = list(response.headers.lines)
    # RFC 9110 §8.6: no length on 1xx, 204 and 304; on HEAD it is the length GET would have had.
    if status >= 200 and status not in (204, 304):
        headers = [field for field in headers if field[0] != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _put_back(error: BodyTooLarge, receive: Receive) -> Receive:
    return replay(error.read, receive, more=error.more) if error.read else receive


def _refusal(error: OAuthError, headers: Headers = NO_HEADERS) -> HttpResponse:
    return json_response(error.http_status, error.members(), headers)


def _too_large() -> HttpResponse:
    # The connection closes, so that the server need not read what it will not use.
    return _refusal(PayloadTooLarge("The request is too large."), _CLOSE)


_NOT_FOUND = json_response(
    404, {"error": "invalid_request", "error_description": "There is no such endpoint."}
)


def _log_failure(event: str, error: Exception, request: HttpRequest) -> None:
    # Neither the message of the error nor anything of the request but its method: both may hold secrets.
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    extra: dict[str, Any] = {
        "event": event.replace(" ", "_"),
        "method": request.method,
        "error": type(error).__name__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    where = extra["at"][-1] if extra["at"] else "?"
    _LOG.error("%s: %s at %s", event, extra["error"], where, extra=extra)
