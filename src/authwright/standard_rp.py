"""The relying party and the resource server as an application writes them: wired here, and nowhere else."""

import logging
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

from authwright.asgi.connection import Connection, framework_response, request_of
from authwright.asgi.relying_party import OptionalUser, RelyingPartyMiddleware, RequiredUser, visitor_of
from authwright.asgi.resource_server import ClientCertificates, RequiredToken, ResourceServerMiddleware
from authwright.asgi.types import ASGIApp
from authwright.clock import Clock, utcnow
from authwright.crypto.dpop_nonces import DpopNonces
from authwright.crypto.handles import Handles, random_id
from authwright.crypto.seal import KEY_SIZE, RootKeys, Seal
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse, Json, Pass
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.relying_party.claim_actions import Claims
from authwright.relying_party.client import (
    ClientAuth,
    Paths,
    Public,
    RelyingPartyClient,
    SecretBasic,
    UserInfo,
)
from authwright.relying_party.events import RelyingPartyEvents
from authwright.relying_party.party import RelyingParty as RelyingPartyCore
from authwright.relying_party.sessions import SESSION_LIFETIME
from authwright.relying_party.user import User
from authwright.remote.dpop import DpopProofs
from authwright.resource_server.access_token import AccessToken
from authwright.resource_server.guard import ResourceServer as ResourceServerCore
from authwright.resource_server.holder import DpopAcceptance
from authwright.resource_server.introspection import Introspection
from authwright.stores.memory import MemoryOnce, MemoryRelyingPartySessions
from authwright.stores.protocols import OnceStore, RelyingPartySessionStore

_LOG = logging.getLogger("authwright.relying_party")

L = TypeVar("L", bound=Callable[[Any], Any])


class ClosableFetch(Protocol):
    """A Fetch of ours, with connections to close."""

    async def __call__(self, request: HttpRequest) -> HttpResponse: ...

    async def close(self) -> None: ...


def standard_fetch(issuer: str, *, allow: Sequence[str] = (), ca_file: str = "") -> ClosableFetch:
    """A guarded Fetch for that issuer; needs the extra `client`. An http issuer on loopback may call loopback."""
    from authwright.http_client import GuardedClient

    parts = urlsplit(issuer)
    local = parts.scheme == "http" and is_loopback_host(parts.netloc)
    return GuardedClient(allow=allow, ca_file=ca_file, allow_loopback_http=local)


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
    outbound_allow: Sequence[str]
    """Hosts exempt from the private-address guard."""
    ca_file: str
    paths: Paths
    events: RelyingPartyEvents
    claims: Claims
    userinfo: UserInfo
    prompt: Sequence[str]
    max_age: int
    acr_values: Sequence[str]
    resource: Sequence[str]
    parameters: Mapping[str, str]
    metadata: ProviderMetadata
    """Given: no discovery."""
    session_lifetime: timedelta
    signed_out_redirect: str
    access_denied_path: str
    trusted_origins: Collection[str]
    """Other sites whose pages may send requests that change something."""
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
    )
    roots = _root_keys(options.get("keys"))
    clock = options.get("clock", utcnow)
    fetch = options.get("fetch") or standard_fetch(
        issuer, allow=options.get("outbound_allow", ()), ca_file=options.get("ca_file", "")
    )
    return RelyingPartyCore(
        issuer=issuer,
        client=client,
        fetch=fetch,
        seal=Seal(roots, "relying_party"),
        handles=Handles(roots.derive("relying_party handles")),
        sessions=options.get("sessions") or MemoryRelyingPartySessions(clock),
        base_url=base_url,
        paths=options.get("paths"),
        events=options.get("events"),
        claims=options.get("claims"),
        clock=clock,
        metadata=options.get("metadata"),
        session_lifetime=options.get("session_lifetime", SESSION_LIFETIME),
        signed_out_redirect=options.get("signed_out_redirect"),
        access_denied_path=options.get("access_denied_path"),
        trusted_origins=options.get("trusted_origins", ()),
    )


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


class RelyingParty:
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
            self._own_fetch = standard_fetch(
                issuer, allow=options.get("outbound_allow", ()), ca_file=options.get("ca_file", "")
            )
            options["fetch"] = self._own_fetch
        self.core = standard_relying_party(
            issuer=issuer,
            client_id=client_id,
            base_url=base_url,
            client_secret=client_secret,
            scopes=scopes,
            **options,
        )
        self.user = RequiredUser(self.core)
        """Dependency: the signed-in user, or LoginRequired."""
        self.optional_user = OptionalUser(self.core)
        """Dependency: the signed-in user, or None."""

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
    ) -> Any:
        """Sign out here and at the provider: `return await rp.sign_out(request)`.

        Answers the framework's own response where it is Starlette's, else an HttpResponse.
        """
        response = await self.core.sign_out(request_of(request), return_to=return_to, items=items)
        return response if isinstance(request, HttpRequest) else framework_response(response)

    async def close(self) -> None:
        """Close the connections to the provider; the middleware does it when the server stops."""
        if self._own_fetch is not None:
            await self._own_fetch.close()


class ResourceServer:
    """A bearer guard for an API.

        api = ResourceServer(issuer="https://op.example", audience="https://api.example")
        app.add_middleware(api.middleware)

        @app.get("/orders")
        async def orders(token: Annotated[AccessToken, Depends(api.require("read"))]): ...

    Any other ASGI application: `app = api.wrap(app)` and `await api.guard(request, {"read"})`. `client_id` and
    `client_secret` are for introspection, without which only JWTs are accepted.

    With `base_url`, the public URL of the API, tokens bound to a DPoP key are taken, and with `dpop_required` no
    others. Several processes need one `once` store between them; `dpop_nonce_keys`, the same in all of them, makes
    clients put a nonce of ours into their proofs. `trusted_proxies` are the addresses that hand client certificates
    on, for tokens that are bound to one.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        introspection: Introspection | None = None,
        introspect_jwts: bool = False,
        scopes: Sequence[str] = (),
        fetch: Fetch | None = None,
        outbound_allow: Sequence[str] = (),
        ca_file: str = "",
        metadata: ProviderMetadata | None = None,
        base_url: str = "",
        dpop_required: bool = False,
        dpop_nonce_keys: RootKeys | None = None,
        once: OnceStore | None = None,
        trusted_proxies: Sequence[str] = (),
        client_certificate_header: str = "Client-Cert",
        clock: Clock = utcnow,
    ) -> None:
        if dpop_required and not base_url:
            raise ValueError("dpop_required needs base_url, the public URL of the API")
        dpop = None
        if base_url:
            parts = urlsplit(base_url)
            nonces = None
            if dpop_nonce_keys is not None:
                nonces = DpopNonces(dpop_nonce_keys.derive("dpop-nonce"), "" if once else random_id())
            dpop = DpopAcceptance(
                origin=f"{parts.scheme}://{parts.netloc}",
                proofs=DpopProofs(once or MemoryOnce(clock), nonces),
                required=dpop_required,
            )
        self._certificates = ClientCertificates(trusted_proxies, client_certificate_header)
        if introspection is None and client_id is not None and client_secret is not None:
            introspection = Introspection(client_id, SecretBasic(client_secret))
        self._own_fetch: ClosableFetch | None = None
        if fetch is None:
            fetch = self._own_fetch = standard_fetch(issuer, allow=outbound_allow, ca_file=ca_file)
        self.core = ResourceServerCore(
            issuer=issuer,
            audience=audience,
            fetch=fetch,
            clock=clock,
            introspection=introspection,
            introspect_jwts=introspect_jwts,
            scopes=scopes,
            metadata=metadata,
            dpop=dpop,
        )
        self.token = RequiredToken(self.core, certificates=self._certificates)
        """Dependency: the access token of the request."""

    def require(self, *scopes: str) -> RequiredToken:
        """Dependency: the access token of the request, with these scopes."""
        return RequiredToken(self.core, scopes, self._certificates)

    async def guard(self, request: HttpRequest | Connection, scopes: Sequence[str] = ()) -> AccessToken:
        """The access token of a request. Raises BearerRefused."""
        if not isinstance(request, HttpRequest):
            request = self._certificates.request_of(request.scope)
        return await self.core.guard(request, scopes)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """For `app.add_middleware(api.middleware)`: answers what the guard refuses."""
        return ResourceServerMiddleware(app)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """`app` with the guard's answers."""
        return self.middleware(app)

    async def close(self) -> None:
        """Close the connections to the issuer."""
        if self._own_fetch is not None:
            await self._own_fetch.close()
