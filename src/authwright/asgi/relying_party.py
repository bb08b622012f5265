"""The relying party in front of an ASGI application: its endpoints, the signed-in user, and what LoginRequired becomes."""

import logging
from collections.abc import Awaitable, Callable
from inspect import Signature

from authwright.asgi.body import BodyTooLarge, Disconnected, check_declared_length, read_body
from authwright.asgi.connection import Connection, connection_signature, send_response, to_request
from authwright.asgi.reply import Reply
from authwright.asgi.types import ASGIApp, Message, Receive, Scope, Send
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest, HttpResponse, Pass
from authwright.protocol.params import MAX_BODY
from authwright.relying_party.errors import (
    CrossSiteRefused,
    LoginRequired,
    NoAccessToken,
    ProviderRefused,
    ResponseRejected,
    SessionEnded,
)
from authwright.relying_party.pages import refused_page
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.sessions import SignedIn
from authwright.relying_party.user import User
from authwright.remote.documents import RemoteFault
from authwright.stores.protocols import StoreUnavailable

SCOPE_KEY = "authwright"
"""Where the middleware puts the `Visitor` in an ASGI scope."""

_LOG = logging.getLogger("authwright.relying_party")
_OURS = (
    CrossSiteRefused,
    LoginRequired,
    NoAccessToken,
    ProviderRefused,
    RemoteFault,
    ResponseRejected,
    SessionEnded,
    StoreUnavailable,
)
_BODILESS = ("GET", "HEAD")
_SAFE = ("GET", "HEAD", "OPTIONS")


class Visitor:
    """Who is behind a request. The session is looked up on first use, once."""

    __slots__ = ("_looked", "_party", "_request", "_signed_in")

    def __init__(self, party: RelyingParty, request: HttpRequest) -> None:
        self._party = party
        self._request = request
        self._looked = False
        self._signed_in: SignedIn | None = None

    def belongs_to(self, party: RelyingParty) -> bool:
        return self._party is party

    async def session(self) -> SignedIn | None:
        """The session, or None. Raises StoreUnavailable."""
        if not self._looked:
            self._signed_in = await self._party.session(self._request)
            self._looked = True
        return self._signed_in

    async def user(self) -> User | None:
        """The signed-in user, or None. Raises StoreUnavailable."""
        signed_in = await self.session()
        return None if signed_in is None else self._party.user(signed_in)


def visitor_of(party: RelyingParty, connection: Connection) -> Visitor:
    """The visitor of a connection, whether or not the middleware saw it first."""
    held = connection.scope.get(SCOPE_KEY)
    if isinstance(held, Visitor) and held.belongs_to(party):
        return held
    return Visitor(party, to_request(connection.scope))


def refuse_cross_site(party: RelyingParty, connection: Connection) -> None:
    """Raise CrossSiteRefused for a request that may change something and comes from another origin.

    SameSite keeps the cookie from other sites, but not from a sibling of our domain, nor from its WebSockets.
    """
    request = to_request(connection.scope)
    safe = connection.scope["type"] == "http" and request.method in _SAFE
    if not safe and not party.is_same_origin(request):
        raise CrossSiteRefused


class RequiredUser:
    """A dependency: the signed-in user.

    Raises LoginRequired, which the middleware turns into a redirect or a 401, and CrossSiteRefused (403).
    """

    def __init__(self, party: RelyingParty) -> None:
        self._party = party

    @property
    def __signature__(self) -> Signature:
        return connection_signature()

    async def __call__(self, connection: Connection) -> User:
        refuse_cross_site(self._party, connection)
        user = await visitor_of(self._party, connection).user()
        if user is None:
            raise LoginRequired
        return user


class OptionalUser:
    """A dependency: the signed-in user, or None. Raises CrossSiteRefused (403)."""

    def __init__(self, party: RelyingParty) -> None:
        self._party = party

    @property
    def __signature__(self) -> Signature:
        return connection_signature()

    async def __call__(self, connection: Connection) -> User | None:
        refuse_cross_site(self._party, connection)
        return await visitor_of(self._party, connection).user()


class RelyingPartyMiddleware:
    """An ASGI application around `app`. It owns every Set-Cookie of the relying party, whatever `app` answers."""

    __slots__ = ("_app", "_close", "_party")

    def __init__(
        self, app: ASGIApp, party: RelyingParty, close: Callable[[], Awaitable[None]] | None = None
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
        scope[SCOPE_KEY] = Visitor(self._party, request)
        reply = Reply(send)
        try:
            await self._app(scope, receive, reply.send)
        except _OURS as raised:
            if reply.started:
                raise
            await send_response(await self._translate(request, raised), method, send)
        except Exception:
            await reply.flush()
            raise
        else:
            await reply.flush()

    async def _answer(self, request: HttpRequest, scope: Scope, receive: Receive) -> HttpResponse | Pass:
        body = b""
        if request.method not in _BODILESS:
            try:
                check_declared_length(scope, MAX_BODY)
                body = await read_body(receive, MAX_BODY)
            except BodyTooLarge:
                return refused_page(413, "The request is too large.").with_headers(("connection", "close"))
            except InvalidRequest:
                return refused_page(400, "The request is malformed.")
        return await self._party.handle(to_request(scope, body))

    async def _translate(self, request: HttpRequest, raised: Exception) -> HttpResponse:
        match raised:
            case LoginRequired():
                return await self._party.challenge_for(request, raised)
            case SessionEnded() | NoAccessToken():
                answer = await self._party.challenge_for(request, LoginRequired())
                return answer.with_headers(self._party.sessions.forget_cookie())
            case CrossSiteRefused():
                return refused_page(403, "The request came from another site.")
        _LOG.warning("request failed", extra={"event": "rp.unavailable", "error": type(raised).__name__})
        page = refused_page(503, "A service this page needs cannot be reached. Please try again in a moment.")
        return page.with_headers(("retry-after", "5"))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SCOPE_KEY] = Visitor(self._party, to_request(scope))
        try:
            await self._app(scope, receive, send)
        except (CrossSiteRefused, LoginRequired, SessionEnded, NoAccessToken):
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
