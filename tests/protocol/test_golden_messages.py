"""Messages as the specifications print them: an oracle that was written by neither our builder nor our parser.

The bytes are facts taken from the examples of the documents named in each test; only line breaks that the documents
add for display are gone.
"""

import msgspec
import pytest

from authwright.crypto.jwt import unverified_claims
from authwright.protocol.authorization import (
    AuthorizationRequest,
    AuthorizationResponse,
    add_to_fragment,
    add_to_url,
    build_authorization_request,
    build_authorization_response,
    error_response,
    parse_authorization_request,
    parse_authorization_response,
)
from authwright.protocol.challenge import build_challenge, parse_challenge
from authwright.protocol.client_credentials import (
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_POST,
    OfferedSecret,
    basic_authorization,
    parse_client_credentials,
    post_parameters,
)
from authwright.protocol.errors import AccessDenied, InvalidRequest
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, json_response
from authwright.protocol.introspection import (
    INACTIVE,
    TokenReference,
    build_token_reference,
    parse_introspection,
    parse_token_reference,
)
from authwright.protocol.logout import LogoutRequest, build_logout_request, parse_logout_request
from authwright.protocol.params import NO_PARAMS, Params, parse_form, parse_params
from authwright.protocol.token import (
    TokenResponse,
    build_token_request,
    build_token_response,
    parse_token_request,
    parse_token_response,
)
from authwright.protocol.userinfo import parse_bearer_token

FORM = "application/x-www-form-urlencoded"
# RFC 6749 prints two headers for its client: this one with its requests, another in §2.3.1.
BASIC = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"


def read_request(raw: bytes) -> HttpRequest:
    """A request from the bytes of HTTP/1.1, line ends as the documents print them."""
    head, _, body = raw.partition(b"\n\n")
    first, *lines = head.decode("ascii").split("\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return HttpRequest(method, path, query, Headers.of(fields), body.rstrip(b"\n"))


def read_response(raw: bytes) -> HttpResponse:
    """A response from the bytes of HTTP/1.1."""
    head, _, body = raw.partition(b"\n\n")
    first, *lines = head.decode("ascii").split("\n")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return HttpResponse(int(first.split(" ")[1]), Headers.of(fields), body)


def _query(request: HttpRequest) -> Params:
    return parse_params(request.query.encode("ascii"))


def _form(request: HttpRequest) -> Params:
    return parse_form(request.headers.get("content-type"), request.body)


def test_rfc_6749_2_3_1_client_password() -> None:
    """The client s6BhdRkqt3 in the header, and the same in the body with a refresh token."""
    printed = {
        "7Fjfp0ZBr1KtDRbnfVdmIw": "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3",
        "gX1fBat3bV": BASIC,
    }
    for secret, header in printed.items():
        credentials = parse_client_credentials(Headers.of({"Authorization": header}), NO_PARAMS)
        assert credentials == OfferedSecret(client_id="s6BhdRkqt3", method=CLIENT_SECRET_BASIC, secret=secret)
        assert basic_authorization("s6BhdRkqt3", secret) == header
    request = read_request(
        b"POST /token HTTP/1.1\nHost: server.example.com\nContent-Type: application/x-www-form-urlencoded\n\n"
        b"grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&client_id=s6BhdRkqt3"
        b"&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"
    )
    assert parse_client_credentials(request.headers, _form(request)) == OfferedSecret(
        client_id="s6BhdRkqt3", method=CLIENT_SECRET_POST, secret="7Fjfp0ZBr1KtDRbnfVdmIw"
    )
    written = build_token_request(
        "refresh_token",
        {"refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA"},
        client=post_parameters("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw"),
    )
    assert written == request.body


def test_rfc_6749_4_1_1_authorization_request() -> None:
    """The browser's GET for a code."""
    request = read_request(
        b"GET /authorize?response_type=code&client_id=s6BhdRkqt3&state=xyz"
        b"&redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb HTTP/1.1\nHost: server.example.com\n\n"
    )
    asked = AuthorizationRequest(
        response_type="code",
        client_id="s6BhdRkqt3",
        state="xyz",
        redirect_uri="https://client.example.com/cb",
    )
    assert parse_authorization_request(_query(request)) == asked
    assert _query(request) == build_authorization_request(asked)


def test_rfc_6749_4_1_2_authorization_response() -> None:
    """The code in the Location of a redirect."""
    location = "https://client.example.com/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz"
    answer = AuthorizationResponse(code="SplxlOBeZQQYbYS6WxSbIA", state="xyz")
    assert add_to_url("https://client.example.com/cb", build_authorization_response(answer)) == location
    query = HttpRequest.to("GET", location).query.encode("ascii")
    assert parse_authorization_response(parse_params(query)) == answer


def test_rfc_6749_4_1_2_1_authorization_error() -> None:
    """A refusal; RFC 9207 puts the issuer beside it."""
    answer = AuthorizationResponse(error="access_denied", state="xyz")
    assert parse_authorization_response(parse_params(b"error=access_denied&state=xyz")) == answer
    ours = error_response(AccessDenied(), state="xyz", iss="https://server.example.com")
    assert add_to_url("https://client.example.com/cb", build_authorization_response(ours)) == (
        "https://client.example.com/cb?error=access_denied&state=xyz&iss=https%3A%2F%2Fserver.example.com"
    )


def test_rfc_9207_2_1_and_2_2_issuer_identification() -> None:
    """The examples of a success and of an error that name their issuer."""
    success = "https://client.example/cb?code=x1848ZT64p4IirMPT0R-X3141MFPTuBX-VFL_cvaplMH58&state=ZWVlNDBlYzA1NjdkMDNhYjg3ZjUxZjAyNGQzMTM2NzI&iss=https%3A%2F%2Fhonest.as.example"
    answer = AuthorizationResponse(
        code="x1848ZT64p4IirMPT0R-X3141MFPTuBX-VFL_cvaplMH58",
        state="ZWVlNDBlYzA1NjdkMDNhYjg3ZjUxZjAyNGQzMTM2NzI",
        iss="https://honest.as.example",
    )
    assert add_to_url("https://client.example/cb", build_authorization_response(answer)) == success
    error = b"error=access_denied&state=N2JjNGJhY2JiZjRhYzA3MGJkMzNmMDE5OWJhZmJhZjA&iss=https%3A%2F%2Fhonest.as.example"
    assert parse_authorization_response(parse_params(error)) == AuthorizationResponse(
        error="access_denied",
        state="N2JjNGJhY2JiZjRhYzA3MGJkMzNmMDE5OWJhZmJhZjA",
        iss="https://honest.as.example",
    )


def test_rfc_6749_4_1_3_access_token_request() -> None:
    """The code redeemed, with the client in the header."""
    request = read_request(
        b"POST /token HTTP/1.1\nHost: server.example.com\nAuthorization: " + BASIC.encode() + b"\n"
        b"Content-Type: application/x-www-form-urlencoded\n\n"
        b"grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA"
        b"&redirect_uri=https%3A%2F%2Fclient%2Eexample%2Ecom%2Fcb"
    )
    parsed = parse_token_request(_form(request))
    assert (parsed.grant_type, parsed.scope, parsed.resource) == ("authorization_code", None, ())
    assert parsed.params.require("code") == "SplxlOBeZQQYbYS6WxSbIA"
    assert parsed.params.require("redirect_uri") == "https://client.example.com/cb"
    assert parse_client_credentials(request.headers, parsed.params).client_id == "s6BhdRkqt3"
    written = build_token_request(
        "authorization_code",
        {"code": "SplxlOBeZQQYbYS6WxSbIA", "redirect_uri": "https://client.example.com/cb"},
    )
    # RFC 3986 §2.3: "%2E" and "." are the same; the document writes the first, we the second.
    assert written == request.body.replace(b"%2E", b".")


def test_rfc_6749_4_1_4_and_5_1_access_token_response() -> None:
    """Token, lifetime, refresh token and a parameter nobody knows."""
    response = read_response(
        b"HTTP/1.1 200 OK\nContent-Type: application/json;charset=UTF-8\nCache-Control: no-store\nPragma: no-cache\n\n"
        b"""{
  "access_token":"2YotnFZFEjr1zCsicMWpAA",
  "token_type":"example",
  "expires_in":3600,
  "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA",
  "example_parameter":"example_value"
}"""
    )
    tokens = TokenResponse(
        access_token="2YotnFZFEjr1zCsicMWpAA",
        token_type="example",
        expires_in=3600,
        refresh_token="tGzv3JOkF0XG5Qx2TlKWIA",
        custom={"example_parameter": "example_value"},
    )
    assert parse_token_response(response.json()) == tokens
    ours = json_response(200, build_token_response(tokens))
    assert ours.json() == response.json()
    for name in ("cache-control", "pragma"):
        assert ours.headers.get(name) == response.headers.get(name)


def test_rfc_6749_4_4_2_client_credentials() -> None:
    """The grant with no parameter of its own."""
    request = read_request(
        b"POST /token HTTP/1.1\nHost: server.example.com\nAuthorization: " + BASIC.encode() + b"\n"
        b"Content-Type: application/x-www-form-urlencoded\n\ngrant_type=client_credentials"
    )
    assert parse_token_request(_form(request)).grant_type == "client_credentials"
    assert build_token_request("client_credentials", {}) == request.body


def test_rfc_6749_5_2_error_response() -> None:
    """invalid_request is a 400 that no cache keeps."""
    printed = read_response(
        b"HTTP/1.1 400 Bad Request\nContent-Type: application/json;charset=UTF-8\nCache-Control: no-store\n"
        b'Pragma: no-cache\n\n{\n  "error":"invalid_request"\n}'
    )
    refusal = InvalidRequest()
    ours = json_response(refusal.http_status, refusal.members())
    assert (ours.status, ours.json()) == (printed.status, printed.json())
    assert (ours.headers.get("cache-control"), ours.headers.get("pragma")) == ("no-store", "no-cache")


def test_rfc_6749_6_refresh_request() -> None:
    """A refresh token sent back."""
    request = read_request(
        b"POST /token HTTP/1.1\nHost: server.example.com\nAuthorization: " + BASIC.encode() + b"\n"
        b"Content-Type: application/x-www-form-urlencoded\n\n"
        b"grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA"
    )
    parsed = parse_token_request(_form(request))
    assert (parsed.grant_type, parsed.params.one("refresh_token")) == (
        "refresh_token",
        "tGzv3JOkF0XG5Qx2TlKWIA",
    )
    written = build_token_request("refresh_token", {"refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA"})
    assert written == request.body


def test_rfc_6749_appendix_b_encoding() -> None:
    """The one string the appendix prints: blank, percent, ampersand, plus, pound and euro sign."""
    text = " %&+£€"
    assert parse_params(b"v=+%25%26%2B%C2%A3%E2%82%AC").one("v") == text
    assert Params.of({"v": text}).encoded() == "v=+%25%26%2B%C2%A3%E2%82%AC"


def test_oidc_core_3_1_2_1_authentication_request() -> None:
    """The request that makes it OpenID Connect."""
    request = read_request(
        b"GET /authorize?response_type=code&scope=openid%20profile%20email&client_id=s6BhdRkqt3&state=af0ifjsldkj"
        b"&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb HTTP/1.1\nHost: server.example.com\n\n"
    )
    asked = AuthorizationRequest(
        response_type="code",
        scope=("openid", "profile", "email"),
        client_id="s6BhdRkqt3",
        state="af0ifjsldkj",
        redirect_uri="https://client.example.org/cb",
    )
    parsed = parse_authorization_request(_query(request))
    assert parsed == asked
    assert parsed.openid
    assert build_authorization_request(asked) == _query(request)


def test_oidc_core_3_1_2_6_authentication_error() -> None:
    """A description with its blanks as %20, which is as good as a plus sign."""
    query = b"error=invalid_request&error_description=Unsupported%20response_type%20value&state=af0ifjsldkj"
    assert parse_authorization_response(parse_params(query)) == AuthorizationResponse(
        error="invalid_request", error_description="Unsupported response_type value", state="af0ifjsldkj"
    )


def test_oidc_core_3_1_3_token_request_and_response() -> None:
    """The code redeemed, and an answer with an ID token in it."""
    request = read_request(
        b"POST /token HTTP/1.1\nHost: server.example.com\nContent-Type: application/x-www-form-urlencoded\n"
        b"Authorization: " + BASIC.encode() + b"\n\n"
        b"grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA"
        b"&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb"
    )
    written = build_token_request(
        "authorization_code",
        {"code": "SplxlOBeZQQYbYS6WxSbIA", "redirect_uri": "https://client.example.org/cb"},
    )
    assert written == request.body
    content = msgspec.json.decode(
        b"""{
   "access_token": "SlAV32hkKG",
   "token_type": "Bearer",
   "refresh_token": "8xLOxBtZp8",
   "expires_in": 3600,
   "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IjFlOWdkazcifQ.ewogImlzcyI6ICJodHRwOi8vc2VydmVyLmV4YW1wbGUuY29tIiwKICJzdWIiOiAiMjQ4Mjg5NzYxMDAxIiwKICJhdWQiOiAiczZCaGRSa3F0MyIsCiAibm9uY2UiOiAibi0wUzZfV3pBMk1qIiwKICJleHAiOiAxMzExMjgxOTcwLAogImlhdCI6IDEzMTEyODA5NzAKfQ.ggW8hZ1EuVLuxNuuIJKX_V8a_OMXzR0EHR9R6jgdqrOOF4daGU96Sr_P6qJp6IcmD3HP99Obi1PRs-cwh3LO-p146waJ8IhehcwL7F09JdijmBqkvPeB2T9CJNqeGpe-gccMg4vfKjkM8FcGvnzZUN4_KSP0aAp1tOJ1zZwgjxqGByKHiOtX7TpdQyHE5lcMiKPXfEIQILVq0pc_E2DzL7emopWoaoZTF_m0_N0YzFC6g6EJbOEoRoSK5hoDalrcvRYLSrQAZZKflyuVCyixEoV9GfNQC3_osjzw2PAithfubEEBLuVVk4XUVrWOLrLl0nx7RkKU8NXNHq-rvKMzqg"
}"""
    )
    tokens = parse_token_response(content)
    assert (tokens.access_token, tokens.token_type, tokens.expires_in) == ("SlAV32hkKG", "Bearer", 3600)
    assert tokens.id_token is not None
    assert unverified_claims(tokens.id_token) == {
        "iss": "http://server.example.com",
        "sub": "248289761001",
        "aud": "s6BhdRkqt3",
        "nonce": "n-0S6_WzA2Mj",
        "exp": 1311281970,
        "iat": 1311280970,
    }
    assert build_token_response(tokens) == content


def test_oidc_core_3_3_2_5_answer_in_a_fragment() -> None:
    """Without the ID token between the two, which the document abridges."""
    answer = AuthorizationResponse(code="SplxlOBeZQQYbYS6WxSbIA", state="af0ifjsldkj")
    assert add_to_fragment("https://client.example.org/cb", build_authorization_response(answer)) == (
        "https://client.example.org/cb#code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj"
    )


def test_oidc_core_5_3_1_userinfo_request() -> None:
    """The access token in the header of a GET."""
    request = read_request(
        b"GET /userinfo HTTP/1.1\nHost: server.example.com\nAuthorization: Bearer SlAV32hkKG\n\n"
    )
    assert parse_bearer_token(request) == ("bearer", "SlAV32hkKG")


def test_rfc_7662_2_1_introspection_request() -> None:
    """A token asked after, alone and with a hint."""
    alone = read_request(
        b"POST /introspect HTTP/1.1\nHost: server.example.com\nAccept: application/json\n"
        b"Content-Type: application/x-www-form-urlencoded\nAuthorization: Bearer 23410913-abewfq.123483\n\n"
        b"token=2YotnFZFEjr1zCsicMWpAA"
    )
    assert parse_token_reference(_form(alone)) == TokenReference("2YotnFZFEjr1zCsicMWpAA")
    hinted = read_request(
        b"POST /introspect HTTP/1.1\nHost: server.example.com\nAccept: application/json\n"
        b"Content-Type: application/x-www-form-urlencoded\nAuthorization: " + BASIC.encode() + b"\n\n"
        b"token=mF_9.B5f-4.1JqM&token_type_hint=access_token"
    )
    reference = TokenReference("mF_9.B5f-4.1JqM", "access_token")
    assert parse_token_reference(_form(hinted)) == reference
    assert build_token_reference(reference) == hinted.body


def test_rfc_7662_2_2_introspection_response() -> None:
    """A live token with its claims, and one that is not live with nothing else."""
    live = msgspec.json.decode(
        b"""{
      "active": true,
      "client_id": "l238j323ds-23ij4",
      "username": "jdoe",
      "scope": "read write dolphin",
      "sub": "Z5O3upPC88QrAjx00dis",
      "aud": "https://protected.example.net/resource",
      "iss": "https://server.example.com/",
      "exp": 1419356238,
      "iat": 1419350238,
      "extension_field": "twenty-seven"
     }"""
    )
    assert parse_introspection(live) == live
    assert json_response(200, dict(INACTIVE)).body == b'{"active":false}'
    assert parse_introspection(msgspec.json.decode(b'{\n      "active": false\n     }')) is None


def test_rfc_7009_2_1_revocation_request() -> None:
    """A refresh token taken back."""
    request = read_request(
        b"POST /revoke HTTP/1.1\nHost: server.example.com\nContent-Type: application/x-www-form-urlencoded\n"
        b"Authorization: " + BASIC.encode() + b"\n\ntoken=45ghiukldjahdnhzdauz&token_type_hint=refresh_token"
    )
    reference = TokenReference("45ghiukldjahdnhzdauz", "refresh_token")
    assert parse_token_reference(_form(request)) == reference
    assert build_token_reference(reference) == request.body


def test_rfc_6750_2_bearer_requests() -> None:
    """In the header and in a form body; the third way, the query, is refused."""
    header = read_request(
        b"GET /resource HTTP/1.1\nHost: server.example.com\nAuthorization: Bearer mF_9.B5f-4.1JqM\n\n"
    )
    assert parse_bearer_token(header) == ("bearer", "mF_9.B5f-4.1JqM")
    body = read_request(
        b"POST /resource HTTP/1.1\nHost: server.example.com\nContent-Type: application/x-www-form-urlencoded\n\n"
        b"access_token=mF_9.B5f-4.1JqM"
    )
    assert parse_bearer_token(body) == ("bearer", "mF_9.B5f-4.1JqM")
    query = read_request(b"GET /resource?access_token=mF_9.B5f-4.1JqM HTTP/1.1\nHost: server.example.com\n\n")
    with pytest.raises(InvalidRequest):
        parse_bearer_token(query)


def test_rfc_6750_3_challenges() -> None:
    """Without a token only the realm; with an expired one the reason."""
    bare = 'Bearer realm="example"'
    expired = 'Bearer realm="example", error="invalid_token", error_description="The access token expired"'
    members = {
        "realm": "example",
        "error": "invalid_token",
        "error_description": "The access token expired",
    }
    assert build_challenge("Bearer", {"realm": "example", "error": ""}) == bare
    assert parse_challenge(bare) == ("bearer", {"realm": "example"})
    assert build_challenge("Bearer", members) == expired
    # The document breaks the field into lines with blanks before each parameter.
    assert parse_challenge(expired.replace(", ", ",\t                  ")) == ("bearer", members)


def test_rp_initiated_logout_2_request() -> None:
    """Names and order are those of the specification's list."""
    request = LogoutRequest(
        id_token_hint="a.b.c",
        logout_hint="alice",
        client_id="s6BhdRkqt3",
        post_logout_redirect_uri="https://client.example.org/signed-out",
        state="af0ifjsldkj",
        ui_locales="fr-CA en",
    )
    query = (
        "id_token_hint=a.b.c&logout_hint=alice&client_id=s6BhdRkqt3"
        "&post_logout_redirect_uri=https%3A%2F%2Fclient.example.org%2Fsigned-out&state=af0ifjsldkj&ui_locales=fr-CA+en"
    )
    assert build_logout_request(request).encoded() == query
    assert parse_logout_request(parse_params(query.encode("ascii"))) == request
    assert parse_logout_request(NO_PARAMS) == LogoutRequest()
