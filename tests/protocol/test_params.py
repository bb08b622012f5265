"""Parameters are parsed once and strictly (RFC 6749 §3.1, §3.2, Appendix B)."""

import time
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.authorization import MAX_NONCE, MAX_STATE, parse_authorization_request
from authwright.protocol.errors import InvalidRequest, InvalidScope, PayloadTooLarge
from authwright.protocol.introspection import parse_token_reference
from authwright.protocol.logout import parse_logout_request
from authwright.protocol.params import (
    MAX_BODY,
    MAX_NAME,
    MAX_PARAMETERS,
    MAX_VALUE,
    REPEATABLE,
    Params,
    encode,
    escaped,
    parse_form,
    parse_params,
)
from authwright.protocol.scopes import MAX_SCOPES, parse_scope
from authwright.protocol.token import parse_token_request

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("encoded", [b"", b"&", b"&&&", b"=", b"=x", b"a=", b"a", b"a=&b", b"%61="])
def test_a_parameter_without_a_value_is_absent(encoded: bytes) -> None:
    """RFC 6749 §3.1: parameters sent without a value are treated as if they were omitted."""
    assert parse_params(encoded) == Params({})


def test_an_absent_mandatory_parameter_is_named() -> None:
    """RFC 6749 §5.2: a request that lacks a required parameter is an invalid_request."""
    with pytest.raises(InvalidRequest, match="'token'") as raised:
        parse_token_reference(parse_params(b"token=&token_type_hint=access_token"))
    assert raised.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"v=a+b", "a b"),
        (b"v=a%20b", "a b"),
        (b"v=a%2Bb", "a+b"),
        (b"v=a%2bb", "a+b"),
        (b"v=%C3%A9", "é"),
        ("v=é".encode(), "é"),
        (b"v=a=b", "a=b"),
        (b"v=a?b", "a?b"),
        (b"v=%26%3D%25", "&=%"),
        (b"v=%2525", "%25"),
        (b"v=a;b", "a;b"),
        (b"v=%F0%9F%94%91", "\N{KEY}"),
    ],
)
def test_escapes_are_decoded_exactly_once(encoded: bytes, value: str) -> None:
    """RFC 6749 Appendix B, and a semicolon is no separator."""
    assert parse_params(encoded).one("v") == value


@pytest.mark.parametrize(
    "encoded",
    [
        b"v=%",
        b"v=%4",
        b"v=%zz",
        b"v=%%41",
        b"v=%u0041",
        b"v=% 41",
        b"%=v",
        b"v=\x00",
        b"v=%00",
        b"v\x00=1",
        b"a%00b=1",
        b"v=\xff",
        b"v=%ff",
        b"v=%C0%AF",
        b"v=\xc0\xaf",
        b"v=%ED%A0%80",
        b"v=%F4%90%80%80",
        b"v=%C3",
        b"\xff=1",
        b"v=%C3&w=%A9",
    ],
)
def test_sec_T12_bytes_that_are_no_text_are_refused(encoded: bytes) -> None:
    """Row T12: NUL, invalid UTF-8 and broken percent-encoding are a 400, never a replacement character or a 500."""
    with pytest.raises(InvalidRequest) as raised:
        parse_params(encoded)
    assert raised.value.http_status == 400
    assert "\ufffd" not in raised.value.description


def test_sec_T12_more_than_64_parameters_are_refused() -> None:
    """Row T12: 64 pass, 65 do not, whether or not they hold anything."""
    assert len(parse_params(b"&".join(b"p%d=1" % n for n in range(MAX_PARAMETERS))).names()) == MAX_PARAMETERS
    for field in (b"p=1", b"p", b""):
        with pytest.raises(InvalidRequest) as raised:
            parse_params(b"&".join([field] * (MAX_PARAMETERS + 1)))
        assert raised.value.detail == "dos.limit"


@pytest.mark.parametrize("letter", ["v", "%76", "é", "%C3%A9"])
def test_sec_T12_a_long_name_or_value_is_refused(letter: str) -> None:
    """Row T12: lengths are those of the decoded text, so that an escape buys nothing and costs nothing."""
    assert len(parse_params(f"v={letter * (MAX_VALUE // 8)}".encode()).one("v") or "") == MAX_VALUE // 8
    assert parse_params(f"{letter * MAX_NAME}=1".encode()).names()
    for encoded in (f"v={letter * (MAX_VALUE + 1)}", f"{letter * (MAX_NAME + 1)}=1"):
        with pytest.raises(InvalidRequest) as raised:
            parse_params(encoded.encode())
        assert raised.value.detail == "dos.limit"


def test_sec_T12_a_body_over_64_kilobytes_is_413() -> None:
    """Row T12: a body of exactly the limit is looked at, one byte more is not."""
    with pytest.raises(InvalidRequest) as raised:
        parse_form(FORM, b"v=" + b"x" * (MAX_BODY - 2))
    assert raised.value.http_status == 400
    with pytest.raises(PayloadTooLarge) as too_large:
        parse_form(FORM, b"v=" + b"x" * (MAX_BODY - 1))
    assert (too_large.value.http_status, too_large.value.code) == (413, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded-not",
        "application/x-www-form-urlencoded, text/plain",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        'application/x-www-form-urlencoded; charset="utf-7"',
    ],
)
def test_sec_T12_only_a_form_in_utf8_is_read_and_multipart_never(content_type: str | None) -> None:
    """Row T12: a body of another type is refused before a byte of it is looked at."""
    with pytest.raises(InvalidRequest, match="Content-Type"):
        parse_form(content_type, b"\xff\xff%zz--x\r\nContent-Disposition: form-data")


@pytest.mark.parametrize(
    "content_type",
    [FORM, FORM.upper(), f"{FORM};charset=UTF-8", f'{FORM}; charset="utf8"', f" {FORM} ; a=b", f"{FORM};"],
)
def test_a_form_in_utf8_is_read(content_type: str) -> None:
    """Media types compare without case, and a charset that says the truth harms nobody."""
    assert parse_form(content_type, b"a=1").one("a") == "1"


@given(st.binary(max_size=400))
def test_whatever_bytes_arrive_they_are_read_or_refused(encoded: bytes) -> None:
    """Row T12: never another exception; what was read is text without NUL and with a value."""
    try:
        params = parse_params(encoded)
    except InvalidRequest:
        return
    assert all(name and value and "\0" not in name + value for name, value in params.pairs())


@given(st.text() | st.from_regex(r"[!-~]{0,40}\n?", fullmatch=True))
def test_text_is_escaped_as_python_s_own_library_does(text: str) -> None:
    """RFC 6749 Appendix B, by a reader and a writer that are not ours."""
    assert escaped(text) == quote_plus(text)
    assert parse_qsl(encode((("v", text),)), keep_blank_values=True) == [("v", text)]


@given(st.text(st.sampled_from("ab=&%+;25F\x00é "), max_size=40))
def test_what_was_read_reads_the_same_when_written_again(encoded: str) -> None:
    """One canonical spelling: parse, encode, parse."""
    try:
        params = parse_params(encoded.encode())
    except InvalidRequest:
        return
    assert parse_params(params.encoded().encode()) == params


@pytest.mark.parametrize(
    "encoded",
    [
        b"client_id=a&client_id=b",
        b"client_id=a&client_id=a",
        b"client_id=a&client%5Fid=a",
        b"client_id=a&%63lient_id=b&x=",
        b"client_id=a&grant_type=x&token=t&unknown=1&unknown=2",
        b"client_id=a&grant_type=x&token=t&scope=a&scope=b",
        b"client_id=a&grant_type=x&token=t&state=1&state=1",
    ],
)
def test_sec_A6_a_duplicate_parameter_is_refused_by_every_message(encoded: bytes) -> None:
    """Row A6: no first or last wins, however the name is spelled, known to us or not."""
    params = parse_params(encoded)
    for parse in (
        parse_authorization_request,
        parse_token_request,
        parse_token_reference,
        parse_logout_request,
    ):
        with pytest.raises(InvalidRequest, match="more than once") as raised:
            parse(params)
        assert raised.value.detail == "req.duplicate_param"


def test_sec_A6_resource_and_audience_may_be_repeated() -> None:
    """Row A6: RFC 8707 §2 and RFC 8693 §2.1 let these two occur more than once, and both values count."""
    params = parse_params(
        b"client_id=a&grant_type=x&resource=https://a&resource=https://b&audience=c&audience=d"
    )
    assert frozenset({"resource", "audience"}) == REPEATABLE
    assert parse_authorization_request(params).resource == ("https://a", "https://b")
    assert parse_token_request(params).resource == ("https://a", "https://b")
    assert params.many("audience") == ("c", "d")
    with pytest.raises(InvalidRequest):
        params.one("audience")


def test_sec_A6_an_empty_duplicate_is_no_duplicate() -> None:
    """Row A6 with RFC 6749 §3.1: the one without a value was never there."""
    assert parse_params(b"state=&state=x&state").one("state") == "x"


@given(st.text(max_size=20).filter(bool))
def test_sec_A6_the_name_of_a_duplicate_is_only_echoed_when_it_is_plain(name: str) -> None:
    """Common rule R(a): the description never carries what was sent, unless it is a word."""
    with pytest.raises(InvalidRequest) as raised:
        Params({name: ("1", "2")}).refuse_repeated()
    shown = raised.value.description.split("'")[1]
    assert shown == "?" or (shown == name and shown.replace("_", "").isalnum() and shown.isascii())


def test_equal_parameters_have_equal_hashes() -> None:
    """Order among names means nothing, order among the values of one name does."""
    one, other = Params.of([("a", "1"), ("b", "2")]), Params.of([("b", "2"), ("a", "1")])
    assert one == other
    assert hash(one) == hash(other)
    assert Params.of([("a", "1"), ("a", "2")]) != Params.of([("a", "2"), ("a", "1")])


@pytest.mark.parametrize(("name", "limit"), [("state", MAX_STATE), ("nonce", MAX_NONCE)])
def test_sec_A22_a_long_state_or_nonce_is_refused(name: str, limit: int) -> None:
    """Row A22: what is kept for the length of a sign-in has a limit of its own."""
    parse_authorization_request(Params.of({"client_id": "c", name: "x" * limit}))
    with pytest.raises(InvalidRequest) as raised:
        parse_authorization_request(Params.of({"client_id": "c", name: "x" * (limit + 1)}))
    assert raised.value.detail == "dos.limit"


def test_sec_A22_a_scope_of_many_names_is_refused_cheaply() -> None:
    """Row A22: 8 KB of names is refused within 5 ms, and 10^5 names do not get past the bound on the value."""
    parse_scope(" ".join(f"s{n}" for n in range(MAX_SCOPES)))
    crowded = " ".join(f"s{n}" for n in range(MAX_SCOPES + 1))
    with pytest.raises(InvalidScope) as raised:
        parse_scope(crowded)
    assert raised.value.detail == "dos.limit"
    longest = ("+".join(f"s{n}" for n in range(100_000)))[: MAX_VALUE - 1] + "s"
    request = b"client_id=c&scope=" + longest.encode()
    assert _quickest(lambda: _refused(request)) < 0.005
    with pytest.raises(PayloadTooLarge):
        parse_params(b"scope=" + "+".join(f"s{n}" for n in range(100_000)).encode())


def test_sec_A22_the_costliest_request_that_is_read_is_read_quickly() -> None:
    """Row A22: 64 KB of escapes and a parameter given 64 times cost no more than 50 ms."""
    escapes = b"&".join(b"p%d=%s" % (n, b"%41" * 330) for n in range(MAX_PARAMETERS))
    assert len(escapes) > MAX_BODY * 0.9
    assert _quickest(lambda: parse_params(escapes)) < 0.05
    repeated = b"&".join([b"resource=x"] * MAX_PARAMETERS)
    assert _quickest(lambda: parse_params(repeated)) < 0.005


@pytest.mark.parametrize("scope", [" a", "a ", "a  b", "a\tb", 'a"b', "a\\b", "a\nb", "é", "a\u2003b"])
def test_a_scope_off_the_grammar_is_refused(scope: str) -> None:
    """RFC 6749 §3.3, Appendix A.4."""
    with pytest.raises(InvalidScope):
        parse_scope(scope)


def test_a_repeated_scope_counts_once_and_the_order_stays() -> None:
    """RFC 6749 §3.3: the order does not matter to the meaning, so the first one is as good as any."""
    assert parse_scope("openid email openid profile") == ("openid", "email", "profile")


def _refused(request: bytes) -> None:
    with pytest.raises(InvalidScope):
        parse_authorization_request(parse_params(request))


def _quickest(run: "object", times: int = 5) -> float:
    """Seconds of processor time of the best of a few runs: the others waited for a busy machine."""
    assert callable(run)
    spent = []
    for _ in range(times):
        start = time.process_time()
        run()
        spent.append(time.process_time() - start)
    return min(spent)
