"""The resource server as an application writes it: wired here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlsplit

from authwright.asgi.connection import Connection
from authwright.asgi.either import UserOrToken
from authwright.asgi.resource_server import ClientCertificates, RequiredToken, ResourceServerMiddleware
from authwright.asgi.types import ASGIApp
from authwright.asgi.visitor import RequiredUser
from authwright.clock import Clock, utcnow
from authwright.crypto.dpop import PROOF_ALGORITHMS
from authwright.crypto.dpop_nonces import DpopNonces
from authwright.crypto.handles import random_id
from authwright.crypto.seal import RootKeys
from authwright.protocol.http import Fetch, HttpRequest, Json
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.protected_resource import ProtectedResourceMetadata
from authwright.remote.client_authentication import SecretBasic
from authwright.remote.dpop import DpopProofs
from authwright.resource_server.access_token import AccessToken
from authwright.resource_server.guard import ResourceServer as ResourceServerCore
from authwright.resource_server.holder import DpopAcceptance
from authwright.resource_server.introspection import Introspection
from authwright.standard_fetch import ClosableFetch, standard_fetch
from authwright.stores.memory import MemoryOnce
from authwright.stores.protocols import OnceStore


def either(user: RequiredUser, token: RequiredToken) -> UserOrToken:
    """Dependency: the signed-in user, or the access token where the request carries one.

        @app.get("/orders")
        async def orders(who: Annotated[User | AccessToken, Depends(either(rp.user, api.token))]): ...

    `user` may be `rp.require(…)` and `token` `api.require(…)`. Both middlewares are needed.
    """
    return UserOrToken(user, token)


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

    Where the audience is a URL, the middleware serves a document that tells clients what to ask for, and refusals
    point to it (RFC 9728). `resource_metadata` are further members of it, such as `resource_name`; None: no document.
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
        resource_metadata: Mapping[str, Json] | None = MappingProxyType({}),
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
        self.introspection: Introspection | None = introspection
        self._own_fetch: ClosableFetch | None = None
        if fetch is None:
            fetch = self._own_fetch = standard_fetch(issuer, allow=outbound_allow, ca_file=ca_file)
        self.core: ResourceServerCore = ResourceServerCore(
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
        self._described = None if resource_metadata is None else self._description(dpop, resource_metadata)
        self._named: tuple[str, ...] = ()
        self._name(scopes)
        self.token: RequiredToken = RequiredToken(self.core, certificates=self._certificates)
        """Dependency: the access token of the request."""

    def require(
        self, *scopes: str, acr: str | Sequence[str] = (), max_age: int | None = None
    ) -> RequiredToken:
        """Dependency: the access token of the request, with all of these scopes.

        The user signed in by one of `acr`, no more than `max_age` seconds ago (RFC 9470).
        """
        self._name(scopes)
        return RequiredToken(self.core, scopes, self._certificates, acr_values=_words(acr), max_age=max_age)

    async def guard(
        self,
        request: HttpRequest | Connection,
        scopes: Sequence[str] = (),
        *,
        acr: str | Sequence[str] = (),
        max_age: int | None = None,
    ) -> AccessToken:
        """The access token of a request, as `require` has it. Raises BearerRefused."""
        if not isinstance(request, HttpRequest):
            request = self._certificates.request_of(request.scope)
        return await self.core.guard(request, scopes, acr_values=_words(acr), max_age=max_age)

    @property
    def named_scopes(self) -> tuple[str, ...]:
        """The scopes that the routes require, in the order they do."""
        return self._named

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """For `app.add_middleware(api.middleware)`: answers what the guard refuses, and serves the document."""
        return ResourceServerMiddleware(app, self.core)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """`app` with the guard's answers."""
        return self.middleware(app)

    def _description(
        self, dpop: DpopAcceptance | None, members: Mapping[str, Json]
    ) -> ProtectedResourceMetadata | None:
        """None for an audience that is a name and no URL, which has no place for a document."""
        if not self.core.audience.startswith(("https://", "http://")):
            return None
        return ProtectedResourceMetadata(
            resource=self.core.audience,
            authorization_servers=(self.core.issuer,),
            bearer_methods_supported=("header",),
            dpop_signing_alg_values_supported=PROOF_ALGORITHMS if dpop else (),
            dpop_bound_access_tokens_required=dpop is not None and dpop.required,
            extra=dict(members),
        )

    def _name(self, scopes: Sequence[str]) -> None:
        """The document lists the scopes that the routes require, in the order they do."""
        self._named = tuple(dict.fromkeys((*self._named, *scopes)))
        if self._described is not None:
            self.core.describe(replace(self._described, scopes_supported=self._named))

    async def close(self) -> None:
        """Close the connections to the issuer."""
        if self._own_fetch is not None:
            await self._own_fetch.close()


def _words(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
