"""rp_I: UserInfo asked, and claims made of it."""

from dataclasses import replace
from typing import Any

import pytest

from authwright.protocol.http import Headers, HttpResponse, Json, json_response
from authwright.relying_party.claim_actions import PROTOCOL_ONLY, Claims, default_claims
from authwright.relying_party.events import UserInformationReceived
from tests.relying_party.hostile_provider import (
    Browser,
    HostileProvider,
    error_code,
    relying_party,
    sign_in,
)


async def claims_of(browser: Browser) -> dict[str, Json]:
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    return dict(signed_in.claims)


async def test_rp_I1_without_userinfo_the_claims_are_shaped_all_the_same(provider: HostileProvider) -> None:
    """I1: no endpoint: success, and the steps run: protocol claims do not stay."""
    del provider.metadata["userinfo_endpoint"]
    browser = Browser(relying_party(provider))
    await sign_in(provider, browser)
    assert await claims_of(browser) == {"sub": "u-alice", "name": "Alice Example"}


async def test_rp_I2_userinfo_is_asked_with_the_token_in_the_header(
    provider: HostileProvider, browser: Browser
) -> None:
    """I2: GET, Authorization: Bearer, nothing in the URL."""
    await sign_in(provider, browser)
    (request,) = [request for request in provider.requests if request.path == "/userinfo"]
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert (request.method, request.query) == ("GET", "")
    assert request.headers.get("authorization") == f"Bearer {signed_in.data.access_token}"


@pytest.mark.parametrize(("status", "page"), [(400, 400), (401, 400), (403, 400), (302, 400), (500, 503)])
async def test_rp_I3_a_refusal_of_userinfo_ends_the_login(
    provider: HostileProvider, browser: Browser, status: int, page: int
) -> None:
    """I3: non-2xx: a page, and nobody is signed in."""
    provider.answers["/userinfo"] = lambda request: json_response(status, {"sub": "u-alice"})
    assert (await sign_in(provider, browser)).status == page
    assert not browser.signed_in


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [("application/json", ""), ("Application/JSON; charset=utf-8", ""), (None, ""), ("text/html", "userinfo_type"),
     ("application/xml", "userinfo_type"), ("text/json", "userinfo_type")],
)  # fmt: skip
async def test_rp_I5_the_type_of_the_answer_is_looked_at(
    provider: HostileProvider, browser: Browser, content_type: str | None, reason: str
) -> None:
    """I5: another type is refused, a missing one is no crash."""
    headers = Headers.of({"content-type": content_type} if content_type else {})
    provider.answers["/userinfo"] = lambda request: HttpResponse(200, headers, b'{"sub":"u-alice"}')
    response = await sign_in(provider, browser)
    assert response.status == (400 if reason else 303)
    assert not reason or error_code(response) == reason


async def test_rp_I6_the_sub_is_compared_on_what_came(provider: HostileProvider, browser: Browser) -> None:
    """I6: the event runs first, and cannot hide whose answer it was."""
    seen: list[Json] = []

    @browser.party.on(UserInformationReceived)
    def hide(context: UserInformationReceived) -> UserInformationReceived:
        seen.append(context.user_information["sub"])
        return replace(context, user_information={"sub": "u-alice"})

    provider.userinfo = {"sub": "u-mallory"}
    assert error_code(await sign_in(provider, browser)) == "userinfo_sub"
    assert seen == ["u-mallory"]


async def test_rp_I7_what_the_event_put_there_is_what_the_claims_are_made_of(
    provider: HostileProvider, browser: Browser
) -> None:
    """I7: not the original document."""
    browser.party.on(UserInformationReceived)(
        lambda context: replace(context, user_information={"email": "replaced@example.com"})
    )
    await sign_in(provider, browser)
    assert (await claims_of(browser))["email"] == "replaced@example.com"


async def test_rp_I8_with_userinfo_left_alone_the_steps_run_on_nothing(provider: HostileProvider) -> None:
    """I8: drops apply, maps find nothing."""
    from authwright.relying_party.client import Public, RelyingPartyClient

    client = RelyingPartyClient(client_id="web", auth=Public(), userinfo="never")
    shaped = default_claims().unique("mail", "email").custom("n", lambda info: len(info) or None)
    browser = Browser(relying_party(provider, client=client, claims=shaped))
    await sign_in(provider, browser)
    assert await claims_of(browser) == {"sub": "u-alice", "name": "Alice Example"}


def test_rp_I9_by_default_protocol_claims_are_dropped() -> None:
    """I9: those of the reference and a few more, from either source; issuer and sid are kept beside the claims."""
    reference = {
        "nonce",
        "aud",
        "azp",
        "acr",
        "iss",
        "iat",
        "nbf",
        "exp",
        "at_hash",
        "c_hash",
        "ipaddr",
        "platf",
        "ver",
    }
    assert reference <= set(PROTOCOL_ONLY)
    assert default_claims().run(
        {"sub": "s", **dict.fromkeys(PROTOCOL_ONLY, 1)}, dict.fromkeys(PROTOCOL_ONLY, 2)
    ) == {"sub": "s"}


async def test_rp_I9_issuer_and_sid_outlive_the_drop(provider: HostileProvider, browser: Browser) -> None:
    """I9: so that a sign-out of the provider still finds the session."""
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert (signed_in.iss, signed_in.sid) == (provider.issuer, "op-session")
    assert not {"iss", "sid"} & signed_in.claims.keys()


@pytest.mark.parametrize("name", ["sub", "name", "given_name", "family_name", "profile", "email", "anything"])
def test_rp_I10_by_default_every_claim_of_userinfo_is_taken_once(name: str) -> None:
    """I10: the reference's six and all others; what the ID token says stays."""
    assert default_claims().run({"sub": "s"}, {name: "x"}).get(name) == ("s" if name == "sub" else "x")
    assert default_claims().run({"sub": "s", name: "token"}, {name: "x"})[name] == "token"


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_rp_I11_unique_takes_nothing_that_is_empty_or_there(value: Json) -> None:
    """I11: the documented rule: nothing if a claim of that name exists, whatever its value; types are kept."""
    assert Claims().unique("a").run({}, {"a": value}) == {}
    assert Claims().unique("a").run({"a": 1}, {"a": 2}) == {"a": 1}
    assert Claims().unique("a", "b").run({}, {"b": True}) == {"a": True}


@pytest.mark.parametrize(
    ("held", "given", "result"),
    [
        ({}, "x", "x"),
        ({}, ["x", "y"], ["x", "y"]),
        ({}, 0, 0),
        ({}, False, False),
        ({"a": "w"}, "x", ["w", "x"]),
        ({"a": "x"}, "x", "x"),
        ({"a": ["w"]}, ["w", "x"], ["w", "x"]),
        ({"a": "w"}, None, "w"),
        ({"a": "w"}, "", "w"),
    ],
)
def test_rp_I12_map_adds(held: dict[str, Json], given: Json, result: Json) -> None:
    """I12: a scalar is one, a list is one each, empties are skipped."""
    assert Claims().map("a", "b").run(held, {"b": given})["a"] == result


def test_rp_I13_a_member_of_a_member_and_a_function() -> None:
    """I13: MapJsonSubKey and MapCustomJson."""
    info: dict[str, Any] = {"address": {"country": "NL"}, "name": "A"}
    built = Claims().sub_key("c", "address", "country").sub_key("d", "address", "x").sub_key("e", "name", "x")
    assert built.run({}, info) == {"c": "NL"}
    assert Claims().custom("n", lambda given: len(given)).run({}, info) == {"n": 2}


def test_rp_I14_all_but_some() -> None:
    """I14: MapAll, MapAllExcept and DeleteClaims; a list of steps is begun anew with Claims(), so none is removed."""
    info = {"a": 1, "b": 2, "c": None}
    assert Claims().map_all().run({"a": 0}, info) == {"a": 0, "b": 2}
    assert Claims().map_all(but=("b",)).run({}, info) == {"a": 1}
    assert Claims().map_all().drop("a", "b").run({}, info) == {}


def test_rp_I15_the_order_is_the_order_they_were_written_in() -> None:
    """I15: a drop before a map is not a drop after it; and a list of steps is never changed by using it."""
    base = Claims()
    assert base.drop("a").map("a").run({"a": 1}, {"a": 2}) == {"a": 2}
    assert base.map("a").drop("a").run({"a": 1}, {"a": 2}) == {}
    assert base.steps == ()


def test_rp_I12_the_subject_is_the_id_token_s_whatever_a_step_does() -> None:
    """I6, I12: no step can change who signed in."""
    assert Claims().drop("sub").custom("sub", lambda info: "evil").run({"sub": "s"}, {})["sub"] == "s"
