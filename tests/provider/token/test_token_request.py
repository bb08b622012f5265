"""Reading a token request: rows A6, T11, T12 and H2 of the attack table, and the order of the first checks."""

import pytest

from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.http import HttpRequest
from tests.provider.installation import ISSUER, SECRET, Installation

FORM = "application/x-www-form-urlencoded"
AUTHORIZATION = basic_authorization("machine", SECRET)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_sec_T11_any_method_but_post_is_405(op: Installation, method: str) -> None:
    """T11: GET: 405 with Allow: POST, and the query is not parsed."""
    answer = await op.provider.handle(HttpRequest.to(method, ISSUER + "/token?grant_type=client_credentials"))
    assert (answer.status, answer.headers.get("allow")) == (405, "POST")
    assert answer.json()["error"] == "invalid_request"


async def test_sec_T11_a_grant_the_client_may_not_use_is_unauthorized_client(op: Installation) -> None:
    """T11: client not allowed the grant: 400 unauthorized_client."""
    answer = await op.post("/token", client_id="web", grant_type="client_credentials")
    assert (answer.status, answer.json()["error"]) == (400, "unauthorized_client")
    answer = await op.post("/token", client_id="machine", grant_type="authorization_code", code="x")
    assert (answer.status, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    "grant_type", ["implicit", "AUTHORIZATION_CODE", "authorization_code ", "urn:x", "None"]
)
async def test_sec_T11_an_unknown_grant_is_unsupported(op: Installation, grant_type: str) -> None:
    """T11: unknown grant: 400 unsupported_grant_type."""
    answer = await op.post("/token", grant_type=grant_type)
    assert (answer.status, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("params", "description"),
    [
        ({}, "The mandatory 'grant_type' parameter is missing."),
        ({"grant_type": ""}, "The mandatory 'grant_type' parameter is missing."),
        ({"grant_type": "authorization_code"}, "The mandatory 'code' parameter is missing."),
        ({"grant_type": "authorization_code", "code": ""}, "The mandatory 'code' parameter is missing."),
        ({"grant_type": "refresh_token"}, "The mandatory 'refresh_token' parameter is missing."),
    ],
)
async def test_what_is_missing_is_named(op: Installation, params: dict[str, str], description: str) -> None:
    """Rows 5, 7 and 8 of the token table; an empty value is absent (RFC 6749 §3.1)."""
    answer = await op.post("/token", **params)
    assert (answer.status, answer.json()) == (
        400,
        {"error": "invalid_request", "error_description": description},
    )


async def test_sec_A6_a_repeated_parameter_is_invalid_request(op: Installation) -> None:
    """A6: duplicate parameter (any but resource, audience), known or not, or split between query and body."""
    for params in (
        {"grant_type": ["client_credentials", "client_credentials"]},
        {"grant_type": "client_credentials", "scope": ["read", "read"]},
        {"grant_type": "client_credentials", "unknown": ["a", "b"]},
    ):
        answer = await op.post("/token", client_id="machine", **params)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    split = await op.post(
        "/token", client_id="machine", query="scope=write", grant_type="client_credentials", scope="read"
    )
    assert (split.status, split.json()["error"]) == (400, "invalid_request")
    repeated = ["https://api.example", "https://api.example"]
    assert (
        await op.post("/token", client_id="machine", grant_type="client_credentials", resource=repeated)
    ).status == 200


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (None, b"grant_type=client_credentials", 400),
        ("application/json", b'{"grant_type":"client_credentials"}', 400),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--", 400),
        ("application/x-www-form-urlencodedX", b"grant_type=client_credentials", 400),
        (FORM + "; charset=iso-8859-1", b"grant_type=client_credentials", 400),
        (FORM, b"grant_type=client_credentials&a=%00", 400),
        (FORM, b"grant_type=client_credentials&a=\x00", 400),
        (FORM, b"grant_type=client_credentials&a=%ff", 400),
        (FORM, b"grant_type=client_credentials&a=\xff\xfe", 400),
        (FORM, b"grant_type=client_credentials&a=%", 400),
        (FORM, b"grant_type=client_credentials&a=%zz", 400),
        (FORM, b"grant_type=client_credentials&a=" + b"b" * 9000, 400),
        (FORM, b"grant_type=client_credentials&" + b"n" * 70 + b"=b", 400),
        (FORM, b"grant_type=client_credentials&" + b"&".join(b"p%d=1" % i for i in range(64)), 400),
        (FORM, b"grant_type=client_credentials&a=" + b"b" * 70_000, 413),
        (FORM + "; charset=UTF-8", b"grant_type=client_credentials", 200),
        ("Application/X-WWW-Form-Urlencoded", b"grant_type=client_credentials", 200),
    ],
)
async def test_sec_T12_malformed_bodies_are_refused_in_words(
    op: Installation, content_type: str | None, body: bytes, status: int
) -> None:
    """T12: wrong content type, >64 KB body, >64 params, NUL or invalid UTF-8, multipart: 400 or 413, never a 500."""
    headers = {"authorization": AUTHORIZATION} | ({"content-type": content_type} if content_type else {})
    answer = await op.post_raw("/token", body, headers)
    assert answer.status == status
    if status != 200:
        assert answer.json()["error"] == "invalid_request"
        assert answer.headers.get("cache-control") == "no-store"


async def test_sec_H2_nothing_that_was_sent_comes_back_in_an_error(op: Installation) -> None:
    """H2 and rule (a): error_description stays within its characters and echoes no input."""
    for value in ("a\r\nSet-Cookie: x=y", 'quote"', "back\\slash", "tab\t", "ünïcode", "<script>"):
        answer = await op.post("/token", client_id="machine", grant_type=value, scope=value)
        assert answer.status == 400
        text = answer.json().get("error_description", "")
        assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in text)
        assert value not in answer.body.decode()
        assert all(b"\r" not in v and b"\n" not in v for _, v in answer.headers.lines)


@pytest.mark.parametrize("scope", ["read  write", " read", "read ", "re\u00e4d", 'a"b', "a\\b", "\t"])
async def test_a_scope_off_the_grammar_is_invalid_scope(op: Installation, scope: str) -> None:
    """RFC 6749 §3.3 and row 24."""
    answer = await op.post("/token", client_id="machine", grant_type="client_credentials", scope=scope)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    "path", ["/token/", "//token", "/TOKEN", "/token;x=1", "/%74oken", "/./token", "/x/../token", "/token%20"]
)
async def test_sec_H1_an_odd_path_is_not_ours(op: Installation, path: str) -> None:
    """H1: matrix parameters, double slashes, percent-encoding: 404."""
    answer = await op.provider.handle(HttpRequest("POST", path, "", body=b"grant_type=client_credentials"))
    assert answer.status == 404


async def test_sec_H1_the_issuer_never_comes_from_the_request(op: Installation) -> None:
    """H1: Host, X-Forwarded-Host and Forwarded change nothing."""
    spoofed = {"host": "evil.example", "x_forwarded_host": "evil.example", "forwarded": "host=evil.example"}
    plain, asked = (
        await op.get("/.well-known/openid-configuration"),
        await op.get("/.well-known/openid-configuration", **spoofed),
    )
    assert plain.body == asked.body
    assert asked.json()["issuer"] == ISSUER
    assert b"evil" not in asked.body
