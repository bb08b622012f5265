"""Sign-in with Django and its async views, in one file. Run: uvicorn django_app:app --port 9001"""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.urls import path

import authwright

rp = authwright.RelyingParty(
    issuer="http://localhost:9000", client_id="web", client_secret="web-secret", base_url="http://localhost:9001",
    scopes=["openid", "profile", "offline_access", "orders:read"])  # fmt: skip
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["localhost"], SECRET_KEY="one of your own")


@rp.login_required
async def home(request):
    user = await rp.user(request)
    async with user.http("http://localhost:9002") as api:
        return JsonResponse({"hello": user["name"], "orders": (await api.get("/orders")).json()})


@rp.login_required(acr="urn:authwright:acr:password", max_age=300)
async def pay(request):
    user = await rp.user(request)
    return JsonResponse({"paid by": user["name"]})


urlpatterns = [path("", home), path("pay", pay)]
app = rp.wrap(get_asgi_application())
