"""The API that the other examples call. Run: uvicorn api_app:app --port 9002"""

from typing import Annotated

from fastapi import Depends, FastAPI

import authwright

api = authwright.ResourceServer(issuer="http://localhost:9000", audience="http://localhost:9002")
app = FastAPI()
app.add_middleware(api.middleware)


@app.get("/orders")
async def orders(token: Annotated[authwright.AccessToken, Depends(api.require("orders:read"))]) -> object:
    return ["tea", "biscuits"]
