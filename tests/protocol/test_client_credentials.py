"""What a client offers as proof of who it is (RFC 6749 §2.3, RFC 7617)."""

import json
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.client_credentials import (
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_POST,
    JWT_BEARER_ASSERTION,
    MAX_CREDENTIAL,
    ClientCredentials,
    OfferedAssertion,
    OfferedIdentifier,
    OfferedSecret,
    assertion_parameters,
    basic_authorization,
    parse_client_credentials,
    post_parameters,
)
from authwright.protocol.errors import InvalidClient, InvalidRequest, OAuthError
from authwright.protocol.http import NO_HEADERS, Headers
from authwright.protocol.params import NO_PARAMS, Params

# Any text a client id or secret may be: what UTF-8 cannot write and NUL are out.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


def _basic(raw: bytes) -> Headers:
    return Headers.of({"Authorization": "Basic " + b64encode(raw).decode("ascii")})


@given(TEXT, TEXT)
def test_what_basic_writes_is_what_basic_reads(client_id: str, secret: str) -> None:
    """RFC 6749 §2.3.1: colons, percent signs, plus signs and other alphabets come through."""
    headers = Headers.of({"Authorization": basic_authorization(client_id, secret)})
    assert parse_client_credentials(headers, NO_PARAMS) == OfferedSecret(
        client_id=client_id, method=CLIENT_SECRET_BASIC, secret=secret
    )


@given(TEXT, st.none() | TEXT)
def test_what_the_body_writes_is_what_the_body_reads(client_id: str, secret: str | None) -> None:
    """RFC 6749 §2.3.1; without a secret it is a public client's name."""
    offered = parse_client_credentials(NO_HEADERS, Params.of(post_parameters(client_id, secret)))
    expected: ClientCredentials = (
        OfferedIdentifier(client_id=client_id)
        if secret is None
        else OfferedSecret(client_id=client_id, method=CLIENT_SECRET_POST, secret=secret)
    )
    assert offered == expected


@pytest.mark.parametrize(
    ("lines", "members"),
    [
        (2, {}),
        (1, {"client_secret": "s"}),
        (1, {"client_id": "c", "client_secret": "s"}),
        (1, {"client_assertion": "a"}),
        (1, {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}),
        (1, {"client_id": "other"}),
    ],
)
def test_sec_T8_two_methods_at_once_are_refused(lines: int, members: dict[str, str]) -> None:
    """Row T8: 400 invalid_request, even when both say the same (RFC 6749 §2.3)."""
    headers = Headers([(b"authorization", basic_authorization("c", "s").encode())] * lines)
    with pytest.raises(InvalidRequest) as raised:
        parse_client_credentials(headers, Params.of(members))
    assert raised.value.http_status == 400


def test_the_same_name_in_the_body_is_no_second_method() -> None:
    """RFC 6749 §2.3: it authenticates nobody, and clients do send it."""
    headers = Headers.of({"Authorization": basic_authorization("c", "s")})
    offered = parse_client_credentials(headers, Params.of({"client_id": "c", "client_secret": ""}))
    assert isinstance(offered, OfferedSecret)
    assert offered.method == CLIENT_SECRET_BASIC


def test_no_credential_at_all_is_an_invalid_request() -> None:
    """Row T8: nobody to authenticate is not a wrong secret."""
    for params in (NO_PARAMS, Params.of({"client_secret": "s"})):
        with pytest.raises(InvalidRequest, match="client_id"):
            parse_client_credentials(NO_HEADERS, params)


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "Yzpz\t",
        " Yzpz",
        "Yzpz ",
        "Yz pz",
        "Yzpz=",
        "Yzpz====",
        "YzpzcA",
        "YzpzcB==",
        "YzpzcA==x",
        "YzpzcA==YzpzcA==",
        "Yzpz, Basic Yzpz",
        "Yz-_",
        "Y",
        "====",
        "Yzpz\xff",
        "A" * (8 * MAX_CREDENTIAL + 4),
    ],
)
def test_sec_T8_loose_base64_is_refused(encoded: str) -> None:
    """Row T8: padding, alphabet, blanks and left-over bits have one spelling; another is a bad credential, a 401."""
    with pytest.raises(InvalidClient) as raised:
        parse_client_credentials(Headers.of({"Authorization": f"Basic {encoded}"}), NO_PARAMS)
    assert (raised.value.http_status, raised.value.code) == (401, "invalid_client")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no-colon",
        b":secret",
        b"c:%",
        b"c:%4",
        b"c:%zz",
        b"%zz:s",
        b"c:%ff",
        b"c:\xff",
        b"\xff:s",
        b"c:%00",
        b"c\x00:s",
        b"c:a&b",
        b"c:a=b",
        b"a=b:s",
        b"c:" + b"s" * (MAX_CREDENTIAL + 1),
        b"c" * (MAX_CREDENTIAL + 1) + b":s",
    ],
)
def test_sec_T8_a_credential_that_is_no_form_text_is_refused(raw: bytes) -> None:
    """Row T8: bad percent-encoding, no UTF-8, NUL, no colon, no name, or too long."""
    with pytest.raises(InvalidClient) as raised:
        parse_client_credentials(_basic(raw), NO_PARAMS)
    assert raised.value.http_status == 401


@pytest.mark.parametrize(
    "members", [{"client_id": "c" * 1025}, {"client_id": "c", "client_secret": "s" * 1025}]
)
def test_sec_T8_a_long_credential_in_the_body_is_refused(members: dict[str, str]) -> None:
    """Rows T8 and T12: the bound is the same in header and body."""
    with pytest.raises(InvalidRequest):
        parse_client_credentials(NO_HEADERS, Params.of(members))


def test_a_secret_may_hold_a_colon_and_a_scheme_any_case() -> None:
    """RFC 7617 §2: only the first colon separates; RFC 9110 §11.1: schemes compare without case."""
    offered = parse_client_credentials(
        Headers.of({"authorization": "bAsIc " + b64encode(b"c:s:t").decode()}), NO_PARAMS
    )
    assert isinstance(offered, OfferedSecret)
    assert (offered.client_id, offered.secret) == ("c", "s:t")


@given(st.binary(max_size=80))
def test_whatever_the_header_holds_it_is_read_or_refused(value: bytes) -> None:
    """Row T8: never another exception, and the text of the refusal is ours."""
    refusals = []
    for line in (value, b"Basic " + value, b"Basic " + b64encode(value)):
        try:
            parse_client_credentials(Headers([(b"authorization", line)]), NO_PARAMS)
        except OAuthError as refused:
            refusals.append(refused.description)
    assert set(refusals) <= {
        "The Authorization header is malformed.",
        "The mandatory 'client_id' parameter is missing.",
    }


def _claiming(payload: str) -> str:
    return f"x.{urlsafe_b64encode(payload.encode()).decode().rstrip('=')}.x"


@given(TEXT)
def test_an_assertion_is_read_as_it_is_written_and_its_subject_names_the_client(client_id: str) -> None:
    """RFC 7523 §2.2; RFC 7521 §4.2: the client_id parameter is optional."""
    assertion = _claiming(json.dumps({"sub": client_id}))
    for written in (assertion_parameters(assertion), assertion_parameters(assertion, client_id)):
        assert parse_client_credentials(NO_HEADERS, Params.of(written)) == OfferedAssertion(
            client_id=client_id, assertion=assertion
        )


@pytest.mark.parametrize(
    "assertion",
    ["x", "x.y", "x.y.z", "x..z", "a.b.c.d", "é.é.é", *map(_claiming, ("", "[]", "{}", '{"sub":1}', '{"sub":""}', "[" * 500))],
)  # fmt: skip
def test_an_assertion_that_names_nobody_is_invalid_client(assertion: str) -> None:
    """Row T9: whatever stands there, it is 401, and never another exception."""
    with pytest.raises(InvalidClient):
        parse_client_credentials(NO_HEADERS, Params.of(assertion_parameters(assertion)))


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"client_assertion": "x.y.z"}, InvalidRequest),
        ({"client_assertion_type": JWT_BEARER_ASSERTION, "client_id": "c"}, InvalidRequest),
        ({"client_assertion": "x" * 16_385, "client_assertion_type": JWT_BEARER_ASSERTION}, InvalidRequest),
        ({"client_assertion": "x.y.z", "client_assertion_type": "saml", "client_id": "c"}, InvalidClient),
        (
            {
                "client_assertion": "x.y.z",
                "client_assertion_type": JWT_BEARER_ASSERTION,
                "client_secret": "s",
            },
            InvalidRequest,
        ),
    ],
)
def test_half_an_assertion_another_type_or_a_secret_beside_it_is_refused(
    members: dict[str, str], error: type[OAuthError]
) -> None:
    """RFC 7521 §4.2, RFC 6749 §2.3."""
    with pytest.raises(error):
        parse_client_credentials(NO_HEADERS, Params.of(members))
