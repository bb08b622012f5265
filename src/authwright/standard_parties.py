"""Several providers in front of one ASGI application: wired here."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from authwright.asgi.connection import Connection, request_of
from authwright.asgi.frameworks import answer_with
from authwright.asgi.relying_party import RelyingPartyMiddleware
from authwright.asgi.sign_in_routes import SignInRoutes
from authwright.asgi.types import ASGIApp
from authwright.asgi.visitor import visitor_of
from authwright.protocol.http import HttpRequest, HttpResponse, Pass
from authwright.relying_party.parties import RelyingParties as RelyingPartiesCore
from authwright.relying_party.user import User
from authwright.standard_rp import RelyingParty

L = TypeVar("L", bound=Callable[[Any], Any])


class RelyingParties(SignInRoutes):
    """Sign-in with one of several providers.

        google = RelyingParty(name="google", issuer="https://accounts.google.com", keys=keys, sessions=sessions, …)
        ours = RelyingParty(name="ours", issuer="https://op.example", keys=keys, sessions=sessions, …)
        rp = RelyingParties([ours, google])
        app.add_middleware(rp.middleware)

    Each has a `name`, and endpoints below `/auth/` and its name; all get the same `base_url`, `keys` and `sessions`. A
    user who is not signed in chooses at `/auth/login`, unless there is a `default`, or `LoginRequired` names a
    `provider`. `/auth/logout` signs out of whichever it was.
    """

    def __init__(
        self, parties: Sequence[RelyingParty], *, default: str | None = None, prefix: str = "/auth"
    ) -> None:
        """Raises ValueError for parties that could be taken for one another."""
        self._parties = tuple(parties)
        self.core: RelyingPartiesCore = RelyingPartiesCore(
            [party.core for party in parties], default=default, prefix=prefix
        )
        super().__init__(self.core)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """For `app.add_middleware(rp.middleware)`."""
        return RelyingPartyMiddleware(app, self.core, self.close)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """`app` with the relying parties in front."""
        return self.middleware(app)

    def on(self, event: type) -> Callable[[L], L]:
        """Decorator: have a function called with each `event`, whichever provider it is of."""

        def add(listener: L) -> L:
            for party in self._parties:
                party.on(event)(listener)
            return listener

        return add

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """The endpoints of all without ASGI."""
        return await self.core.handle(request)

    async def user_of(self, request: HttpRequest | Connection) -> User | None:
        """The signed-in user of a request, a framework's or ours, or None."""
        if isinstance(request, HttpRequest):
            signed_in = await self.core.session(request)
            return None if signed_in is None else self.core.user(signed_in)
        return await visitor_of(self.core, request).user()

    async def sign_out(
        self, request: HttpRequest | Connection, *, return_to: str | None = None, everywhere: bool = False
    ) -> Any:
        """Sign out here and at the provider: `return await rp.sign_out(request)`.

        Answers the framework's own response where it is Starlette's, else an HttpResponse.
        """
        response = await self.core.sign_out(request_of(request), return_to=return_to, everywhere=everywhere)
        return response if isinstance(request, HttpRequest) else answer_with(response, request)

    async def close(self) -> None:
        """Close the connections to the providers; the middleware does it when the server stops."""
        for party in self._parties:
            await party.close()
