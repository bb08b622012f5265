"""What leaves as a header or as an error description holds nothing that could end its line or its quotes."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol import errors
from authwright.protocol.challenge import build_challenge, parse_challenge
from authwright.protocol.errors import InsufficientScope, InvalidToken, OAuthError, Refused, safe_text
from authwright.protocol.http import (
    Headers,
    HttpRequest,
    HttpResponse,
    html_response,
    json_response,
    see_other,
)

BREAKS = ("\r", "\n", "\0", "\r\nset-cookie: a=b", "x\ny")

# RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E.
ALLOWED = {chr(code) for code in (0x20, 0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))}

ERRORS = tuple(
    known
    for _, known in inspect.getmembers(errors, inspect.isclass)
    if issubclass(known, OAuthError) and known is not OAuthError
)


@pytest.mark.parametrize("text", BREAKS)
def test_sec_H2_a_line_break_or_nul_in_a_header_is_refused(text: str) -> None:
    """Row H2: in a value and in a name, and by every way to a response; the error does not quote the value."""
    for fields in ({"x": f"secret{text}"}, [("x", "fine"), ("y", f"secret{text}")]):
        with pytest.raises(ValueError, match="line break or NUL") as raised:
            Headers.of(fields)
        assert "secret" not in str(raised.value)
    for name in (text, f"x{text}"):
        with pytest.raises(ValueError, match="token"):
            Headers.of({name: "v"})
    with pytest.raises(ValueError, match="location"):
        see_other(f"https://rp.example/cb?state={text}")
    with pytest.raises(ValueError, match="line break"):
        see_other("https://rp.example/cb", ("set-cookie", text))
    with pytest.raises(ValueError, match="line break"):
        html_response(200, "", ("x", text))
    with pytest.raises(ValueError, match="line break"):
        HttpResponse(200).with_headers(("x", text))
    with pytest.raises(ValueError, match="line break"):
        Headers.of({"www-authenticate": build_challenge("Bearer", {"realm": text})})


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\t", "é", "(a)", '"a"', "a\u2028"])
def test_sec_H2_a_header_name_is_a_token(name: str) -> None:
    """Row H2, RFC 9110 §5.1."""
    with pytest.raises(ValueError, match="token"):
        Headers.of({name: "v"})


def test_a_header_beyond_latin_1_is_refused_without_being_quoted() -> None:
    """The codec's own error would carry the whole value along."""
    with pytest.raises(ValueError, match="Latin-1") as raised:
        Headers.of({"x": "secret€"})
    assert "secret" not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert not hasattr(raised.value, "object")


@given(st.text())
def test_sec_H2_whatever_text_it_is_a_header_is_one_line_or_refused(text: str) -> None:
    """Row H2: no input makes a second line."""
    try:
        headers = Headers.of({"x": text})
    except ValueError:
        return
    [(name, value)] = headers.lines
    assert name == b"x"
    assert not set(value) & set(b"\r\n\0")
    assert headers.get("x") == text


def test_header_names_compare_in_lower_case() -> None:
    """RFC 9110 §5.1."""
    headers = Headers.of([("X-Name", "1"), ("x-nAME", "2")])
    assert (headers.get("x-name"), headers.many("x-name"), headers.get("other")) == ("1", ("1", "2"), None)


def test_what_carries_tokens_is_kept_by_no_cache() -> None:
    """RFC 6749 §5.1, common rule R(a); a redirect is a 303 (RFC 9700 §4.12) and hands on no referrer."""
    assert json_response(200, {}).headers.get("cache-control") == "no-store"
    assert json_response(200, {}).headers.get("pragma") == "no-cache"
    assert json_response(401, {}, Headers.of({"x": "y"})).headers.get("cache-control") == "no-store"
    assert html_response(200, "").headers.get("cache-control") == "no-store"
    redirect = see_other("https://rp.example/cb")
    assert redirect.status == 303
    assert redirect.headers.get("cache-control") == "no-store"
    assert redirect.headers.get("referrer-policy") == "no-referrer"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "//op.example",
        "ftp://op.example/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://:443/",
        "https://user@op.example/",
        "https://op.example\\@evil.example/",
        "https://op.example\\.evil.example/",
        "https://op.example/\r\nx: y",
        "https://op.exa\tmple/",
        " https://op.example/",
        "https://op.example/a b",
        "https://öp.example/",
        "https://op.example/\x00",
        "https://[::1/",
    ],
)
def test_a_request_goes_only_where_its_url_plainly_says(url: str) -> None:
    """Row H2 and G1: what parsers of URLs disagree about is not sent anywhere."""
    with pytest.raises(ValueError):
        HttpRequest.to("GET", url)


@given(st.text())
def test_a_description_keeps_to_the_characters_allowed(text: str) -> None:
    """Common rule R(a), RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E, as long as it was."""
    safe = safe_text(text)
    assert set(safe) <= ALLOWED
    assert len(safe) == len(text)
    assert safe_text(safe) == safe
    if set(text) <= ALLOWED:
        assert safe == text


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_no_error_carries_other_characters_whatever_it_is_given(error: type[OAuthError]) -> None:
    """Common rule R(a), for every class; the members are what they should be and a challenge can be made of them."""
    hostile = 'say "hi"\\\r\n\t\0é\x7f'
    if issubclass(error, errors.MethodNotAllowed):
        refusal: OAuthError = error("GET")
    elif issubclass(error, Refused):
        refusal = error(hostile, hostile, hostile)
    else:
        refusal = error(hostile, detail="secret detail")
        refusal = error(hostile, uri=hostile) if _takes(error, "uri") else refusal
    members = refusal.members()
    assert all(set(value) <= ALLOWED for value in members.values())
    assert "error_uri" not in members
    assert "secret detail" not in str(refusal)
    scheme, parameters = parse_challenge(build_challenge("Bearer", members))
    assert (scheme, parameters) == ("bearer", members)
    assert Headers.of({"www-authenticate": build_challenge("Bearer", members)}).lines


def _takes(error: type[OAuthError], name: str) -> bool:
    return name in inspect.signature(error).parameters


def test_an_error_uri_that_is_one_is_kept() -> None:
    """RFC 6749 §5.2."""
    assert InvalidToken("no", uri="https://op.example/why").members() == {
        "error": "invalid_token",
        "error_description": "no",
        "error_uri": "https://op.example/why",
    }
    assert "error_uri" not in InvalidToken("no", uri="https://op.example/a b").members()


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (errors.InvalidRequest, "invalid_request", 400),
        (errors.PayloadTooLarge, "invalid_request", 413),
        (errors.InvalidClient, "invalid_client", 401),
        (errors.InvalidGrant, "invalid_grant", 400),
        (errors.UnauthorizedClient, "unauthorized_client", 400),
        (errors.UnsupportedGrantType, "unsupported_grant_type", 400),
        (errors.UnsupportedResponseType, "unsupported_response_type", 400),
        (errors.UnsupportedTokenType, "unsupported_token_type", 400),
        (errors.InvalidScope, "invalid_scope", 400),
        (errors.InvalidTarget, "invalid_target", 400),
        (errors.AccessDenied, "access_denied", 400),
        (errors.LoginRequired, "login_required", 400),
        (errors.InteractionRequired, "interaction_required", 400),
        (errors.ConsentRequired, "consent_required", 400),
        (errors.AccountSelectionRequired, "account_selection_required", 400),
        (errors.RequestNotSupported, "request_not_supported", 400),
        (errors.RequestUriNotSupported, "request_uri_not_supported", 400),
        (errors.RegistrationNotSupported, "registration_not_supported", 400),
        (errors.UnmetAuthenticationRequirements, "unmet_authentication_requirements", 400),
        (errors.InvalidRedirectUri, "invalid_redirect_uri", 400),
        (errors.InvalidClientMetadata, "invalid_client_metadata", 400),
        (errors.InvalidToken, "invalid_token", 401),
        (InsufficientScope, "insufficient_scope", 403),
        (errors.SlowDown, "slow_down", 429),
        (errors.ServerError, "server_error", 500),
        (errors.TemporarilyUnavailable, "temporarily_unavailable", 503),
    ],
)
def test_the_class_knows_code_and_status(error: type[OAuthError], code: str, status: int) -> None:
    """RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3.1; RFC 7009 §2.2.1; RFC 8707 §2; RFC 7591 §3.2.2; Core §3.1.2.6."""
    refusal = error()
    assert (refusal.code, refusal.http_status, refusal.members()["error"]) == (code, status, code)


def test_a_method_that_does_not_exist_names_those_that_do() -> None:
    """RFC 9110 §15.5.6."""
    refusal = errors.MethodNotAllowed("GET", "POST")
    assert (refusal.http_status, refusal.allow) == (405, "GET, POST")


def test_a_refusal_without_a_code_takes_that_of_its_event() -> None:
    """An application may refuse in its own words and leave the code to the event."""
    for unchosen in (None, ""):
        refused = Refused(unchosen, "no").or_default(errors.AccessDenied)
        assert (refused.code, refused.description) == ("access_denied", "no")
    chosen = Refused("temporarily_unavailable", "later")
    assert chosen.or_default(errors.AccessDenied) is chosen
    assert chosen.http_status == 503


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("", ("", {})),
        ("Bearer", ("bearer", {})),
        ('Bearer error="a\\"b\\\\c"', ("bearer", {"error": 'a"b\\c'})),
        ("Bearer error=invalid_token,realm=x", ("bearer", {"error": "invalid_token", "realm": "x"})),
        ('Bearer error="one", error="two"', ("bearer", {"error": "one"})),
        ('Bearer realm="a", Basic realm="b"', ("bearer", {"realm": "a"})),
        ('Bearer error="open', ("bearer", {})),
        ('Bearer ERROR = "x"', ("bearer", {"error": "x"})),
    ],
)
def test_a_challenge_is_read_as_far_as_it_parses(header: str, read: tuple[str, dict[str, str]]) -> None:
    """RFC 9110 §11.6.1: it only ever informs, so it never raises."""
    assert parse_challenge(header) == read
