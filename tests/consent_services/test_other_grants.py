"""The same authority in grants that know nothing of it: written as an application would, with public names only."""

from typing import Any

import msgspec
import pytest

from authwright.consent_services.in_process import in_process_authority
from authwright.crypto.jwt import unverified_claims
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.errors import Refused
from authwright.protocol.token import CLIENT_CREDENTIALS
from authwright.provider.audit import Audit
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import ScopeAuthority
from authwright.provider.service_scopes import ask_services, decided, split_scopes, with_decisions
from authwright.provider.signing import Signing
from authwright.registrations import client
from authwright.standard_consent_services import ConsentServices, http_scope_authority
from authwright.stores.memory import memory_stores
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.consent_services.city import BASE, City, mail, payroll, photos
from tests.provider.installation import ISSUER, SECRET

PHOTOS, MAIL, PAYROLL = f"{BASE}photos", f"{BASE}mail", f"{BASE}payroll"
SERVICES = ("photos", "mail", "payroll")
BATCH = client(
    "batch",
    SECRET,
    grant_types=[CLIENT_CREDENTIALS],
    scope=f"read {PHOTOS} {MAIL}.read {PAYROLL}",
    allowed_consent_services=SERVICES,
)
TV = client(
    "tv", grant_types=[DEVICE_CODE], scope=f"openid {PHOTOS} {PAYROLL}", allowed_consent_services=SERVICES
)


class ServicesDecide(ProviderEvents):
    """Of what a client credentials or device grant gave, the scopes of services are theirs to decide."""

    def __init__(self, authority: ScopeAuthority) -> None:
        super().__init__()
        self._authority = authority

    async def token_endpoint(
        self, request: AuthenticatedTokenRequest[Any], ticket: Ticket | None
    ) -> Ticket | None:
        if ticket is None or request.request.grant_type not in (CLIENT_CREDENTIALS, DEVICE_CODE):
            return None
        asked = split_scopes(ticket.scopes, BASE)
        subject = ticket.subject or ticket.client_id
        decisions = await ask_services(self._authority, request, subject, asked.services)
        answers = decided(decisions, BASE)
        if not (asked.others or answers.scopes):
            raise Refused("invalid_scope", "None of the requested scopes was granted.")
        return with_decisions(msgspec.structs.replace(ticket, scopes=asked.others), answers)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def city(clock: FrozenClock) -> City:
    return City(clock, {"photos": photos, "mail": mail, "payroll": payroll})


async def test_client_credentials_with_functions_of_this_process(city: City, clock: FrozenClock) -> None:
    """An event and an in-process authority: no HTTP, no registry; the subject is the client."""
    authority = in_process_authority({"photos": photos, "payroll": payroll}, base_scope=BASE)
    op = await city.install(memory_stores(clock), clock, BATCH, events=ServicesDecide(authority))
    answer = await op.post("/token", client_id="batch", grant_type=CLIENT_CREDENTIALS)
    assert answer.json()["scope"].split() == ["read", PHOTOS]
    claims = unverified_claims(answer.json()["access_token"]) or {}
    assert claims["photos.plan"] == "family"
    assert claims["custom_payload"] == {"photos": {"album": 7}}
    answer = await op.post(
        "/token", client_id="batch", grant_type=CLIENT_CREDENTIALS, scope=f"{PAYROLL} {MAIL}.read"
    )
    assert (answer.status, answer.json()["error"]) == (400, "invalid_scope")
    assert city.asked == []


async def test_a_device_with_services_over_http(city: City, clock: FrozenClock) -> None:
    """The authority over HTTP, made of public parts, asks about the user who approved; its calls are signed."""
    stores, keys = memory_stores(clock), RootKeys([bytes(range(32))])
    signing = Signing(stores.keys, Seal(keys, "signing-key"), algorithms=("ES256",), clock=clock)

    async def key() -> SigningKey:
        return await signing.key("ES256")

    authority = http_scope_authority(
        issuer=ISSUER,
        base_scope=BASE,
        store=stores.consent_services,
        key=key,
        fetch=city,
        chosen=ConsentServices(services=city.registered),
        audit=Audit(),
        clock=clock,
    )
    op = await city.install(stores, clock, TV, events=ServicesDecide(authority), scope_authority=authority)
    form = {"content-type": "application/x-www-form-urlencoded"}
    asked = f"client_id=tv&scope=openid {PHOTOS} {PAYROLL}".replace(" ", "+").encode()
    begun = (await op.post_raw("/device_authorization", asked, form)).json()
    browser = Browser({ISSUER: op.provider.handle})
    await browser.get(begun["verification_uri_complete"])
    await browser.click("device-continue", user_code=begun["user_code"])
    await browser.click("login-submit", username="alice", password="alice-secret")
    await browser.click("device-allow")
    poll = f"grant_type={DEVICE_CODE}&client_id=tv&device_code={begun['device_code']}".encode()
    answer = await op.post_raw("/token", poll, form)
    assert answer.json()["scope"].split() == ["openid", PHOTOS]
    assert [(name, request.subject) for name, request in city.asked] == [
        ("photos", "u-alice"),
        ("payroll", "u-alice"),
    ]
    assert {request.requester.client_id for _, request in city.asked} == {"tv"}
