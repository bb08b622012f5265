"""Sign-in with Starlette. Run: uvicorn starlette_app:app --port 9001"""

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import authwright

rp = authwright.RelyingParty(
    issuer="http://localhost:9000", client_id="web", client_secret="web-secret", base_url="http://localhost:9001",
    scopes=["openid", "profile", "offline_access", "orders:read"])  # fmt: skip


@rp.login_required
async def home(request):
    async with request.user.http("http://localhost:9002") as api:
        return JSONResponse({"hello": request.user["name"], "orders": (await api.get("/orders")).json()})


@rp.login_required(acr="urn:authwright:acr:password", max_age=300)
async def pay(request):
    return JSONResponse({"paid by": request.user["name"]})


app = rp.wrap(Starlette(routes=[Route("/", home), Route("/pay", pay)]))
