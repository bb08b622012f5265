"""Consent services as one network in this process, and the token request in whose name they are asked."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from authwright.consent_services.authority import ConsentScopeAuthority, ServiceRegistry
from authwright.consent_services.discovery import ConsentDiscovery
from authwright.consent_services.messages import WELL_KNOWN
from authwright.consent_services.over_http import AskOverHttp
from authwright.consent_services.signed_calls import Authorization
from authwright.protocol.client_credentials import OfferedIdentifier
from authwright.protocol.http import Fetch, Headers, HttpRequest, HttpResponse, Json
from authwright.protocol.params import Params
from authwright.provider.audit import Audit, AuditEvent
from authwright.provider.requests import AuthenticatedTokenRequest, ClientAuthentication, TokenRequest
from authwright.provider.scope_authority import Decision
from authwright.records import Client, ConsentService
from authwright.stores.memory_consent_services import MemoryConsentServices

BASE = "https://www.companyapis.com/auth/"
TENANT = "zep"
SUBJECT = "1234abcd"
CLIENT = Client(
    client_id="e12b17b3",
    client_name="SuperCorpClient",
    description="Prints photos.",
    namespace="SuperCorp",
    allowed_consent_services=("photos", "mail", "photo", "slow", "gone"),
)

Answer = HttpResponse | Callable[[HttpRequest], Awaitable[HttpResponse]]


def json_answer(content: Json, status: int = 200, media_type: str = "application/json") -> HttpResponse:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return HttpResponse(status, Headers.of({"content-type": media_type}), body)


def yes(*scopes: str, **members: Json) -> HttpResponse:
    """A service's yes, as the reference sends it."""
    return json_answer(
        {
            "authorized": True,
            "subject": SUBJECT,
            "scopes": list(scopes),
            "claims": None,
            "custom_payload": None,
            "error": None,
            **members,
        }
    )


class Outside:
    """A `Fetch` to whatever URLs were put there; any other is unreachable."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.sent: list[HttpRequest] = []

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        answer = self.answers.get(request.url)
        if answer is None:
            raise OSError("unreachable, and this text names 10.1.2.3")
        return answer if isinstance(answer, HttpResponse) else await answer(request)

    def service(
        self, name: str, answer: Answer, *, host: str = "", configuration: dict[str, Json] | None = None
    ) -> None:
        """A service at `https://<name>.example` whose discovery document says what it should, but for `configuration`."""
        authority = f"https://{host or name}.example"
        published = {
            "authorization_endpoint": f"{authority}/authorize",
            "scopes_supported": [BASE + name, f"{BASE}{name}.read", f"{BASE}{name}.modify"],
            "authorization_type": "subject_and_scopes",
        }
        self.answers[authority + WELL_KNOWN] = json_answer(published | (configuration or {}))
        self.answers[f"{authority}/authorize"] = answer

    def asked(self, url: str) -> list[HttpRequest]:
        return [request for request in self.sent if request.url == url]


def registered(name: str, **members: Any) -> ConsentService:
    service = ConsentService(name=name, authority=f"https://{name}.example", tenant=TENANT)
    return msgspec.structs.replace(service, **members)


def token_request(client: Client = CLIENT, tenant: str = TENANT) -> AuthenticatedTokenRequest[None]:
    offered = OfferedIdentifier(client_id=client.client_id)
    return AuthenticatedTokenRequest(
        issuer="https://op.example",
        tenant=tenant,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        authentication=ClientAuthentication(client, "client_secret_basic"),
        request=TokenRequest(
            "urn:example:any", offered, None, (), None, Params.of(()), HttpRequest("POST", "/token")
        ),
    )


class Asking:
    """A provider's authority, the services it knows, and what it told those who watch."""

    def __init__(
        self,
        fetch: Fetch,
        *services: ConsentService,
        authorization: Authorization | None = None,
        deadline: float = 3.0,
        registry: ServiceRegistry | None = None,
    ) -> None:
        self.audit: list[AuditEvent] = []
        self.registry = MemoryConsentServices(services)
        discovery = ConsentDiscovery(fetch)
        ask = AskOverHttp(fetch=fetch, discovery=discovery)
        if authorization is not None:
            ask = AskOverHttp(fetch=fetch, discovery=discovery, authorization=authorization)
        self.authority = ConsentScopeAuthority(
            base_scope=BASE,
            services=registry or self.registry,
            ask=ask,
            audit=Audit(self.audit.append),
            deadline=timedelta(seconds=deadline),
        )

    async def all(self, services: dict[str, tuple[str, ...]], **request: Any) -> dict[str, Decision]:
        return dict(await self.authority.authorize(token_request(**request), SUBJECT, services))

    async def one(self, name: str, *permissions: str, **request: Any) -> Decision:
        """The decision of one service about its root and these permissions."""
        asked = (BASE + name, *(f"{BASE}{name}.{permission}" for permission in permissions))
        return (await self.all({name: asked}, **request))[name]
