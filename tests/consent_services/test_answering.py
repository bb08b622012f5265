"""A service written with the router: what it publishes, whom it answers, and the provider's questions end to end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from authwright.asgi.in_process import InProcess
from authwright.consent_services.messages import (
    WELL_KNOWN,
    ConsentAnswer,
    ConsentRequest,
    Requester,
    build_request,
    parse_request,
)
from authwright.consent_services.signed_calls import SignedCalls
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, json_response
from authwright.provider.scope_authority import Declined, Granted, Unavailable
from authwright.standard_consent_router import ConsentRouter
from authwright.testing.clock import FrozenClock
from tests.consent_services.outside import BASE, SUBJECT, Asking, registered

ISSUER = "https://op.example"
URL = "https://svc.example/photos"
PHOTOS = f"{BASE}photos"
SCOPES = [PHOTOS, f"{PHOTOS}.read", f"{PHOTOS}.modify"]


class Issuer:
    """The provider as a service sees it: its metadata and keys, over a `Fetch`."""

    def __init__(self) -> None:
        self.key = SigningKey.generate("ES256")
        self.down = False

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if self.down:
            raise OSError
        if request.url.endswith("/jwks"):
            return json_response(200, {"keys": [dict(self.key.public_jwk)]})
        return json_response(200, {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"})

    async def current(self) -> SigningKey:
        return self.key


async def decide(request: ConsentRequest) -> ConsentAnswer:
    """What an owner writes."""
    if request.subject != SUBJECT:
        return request.deny("has no album")
    return request.allow([f"{PHOTOS}.read"], claims={"plan": "family"}, payload={"album": 7})


class Service:
    """The router under ASGI, and a way to call it as the provider does."""

    def __init__(self, answer: Callable[[ConsentRequest], Awaitable[ConsentAnswer]] = decide) -> None:
        self.issuer, self.clock = Issuer(), FrozenClock()
        self.router = ConsentRouter(
            URL, issuer=ISSUER, scopes=SCOPES, decide=answer, fetch=self.issuer, clock=self.clock
        )
        self.fetch = InProcess(self.router.asgi)
        self.signed = SignedCalls(ISSUER, self.issuer.current, clock=self.clock)

    async def ask(
        self, body: bytes, authorization: str | None = None, *more: tuple[str, str]
    ) -> HttpResponse:
        if authorization is None:
            authorization = await self.signed(f"{URL}/consent/authorize")
        fields = [("content-type", "application/json"), ("authorization", authorization), *more]
        headers = Headers.of([field for field in fields if field[1]])
        return await self.fetch(
            HttpRequest.to("POST", f"{URL}/consent/authorize", headers=headers, body=body)
        )


@pytest.fixture
def service() -> Service:
    return Service()


QUESTION = build_request(
    ConsentRequest(requester=Requester(client_id="c"), subject=SUBJECT, scopes=(PHOTOS, f"{PHOTOS}.read"))
)


async def test_it_publishes_how_it_is_asked(service: Service) -> None:
    """§2.2, byte by byte; for anybody, and for a while."""
    answer = await service.fetch(HttpRequest.to("GET", URL + WELL_KNOWN))
    assert (answer.status, answer.headers.get("content-type")) == (200, "application/json")
    assert answer.body == (
        b'{"authorization_endpoint":"https://svc.example/photos/consent/authorize","scopes_supported":'
        b'["https://www.companyapis.com/auth/photos","https://www.companyapis.com/auth/photos.read",'
        b'"https://www.companyapis.com/auth/photos.modify"],"authorization_type":"subject_and_scopes"}'
    )


async def test_a_signed_question_is_answered(service: Service) -> None:
    """What the owner said, byte by byte; kept by no cache."""
    answer = await service.ask(QUESTION)
    assert (answer.status, answer.headers.get("cache-control")) == (200, "no-store")
    assert answer.body == (
        b'{"authorized":true,"subject":"1234abcd","scopes":["https://www.companyapis.com/auth/photos.read"],'
        b'"claims":[{"type":"plan","value":"family"}],"custom_payload":{"album":7},"error":null}'
    )


async def test_a_no_is_a_403_with_the_denial_in_it(service: Service) -> None:
    """§2.2; the status is the owner's choice among 4xx."""
    body = QUESTION.replace(SUBJECT.encode(), b"u-mallory")
    answer = await service.ask(body)
    assert (answer.status, answer.body) == (
        403,
        b'{"authorized":false,"subject":"","scopes":null,"claims":null,"custom_payload":null,'
        b'"error":{"statusCode":403,"message":"has no album"}}',
    )

    async def odd(request: ConsentRequest) -> ConsentAnswer:
        return request.deny("x", status=200)

    assert (await Service(odd).ask(QUESTION)).status == 403


async def _tokens(service: Service) -> dict[str, str]:
    """Everything but the right proof."""
    key, now = service.issuer.key, int(service.clock().timestamp())
    good = {"iss": ISSUER, "aud": f"{URL}/consent/authorize", "iat": now, "exp": now + 60, "jti": "j"}

    def signed(typ: str = "consent-request+jwt", **changes: object) -> str:
        claims = {name: value for name, value in (good | changes).items() if value is not None}
        return "Bearer " + sign_jwt(key, claims, typ=typ)

    right = signed()
    return {
        "none": "",
        "another scheme": right.replace("Bearer", "DPoP"),
        "an access token": signed("at+jwt"),
        "an ID token": signed("JWT"),
        "without a type": signed(""),
        "for another service": signed(aud="https://other.example/consent/authorize"),
        "for a part of the URL": signed(aud=URL),
        "of another issuer": signed(iss="https://evil.example"),
        "expired": signed(iat=now - 120, exp=now - 60),
        "without an end": signed(exp=None),
        "without an id": signed(jti=None),
        "from the future": signed(iat=now + 120, exp=now + 180),
        "another key": "Bearer " + sign_jwt(SigningKey.generate("ES256"), good, typ="consent-request+jwt"),
        "cut": right[:-4],
        "no token": "Bearer",
    }


@pytest.mark.parametrize("kind", sorted(asyncio.run(_tokens(Service()))))
async def test_whoever_is_not_the_provider_gets_no_answer(service: Service, kind: str) -> None:
    """Defect 20, seen from the owner's side: the call is authenticated, by a token for this call and no other use."""
    asked = []

    async def remember(request: ConsentRequest) -> ConsentAnswer:
        asked.append(request)
        return request.allow()

    service = Service(remember)
    answer = await service.ask(QUESTION, (await _tokens(service))[kind])
    assert answer.status == 401
    assert (answer.headers.get("www-authenticate") or "").startswith("Bearer")
    assert "authorized" not in answer.json()
    assert asked == []
    assert (await service.ask(QUESTION)).status == 200


async def test_two_authorization_headers_are_none(service: Service) -> None:
    """One of them may have been added on the way."""
    right = await service.signed(f"{URL}/consent/authorize")
    assert (await service.ask(QUESTION, right, ("authorization", "Bearer x"))).status == 401


async def test_what_cannot_be_answered_is_no_denial(service: Service) -> None:
    """Other paths, methods and bodies; keys that cannot be had. None of these says `authorized`, so none is a no."""
    right = await service.signed(f"{URL}/consent/authorize")
    answers = {
        "body": await service.ask(b"{}", right),
        "size": await service.ask(b'{"pad":"' + b"x" * 70_000 + b'"}', right),
        "method": await service.fetch(HttpRequest.to("GET", f"{URL}/consent/authorize")),
        "document": await service.fetch(HttpRequest.to("POST", URL + WELL_KNOWN)),
        "path": await service.fetch(HttpRequest.to("GET", "https://svc.example/elsewhere")),
    }
    fresh = Service()
    fresh.issuer.down = True
    answers["keys"] = await fresh.ask(QUESTION)
    assert {name: answer.status for name, answer in answers.items()} == {
        "body": 400,
        "size": 413,
        "method": 405,
        "document": 405,
        "path": 404,
        "keys": 503,
    }
    assert answers["keys"].headers.get("retry-after") == "1"
    assert answers["method"].headers.get("allow") == "POST"
    assert not any("authorized" in answer.json() for answer in answers.values())


async def test_an_owner_s_own_mistake_is_a_500(service: Service) -> None:
    """And tells nothing."""

    async def broken(request: ConsentRequest) -> ConsentAnswer:
        raise ZeroDivisionError("secret")

    answer = await Service(broken).ask(QUESTION)
    assert answer.status == 500
    assert b"secret" not in answer.body


async def test_the_provider_s_authority_and_the_router_understand_each_other(service: Service) -> None:
    """Both sides as they are, over ASGI: document, signed question, decision; key rotation on the way."""
    asking = Asking(service.fetch, registered("photos", authority=URL), authorization=service.signed)
    granted = Granted(scopes=(f"{PHOTOS}.read",), claims={"plan": "family"}, payload={"album": 7})
    assert await asking.one("photos", "read", "modify") == granted
    service.issuer.key = SigningKey.generate("ES256")
    service.clock.advance(timedelta(minutes=2))
    assert await asking.one("photos", "read") == granted
    strangers = SignedCalls("https://evil.example", service.issuer.current, clock=service.clock)
    asking = Asking(service.fetch, registered("photos", authority=URL), authorization=strangers)
    assert await asking.one("photos") == Unavailable(reason="status")

    async def never(request: ConsentRequest) -> ConsentAnswer:
        return request.deny("no")

    denying = Service(never)
    asking = Asking(denying.fetch, registered("photos", authority=URL), authorization=denying.signed)
    assert await asking.one("photos") == Declined()


@pytest.mark.parametrize("url", ["http://svc.example", "svc.example", "https://svc.example/#x", ""])
def test_a_router_says_at_once_that_its_url_is_none(url: str) -> None:
    """And not with the first question."""
    with pytest.raises(ValueError, match="not the https URL"):
        ConsentRouter(url, issuer=ISSUER, scopes=[], decide=decide, fetch=Issuer())


def test_the_question_arrives_as_it_was_asked() -> None:
    """Typed, whole."""
    assert parse_request(QUESTION).requester.client_id == "c"
    assert parse_request(QUESTION).scopes == (PHOTOS, f"{PHOTOS}.read")
