"""Sign-in without any framework. Run: uvicorn asgi_app:app --port 9001"""

import json

import authwright

rp = authwright.RelyingParty(
    issuer="http://localhost:9000", client_id="web", client_secret="web-secret", base_url="http://localhost:9001",
    scopes=["openid", "profile", "offline_access", "orders:read"])  # fmt: skip


async def home(scope):
    user = await rp.user(scope)
    async with user.http("http://localhost:9002") as api:
        return {"hello": user["name"], "orders": (await api.get("/orders")).json()}


async def pay(scope):
    user = await rp.require(acr="urn:authwright:acr:password", max_age=300)(scope)
    return {"paid by": user["name"]}


async def pages(scope, receive, send):
    if scope["type"] == "http":
        answer = await (pay if scope["path"] == "/pay" else home)(scope)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


app = rp.wrap(pages)
