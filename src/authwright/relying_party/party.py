"""The relying party itself: its parts, its public verbs, and which request goes to which.

OpenID Connect Core 1.0, RFC 6749, RFC 7636, RFC 9207 and the three kinds of logout of OpenID Connect, as a client.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import Seal
from authwright.protocol.http import PASS, Fetch, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.params import encode
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.protocol.token import TokenResponse
from authwright.relying_party import logout as signing_out
from authwright.relying_party import remote_logout, tokens, userinfo
from authwright.relying_party.api_calls import UserApi, call_api
from authwright.relying_party.asked_login import AskedLogin, seal_asked
from authwright.relying_party.audit import Audit, AuditSink
from authwright.relying_party.back_channel import BackChannel
from authwright.relying_party.callback import receive_callback
from authwright.relying_party.challenge import send_to_provider
from authwright.relying_party.claim_actions import Claims, default_claims
from authwright.relying_party.claim_sources import ClaimSources
from authwright.relying_party.client import FlowPolicy, Paths, RelyingPartyClient, Site
from authwright.relying_party.endpoints import endpoints_of
from authwright.relying_party.errors import LoginRequired
from authwright.relying_party.event_line import EventLine
from authwright.relying_party.events import CodeRedemption, RelyingPartyEvents
from authwright.relying_party.flow import FlowCookies
from authwright.relying_party.issuers import Issuers
from authwright.relying_party.logout import LogoutPolicy
from authwright.relying_party.navigation import is_navigation, login_needed, own_target
from authwright.relying_party.refresh import (
    SingleFlight,
    UnwrittenResults,
    fresh_access_token,
    refresh_session,
)
from authwright.relying_party.refusal import unavailable
from authwright.relying_party.sessions import SESSION_LIFETIME, Sessions, SignedIn
from authwright.relying_party.user import User
from authwright.remote.client_authentication import TlsClientCertificate
from authwright.remote.documents import RemoteFault
from authwright.remote.issuer_metadata import IssuerMetadata
from authwright.remote.keys import RemoteKeys
from authwright.stores.memory import MemoryOnce
from authwright.stores.protocols import OnceStore, RelyingPartySessionStore, StoreUnavailable

L = TypeVar("L", bound=Callable[[Any], Any])


class RelyingParty:
    """Signs users in with one issuer. `handle` is a whole application; each verb can be called, or overridden, alone.

    `client`: who we are at the issuer. `fetch`: how it is reached. `seal`: for cookies and sessions; `handles`: for
    session ids; both must be the same in every process. `sessions`: where sessions are kept. `base_url`: the
    application as browsers know it, never taken from a request. `signed_out_redirect`: where a sign-out ends when
    nothing else is said; may be another site. `access_denied_path`: where a user who declined goes. `trusted_origins`:
    other sites whose pages may send requests that change something. `logout`: how far a sign-out reaches. `once`: where
    the ids of logout tokens are remembered; several processes need one between them. `audit`: is told what happened.
    `name`: tells it from others of the same application. `tenants`: those allowed, for an issuer with a placeholder,
    whose metadata is at `metadata_url`. `flow`: how a login attempt may go. `api_fetch`: how the APIs are reached that
    are called for users. `claims_providers`: issuers whose word is taken for what UserInfo leaves to others to say.
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
        claims_providers: Collection[str] = (),
        clock: Clock = utcnow,
        metadata: ProviderMetadata | None = None,
        session_lifetime: timedelta = SESSION_LIFETIME,
        signed_out_redirect: str | None = None,
        access_denied_path: str | None = None,
        trusted_origins: Collection[str] = (),
        logout: LogoutPolicy | None = None,
        once: OnceStore | None = None,
        audit: AuditSink | None = None,
        name: str = "",
        tenants: Collection[str] = (),
        metadata_url: str | None = None,
        flow: FlowPolicy | None = None,
        api_fetch: Fetch | None = None,
    ) -> None:
        parts = urlsplit(issuer)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback_host(parts.netloc)):
            raise ValueError("issuer must be an https URL, except on loopback")
        self.issuer = issuer
        self.client = client
        self.fetch: Fetch = fetch
        self.api_fetch: Fetch = api_fetch or fetch
        self.seal = seal
        self.clock = clock
        self.name = name
        self.issuers: Issuers = Issuers(issuer, tenants)
        if tenants and metadata_url is None and metadata is None:
            raise ValueError("an issuer with tenants needs metadata_url")
        self.flow_policy: FlowPolicy = flow or FlowPolicy()
        self.site: Site = Site(base_url, paths or Paths(), self.flow_policy.return_to_origins)
        self.claims: Claims = claims or default_claims()
        self.claim_sources: ClaimSources = ClaimSources(
            claims_providers, client=client, fetch=fetch, clock=clock
        )
        self.signed_out_redirect: str = signed_out_redirect or self.site.home
        self.access_denied_path = access_denied_path
        self.trusted_origins: frozenset[str] = frozenset(trusted_origins)
        self.logout: LogoutPolicy = logout or LogoutPolicy()
        self.once: OnceStore = once or MemoryOnce(clock)
        self.audit: Audit = Audit(audit)
        self.line: EventLine = EventLine(events)
        self.metadata: IssuerMetadata = IssuerMetadata(
            issuer,
            fetch,
            clock=clock,
            url=metadata_url,
            given=metadata,
            mtls=isinstance(client.auth, TlsClientCertificate),
        )
        self.keys: RemoteKeys = RemoteKeys(self.metadata, fetch, clock=clock)
        self.channel: BackChannel = BackChannel(issuer=issuer, client=client, fetch=fetch, clock=clock)
        self.flows: FlowCookies = FlowCookies(
            self.site, seal, handles, lifetime=self.flow_policy.lifetime, cross_site=client.posts_back
        )
        self.sessions: Sessions = Sessions(
            sessions,
            issuer=issuer,
            client_id=client.client_id,
            site=self.site,
            seal=seal,
            handles=handles,
            clock=clock,
            lifetime=session_lifetime,
            accepts=self.issuers.accepts,
        )
        self._refreshes = SingleFlight[SignedIn]()
        self.unwritten: UnwrittenResults = UnwrittenResults(clock)
        self._endpoints = endpoints_of(self)

    def on(self, event: type) -> Callable[[L], L]:
        """Decorator: have a function, async or not, called with each `event` (a class of the events module)."""

        def add(listener: L) -> L:
            self.line.add(event, listener)
            return listener

        return add

    # --- Requests

    def serves(self, path: str) -> bool:
        """Whether the path is one of our endpoints."""
        return path in self._endpoints

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """Answer a request to one of our endpoints; PASS for any other."""
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return PASS
        try:
            return await endpoint(self, request)
        except RemoteFault as fault:
            return unavailable(self, fault.reason)
        except StoreUnavailable:
            return unavailable(self, "sessions_unavailable")

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
        target = own_target(request) if return_to is None else return_to
        if not is_navigation(request):
            asked = AskedLogin(
                prompt=prompt if prompt is None or isinstance(prompt, str) else tuple(prompt),
                max_age=max_age,
                scopes=None if scopes is None else tuple(scopes),
                acr_values=None if acr_values is None else tuple(acr_values),
                items=items,
            )
            return login_needed(self.login_url(target, asked))
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
            return unavailable(self, fault.reason)

    async def callback(self, request: HttpRequest) -> SignedIn | HttpResponse | Pass:
        """Finish a sign-in: the session (its `response` goes to the browser), or the page that says why not."""
        return await receive_callback(self, request)

    async def redeem_code(self, redemption: CodeRedemption) -> TokenResponse:
        """Redeem a code. Raises ProviderRefused, ResponseRejected or RemoteFault."""
        return await tokens.redeem_code(self.channel, redemption)

    async def fetch_userinfo(
        self, access_token: str, dpop_key: SigningKey | None = None, *, issuer: str | None = None
    ) -> Mapping[str, Json]:
        """Ask the UserInfo endpoint; comparing `sub` is left to the caller. Raises ResponseRejected or RemoteFault.

        `issuer`: whose user it is; needed where ours is a template and the answer is signed.
        """
        metadata = await self.metadata.get()
        return await userinfo.fetch_userinfo(
            self.channel, self.keys, metadata, access_token, dpop_key, issuer=issuer or self.issuer
        )

    async def use_refresh_token(
        self, token_endpoint: str, refresh_token: str, dpop_key: SigningKey | None = None
    ) -> TokenResponse:
        """One refresh request. Raises ProviderRefused, ResponseRejected or RemoteFault."""
        return await tokens.use_refresh_token(self.channel, token_endpoint, refresh_token, dpop_key)

    async def revoke_refresh_token(self, revocation_endpoint: str, refresh_token: str) -> None:
        """One revocation request. Raises RemoteFault."""
        await tokens.revoke_refresh_token(self.channel, revocation_endpoint, refresh_token)

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
        return await fresh_access_token(self, signed_in)

    def user(self, signed_in: SignedIn) -> User:
        """The user of a session, as an application sees one."""
        return User(
            signed_in.iss,
            signed_in.sub,
            signed_in.claims,
            lambda: self.access_token(signed_in),
            lambda base_url: UserApi(base_url, lambda request: call_api(self, signed_in, request)),
        )

    async def sign_out(
        self,
        request: HttpRequest,
        *,
        return_to: str | None = None,
        items: Mapping[str, Json] | None = None,
        everywhere: bool = False,
    ) -> HttpResponse:
        """End the session here and at the provider. `return_to`: a path of ours to end up at.

        `everywhere`: the user's sessions in other browsers end too.
        """
        return await signing_out.sign_out(
            self, request, return_to=return_to, items=items, everywhere=everywhere
        )

    async def signed_out_callback(self, request: HttpRequest) -> HttpResponse | Pass:
        """Back from the provider after a sign-out."""
        return await signing_out.signed_out_callback(self, request)

    async def remote_sign_out(self, request: HttpRequest) -> HttpResponse | Pass:
        """The provider's logout token: its sessions end. 400 for one that is not good."""
        return await remote_logout.backchannel_logout(self, request)

    async def sessions_of(self, subject: str, *, issuer: str | None = None) -> tuple[SignedIn, ...]:
        """The live sessions of a user, oldest first. Raises StoreUnavailable.

        `issuer`: whose user; needed where ours is a template for several tenants, else ValueError.
        """
        return await self.sessions.of(self._issuer_of_user(issuer), subject)

    async def end_sessions(self, subject: str, *, issuer: str | None = None) -> int:
        """End all sessions of a user and revoke their refresh tokens; how many there were. Raises StoreUnavailable.

        `issuer` as for `sessions_of`.
        """
        return await signing_out.end_sessions(self, self._issuer_of_user(issuer), subject)

    async def end_session(self, subject: str, session_id: str, *, issuer: str | None = None) -> bool:
        """End the user's session of that `id` and revoke its refresh token; whether the user had it.

        `issuer` as for `sessions_of`. Raises StoreUnavailable.
        """
        return await signing_out.end_session(self, self._issuer_of_user(issuer), subject, session_id)

    def _issuer_of_user(self, issuer: str | None) -> str:
        # OpenID Connect Core §5.7: a subject is somebody only together with its issuer.
        named = self.issuer if issuer is None else issuer
        if not self.issuers.accepts(named):
            raise ValueError("issuer: whose user it is, one of those we take tokens from")
        return named

    def forget_cookie(self) -> tuple[str, str]:
        """The header field that deletes the browser's session cookie."""
        return self.sessions.forget_cookie()

    def login_url(self, return_to: str | None = None, asked: AskedLogin | None = None) -> str:
        """Where a person can sign in, as `asked`, and come back to `return_to`."""
        url = self.site.url(self.site.paths.login)
        target = self.site.return_to(return_to)
        pairs = [] if target == self.site.home else [("return_to", target)]
        sealed = seal_asked(self.seal, asked or AskedLogin())
        if sealed:
            pairs.append(("ask", sealed))
        return f"{url}?{encode(pairs)}" if pairs else url

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
