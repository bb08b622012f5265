"""A web application and its API, as you would write them: sign in, call the API, refresh, sign out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

import authwright
from authwright import AccessToken, User
from authwright.demo.consent_services import mount_services
from authwright.demo.sample_pages import STYLE, signed_in_page, signed_out_page


def sample_app(issuer: str, base_url: str, client_secret: str, keys: str) -> FastAPI:
    """The application at `base_url`, for users of the provider at `issuer`. `keys` seal its cookies."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        for service in services:
            await service.close()

    app = FastAPI(title="Sample app", openapi_url=None, lifespan=lifespan)

    # 1. Sign-in: /auth/login, /auth/callback and /auth/logout come with the middleware.
    rp = authwright.RelyingParty(
        issuer=issuer,
        client_id="web",
        client_secret=client_secret,
        base_url=base_url,
        scopes=["openid", "profile", "email", "offline_access", "orders:read"],
        keys=keys,
    )
    app.add_middleware(rp.middleware)
    CurrentUser = Annotated[User, Depends(rp.user)]
    Visitor = Annotated[User | None, Depends(rp.optional_user)]

    @app.get("/")
    async def home(user: Visitor) -> HTMLResponse:
        return HTMLResponse(signed_in_page(user.claims) if user else signed_out_page())

    @app.post("/refresh")
    async def refresh(request: Request, user: CurrentUser) -> HTMLResponse:
        session = await request.scope["authwright"].session()
        await rp.core.refresh(session)
        return HTMLResponse(signed_in_page(user.claims, result="New tokens are here."))

    # 2. An API of our own, for whoever has an access token with the scope.
    api = authwright.ResourceServer(issuer=issuer, audience=f"{base_url}/api")
    app.add_middleware(api.middleware)

    @app.get("/api/orders")
    async def orders(token: Annotated[AccessToken, Depends(api.require("orders:read"))]) -> Any:
        return {"for": token.sub, "orders": ["tea", "biscuits"]}

    # 3. Calling it with the user's access token, which is refreshed when it is about to expire.
    @app.post("/call-api")
    async def call_api(user: CurrentUser) -> HTMLResponse:
        async with user.http(base_url) as api:
            answer = await api.get("/api/orders")
        shown = f"{answer.status} {answer.body.decode()}"
        return HTMLResponse(signed_in_page(user.claims, result=shown))

    # 4. Services that decide about their own scopes. Elsewhere each would be an application of its own.
    services = mount_services(app, issuer, base_url)

    @app.get("/call-api")
    @app.get("/refresh")
    async def back() -> Response:
        return RedirectResponse("/", 303)

    @app.get("/style.css")
    async def style() -> Response:
        return Response(STYLE, media_type="text/css")

    return app
