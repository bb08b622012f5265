"""The relying party as an application writes it: wired here, and nowhere else."""

import logging
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from authwright.asgi.connection import Connection, request_of
from authwright.asgi.frameworks import answer_with
from authwright.asgi.relying_party import RelyingPartyMiddleware
from authwright.asgi.sign_in_routes import SignInRoutes
from authwright.asgi.types import ASGIApp
from authwright.asgi.visitor import visitor_of
from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import KEY_SIZE, RootKeys, Seal
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.metadata import ProviderMetadata
from authwright.relying_party.audit import AuditSink
from authwright.relying_party.claim_actions import Claims
from authwright.relying_party.client import (
    IAT_SLACK,
    LEEWAY,
    SIGNING_ALGORITHMS,
    AuthenticationMethod,
    ClientAuth,
    FlowPolicy,
    Paths,
    Public,
    PushedAuthorization,
    RelyingPartyClient,
    ResponseMode,
    ResponseType,
    SecretBasic,
    UserInfo,
    UserInfoToken,
)
from authwright.relying_party.encrypted import Encrypted
from authwright.relying_party.events import RelyingPartyEvents
from authwright.relying_party.logout import LogoutPolicy
from authwright.relying_party.party import RelyingParty as RelyingPartyCore
from authwright.relying_party.sessions import SESSION_LIFETIME, SignedIn
from authwright.relying_party.user import User
from authwright.remote.token_exchange import TokenExchanger
from authwright.standard_fetch import ClosableFetch, api_fetch, standard_fetch
from authwright.standard_rs import ResourceServer
from authwright.stores.memory import MemoryRelyingPartySessions
from authwright.stores.protocols import OnceStore, RelyingPartySessionStore

__all__ = ["RelyingParty", "RelyingPartyOptions", "ResourceServer", "standard_relying_party"]

_LOG = logging.getLogger("authwright.relying_party")

L = TypeVar("L", bound=Callable[[Any], Any])


class RelyingPartyOptions(TypedDict, total=False):
    """What else a relying party can be given."""

    client_auth: ClientAuth
    """How we authenticate, where it is not by `client_secret` and HTTP Basic."""
    keys: RootKeys | str
    """Root keys, or their text as `authwright init` writes it, the same in every process. Default: random ones, and
    sessions end with the process."""
    sessions: RelyingPartySessionStore
    """Default: in memory, which serves one process."""
    fetch: Fetch
    """Default: a guarded client (extra `client`)."""
    api_fetch: Fetch
    """For the APIs called by `user.http`. Default: a guarded client, with more room and time."""
    outbound_allow: Sequence[str]
    """Hosts exempt from the private-address guard."""
    ca_file: str
    paths: Paths
    events: RelyingPartyEvents
    claims: Claims
    claims_providers: Collection[str]
    """Issuers whose word is taken for claims the provider leaves to others (aggregated and distributed claims)."""
    userinfo: UserInfo
    userinfo_token: UserInfoToken
    """Where the access token is in that request: "header" (default) or "body"."""
    prompt: Sequence[str]
    max_age: int
    acr_values: Sequence[str]
    resource: Sequence[str]
    parameters: Mapping[str, str]
    response_type: ResponseType
    """Default: "code"."""
    front_channel_access_tokens: bool
    """Needed for response types with `token`."""
    response_mode: ResponseMode
    """Default: "query" for "code", else "form_post". With "jwt" in its name the answer is signed."""
    par: PushedAuthorization
    """Whether authorization requests are pushed: "auto" (where the provider can take them), "require" or "never"."""
    request_object: SigningKey
    """The key to sign authorization requests with."""
    dpop: Literal["require"]
    """Bind tokens to a key of the session."""
    encrypted: Encrypted
    """What the provider encrypts to us."""
    userinfo_algorithms: Sequence[str]
    """The UserInfo answer must be signed, with one of these."""
    client_certificate: str
    """A PEM file with certificate and private key, for `TlsClientCertificate` and tokens bound to it."""
    authentication_method: AuthenticationMethod
    """How the request is sent: "redirect" (default) or "form_post"."""
    id_token_algorithms: Sequence[str]
    """Default: all that are safe and the provider names. "none" is for the code flow, where it is registered."""
    trusted_audiences: Collection[str]
    """Audiences an ID token may name beside our client_id."""
    required_claims: Collection[str]
    """Which of `acr`, `amr`, `auth_time` and `azp` an ID token must have."""
    leeway: timedelta
    """How far apart the clocks may be. Default: a minute."""
    iat_slack: timedelta
    """How old the `iat` of an ID token may be. Default: ten minutes."""
    name: str
    """Tells it from others of the same application; its endpoints are then below `/auth/` and the name."""
    tenants: Collection[str]
    """Those allowed, for an issuer with `{tenantid}` in it; needs `metadata_url`."""
    metadata_url: str
    """Where the metadata is, if not where the specifications put it."""
    flow: FlowPolicy
    """How a login attempt may go."""
    metadata: ProviderMetadata
    """Given: no discovery."""
    session_lifetime: timedelta
    signed_out_redirect: str
    access_denied_path: str
    trusted_origins: Collection[str]
    """Other sites whose pages may send requests that change something."""
    logout: LogoutPolicy
    once: OnceStore
    """Where the ids of logout tokens are remembered. Default: in memory, which serves one process."""
    audit: AuditSink
    """Is told of sign-ins and sign-outs."""
    clock: Clock


def standard_relying_party(
    *,
    issuer: str,
    client_id: str,
    base_url: str,
    client_secret: str | None = None,
    scopes: Sequence[str] = ("openid", "profile"),
    **options: Unpack[RelyingPartyOptions],
) -> RelyingPartyCore:
    """A relying party from its configuration. Raises ValueError for one that cannot work."""
    _check_names(options)
    if "client_auth" in options and client_secret is not None:
        raise ValueError("give client_secret or client_auth, not both")
    by_default = Public() if client_secret is None else SecretBasic(client_secret)
    client = RelyingPartyClient(
        client_id=client_id,
        auth=options.get("client_auth", by_default),
        scopes=tuple(scopes),
        prompt=tuple(options.get("prompt", ())),
        max_age=options.get("max_age"),
        acr_values=tuple(options.get("acr_values", ())),
        resource=tuple(options.get("resource", ())),
        parameters=dict(options.get("parameters", {})),
        userinfo=options.get("userinfo", "always"),
        userinfo_token=options.get("userinfo_token", "header"),
        par=options.get("par", "auto"),
        request_object=options.get("request_object"),
        dpop=options.get("dpop"),
        encrypted=options.get("encrypted"),
        userinfo_algorithms=tuple(options.get("userinfo_algorithms", ())),
        response_type=options.get("response_type", "code"),
        front_channel_access_tokens=options.get("front_channel_access_tokens", False),
        response_mode=options.get("response_mode"),
        authentication_method=options.get("authentication_method", "redirect"),
        id_token_algorithms=tuple(options.get("id_token_algorithms", SIGNING_ALGORITHMS)),
        trusted_audiences=frozenset(options.get("trusted_audiences", ())),
        required_claims=frozenset(options.get("required_claims", ())),
        leeway=options.get("leeway", LEEWAY),
        iat_slack=options.get("iat_slack", IAT_SLACK),
    )
    roots, name = _root_keys(options.get("keys")), options.get("name", "")
    clock = options.get("clock", utcnow)
    fetch = options.get("fetch") or standard_fetch(issuer, **_outbound(options))
    return RelyingPartyCore(
        issuer=issuer,
        client=client,
        fetch=fetch,
        seal=Seal(roots, "relying_party"),
        handles=Handles(roots.derive("relying_party handles")),
        sessions=options.get("sessions") or MemoryRelyingPartySessions(clock),
        base_url=base_url,
        paths=options.get("paths") or _paths_of(name),
        name=name,
        tenants=options.get("tenants", ()),
        metadata_url=options.get("metadata_url"),
        flow=options.get("flow"),
        events=options.get("events"),
        claims=options.get("claims"),
        claims_providers=options.get("claims_providers", ()),
        clock=clock,
        api_fetch=options.get("api_fetch"),
        metadata=options.get("metadata"),
        session_lifetime=options.get("session_lifetime", SESSION_LIFETIME),
        signed_out_redirect=options.get("signed_out_redirect"),
        access_denied_path=options.get("access_denied_path"),
        trusted_origins=options.get("trusted_origins", ()),
        logout=options.get("logout"),
        once=options.get("once"),
        audit=options.get("audit"),
    )


def _check_names(options: RelyingPartyOptions) -> None:
    """Raises TypeError for an option that there is not: a setting with a slip in its name would have no effect."""
    known = ("scopes", *RelyingPartyOptions.__annotations__)
    for name in options.keys() - RelyingPartyOptions.__annotations__.keys():
        close = get_close_matches(name, known, n=1)
        raise TypeError(f"there is no option {name!r}" + (f"; is {close[0]!r} meant?" if close else ""))


def _paths_of(name: str) -> Paths:
    if not name:
        return Paths()
    if not all(character.isalnum() or character in "-_" for character in name) or not name.isascii():
        raise ValueError("name: letters, digits, '-' and '_'")
    return Paths(prefix=f"/auth/{name}")


class _Outbound(TypedDict):
    allow: Sequence[str]
    ca_file: str
    client_certificate: str


def _outbound(options: RelyingPartyOptions) -> _Outbound:
    return {
        "allow": options.get("outbound_allow", ()),
        "ca_file": options.get("ca_file", ""),
        "client_certificate": options.get("client_certificate", ""),
    }


def _root_keys(keys: RootKeys | str | None) -> RootKeys:
    if isinstance(keys, RootKeys):
        return keys
    if keys is not None:
        return RootKeys.parse(keys)
    _LOG.warning(
        "no keys given: cookies and sessions end with this process",
        extra={"event": "rp.random_keys"},
    )
    return RootKeys([secrets.token_bytes(KEY_SIZE)])


class RelyingParty(SignInRoutes):
    """Sign-in for an ASGI application.

        rp = RelyingParty(issuer="https://op.example", client_id="web", client_secret=…,
                          base_url="https://app.example", scopes=["openid", "profile", "offline_access"])
        app = FastAPI()
        app.add_middleware(rp.middleware)

        @app.get("/")
        async def home(user: Annotated[User, Depends(rp.user)]): ...

    Any other ASGI application: `app = rp.wrap(app)`, then `await scope["authwright"].user()`.
    `RelyingParty.core` has every verb; the arguments are those of `standard_relying_party`.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        base_url: str,
        client_secret: str | None = None,
        scopes: Sequence[str] = ("openid", "profile"),
        **options: Unpack[RelyingPartyOptions],
    ) -> None:
        self._own_fetch: ClosableFetch | None = None
        if "fetch" not in options:
            self._own_fetch = standard_fetch(issuer, **_outbound(options))
            options["fetch"] = self._own_fetch
        self._own_api_fetch: ClosableFetch | None = None
        if "api_fetch" not in options:
            options["api_fetch"] = self._own_api_fetch = api_fetch(
                allow=options.get("outbound_allow", ()), ca_file=options.get("ca_file", "")
            )
        self.core: RelyingPartyCore = standard_relying_party(
            issuer=issuer,
            client_id=client_id,
            base_url=base_url,
            client_secret=client_secret,
            scopes=scopes,
            **options,
        )
        super().__init__(self.core)
        self.exchange_token: TokenExchanger = TokenExchanger(
            metadata=self.core.metadata, post=self.core.channel.post
        )
        """Exchange a token at the provider: `await rp.exchange_token(token, scope=["read"])` (RFC 8693)."""

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """For `app.add_middleware(rp.middleware)`."""
        return RelyingPartyMiddleware(app, self.core, self.close)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """`app` with the relying party in front."""
        return self.middleware(app)

    def on(self, event: type) -> Callable[[L], L]:
        """Decorator: have a function called with each `event`, such as `TokenValidated`."""
        return self.core.on(event)

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """The relying party's endpoints without ASGI."""
        return await self.core.handle(request)

    async def user_of(self, request: HttpRequest | Connection) -> User | None:
        """The signed-in user of a request, a framework's or ours, or None."""
        if isinstance(request, HttpRequest):
            signed_in = await self.core.session(request)
            return None if signed_in is None else self.core.user(signed_in)
        return await visitor_of(self.core, request).user()

    async def sign_out(
        self,
        request: HttpRequest | Connection,
        *,
        return_to: str | None = None,
        items: Mapping[str, Json] | None = None,
        everywhere: bool = False,
    ) -> Any:
        """Sign out here and at the provider: `return await rp.sign_out(request)`.

        `everywhere`: in the user's other browsers too. Answers the framework's own response where it is Starlette's,
        else an HttpResponse.
        """
        response = await self.core.sign_out(
            request_of(request), return_to=return_to, items=items, everywhere=everywhere
        )
        return response if isinstance(request, HttpRequest) else answer_with(response, request)

    async def sessions_of(self, subject: str, *, issuer: str | None = None) -> tuple[SignedIn, ...]:
        """The live sessions of a user, oldest first. `issuer` is needed where ours is a template."""
        return await self.core.sessions_of(subject, issuer=issuer)

    async def end_sessions(self, subject: str, *, issuer: str | None = None) -> int:
        """End all sessions of a user, in whatever browser, and revoke their refresh tokens; how many there were."""
        return await self.core.end_sessions(subject, issuer=issuer)

    async def end_session(self, subject: str, session_id: str, *, issuer: str | None = None) -> bool:
        """End one session of a user, by its `id` as in `sessions_of`; whether the user had it."""
        return await self.core.end_session(subject, session_id, issuer=issuer)

    async def close(self) -> None:
        """Close the connections to the provider; the middleware does it when the server stops."""
        if self._own_fetch is not None:
            await self._own_fetch.close()
        if self._own_api_fetch is not None:
            await self._own_api_fetch.close()
