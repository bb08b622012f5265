"""Each thing we issue, presented at every place that takes another: refused, and it changes nothing.

A code is no token, a refresh token is no access token, a cookie is no bearer: kind, audience and purpose are part of
what a value is (RFC 8725 §3.11, RFC 9700 §4.14).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.http import HttpResponse
from authwright.protocol.params import encode
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock
from tests.provider.authorize.sign_in import Site
from tests.provider.installation import CALLBACK, ISSUER, SECRET, Installation, install

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
        grant_types=["authorization_code", "refresh_token", DEVICE, CIBA, JWT_BEARER],
        require_consent=False,
    ),
    client("opaque", SECRET, grant_types=["client_credentials"], scope="read", access_token_format="opaque"),
    client("jwt", SECRET, grant_types=["client_credentials"], scope="read"),
)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


Present = Callable[[Installation, str], Awaitable[HttpResponse]]


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
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "all"),
        ("client_assertion_type", kind),
        ("client_assertion", value),
    ]
    return await op.post_raw("/token", encode(pairs).encode(), FORM)


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
    "userinfo": (as_bearer, frozenset({"access_token"})),
    "userinfo, in the body": (as_bearer_in_the_body, frozenset({"access_token"})),
    "client secret": (as_a_secret, frozenset({"client_secret"})),
    "client assertion": (as_a_client_assertion, frozenset()),
    "id_token_hint": (as_a_hint, frozenset({"id_token"})),
    "interaction": (as_an_interaction, frozenset()),
    "session": (as_a_session, frozenset({"session"})),
}
"""Where a value can be presented, and the kinds that are taken there."""

INTROSPECTED = {"access_token", "refresh_token"}


async def everything(clock: FrozenClock) -> tuple[Installation, dict[str, str]]:
    """A provider, and one of each kind of value it issues."""
    op = await install(memory_stores(clock), clock, clients=CLIENTS)
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
    return op, values


def accepted(place: str, answer: HttpResponse) -> bool:
    """Whether the value was taken for what belongs there."""
    location = answer.headers.get("location") or ""
    if place == "session":
        return "code=" in location
    if place in ("id_token_hint", "interaction"):
        return answer.status < 400
    return answer.status == 200


@pytest.mark.parametrize("place", PLACES)
async def test_no_value_is_taken_for_one_of_another_kind(clock: FrozenClock, place: str) -> None:
    """Every kind at one place: only its own is not refused, and no refusal is a fault of ours."""
    op, values = await everything(clock)
    present, own = PLACES[place]
    seen = set()
    for kind, value in values.items():
        if kind in own:
            continue
        answer = await present(op, value)
        assert not accepted(place, answer), kind
        assert answer.status < 500, kind
        assert value not in answer.body.decode() or len(value) < 12, kind
        seen.add(kind)
    assert len(seen) >= 12
    # Nothing of what was presented was spent by it.
    assert await op.is_active(values["access_token"], "all")
    assert await op.is_active(values["refresh_token"], "all")
    assert (await op.redeem(values["code"], client_id="all")).status == 200


@pytest.mark.parametrize(
    "place", ["userinfo", "id_token_hint", "session", "refresh_token grant", "client secret"]
)
async def test_each_place_takes_its_own(clock: FrozenClock, place: str) -> None:
    """Else the test above could not fail."""
    op, values = await everything(clock)
    present, own = PLACES[place]
    for kind in own:
        assert accepted(place, await present(op, values[kind]))


async def test_introspection_and_revocation_know_access_and_refresh_tokens_only(clock: FrozenClock) -> None:
    """Everything else is inactive, and revoking it does nothing."""
    op, values = await everything(clock)
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
