"""An application with our relying party in front, as its documentation shows one."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from authwright.relying_party.user import User
from authwright.standard_rp import RelyingParty


def application(rp: RelyingParty) -> FastAPI:
    """`/` tells who signed in; `/token` refreshes, and shows what no real application would."""
    app = FastAPI()
    app.add_middleware(rp.middleware)

    @app.get("/")
    async def home(user: Annotated[User, Depends(rp.user)]) -> dict[str, object]:
        return {"iss": user.iss, "sub": user.sub, "claims": dict(user.claims)}

    @app.get("/token")
    async def token(request: Request, user: Annotated[User, Depends(rp.user)]) -> dict[str, str | None]:
        session = await request.scope["authwright"].session()
        return {"access_token": (await rp.core.refresh(session)).data.access_token}

    return app
