"""The applications that are compared: one with our relying party and guard, one with Authlib's, both on Starlette.

Both hold what the documentation of each shows. Authlib keeps the user in Starlette's signed session cookie; ours keeps
a session on the server, here in memory. Authlib has a validator of JWT access tokens and none of DPoP proofs.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import httpx2
from authlib.integrations.starlette_client import OAuth
from authlib.oauth2.rfc6749 import ResourceProtector
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

import authwright
from authwright.protocol.http import Fetch, Headers, HttpRequest, HttpResponse
from bench.rp_world import API, API_SCOPE, APP, CLIENT_ID, OP, SCOPES, SECRET, Provider

_JSON = Headers.of({"content-type": "application/json"})

Application: TypeAlias = Callable[[Provider], Starlette]


def _fetch(provider: Provider) -> Fetch:
    async def fetch(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, _JSON, provider.answer(request.url, request.body))

    return fetch


def our_web(provider: Provider) -> Starlette:
    """`/auth/login` and `/auth/callback` are the middleware's."""
    rp = authwright.RelyingParty(
        issuer=OP,
        client_id=CLIENT_ID,
        client_secret=SECRET,
        base_url=APP,
        scopes=SCOPES,
        keys=authwright.RootKeys([bytes(range(32))]),
        # Authlib does not ask where the ID token says who it is.
        userinfo="never",
        fetch=_fetch(provider),
    )

    async def page(request: Request) -> Response:
        return PlainTextResponse((await rp.user(request)).sub)

    return Starlette(routes=[Route("/", page)], middleware=[Middleware(rp.middleware)])


def our_api(provider: Provider) -> Starlette:
    """With a guard for bearer tokens and for bound ones."""
    api = authwright.ResourceServer(issuer=OP, audience=API, base_url=API, fetch=_fetch(provider))
    token = api.require(API_SCOPE)

    async def orders(request: Request) -> Response:
        return PlainTextResponse((await token(request)).sub or "")

    return Starlette(routes=[Route("/orders", orders)], middleware=[Middleware(api.middleware)])


def authlib_web(provider: Provider) -> Starlette:
    """`/auth/login` and `/auth/callback` are routes, as its documentation shows them."""
    oauth = OAuth()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        content = provider.answer(str(request.url), request.content)
        return httpx2.Response(200, content=content, headers={"content-type": "application/json"})

    op: Any = oauth.register(
        "op",
        client_id=CLIENT_ID,
        client_secret=SECRET,
        server_metadata_url=f"{OP}/.well-known/openid-configuration",
        client_kwargs={
            "scope": " ".join(SCOPES),
            "code_challenge_method": "S256",
            "transport": httpx2.MockTransport(answer),
        },
    )

    async def login(request: Request) -> Response:
        redirect: Response = await op.authorize_redirect(request, f"{APP}/auth/callback")
        return redirect

    async def callback(request: Request) -> Response:
        tokens = await op.authorize_access_token(request)
        request.session["user"] = dict(tokens["userinfo"])
        return RedirectResponse("/", status_code=303)

    async def page(request: Request) -> Response:
        user = request.session.get("user")
        if user is None:
            return RedirectResponse("/auth/login", status_code=303)
        return PlainTextResponse(user["sub"])

    return Starlette(
        routes=[Route("/auth/login", login), Route("/auth/callback", callback), Route("/", page)],
        middleware=[Middleware(SessionMiddleware, secret_key=SECRET, https_only=True)],
    )


class _Validator(JWTBearerTokenValidator):  # type: ignore[misc]  # it has no types
    """With the keys at hand, as an application would keep them."""

    def __init__(self, keys: KeySet) -> None:
        super().__init__(issuer=OP, resource_server=API)
        self._keys = keys

    def get_jwks(self) -> KeySet:
        return self._keys


def authlib_api(provider: Provider) -> Starlette:
    """Its validator in a route: its protector itself is for Flask and Django."""
    protector = ResourceProtector()
    protector.register_token_validator(_Validator(KeySet.import_key_set(provider.jwks)))

    async def orders(request: Request) -> Response:
        validator, text = protector.parse_request_authorization(request)
        claims = validator.authenticate_token(text)
        validator.validate_token(claims, [API_SCOPE], request)
        return PlainTextResponse(claims["sub"])

    return Starlette(routes=[Route("/orders", orders)])


PARTIES: dict[str, tuple[Application, Application]] = {
    "ours": (our_web, our_api),
    "authlib": (authlib_web, authlib_api),
}
"""For each side the application that signs users in, and the API."""
