"""The guard under ASGI: dependencies for a framework, the middleware that answers what they refuse, and the document."""

from collections.abc import Sequence
from inspect import Signature

import msgspec

from authwright.asgi.connection import (
    Connection,
    connection_of,
    connection_signature,
    full_path,
    send_response,
    to_request,
)
from authwright.asgi.forwarded import client_certificate, trusted_by
from authwright.asgi.reply import Reply
from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.protocol.http import HttpRequest, Pass
from authwright.resource_server.access_token import AccessToken
from authwright.resource_server.guard import ResourceServer
from authwright.resource_server.refusals import BearerRefused
from authwright.resource_server.requirement import Requirement


class ClientCertificates:
    """Reads the certificate of a request from the header of a trusted proxy, and from nobody else (RFC 9440)."""

    __slots__ = ("_header", "_is_trusted")

    def __init__(self, trusted_proxies: Sequence[str] = (), header: str = "client-cert") -> None:
        """Raises ValueError for what is no address or network."""
        self._is_trusted = trusted_by(trusted_proxies)
        self._header = header.lower().encode("ascii")

    def request_of(self, scope: Scope) -> HttpRequest:
        """The request of a scope, with the certificate where there is one to be believed."""
        request = to_request(scope)
        # RFC 9700 §4.13: anybody can send the header; only the proxy saw the certificate.
        if request.peer is None or not self._is_trusted(request.peer):
            return request
        certificate = client_certificate(scope, self._header)
        return msgspec.structs.replace(request, client_certificate=certificate)


class RequiredToken:
    """A dependency: the access token, if it is good enough. Raises BearerRefused.

    `scopes`, `acr_values` and `max_age` (seconds) as for `ResourceServer.guard`.
    """

    def __init__(
        self,
        guard: ResourceServer,
        scopes: tuple[str, ...] = (),
        certificates: ClientCertificates | None = None,
        *,
        acr_values: tuple[str, ...] = (),
        max_age: int | None = None,
    ) -> None:
        # Checked here, so that a requirement nobody can meet is found when the application starts.
        self._needed = Requirement(scopes=scopes, acr_values=acr_values, max_age=max_age)
        self._guard = guard
        self._certificates = certificates or ClientCertificates()

    @property
    def __signature__(self) -> Signature:
        return connection_signature()

    async def __call__(self, connection: Connection | Scope, *_: object) -> AccessToken:
        """The token. Further arguments are ignored: Litestar hands a guard its route as well."""
        return await self._guard.guard(
            self._certificates.request_of(connection_of(connection).scope),
            self._needed.scopes,
            acr_values=self._needed.acr_values,
            max_age=self._needed.max_age,
        )

    def refusal(self) -> BearerRefused:
        """What somebody without a token is told."""
        return self._guard.no_token(self._needed.scopes)


class ResourceServerMiddleware:
    """An ASGI application around `app` that turns BearerRefused into its answer, and serves the guard's document."""

    __slots__ = ("_app", "_guard")

    def __init__(self, app: ASGIApp, guard: ResourceServer) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            try:
                await self._app(scope, receive, send)
            except BearerRefused:
                await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._guard.serves(full_path(scope)):
            document = self._guard.handle(to_request(scope))
            if not isinstance(document, Pass):
                await send_response(document, scope["method"], send)
                return
        reply = Reply(send)
        try:
            await self._app(scope, receive, reply.send)
        except BearerRefused as refused:
            if reply.started:
                raise
            await send_response(refused.response, scope["method"], send)
        except Exception:
            await reply.flush()
            raise
        else:
            await reply.flush()
