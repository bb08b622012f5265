"""The token exchange request and answer, built and parsed (RFC 8693 §2)."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.exchange import (
    ACCESS_TOKEN,
    ISSUED_TOKEN_TYPE,
    JWT,
    ExchangeParameters,
    build_exchange,
    faults_of,
    issued_token_type,
    parse_exchange,
)
from authwright.protocol.params import Params, encode, parse_params
from authwright.protocol.token import (
    TokenResponse,
    build_token_response,
    parse_token_request,
    parse_token_response,
)

TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@given(
    subject=TEXT,
    kind=TEXT,
    actor=st.none() | st.tuples(TEXT, TEXT),
    requested=st.none() | TEXT,
    audience=st.lists(TEXT, unique=True, max_size=3),
    resource=st.lists(TEXT, unique=True, max_size=3),
    lifetime=st.none() | st.integers(1, 9999).map(str),
)
def test_what_is_built_is_what_is_parsed(
    subject: str,
    kind: str,
    actor: tuple[str, str] | None,
    requested: str | None,
    audience: list[str],
    resource: list[str],
    lifetime: str | None,
) -> None:
    """Round trip, through the bytes of a form."""
    exchange = ExchangeParameters(
        subject_token=subject,
        subject_token_type=kind,
        actor_token=actor[0] if actor else None,
        actor_token_type=actor[1] if actor else None,
        requested_token_type=requested,
        audience=tuple(audience),
        access_token_lifetime=lifetime,
    )
    params = parse_params(encode(build_exchange(exchange, scope=("a", "b"), resource=resource)).encode())
    assert parse_exchange(params) == exchange
    shared = parse_token_request(params)
    assert (shared.scope, shared.resource) == (("a", "b"), tuple(resource))


def test_a_request_as_the_specification_shows_it() -> None:
    """RFC 8693 §2.3: the example, octet for octet but for line breaks."""
    exchange = ExchangeParameters(
        subject_token="accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC", subject_token_type=ACCESS_TOKEN
    )
    built = encode(build_exchange(exchange, resource=("https://backend.example.com/api",)))
    example = (
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
        "&resource=https%3A%2F%2Fbackend.example.com%2Fapi"
        "&subject_token=accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC"
        "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
    )
    assert sorted(parse_qsl(built)) == sorted(parse_qsl(example))


def test_what_is_missing_is_parsed_and_named() -> None:
    """RFC 8693 §2.1: the parser leaves it to the grant, which knows who asks; the builder builds no such request."""
    nothing = parse_exchange(Params.of({"actor_token_type": JWT}))
    assert faults_of(nothing) == (
        "subject_token is required",
        "subject_token_type is required",
        "actor_token_type must not be sent without actor_token",
    )
    with pytest.raises(ValueError, match="subject_token is required"):
        build_exchange(nothing)
    with pytest.raises(InvalidRequest):
        parse_exchange(Params.of([("subject_token", "a"), ("subject_token", "b")]))


def test_the_answer_says_what_was_issued() -> None:
    """RFC 8693 §2.2.1: REQUIRED; a member of its own in the token response."""
    response = TokenResponse(access_token="t", token_type="N_A", custom={ISSUED_TOKEN_TYPE: JWT})
    assert issued_token_type(parse_token_response(build_token_response(response))) == JWT
    for wrong in ({}, {ISSUED_TOKEN_TYPE: ""}, {ISSUED_TOKEN_TYPE: 7}):
        with pytest.raises(ValueError, match="issued_token_type"):
            issued_token_type(TokenResponse(access_token="t", custom=wrong))


def test_nothing_of_a_token_is_in_a_representation() -> None:
    """House rule: tokens never reach a log."""
    assert "secret" not in repr(ExchangeParameters(subject_token="secret", actor_token="secret"))
