"""Sign-in with Quart. Run: uvicorn quart_app:app --port 9001"""

from quart import Quart, request

import authwright

rp = authwright.RelyingParty(
    issuer="http://localhost:9000", client_id="web", client_secret="web-secret", base_url="http://localhost:9001",
    scopes=["openid", "profile", "offline_access", "orders:read"])  # fmt: skip
app = Quart(__name__)
app.asgi_app = rp.wrap(app.asgi_app)


@app.get("/")
@rp.login_required
async def home():
    user = await rp.user(request)
    async with user.http("http://localhost:9002") as api:
        return {"hello": user["name"], "orders": (await api.get("/orders")).json()}


@app.get("/pay")
@rp.login_required(acr="urn:authwright:acr:password", max_age=300)
async def pay():
    user = await rp.user(request)
    return {"paid by": user["name"]}
