"""The bearer guard under ASGI: dependencies for a framework, and the middleware that answers what they refuse."""

from inspect import Signature

from authwright.asgi.connection import Connection, connection_signature, send_response, to_request
from authwright.asgi.reply import Reply
from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.resource_server.access_token import AccessToken
from authwright.resource_server.guard import ResourceServer
from authwright.resource_server.refusals import BearerRefused


class RequiredToken:
    """A dependency: the access token, with at least these scopes. Raises BearerRefused."""

    def __init__(self, guard: ResourceServer, scopes: tuple[str, ...] = ()) -> None:
        self._guard = guard
        self._scopes = scopes

    @property
    def __signature__(self) -> Signature:
        return connection_signature()

    async def __call__(self, connection: Connection) -> AccessToken:
        return await self._guard.guard(to_request(connection.scope), self._scopes)


class ResourceServerMiddleware:
    """An ASGI application around `app` that turns BearerRefused into its answer."""

    __slots__ = ("_app",)

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
