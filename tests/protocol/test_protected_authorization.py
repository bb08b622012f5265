"""Requests and responses inside JWTs, and the answer to a push: both sides, and the specifications' own examples."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
    build_authorization_request,
    parse_authorization_request,
)
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.jarm import ResponseClaimsRejected, build_response_claims, parse_response_claims
from authwright.protocol.params import Params
from authwright.protocol.pushed_authorization import (
    PushedAuthorizationResponse,
    build_pushed_authorization_response,
    parse_pushed_authorization_response,
    pushed_parameters,
)
from authwright.protocol.request_object import (
    build_request_object,
    parse_request_object,
    request_object_parameters,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ISSUER = "https://op.example"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
MAYBE = st.none() | TEXT


def through_json(content: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(content))


@given(
    st.builds(
        AuthorizationResponse,
        code=MAYBE,
        state=MAYBE,
        iss=st.just(ISSUER),
        session_state=MAYBE,
        id_token=MAYBE,
        access_token=MAYBE,
        error=MAYBE,
        error_description=MAYBE,
    )
)
def test_what_a_response_says_comes_out_of_its_jwt(response: AuthorizationResponse) -> None:
    """JARM §2.1: through JSON."""
    claims = through_json(build_response_claims(response, issuer=ISSUER, client_id="web", now=NOW))
    assert parse_response_claims(claims, issuer=ISSUER, client_id="web", now=NOW) == response


def test_jarm_2_1_1_the_example_of_a_response() -> None:
    """JARM §2.1.1, as it stands there."""
    claims = {
        "iss": "https://accounts.example.com",
        "aud": "s6BhdRkqt3",
        "exp": 1311281970,
        "code": "PyyFaux2o7Q0YfXBU32jhw.5FXSQpvr8akv9CeRDSd0QA",
        "state": "S8NJ7uqk5fY4EjNvP_G_FtyJu6pUsvH9jsYni9dMAJw",
    }
    response = parse_response_claims(
        claims,
        issuer="https://accounts.example.com",
        client_id="s6BhdRkqt3",
        now=datetime.fromtimestamp(1311281969, UTC),
    )
    assert response.code == "PyyFaux2o7Q0YfXBU32jhw.5FXSQpvr8akv9CeRDSd0QA"
    assert response.state == "S8NJ7uqk5fY4EjNvP_G_FtyJu6pUsvH9jsYni9dMAJw"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://op.example/"}, "iss"),
        ({"aud": ["web", "other"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"exp": int(NOW.timestamp())}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": None}, "exp"),
        ({"code": True}, "members"),
        ({"code": {}}, "members"),
    ],
)
def test_a_response_for_somebody_else_or_too_late_is_none(changes: dict[str, Any], reason: str) -> None:
    """JARM §2.4: iss, aud and exp."""
    claims = build_response_claims(
        AuthorizationResponse(code="c"), issuer=ISSUER, client_id="web", now=NOW - timedelta(minutes=9)
    )
    with pytest.raises(ResponseClaimsRejected) as rejected:
        parse_response_claims({**claims, **changes}, issuer=ISSUER, client_id="web", now=NOW)
    assert rejected.value.reason == reason


@given(
    st.builds(
        AuthorizationRequest,
        client_id=TEXT,
        redirect_uri=MAYBE,
        response_type=MAYBE,
        response_mode=MAYBE,
        scope=st.just(("openid", "profile")) | st.just(()),
        state=MAYBE,
        nonce=MAYBE,
        max_age=st.none() | st.integers(0, 10**9),
        prompt=st.just(()) | st.just(("login",)),
        claims=st.none() | st.just('{"userinfo":{"email":null}}'),
        resource=st.lists(TEXT, max_size=3).map(tuple),
        dpop_jkt=MAYBE,
        extra=st.dictionaries(st.sampled_from(["x_one", "x_two"]), TEXT).map(Params.of),
    )
)
def test_what_a_request_says_comes_out_of_its_object(request: AuthorizationRequest) -> None:
    """RFC 9101 §4: through JSON."""
    claims = through_json(build_request_object(request, issuer=ISSUER, jti="j", now=NOW))
    assert (claims["iss"], claims["aud"]) == (request.client_id, ISSUER)
    assert parse_authorization_request(parse_request_object(claims)) == request


def test_rfc_9101_4_the_example_of_a_request_object() -> None:
    """RFC 9101 §4, as it stands there."""
    claims = {
        "iss": "s6BhdRkqt3",
        "aud": "https://server.example.com",
        "response_type": "code id_token",
        "client_id": "s6BhdRkqt3",
        "redirect_uri": "https://client.example.org/cb",
        "scope": "openid",
        "state": "af0ifjsldkj",
        "nonce": "n-0S6_WzA2Mj",
        "max_age": 86400,
    }
    request = parse_authorization_request(parse_request_object(claims))
    assert request == AuthorizationRequest(
        client_id="s6BhdRkqt3",
        response_type="code id_token",
        redirect_uri="https://client.example.org/cb",
        scope=("openid",),
        state="af0ifjsldkj",
        nonce="n-0S6_WzA2Mj",
        max_age=86400,
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"request": "x"},
        {"request_uri": "https://a"},
        {"scope": True},
        {"scope": 1.5},
        {"state": {"a": 1}},
        {"state": [["a"]]},
    ],
)
def test_a_request_object_that_holds_another_or_what_is_no_parameter_is_refused(
    claims: dict[str, Any],
) -> None:
    """RFC 9101 §4: `request` and `request_uri` MUST NOT be included; a parameter is text or a number."""
    with pytest.raises(InvalidRequest):
        parse_request_object({"client_id": "web", **claims})


def test_beside_a_request_object_stands_what_openid_connect_repeats() -> None:
    """OpenID Connect Core §6.1: response_type, client_id and scope, the same as inside."""
    request = AuthorizationRequest(
        client_id="web",
        response_type="code",
        scope=("openid",),
        state="s",
        nonce="n",
        redirect_uri="https://rp",
    )
    outside = build_authorization_request(request_object_parameters(request, "a.b.c"))
    assert dict(outside.pairs()) == {
        "client_id": "web",
        "response_type": "code",
        "scope": "openid",
        "request": "a.b.c",
    }


def test_rfc_9126_2_2_the_example_of_an_answer_to_a_push() -> None:
    """RFC 9126 §2.2, as it stands there; and §4: what the browser then carries."""
    content = {
        "request_uri": "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c",
        "expires_in": 60,
    }
    response = parse_pushed_authorization_response(content)
    assert response == PushedAuthorizationResponse(request_uri=content["request_uri"], expires_in=60)  # type: ignore[arg-type]
    assert build_pushed_authorization_response(response) == content
    carried = build_authorization_request(pushed_parameters("s6BhdRkqt3", response.request_uri))
    assert carried.pairs() == (("client_id", "s6BhdRkqt3"), ("request_uri", content["request_uri"]))
    assert response.request_uri not in repr(response)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"request_uri": "urn:x"},
        {"request_uri": "urn:x", "expires_in": "60"},
        {"request_uri": "urn:x", "expires_in": -1},
        {"request_uri": "urn:x" * 1000, "expires_in": 60},
        {"request_uri": "urn:é", "expires_in": 60},
    ],
)
def test_anything_else_is_no_answer_to_a_push(content: Any) -> None:
    """RFC 9126 §2.2: request_uri, and expires_in as a positive integer."""
    with pytest.raises(ValueError, match=r".+"):
        parse_pushed_authorization_response(content)
