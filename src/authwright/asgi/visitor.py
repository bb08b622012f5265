"""Who is behind a request, and the dependencies that ask for it."""

from dataclasses import dataclass
from inspect import Signature
from typing import NoReturn, TypeAlias

from authwright.asgi.connection import Connection, connection_of, connection_signature, to_request
from authwright.asgi.types import Scope
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.relying_party.errors import (
    CrossSiteRefused,
    Forbidden,
    LoginRequired,
    NoAccessToken,
    ProviderRefused,
    ResponseRejected,
    SessionEnded,
)
from authwright.relying_party.parties import RelyingParties
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.requirement import SignInRequirement
from authwright.relying_party.sessions import SignedIn
from authwright.relying_party.user import Anonymous, User
from authwright.remote.documents import RemoteFault
from authwright.stores.protocols import StoreUnavailable

SCOPE_KEY = "authwright"
"""Where the middleware puts the `Visitor` in an ASGI scope."""

SignIn: TypeAlias = RelyingParty | RelyingParties
"""One provider or several."""

OURS = (
    CrossSiteRefused,
    Forbidden,
    LoginRequired,
    NoAccessToken,
    ProviderRefused,
    RemoteFault,
    ResponseRejected,
    SessionEnded,
    StoreUnavailable,
)
"""What the middleware answers, wherever in the application it was raised."""

_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Granted:
    """What `request.auth` is: "authenticated" and the scopes the provider granted, or nothing."""

    scopes: tuple[str, ...] = ()


class _Unknown:
    """Stands for a user nobody can look up just now."""

    def __getattr__(self, name: str) -> NoReturn:
        raise StoreUnavailable


class Visitor:
    """Who is behind a request. The session is looked up on first use, once."""

    __slots__ = ("_looked", "_party", "_request", "_signed_in", "answer")

    answer: HttpResponse | Exception | None
    """What the browser is to get, or what was raised, where the framework has no words for it."""

    def __init__(self, party: SignIn, request: HttpRequest) -> None:
        self._party = party
        self._request = request
        self._looked = False
        self._signed_in: SignedIn | None = None
        self.answer = None

    def belongs_to(self, party: SignIn) -> bool:
        return self._party is party

    async def fill(self, scope: Scope) -> None:
        """Set what Starlette's `request.user` and `request.auth` show, and Litestar's."""
        try:
            signed_in = await self.session()
        except StoreUnavailable:
            # A page that does not ask who is there must not fail; one that does finds out then.
            scope["user"] = scope["auth"] = _Unknown()
            return
        scope["user"] = Anonymous() if signed_in is None else self._party.user(signed_in)
        scope["auth"] = Granted(() if signed_in is None else ("authenticated", *signed_in.data.scope))

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


def visitor_of(party: SignIn, connection: Connection) -> Visitor:
    """The visitor of a connection, whether or not the middleware saw it first."""
    held = connection.scope.get(SCOPE_KEY)
    if isinstance(held, Visitor) and held.belongs_to(party):
        return held
    return Visitor(party, to_request(connection.scope))


def refuse_cross_site(party: SignIn, connection: Connection) -> None:
    """Raise CrossSiteRefused for a request that may change something and comes from another origin.

    SameSite keeps the cookie from other sites, but not from a sibling of our domain, nor from its WebSockets.
    """
    request = to_request(connection.scope)
    safe = connection.scope["type"] == "http" and request.method in _SAFE
    if not safe and not party.is_same_origin(request):
        raise CrossSiteRefused


class RequiredUser:
    """A dependency: the signed-in user, as far as `needed` is met.

    Raises LoginRequired, which the middleware turns into a redirect or a 401, Forbidden (403) and CrossSiteRefused (403).
    """

    def __init__(self, party: SignIn, needed: SignInRequirement | None = None) -> None:
        self._party = party
        self._needed = needed or SignInRequirement()

    @property
    def __signature__(self) -> Signature:
        return connection_signature()

    async def __call__(self, connection: Connection | Scope, *_: object) -> User:
        """The user. Further arguments are ignored: Litestar hands a guard its route as well."""
        connection = connection_of(connection)
        visitor = visitor_of(self._party, connection)
        try:
            refuse_cross_site(self._party, connection)
            signed_in = await visitor.session()
            self._needed.check(_party_of(self._party, signed_in), signed_in)
        except (CrossSiteRefused, Forbidden, LoginRequired, StoreUnavailable) as refusal:
            visitor.answer = refusal
            raise
        assert signed_in is not None  # noqa: S101 - the requirement looked
        return self._party.user(signed_in)


def _party_of(party: SignIn, signed_in: SignedIn | None) -> RelyingParty | None:
    """Whose user it is; None while that is still to be chosen."""
    if isinstance(party, RelyingParty):
        return party
    return None if signed_in is None else party.party_of(signed_in)


class OptionalUser:
    """A dependency: the signed-in user, or None. Raises CrossSiteRefused (403)."""

    def __init__(self, party: SignIn) -> None:
        self._party = party

    @property
    def __signature__(self) -> Signature:
        return connection_signature()

    async def __call__(self, connection: Connection | Scope, *_: object) -> User | None:
        """The user, or None. Further arguments are ignored."""
        connection = connection_of(connection)
        visitor = visitor_of(self._party, connection)
        try:
            refuse_cross_site(self._party, connection)
            return await visitor.user()
        except (CrossSiteRefused, StoreUnavailable) as refusal:
            visitor.answer = refusal
            raise
