"""One access token from one place (RFC 6750 §2), and what an answer about it may look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import Headers, HttpRequest, Json
from authwright.protocol.introspection import parse_introspection
from authwright.protocol.token import parse_token_response
from authwright.protocol.userinfo import MAX_TOKEN, parse_bearer_token

FORM = (b"content-type", b"application/x-www-form-urlencoded")


def _request(*lines: bytes, method: str = "GET", query: str = "", body: bytes | None = None) -> HttpRequest:
    fields = [(b"authorization", line) for line in lines]
    if body is not None:
        return HttpRequest("POST", "/userinfo", query, Headers([*fields, FORM]), body)
    return HttpRequest(method, "/userinfo", query, Headers(fields))


@pytest.mark.parametrize(
    "request_",
    [
        _request(),
        _request(b"Basic Yzpz"),
        _request(b""),
        _request(b"BearerX abc"),
        _request(query="x=1"),
        _request(query="my_access_token=x&note=access_token"),
        _request(body=b"a=b"),
        _request(body=b"access_token="),
    ],
)
def test_a_request_without_a_token_has_none(request_: HttpRequest) -> None:
    """RFC 6750 §3: it is told the realm and no error."""
    assert parse_bearer_token(request_) is None


@pytest.mark.parametrize(
    "request_",
    [
        _request(query="access_token=abc"),
        _request(b"Bearer abc", query="x=1&access_token=abc"),
        _request(b"Bearer abc", b"Bearer abc"),
        _request(b"Bearer abc", b"Basic Yzpz"),
        _request(b"Bearer abc", body=b"access_token=abc"),
        _request(body=b"access_token=abc&access_token=abc"),
        _request(body=b"access_token=%ff"),
        _request(body=b"access_token=a%20b"),
        _request(body=b"access_token=%C3%A9"),
        _request(b"Bearer"),
        _request(b"Bearer "),
        _request(b"Bearer a b"),
        _request(b"Bearer abc, Bearer def"),
        _request(b"Bearer abc,def"),
        _request(b"Bearer \xe9"),
        _request(b"Bearer a\x00"),
        _request(b"Bearer a\tb"),
        _request(b'Bearer "abc"'),
        _request(b"Bearer =abc"),
        _request(b"Bearer ab=c"),
        _request(b"Bearer " + b"a" * (MAX_TOKEN + 1)),
    ],
)
def test_sec_D8_a_token_in_the_query_two_tokens_or_a_malformed_one_are_refused(request_: HttpRequest) -> None:
    """Row D8: 400 invalid_request (RFC 6750 §2, §3.1; RFC 9700 §4.3.2)."""
    with pytest.raises(InvalidRequest) as raised:
        parse_bearer_token(request_)
    assert raised.value.http_status == 400
    assert "abc" not in raised.value.description


@given(st.binary(max_size=60), st.binary(max_size=60), st.text(max_size=30))
def test_whatever_is_sent_it_is_a_token_or_refused(line: bytes, body: bytes, query: str) -> None:
    """Row D8: never another exception, and a token is only ever ASCII without blanks."""
    for request in (
        _request(line, query=query),
        _request(b"Bearer " + line),
        _request(body=b"access_token=" + body),
    ):
        try:
            found = parse_bearer_token(request)
        except InvalidRequest:
            continue
        if found is not None:
            assert found[1].isascii()
            assert found[1].isprintable()
            assert found[1]


@pytest.mark.parametrize("content", [None, [], "", {}, {"active": "true"}, {"active": 1}, {"active": None}])
def test_an_introspection_response_says_active_or_is_none(content: Json) -> None:
    """RFC 7662 §2.2: a token is not live for want of a clear answer, nor dead for it."""
    with pytest.raises(ValueError, match="active"):
        parse_introspection(content)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "x",
        {"access_token": 1},
        {"access_token": ["x"]},
        {"scope": ["a", "b"]},
        {"token_type": {}},
        {"expires_in": -1},
        {"expires_in": True},
        {"expires_in": "soon"},
        {"expires_in": "٣"},
        {"expires_in": "-1"},
        {"expires_in": 1e12},
        {"expires_in": float("nan")},
        {"expires_in": float("inf")},
        {"expires_in": "9" * 5000},
    ],
)
def test_a_token_response_off_the_grammar_is_refused(content: Json) -> None:
    """RFC 6749 §5.1: a type of its own is no answer."""
    with pytest.raises(ValueError, match="token response"):
        parse_token_response(content)


def test_a_lifetime_may_come_as_digits_or_with_a_fraction() -> None:
    """RFC 6749 §5.1; some servers send text."""
    assert parse_token_response({"expires_in": "3600"}).expires_in == 3600
    assert parse_token_response({"expires_in": 3600.9}).expires_in == 3600
    assert parse_token_response({"access_token": "", "scope": ""}).access_token is None
