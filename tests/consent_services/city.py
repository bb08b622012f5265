"""A provider and three services in one process: the network between them, and what each was asked."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from authwright.asgi.in_process import InProcess
from authwright.consent_services.messages import ConsentAnswer, ConsentRequest
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.token import AUTHORIZATION_CODE, CLIENT_CREDENTIALS
from authwright.provider.clients import ClientRegistration
from authwright.provider.exchanged import ExchangePolicy
from authwright.records import ConsentService
from authwright.registrations import client
from authwright.standard_consent_router import ConsentRouter
from authwright.standard_consent_services import ConsentServices
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CALLBACK, CLIENTS, ISSUER, SECRET, Installation, install

BASE = "https://apis.example/auth/"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SHOP = client(
    "shop",
    SECRET,
    redirect_uris=[CALLBACK],
    grant_types=[AUTHORIZATION_CODE, CLIENT_CREDENTIALS, EXCHANGE],
    scope="openid read",
    access_token_format="opaque",
    allowed_consent_services=("photos", "mail", "payroll"),
)


class City:
    """`services` answer as these functions do, at `https://<name>.example`."""

    def __init__(
        self, clock: FrozenClock, services: Mapping[str, Callable[[ConsentRequest], Awaitable[ConsentAnswer]]]
    ) -> None:
        self.down: set[str] = set()
        self.asked: list[tuple[str, ConsentRequest]] = []
        self._places: dict[str, Any] = {}
        for name, decide in services.items():
            url = f"https://{name}.example"
            scopes = [BASE + name, f"{BASE}{name}.read", f"{BASE}{name}.write"]
            router = ConsentRouter(
                url, issuer=ISSUER, scopes=scopes, decide=self._noted(name, decide), fetch=self, clock=clock
            )
            self._places[url] = InProcess(router.asgi)
        self.registered = [
            ConsentService(name=name, authority=f"https://{name}.example", tenant="main") for name in services
        ]

    def _noted(
        self, name: str, decide: Callable[[ConsentRequest], Awaitable[ConsentAnswer]]
    ) -> Callable[[ConsentRequest], Awaitable[ConsentAnswer]]:
        async def noted(request: ConsentRequest) -> ConsentAnswer:
            self.asked.append((name, request))
            return await decide(request)

        return noted

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """The network: of the provider and of the services."""
        if request.origin in self.down:
            raise OSError
        answer: HttpResponse = await self._places[request.origin](request)
        return answer

    async def install(
        self, stores: Stores, clock: FrozenClock, *clients: ClientRegistration, **options: Any
    ) -> Installation:
        """A provider in the city that asks its services, as an application installs one."""
        options.setdefault("token_exchange", ExchangePolicy(base_scope=BASE))
        options.setdefault("scope_authority", ConsentServices(services=self.registered))
        op = await install(stores, clock, clients=[*CLIENTS, SHOP, *clients], fetch=self, **options)
        self._places[ISSUER] = op.provider.handle
        return op


async def photos(request: ConsentRequest) -> ConsentAnswer:
    return request.allow(claims={"plan": "family"}, payload={"album": 7})


async def mail(request: ConsentRequest) -> ConsentAnswer:
    return request.allow([f"{BASE}mail.read"])


async def payroll(request: ConsentRequest) -> ConsentAnswer:
    return request.deny("not in this company")


async def exchange(op: Installation, token: str, *scopes: str, client_id: str = "shop") -> HttpResponse:
    return await op.post(
        "/token",
        client_id=client_id,
        grant_type=EXCHANGE,
        subject_token=token,
        subject_token_type=ACCESS_TOKEN,
        scope=" ".join(scopes),
    )
