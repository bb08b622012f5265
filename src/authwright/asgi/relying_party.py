"""The relying party in front of an ASGI application: its endpoints, the signed-in user, and what LoginRequired becomes."""

import logging
from collections.abc import Awaitable, Callable

import msgspec

from authwright.asgi.body import BodyTooLarge, Disconnected, check_declared_length, read_body
from authwright.asgi.connection import send_response, to_request
from authwright.asgi.either import LoginOrTokenRequired
from authwright.asgi.reply import Reply
from authwright.asgi.types import ASGIApp, Message, Receive, Scope, Send
from authwright.asgi.visitor import OURS, SCOPE_KEY, SignIn, Visitor
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, json_response
from authwright.protocol.params import MAX_BODY
from authwright.relying_party.errors import (
    CrossSiteRefused,
    Forbidden,
    LoginRequired,
    NoAccessToken,
    ResponseRejected,
    SessionEnded,
)
from authwright.relying_party.navigation import is_navigation
from authwright.relying_party.pages import refused_page
from authwright.relying_party.refusal import cross_site_refusal
from authwright.remote.documents import RemoteFault

_LOG = logging.getLogger("authwright.relying_party")
_BODILESS = ("GET", "HEAD")


class RelyingPartyMiddleware:
    """An ASGI application around `app`. It owns every Set-Cookie of the relying party, whatever `app` answers."""

    __slots__ = ("_app", "_close", "_party")

    def __init__(
        self, app: ASGIApp, party: SignIn, close: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`close` is awaited when the server stops."""
        self._app = app
        self._party = party
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await self._app(scope, receive, self._closing(send))
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, method = to_request(scope), scope["method"]

        # 1. One of our endpoints.
        if self._party.serves(request.path):
            try:
                answer = await self._answer(request, scope, receive)
            except Disconnected:
                return
            if not isinstance(answer, Pass):
                await send_response(answer, method, send)
                return

        # 2. The application, which may raise what only we know how to answer.
        scope[SCOPE_KEY] = visitor = Visitor(self._party, request)
        await visitor.fill(scope)
        reply = Reply(send)
        try:
            await self._app(scope, receive, reply.send)
        except OURS as raised:
            if reply.started:
                raise
            await send_response(await self._translate(request, raised), method, send)
        except Exception:
            await reply.flush()
            raise
        else:
            # Some frameworks make a 500 of any exception, ours too, and others keep a place for our answer.
            if reply.held and visitor.answer is not None:
                await send_response(await self._answer_of(request, visitor.answer), method, send)
            else:
                await reply.flush()

    async def _answer(self, request: HttpRequest, scope: Scope, receive: Receive) -> HttpResponse | Pass:
        if request.method not in _BODILESS:
            try:
                check_declared_length(scope, MAX_BODY)
                request = msgspec.structs.replace(request, body=await read_body(receive, MAX_BODY))
            except BodyTooLarge:
                return refused_page(413, "The request is too large.").with_headers(("connection", "close"))
            except InvalidRequest:
                return refused_page(400, "The request is malformed.")
        return await self._party.handle(request)

    async def _answer_of(self, request: HttpRequest, answer: HttpResponse | Exception) -> HttpResponse:
        return answer if isinstance(answer, HttpResponse) else await self._translate(request, answer)

    async def _translate(self, request: HttpRequest, raised: Exception) -> HttpResponse:
        match raised:
            case LoginRequired():
                answer = await self._party.challenge_for(request, raised)
                if isinstance(raised, LoginOrTokenRequired) and answer.status == 401:
                    return answer.with_headers(("www-authenticate", raised.challenge))
                return answer
            case NoAccessToken(just_signed_in=True):
                # A provider that remembers its users would send the browser round for ever.
                pass
            case SessionEnded() | NoAccessToken():
                answer = await self._party.challenge_for(request, LoginRequired())
                return answer.with_headers(self._party.forget_cookie())
            case CrossSiteRefused():
                return cross_site_refusal(request)
            case Forbidden():
                _LOG.info("forbidden", extra={"event": "rp.forbidden", "reason": raised.reason})
                if is_navigation(request):
                    return refused_page(403, "You may not open this page.")
                return json_response(403, {"error": "forbidden"})
        reason = raised.reason if isinstance(raised, RemoteFault | ResponseRejected) else ""
        extra = {"event": "rp.unavailable", "error": type(raised).__name__, "reason": reason}
        _LOG.warning("request failed: %s %s", extra["error"], reason, extra=extra)
        page = refused_page(503, "A service this page needs cannot be reached. Please try again in a moment.")
        return page.with_headers(("retry-after", "5"))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SCOPE_KEY] = visitor = Visitor(self._party, to_request(scope))
        await visitor.fill(scope)
        try:
            await self._app(scope, receive, send)
        except (CrossSiteRefused, Forbidden, LoginRequired, SessionEnded, NoAccessToken):
            # RFC 6455 §7.4.1: policy violation; before the handshake a server answers 403.
            await send({"type": "websocket.close", "code": 1008})

    def _closing(self, send: Send) -> Send:
        async def send_and_close(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self.close()
            await send(message)

        return send_and_close

    async def close(self) -> None:
        if self._close is not None:
            await self._close()
