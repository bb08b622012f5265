"""The relying party itself: its parts, its public verbs, and which request goes to which.

OpenID Connect Core 1.0, RFC 6749, RFC 7636, RFC 9207 and RP-Initiated Logout 1.0, as a client.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.seal import Seal
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import PASS, Fetch, Headers, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.params import Params, encode, parse_form, parse_params
from authwright.protocol.token import TokenResponse
from authwright.relying_party import logout, tokens, userinfo
from authwright.relying_party.callback import receive_callback
from authwright.relying_party.challenge import send_to_provider
from authwright.relying_party.claim_actions import Claims, default_claims
from authwright.relying_party.client import Paths, RelyingPartyClient, Site
from authwright.relying_party.errors import LoginRequired, NoAccessToken
from authwright.relying_party.events import CodeRedemption, EventLine, RelyingPartyEvents
from authwright.relying_party.flow import FlowCookies
from authwright.relying_party.navigation import is_navigation, is_not_script, login_needed
from authwright.relying_party.pages import failure_page, refused_page, sign_out_page
from authwright.relying_party.refresh import SingleFlight, is_fresh, is_usable, refresh_session
from authwright.relying_party.sessions import SESSION_LIFETIME, Sessions, SignedIn
from authwright.relying_party.user import User
from authwright.remote.documents import RemoteFault
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys
from authwright.stores.protocols import RelyingPartySessionStore, StoreUnavailable

L = TypeVar("L", bound=Callable[[Any], Any])


class RelyingParty:
    """Signs users in with one issuer. `handle` is a whole application; each verb can be called, or overridden, alone.

    `client`: who we are at the issuer. `fetch`: how it is reached. `seal`: for cookies and sessions; `handles`: for
    session ids; both must be the same in every process. `sessions`: where sessions are kept. `base_url`: the
    application as browsers know it, never taken from a request. `signed_out_redirect`: where a sign-out ends when
    nothing else is said; may be another site. `access_denied_path`: where a user who declined goes. `trusted_origins`:
    other sites whose pages may send requests that change something.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client: RelyingPartyClient,
        fetch: Fetch,
        seal: Seal,
        handles: Handles,
        sessions: RelyingPartySessionStore,
        base_url: str,
        paths: Paths | None = None,
        events: RelyingPartyEvents | None = None,
        claims: Claims | None = None,
        clock: Clock = utcnow,
        metadata: ProviderMetadata | None = None,
        session_lifetime: timedelta = SESSION_LIFETIME,
        signed_out_redirect: str | None = None,
        access_denied_path: str | None = None,
        trusted_origins: Collection[str] = (),
    ) -> None:
        if not issuer.startswith(("https://", "http://")):
            raise ValueError("issuer must be an https URL")
        self.issuer = issuer
        self.client = client
        self.fetch = fetch
        self.seal = seal
        self.clock = clock
        self.site = Site(base_url, paths or Paths())
        self.claims = claims or default_claims()
        self.signed_out_redirect = signed_out_redirect or self.site.home
        self.access_denied_path = access_denied_path
        self.trusted_origins = frozenset(trusted_origins)
        self.line = EventLine(events)
        self.metadata = IssuerMetadata(issuer, fetch, clock=clock, given=metadata)
        self.keys = RemoteKeys(self.metadata, fetch, clock=clock)
        self.flows = FlowCookies(self.site, seal, handles)
        self.sessions = Sessions(
            sessions,
            issuer=issuer,
            site=self.site,
            seal=seal,
            handles=handles,
            clock=clock,
            lifetime=session_lifetime,
        )
        self._refreshes = SingleFlight[SignedIn]()
        self._routes = {
            self.site.path(self.site.paths.login): self._login,
            self.site.path(self.site.paths.callback): self._callback,
            self.site.path(self.site.paths.logout): self._logout,
            self.site.path(self.site.paths.logout_callback): self._logout_callback,
        }

    def on(self, event: type) -> Callable[[L], L]:
        """Decorator: have a function, async or not, called with each `event` (a class of the events module)."""

        def add(listener: L) -> L:
            self.line.add(event, listener)
            return listener

        return add

    # --- Requests

    def serves(self, path: str) -> bool:
        """Whether the path is one of our endpoints."""
        return path in self._routes

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """Answer a request to one of our endpoints; PASS for any other."""
        route = self._routes.get(request.path)
        if route is None:
            return PASS
        try:
            return await route(request)
        except RemoteFault as fault:
            return self._unavailable(fault.reason)
        except StoreUnavailable:
            return self._unavailable("sessions_unavailable")

    # --- Verbs

    async def challenge(
        self,
        request: HttpRequest,
        return_to: str | None = None,
        *,
        prompt: Sequence[str] | str | None = None,
        max_age: int | None = None,
        scopes: Sequence[str] | None = None,
        acr_values: Sequence[str] | None = None,
        items: Mapping[str, Json] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send the browser away to sign in; a script gets 401 and a `login_url` instead.

        `return_to`: a path of ours to come back to, by default that of the request. `items` come back with the
        session, and have to fit a cookie; `parameters` are this request's only. Raises RemoteFault.
        """
        target = _own_target(request) if return_to is None else return_to
        if not is_navigation(request):
            return login_needed(self.login_url(target))
        return await send_to_provider(
            self,
            request,
            target,
            prompt=prompt,
            max_age=max_age,
            scopes=scopes,
            acr_values=acr_values,
            items=items,
            parameters=parameters,
            again=False,
        )

    async def challenge_for(self, request: HttpRequest, needed: LoginRequired) -> HttpResponse:
        """What a `LoginRequired` asks for. Never raises: what hinders it becomes a 503 page."""
        try:
            return await self.challenge(
                request,
                needed.return_to,
                prompt=needed.prompt,
                max_age=needed.max_age,
                scopes=needed.scopes,
                acr_values=needed.acr_values,
                items=needed.items,
            )
        except RemoteFault as fault:
            return self._unavailable(fault.reason)

    async def callback(self, request: HttpRequest) -> SignedIn | HttpResponse | Pass:
        """Finish a sign-in: the session (its `response` goes to the browser), or the page that says why not."""
        return await receive_callback(self, request)

    async def redeem_code(self, redemption: CodeRedemption) -> TokenResponse:
        """Redeem a code. Raises ProviderRefused, ResponseRejected or RemoteFault."""
        return await tokens.redeem_code(self.fetch, self.client, redemption)

    async def fetch_userinfo(self, access_token: str) -> Mapping[str, Json]:
        """Ask the UserInfo endpoint; comparing `sub` is left to the caller. Raises ResponseRejected or RemoteFault."""
        metadata = await self.metadata.get()
        return await userinfo.fetch_userinfo(self.fetch, self.keys, metadata, self.client, access_token)

    async def use_refresh_token(self, token_endpoint: str, refresh_token: str) -> TokenResponse:
        """One refresh request. Raises ProviderRefused, ResponseRejected or RemoteFault."""
        return await tokens.use_refresh_token(self.fetch, self.client, token_endpoint, refresh_token)

    async def revoke_refresh_token(self, revocation_endpoint: str, refresh_token: str) -> None:
        """One revocation request. Raises RemoteFault."""
        await tokens.revoke_refresh_token(self.fetch, self.client, revocation_endpoint, refresh_token)

    async def session(self, request: HttpRequest) -> SignedIn | None:
        """The live session of the browser, or None. Raises StoreUnavailable."""
        return await self.sessions.find(request)

    async def refresh(self, signed_in: SignedIn) -> SignedIn:
        """The session with newer tokens; one request to the provider, however many ask at once.

        Raises SessionEnded, NoAccessToken, or one of ProviderRefused, ResponseRejected and RemoteFault, after which
        the session is as it was.
        """
        return await self._refreshes.run(signed_in.record.digest, lambda: refresh_session(self, signed_in))

    async def access_token(self, signed_in: SignedIn) -> str:
        """An access token that is fresh now, refreshed when its end is near. Raises as `refresh` does."""
        data = signed_in.data
        if data.access_token is not None and is_fresh(self, data):
            return data.access_token
        usable = data.access_token if is_usable(self, data) else None
        if data.refresh_token is None:
            if usable is None:
                raise NoAccessToken("the access token has expired and there is no refresh token")
            return usable
        try:
            renewed = await self.refresh(signed_in)
        except RemoteFault:
            # It was only going to expire: while it lasts, the provider's trouble need not be ours.
            if usable is None:
                raise
            return usable
        if renewed.data.access_token is None:
            raise NoAccessToken("the session has no access token")
        return renewed.data.access_token

    def user(self, signed_in: SignedIn) -> User:
        """The user of a session, as an application sees one."""
        return User(signed_in.iss, signed_in.sub, signed_in.claims, lambda: self.access_token(signed_in))

    async def sign_out(
        self, request: HttpRequest, *, return_to: str | None = None, items: Mapping[str, Json] | None = None
    ) -> HttpResponse:
        """End the session here and at the provider. `return_to`: a path of ours to end up at."""
        return await logout.sign_out(self, request, return_to=return_to, items=items)

    async def signed_out_callback(self, request: HttpRequest) -> HttpResponse | Pass:
        """Back from the provider after a sign-out."""
        return await logout.signed_out_callback(self, request)

    def login_url(self, return_to: str | None = None) -> str:
        """Where a person can sign in and come back to `return_to`."""
        url = self.site.url(self.site.paths.login)
        target = self.site.return_to(return_to)
        return url if target == self.site.home else f"{url}?{encode((('return_to', target),))}"

    # --- Endpoints

    async def _login(self, request: HttpRequest) -> HttpResponse | Pass:
        if request.method != "GET":
            return _not_allowed("GET")
        query = _read(request)
        if query is None:
            return refused_page(400, "The request is malformed.")
        if not is_not_script(request):
            return login_needed(self.login_url(query.one("return_to")))
        return await send_to_provider(
            self,
            request,
            query.one("return_to"),
            prompt=None,
            max_age=None,
            scopes=None,
            acr_values=None,
            items=None,
            parameters=None,
            again=query.one("again") is not None,
        )

    async def _callback(self, request: HttpRequest) -> HttpResponse | Pass:
        outcome = await self.callback(request)
        if isinstance(outcome, SignedIn):
            assert outcome.response is not None  # noqa: S101 - callback sets it
            return outcome.response
        return outcome

    async def _logout(self, request: HttpRequest) -> HttpResponse | Pass:
        if request.method == "GET":
            query = _read(request)
            if query is None:
                return refused_page(400, "The request is malformed.")
            return sign_out_page(
                self.site.url(self.site.paths.logout), self.site.return_to(query.one("return_to"))
            )
        if request.method != "POST":
            return _not_allowed("GET, POST")
        # A state change by POST alone, and not by another site's: its browser would say so. The cookie is SameSite.
        if not self.is_same_origin(request):
            return refused_page(403, "The request came from another site.")
        form = _read(request)
        return await self.sign_out(request, return_to=form.one("return_to") if form else None)

    async def _logout_callback(self, request: HttpRequest) -> HttpResponse | Pass:
        if request.method != "GET":
            return _not_allowed("GET")
        return await self.signed_out_callback(request)

    def is_same_origin(self, request: HttpRequest) -> bool:
        """Whether nothing in the request says that another origin made it (Fetch Metadata, RFC 6454 §7)."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if origin in self.trusted_origins:
            return True
        if (site or "same-origin") not in ("same-origin", "none"):
            return False
        if origin == "null":
            # A page with Referrer-Policy no-referrer hides its origin even from itself; its browser still vouches.
            return site == "same-origin"
        return origin is None or origin == self.site.origin

    def _unavailable(self, reason: str) -> HttpResponse:
        return failure_page(
            503,
            code=reason,
            text="The sign-in service cannot be reached just now. Please try again in a moment.",
            start_again=self.site.url(self.site.paths.login),
            retry_after=5,
        )


def _own_target(request: HttpRequest) -> str | None:
    """Where the request itself wanted to go; what is not a GET cannot be repeated after the sign-in."""
    if request.method not in ("GET", "HEAD"):
        return None
    return f"{request.path}?{request.query}" if request.query else request.path


def _read(request: HttpRequest) -> Params | None:
    """The parameters of a request to one of our endpoints, each given once; None when they are malformed."""
    try:
        if request.method == "POST" and request.body:
            params = parse_form(request.headers.get("content-type"), request.body)
        else:
            params = parse_params(request.query.encode("latin-1", "replace"))
        params.refuse_repeated(frozenset())
    except InvalidRequest:
        return None
    return params


def _not_allowed(allow: str) -> HttpResponse:
    page = refused_page(405, "This address cannot be used that way.")
    return HttpResponse(page.status, page.headers.plus(Headers.of({"allow": allow})), page.body)
