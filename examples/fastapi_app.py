"""Sign-in with FastAPI. Run: uvicorn fastapi_app:app --port 9001"""

from typing import Annotated

from fastapi import Depends, FastAPI

import authwright

rp = authwright.RelyingParty(issuer="http://localhost:9000", client_id="web", client_secret="web-secret",
    base_url="http://localhost:9001", scopes=["openid", "profile", "offline_access", "orders:read"])  # fmt: skip
payer = rp.require(acr="urn:authwright:acr:password", max_age=300)
app = FastAPI()
app.add_middleware(rp.middleware)


@app.get("/")
async def home(user: Annotated[authwright.User, Depends(rp.user)]) -> object:
    async with user.http("http://localhost:9002") as api:
        return {"hello": user["name"], "orders": (await api.get("/orders")).json()}


@app.get("/pay")
async def pay(user: Annotated[authwright.User, Depends(payer)]) -> object:
    return {"paid by": user["name"]}
