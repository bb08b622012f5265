"""Each thing we issue, presented at every place that takes another: refused, and it changes nothing.

A code is no token, a refresh token is no access token, a cookie is no bearer: kind, audience and purpose are part of
what a value is (RFC 8725 §3.11, RFC 9700 §4.14).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from authwright.consent_services.messages import ConsentAnswer, ConsentRequest
from authwright.crypto.seal import RootKeys
from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, JWT, REFRESH_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Pass, json_response
from authwright.protocol.params import encode, parse_form
from authwright.registrations import client
from authwright.resource_server.guard import ResourceServer
from authwright.resource_server.refusals import BearerRefused
from authwright.standard_rp import RelyingParty
from authwright.stores.memory import memory_stores
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock
from tests.consent_services.city import BASE, City
from tests.provider.authorize.sign_in import Site
from tests.provider.client_authentication.assertions import ASSERTION_TYPE, JWKS, assertion
from tests.provider.installation import API, CALLBACK, ISSUER, SECRET, Installation
from tests.provider.sender_constrained.bound_clients import TOKEN, ask
from tests.provider.sender_constrained.peers import Prover

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FORM = {"content-type": "application/x-www-form-urlencoded"}

CLIENTS = (
    client(
        "all",
        SECRET,
        redirect_uris=[CALLBACK],
        scope="openid profile offline_access read",
        grant_types=["authorization_code", "refresh_token", DEVICE, CIBA, JWT_BEARER, TOKEN_EXCHANGE],
        require_consent=False,
        backchannel_logout_uri="https://app.example/auth/backchannel-logout",
        allowed_subject_token_types=(ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN, JWT),
        allowed_consent_services=("photos",),
    ),
    client("signer", jwks=JWKS, grant_types=["client_credentials"], scope="read"),
    client("opaque", SECRET, grant_types=["client_credentials"], scope="read", access_token_format="opaque"),
    client("jwt", SECRET, grant_types=["client_credentials"], scope="read"),
)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


async def photos(request: ConsentRequest) -> ConsentAnswer:
    return request.allow()


class Network(City):
    """What the provider sends to a consent service and to an application: the tokens of these two are noted."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock, {"photos": photos})
        self.sent: dict[str, str] = {}
        self.told = asyncio.Event()

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.endswith("/backchannel-logout"):
            (self.sent["logout token"],) = parse_form(request.headers.get("content-type"), request.body).many(
                "logout_token"
            )
            self.told.set()
            return HttpResponse(200)
        if request.path.endswith("/consent/authorize"):
            self.sent["consent call"] = (request.headers.get("authorization") or "").removeprefix("Bearer ")
            self.question = request
        return await super().__call__(request)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A provider, those it talks to, and one of each kind of value it or its client makes."""

    op: Installation
    network: Network
    values: Mapping[str, str]


Present = Callable[[Installation, str], Awaitable[HttpResponse]]
PresentElsewhere = Callable[[Neighbourhood, str], Awaitable[HttpResponse]]


def grant(grant_type: str, name: str, **params: str) -> Present:
    async def present(op: Installation, value: str) -> HttpResponse:
        return await op.post("/token", client_id="all", grant_type=grant_type, **{name: value}, **params)

    return present


async def as_bearer(op: Installation, value: str) -> HttpResponse:
    return await op.get("/userinfo", authorization=f"Bearer {value}")


async def as_bearer_in_the_body(op: Installation, value: str) -> HttpResponse:
    return await op.post_raw("/userinfo", encode([("access_token", value)]).encode(), FORM)


async def as_a_secret(op: Installation, value: str) -> HttpResponse:
    headers = {**FORM, "authorization": basic_authorization("all", value)}
    return await op.post_raw("/introspect", b"token=x", headers)


async def as_a_client_assertion(op: Installation, value: str) -> HttpResponse:
    pairs = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", value),
    ]
    return await op.post_raw("/token", encode(pairs).encode(), FORM)


async def as_a_proof(op: Installation, value: str) -> HttpResponse:
    return await ask(op, value, client_id="opaque")


def exchanged(subject_token_type: str) -> Present:
    return grant(TOKEN_EXCHANGE, "subject_token", subject_token_type=subject_token_type, scope="openid")


async def as_an_actor(op: Installation, value: str) -> HttpResponse:
    subject = (await op.redeem(await op.code("all"), client_id="all")).json()["access_token"]
    members = {"subject_token": subject, "subject_token_type": ACCESS_TOKEN, "actor_token_type": ACCESS_TOKEN}
    return await grant(TOKEN_EXCHANGE, "actor_token", **members)(op, value)


async def at_a_service(here: Neighbourhood, value: str) -> HttpResponse:
    """A consent service is asked, as by the provider."""
    asked = here.network.question
    headers = {"content-type": "application/json", "authorization": f"Bearer {value}"}
    request = HttpRequest(
        "POST", asked.path, headers=Headers.of(headers), body=asked.body, origin=asked.origin
    )
    return await City.__call__(here.network, request)


async def at_an_application(here: Neighbourhood, value: str) -> HttpResponse:
    """A client's own application is told that a session is over."""
    rp = RelyingParty(
        issuer=ISSUER, client_id="all", client_secret=SECRET, base_url="https://app.example",
        fetch=here.op.provider.handle, keys=RootKeys([b"r" * 32]), clock=here.op.clock,
    )  # fmt: skip
    url = "https://app.example/auth/backchannel-logout"
    body = encode([("logout_token", value)]).encode()
    answer = await rp.handle(HttpRequest.to("POST", url, headers=FORM, body=body))
    assert not isinstance(answer, Pass)
    return answer


async def at_an_api(here: Neighbourhood, value: str) -> HttpResponse:
    """An API that checks tokens by itself."""
    api = ResourceServer(issuer=ISSUER, audience=API, fetch=here.op.provider.handle, clock=here.op.clock)
    headers = Headers.of({"authorization": f"Bearer {value}"})
    try:
        await api.guard(HttpRequest("GET", "/", headers=headers), ())
    except BearerRefused as refused:
        return refused.response
    return json_response(200, {})


async def as_a_hint(op: Installation, value: str) -> HttpResponse:
    return await op.get(f"/end_session?{encode([('id_token_hint', value)])}")


async def as_an_interaction(op: Installation, value: str) -> HttpResponse:
    return await op.get(f"/authorize?{encode([('interaction', value)])}")


async def as_a_session(op: Installation, value: str) -> HttpResponse:
    pairs = [
        ("client_id", "all"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("prompt", "none"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ]
    return await op.get(f"/authorize?{encode(pairs)}", cookie=f"__Host-authwright_session={value}")


PLACES: Mapping[str, tuple[Present, frozenset[str]]] = {
    "authorization_code grant": (
        grant("authorization_code", "code", redirect_uri=CALLBACK),
        frozenset({"code"}),
    ),
    "refresh_token grant": (grant("refresh_token", "refresh_token"), frozenset({"refresh_token"})),
    "device_code grant": (grant(DEVICE, "device_code"), frozenset({"device_code"})),
    "ciba grant": (grant(CIBA, "auth_req_id"), frozenset({"auth_req_id"})),
    "jwt-bearer grant": (grant(JWT_BEARER, "assertion"), frozenset()),
    "userinfo": (as_bearer, frozenset({"access_token", "exchanged"})),
    "userinfo, in the body": (as_bearer_in_the_body, frozenset({"access_token", "exchanged"})),
    "client secret": (as_a_secret, frozenset({"client_secret"})),
    "client assertion": (as_a_client_assertion, frozenset({"client assertion"})),
    "DPoP": (as_a_proof, frozenset({"DPoP proof"})),
    "subject_token, an access token": (exchanged(ACCESS_TOKEN), frozenset({"access_token", "exchanged"})),
    "subject_token, a refresh token": (exchanged(REFRESH_TOKEN), frozenset({"refresh_token"})),
    "subject_token, an ID token": (exchanged(ID_TOKEN), frozenset({"id_token"})),
    "subject_token, a JWT": (exchanged(JWT), frozenset()),
    "actor_token": (as_an_actor, frozenset()),
    "id_token_hint": (as_a_hint, frozenset({"id_token"})),
    "interaction": (as_an_interaction, frozenset()),
    "session": (as_a_session, frozenset({"session"})),
}
"""Where a value can be presented to the provider, and the kinds that are taken there."""

ELSEWHERE: Mapping[str, tuple[PresentElsewhere, frozenset[str]]] = {
    "consent service": (at_a_service, frozenset({"consent call"})),
    "application's back-channel logout": (at_an_application, frozenset({"logout token"})),
    "API": (at_an_api, frozenset({"access_token", "a client's JWT access token"})),
}
"""The same for those who trust what the provider signs."""

INTROSPECTED = {"access_token", "refresh_token", "exchanged"}


async def everything(clock: FrozenClock) -> Neighbourhood:
    """A provider, and one of each kind of value that it, or its client, makes."""
    network = Network(clock)
    op = await network.install(memory_stores(clock), clock, *CLIENTS)
    site = Site(op=op, browser=Browser({ISSUER: op.provider.handle}, clock=clock))
    page = await site.authorize("all", scope="openid profile offline_access read")
    form, _ = page.form_of("login-submit")
    values = {f"form field {name}": value for name, value in form.fields if len(value) > 20}
    page = await site.login()
    tokens = await site.tokens(page, "all")
    values |= {name: str(tokens[name]) for name in ("access_token", "refresh_token", "id_token")}
    values["code"] = (await site.authorize("all")).params.require("code")
    for kind, name in (("opaque", "a client's opaque access token"), ("jwt", "a client's JWT access token")):
        answer = await op.post("/token", client_id=kind, grant_type="client_credentials")
        values[name] = answer.json()["access_token"]
    device = (await op.post("/device_authorization", client_id="all", scope="openid")).json()
    values |= {"device_code": device["device_code"], "user_code": device["user_code"]}
    waiting = await op.post(
        "/backchannel_authentication", client_id="all", scope="openid", login_hint="alice"
    )
    values["auth_req_id"] = waiting.json()["auth_req_id"]
    for name in ("session", "browser"):
        cookie = site.browser.cookie(f"__Host-authwright_{name}")
        assert cookie is not None
        values[name] = cookie.value
    values["client_secret"] = SECRET
    asked = await op.post(
        "/token", client_id="all", grant_type=TOKEN_EXCHANGE, subject_token=values["access_token"],
        subject_token_type=ACCESS_TOKEN, scope=f"openid {BASE}photos",
    )  # fmt: skip
    values["exchanged"] = asked.json()["access_token"]
    signed = {
        "authorization": basic_authorization("all", SECRET),
        "accept": "application/token-introspection+jwt",
    }
    body = encode([("token", values["access_token"])]).encode()
    values["signed introspection"] = (await op.post_raw("/introspect", body, FORM | signed)).body.decode()
    values["client assertion"] = assertion(op, "signer")
    values["DPoP proof"] = Prover(clock).proof("POST", TOKEN)
    # Another browser signs out, so that what is above lives on.
    elsewhere = site.another_browser()
    page = await elsewhere.sign_in("all", scope="openid")
    hint = (await elsewhere.tokens(page, "all"))["id_token"]
    await elsewhere.browser.get(f"{ISSUER}/end_session?{encode([('id_token_hint', hint)])}")
    async with asyncio.timeout(5):
        await network.told.wait()
    return Neighbourhood(op, network, values | network.sent)


def accepted(place: str, answer: HttpResponse) -> bool:
    """Whether the value was taken for what belongs there."""
    location = answer.headers.get("location") or ""
    if place == "session":
        return "code=" in location
    if place in ("id_token_hint", "interaction"):
        return answer.status < 400
    return answer.status == 200


async def test_there_is_one_of_every_kind(clock: FrozenClock) -> None:
    """What this file is about: all that is issued, and the JWTs that go to others."""
    assert (await everything(clock)).values.keys() >= {
        "code", "access_token", "refresh_token", "id_token", "device_code", "user_code", "auth_req_id", "session",
        "browser", "client_secret", "exchanged", "signed introspection", "client assertion", "DPoP proof",
        "logout token", "consent call", "form field interaction", "form field csrf",
    }  # fmt: skip


@pytest.mark.parametrize("place", [*PLACES, *ELSEWHERE])
async def test_no_value_is_taken_for_one_of_another_kind(clock: FrozenClock, place: str) -> None:
    """Every kind at one place: only its own is not refused, and no refusal is a fault of ours."""
    here = await everything(clock)
    op, values = here.op, here.values
    own = (PLACES.get(place) or ELSEWHERE[place])[1]
    seen = set()
    for kind, value in values.items():
        if kind in own:
            continue
        answer = await presented(here, place, value)
        assert not accepted(place, answer), kind
        assert answer.status < 500, kind
        assert value not in answer.body.decode() or len(value) < 12, kind
        seen.add(kind)
    assert len(seen) >= 18
    # Nothing of what was presented was spent by it.
    assert await op.is_active(values["access_token"], "all")
    assert await op.is_active(values["refresh_token"], "all")
    assert await op.is_active(values["exchanged"], "all")
    assert (await op.redeem(values["code"], client_id="all")).status == 200


@pytest.mark.parametrize(
    "place",
    [
        name
        for name, (_, own) in {**PLACES, **ELSEWHERE}.items()
        if own - {"code", "device_code", "auth_req_id"}
    ],
)
async def test_each_place_takes_its_own(clock: FrozenClock, place: str) -> None:
    """Else the test above could not fail."""
    here = await everything(clock)
    for kind in (PLACES.get(place) or ELSEWHERE[place])[1]:
        answer = await presented(here, place, here.values[kind])
        assert accepted(place, answer), (kind, answer.body)


async def presented(here: Neighbourhood, place: str, value: str) -> HttpResponse:
    if place in ELSEWHERE:
        return await ELSEWHERE[place][0](here, value)
    return await PLACES[place][0](here.op, value)


async def test_introspection_and_revocation_know_access_and_refresh_tokens_only(clock: FrozenClock) -> None:
    """Everything else is inactive, and revoking it does nothing."""
    here = await everything(clock)
    op, values = here.op, here.values
    others: dict[str, Any] = {
        kind: value for kind, value in values.items() if kind not in INTROSPECTED and "client's" not in kind
    }
    for kind, value in others.items():
        assert not await op.is_active(value, "all"), kind
        assert (await op.post("/revoke", client_id="all", token=value)).status == 200
    for kind in INTROSPECTED:
        assert await op.is_active(values[kind], "all")
    assert (await op.redeem(values["code"], client_id="all")).status == 200
    polled = await op.post("/token", client_id="all", grant_type=DEVICE, device_code=values["device_code"])
    assert polled.json()["error"] == "authorization_pending"
