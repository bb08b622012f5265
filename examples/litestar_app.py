"""Sign-in with Litestar. Run: uvicorn litestar_app:app --port 9001"""

from litestar import Litestar, Request, get

import authwright

rp = authwright.RelyingParty(
    issuer="http://localhost:9000", client_id="web", client_secret="web-secret", base_url="http://localhost:9001",
    scopes=["openid", "profile", "offline_access", "orders:read"])  # fmt: skip


@get("/")
@rp.login_required
async def home(request: Request) -> dict[str, object]:
    async with request.user.http("http://localhost:9002") as api:
        return {"hello": request.user["name"], "orders": (await api.get("/orders")).json()}


@get("/pay", guards=[rp.require(acr="urn:authwright:acr:password", max_age=300)])
async def pay(request: Request) -> dict[str, object]:
    return {"paid by": request.user["name"]}


app = rp.wrap(Litestar([home, pay]))
