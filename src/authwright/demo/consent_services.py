"""Three services that own data, as their owners would write them: each decides which of its scopes a token gets.

One is slow, one says no, and one is down.
"""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse, Response

from authwright import ConsentAnswer, ConsentRequest, ConsentRouter

BASE_SCOPE = "https://apis.example.com/auth/"
SLOW_SECONDS = 0.4


async def photos(request: ConsentRequest) -> ConsentAnswer:
    """It has to look things up first. Then it gives what was asked for, and says what it knows of the subject."""
    await asyncio.sleep(SLOW_SECONDS)
    return request.allow(claims={"plan": "family"}, payload={"albums": 7})


async def payroll(request: ConsentRequest) -> ConsentAnswer:
    """It knows its own people, and nobody else."""
    if request.subject not in {"u-payroll-clerk"}:
        return request.deny("not in payroll")
    return request.allow()


calendar: APIRouter = APIRouter()


@calendar.api_route("/{path:path}", methods=["GET", "POST"])
async def down() -> Response:
    """It is down for maintenance."""
    return PlainTextResponse("down for maintenance", 503, {"retry-after": "3600"})


def mount_services(app: FastAPI, issuer: str, base_url: str) -> Sequence[ConsentRouter]:
    """Mount all three below `{base_url}/services`; the routers are to be closed when the application stops."""
    routers = []
    for name, decide in {"photos": photos, "payroll": payroll}.items():
        scope = BASE_SCOPE + name
        router = ConsentRouter(
            f"{base_url}/services/{name}",
            issuer=issuer,
            scopes=[scope, f"{scope}.readonly"],
            decide=decide,
        )
        app.mount(f"/services/{name}", router.asgi)
        routers.append(router)
    app.include_router(calendar, prefix="/services/calendar")
    return routers
