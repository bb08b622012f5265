"""Each message is built and parsed in one place: what was built is what is parsed, for any text it may hold."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from authwright.protocol.cookies import cookie_header, read_cookies
from authwright.protocol.errors import AccessDenied
from authwright.protocol.http import Headers, HttpRequest, Json
from authwright.protocol.id_token import PROTOCOL_CLAIMS, ExpectedIdToken, build_id_token, check_id_token
from authwright.protocol.introspection import TokenReference, build_token_reference, parse_token_reference
from authwright.protocol.logout import LogoutRequest, build_logout_request, parse_logout_request
from authwright.protocol.metadata import ProviderMetadata, build_metadata, parse_metadata
from authwright.protocol.params import Params, encode, parse_params
from authwright.protocol.scopes import format_scope, parse_scope
from authwright.protocol.token import (
    REGISTERED_MEMBERS,
    TokenResponse,
    build_token_request,
    build_token_response,
    parse_token_request,
    parse_token_response,
)
from authwright.protocol.userinfo import SCOPE_CLAIMS, build_userinfo, parse_bearer_token, parse_userinfo

# A value of a parameter: any text but the empty one, NUL and what UTF-8 cannot write.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
MAYBE = st.none() | TEXT
# A value in a list that spaces separate.
WORD = TEXT.filter(lambda text: " " not in text)
SCOPE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1, max_size=12
)
SCOPES = st.lists(SCOPE, unique=True, max_size=5).map(tuple)
NAME = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)

_REQUEST_NAMES = frozenset(member.name for member in fields(AuthorizationRequest))
# `tenant` is in the query of the endpoint that a test adds to.
EXTRA = st.dictionaries(
    NAME.filter(lambda name: name not in _REQUEST_NAMES and name != "tenant"), TEXT, max_size=3
)

AUTHORIZATION_REQUESTS = st.builds(
    AuthorizationRequest,
    client_id=TEXT,
    redirect_uri=MAYBE,
    response_type=MAYBE,
    response_mode=MAYBE,
    scope=SCOPES,
    state=MAYBE,
    nonce=MAYBE,
    prompt=st.just(("none",))
    | st.lists(st.sampled_from(["login", "consent", "create"]), max_size=3).map(tuple),
    max_age=st.none() | st.integers(0, 10**10 - 1),
    code_challenge=MAYBE,
    code_challenge_method=MAYBE,
    login_hint=MAYBE,
    id_token_hint=MAYBE,
    acr_values=st.lists(WORD, max_size=3).map(tuple),
    display=MAYBE,
    ui_locales=st.lists(WORD, max_size=3).map(tuple),
    claims=MAYBE,
    resource=st.lists(TEXT, max_size=3).map(tuple),
    dpop_jkt=MAYBE,
    request=MAYBE,
    request_uri=MAYBE,
    extra=EXTRA.map(Params.of),
)
AUTHORIZATION_RESPONSES = st.builds(
    AuthorizationResponse, **{member.name: MAYBE for member in fields(AuthorizationResponse)}
)
LOGOUT_REQUESTS = st.builds(LogoutRequest, **{member.name: MAYBE for member in fields(LogoutRequest)})
TOKEN_RESPONSES = st.builds(
    TokenResponse,
    access_token=MAYBE,
    token_type=MAYBE,
    expires_in=st.none() | st.integers(0, 10**12 - 1),
    refresh_token=MAYBE,
    id_token=MAYBE,
    scope=st.none() | st.lists(SCOPE, unique=True, min_size=1, max_size=4).map(tuple),
    custom=st.dictionaries(TEXT.filter(lambda name: name not in REGISTERED_MEMBERS), JSON, max_size=3),
)

ISSUER = "https://op.example"


def _over_the_wire(params: Params) -> Params:
    return parse_params(params.encoded().encode("ascii"))


@given(st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_parameters(pairs: list[tuple[str, str]]) -> None:
    """RFC 6749 Appendix B; what is written is ASCII without any character that has a meaning of its own."""
    written = encode(pairs)
    assert written.isascii()
    assert not set(written) & set(' #"<>\r\n;')
    assert parse_params(written.encode("ascii")) == Params.of(pairs)


@given(SCOPES.filter(bool))
def test_a_scope(scopes: tuple[str, ...]) -> None:
    """RFC 6749 §3.3."""
    assert parse_scope(format_scope(scopes)) == scopes


@given(AUTHORIZATION_REQUESTS)
def test_an_authorization_request(request: AuthorizationRequest) -> None:
    """RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1: through the query of a URL."""
    url = add_to_url("https://op.example/authorize?tenant=1", build_authorization_request(request))
    params = parse_params(HttpRequest.to("GET", url).query.encode("ascii"))
    assert params.one("tenant") == "1"
    parsed = parse_authorization_request(_without(params, "tenant"))
    assert parsed == request


@given(AUTHORIZATION_RESPONSES)
def test_an_authorization_response(response: AuthorizationResponse) -> None:
    """RFC 6749 §4.1.2, RFC 9207 §2: through the query of a redirect URI, and through a fragment."""
    params = build_authorization_response(response)
    query = HttpRequest.to("GET", add_to_url("https://rp.example/cb", params)).query
    assert parse_authorization_response(parse_params(query.encode("ascii"))) == response
    fragment = add_to_fragment("https://rp.example/cb", params).partition("#")[2]
    assert parse_authorization_response(parse_params(fragment.encode("ascii"))) == response


@given(TEXT, MAYBE)
def test_an_authorization_error(description: str, state: str | None) -> None:
    """RFC 6749 §4.1.2.1: state and issuer come back with it, and the text keeps to the characters allowed."""
    response = error_response(AccessDenied(description), state=state, iss=ISSUER)
    parsed = parse_authorization_response(_over_the_wire(build_authorization_response(response)))
    assert (parsed.error, parsed.state, parsed.iss) == ("access_denied", state, ISSUER)
    assert parsed == response


@given(
    TEXT, st.dictionaries(NAME, TEXT, max_size=3), st.none() | SCOPES.filter(bool), st.lists(TEXT, max_size=2)
)
def test_a_token_request(
    grant_type: str, members: dict[str, str], scope: tuple[str, ...] | None, resource: list[str]
) -> None:
    """RFC 6749 §4.1.3, RFC 8707 §2."""
    for shared in ("grant_type", "scope", "resource", "client_id"):
        members.pop(shared, None)
    body = build_token_request(
        grant_type, members, scope=scope, resource=resource, client=(("client_id", "c"),)
    )
    parsed = parse_token_request(parse_params(body))
    assert (parsed.grant_type, parsed.scope, parsed.resource) == (grant_type, scope, tuple(resource))
    assert {name: parsed.params.one(name) for name in members} == members
    assert parsed.params.one("client_id") == "c"


@given(TOKEN_RESPONSES)
def test_a_token_response(response: TokenResponse) -> None:
    """RFC 6749 §5.1: through JSON."""
    written = msgspec.json.encode(build_token_response(response))
    assert parse_token_response(msgspec.json.decode(written)) == response


@pytest.mark.parametrize("name", sorted(REGISTERED_MEMBERS))
def test_no_custom_member_stands_over_a_registered_one(name: str) -> None:
    """RFC 6749 §5.1: the generator's tokens are the only ones."""
    with pytest.raises(ValueError, match=name):
        build_token_response(TokenResponse(access_token="at", custom={name: "x"}))


@given(TEXT, MAYBE)
def test_a_token_reference(token: str, hint: str | None) -> None:
    """RFC 7662 §2.1, RFC 7009 §2.1."""
    reference = TokenReference(token, hint)
    body = build_token_reference(reference, client=(("client_id", "c"),))
    params = parse_params(body)
    assert parse_token_reference(params) == reference
    assert params.one("client_id") == "c"


@given(LOGOUT_REQUESTS)
def test_a_logout_request(request: LogoutRequest) -> None:
    """OpenID Connect RP-Initiated Logout 1.0 §2."""
    assert parse_logout_request(_over_the_wire(build_logout_request(request))) == request


@given(
    st.sampled_from(["https://op.example", "https://op.example/tenant/1", "https://op.example/"]),
    st.lists(WORD, max_size=3).map(tuple),
    st.booleans(),
    st.none() | st.booleans(),
)
def test_metadata(issuer: str, names: tuple[str, ...], flag: bool, choice: bool | None) -> None:
    """OpenID Connect Discovery 1.0 §3, RFC 8414 §2: through JSON."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(ProviderMetadata)}
    members: dict[str, Json] = {}
    for name, kind in kinds.items():
        if kind == tuple[str, ...]:
            members[name] = names
        elif kind is bool:
            members[name] = flag
        elif kind == bool | None:
            members[name] = choice
        elif kind == Mapping[str, str]:
            members[name] = {"token_endpoint": "https://mtls.op.example/token"} if flag else {}
        else:
            members[name] = f"https://op.example/{name}"
    metadata = ProviderMetadata(**{**members, "issuer": issuer})
    written = msgspec.json.encode(build_metadata(metadata))
    assert parse_metadata(msgspec.json.decode(written), issuer=issuer) == metadata
    assert not [value for value in build_metadata(metadata).values() if value is None or value == []]


@given(
    st.sampled_from(["Bearer", "Basic", "DPoP"]),
    st.dictionaries(
        NAME, st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1), max_size=4
    ),
)
def test_a_challenge(scheme: str, parameters: dict[str, str]) -> None:
    """RFC 9110 §11.6.1: quotes and backslashes come through."""
    assert parse_challenge(build_challenge(scheme, parameters)) == (scheme.lower(), parameters)


@given(
    st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}", fullmatch=True),
    st.from_regex(r"[!#-+\--:<-\[\]-~]{0,40}", fullmatch=True),
)
def test_a_cookie(name: str, value: str) -> None:
    """RFC 6265 §4.1.1, §5.4: what Set-Cookie sets is what Cookie brings back, among others."""
    field = cookie_header(name, value, secure=True, path="/" if name.startswith("__Host-") else "/auth")
    assert field[0] == "set-cookie"
    pair = field[1].partition(";")[0]
    others = f"A-other=1; {pair}; Z-other=2"
    assert read_cookies(Headers([(b"cookie", others.encode("ascii"))]))[name] == (
        "1" if name == "A-other" else value
    )


SECONDS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(lambda time: time.replace(tzinfo=UTC))


@given(
    SECONDS,
    st.integers(1, 86_400),
    TEXT,
    MAYBE,
    st.none() | st.integers(0, 86_400),
    st.dictionaries(TEXT | st.sampled_from(sorted(PROTOCOL_CLAIMS)), JSON, max_size=4),
)
def test_an_id_token(
    now: datetime,
    lifetime: int,
    subject: str,
    nonce: str | None,
    max_age: int | None,
    claims: dict[str, Json],
) -> None:
    """OpenID Connect Core §2, §3.1.3.7: what the provider writes the relying party accepts, whatever the user's claims."""
    written = build_id_token(
        issuer=ISSUER,
        subject=subject,
        client_id="rp",
        issued_at=now,
        expires_at=now + timedelta(seconds=lifetime),
        auth_time=now - timedelta(seconds=max_age or 0),
        nonce=nonce,
        session_id="sid",
        acr="urn:acr",
        amr=("pwd", "otp"),
        at_hash="h",
        claims=claims,
    )
    read = msgspec.json.decode(msgspec.json.encode(written))
    check_id_token(
        read,
        ExpectedIdToken(
            issuer=ISSUER, client_id="rp", now=now, nonce=nonce, max_age=max_age, subject=subject
        ),
    )
    assert (read["iss"], read["sub"], read["aud"], read["sid"]) == (ISSUER, subject, "rp", "sid")
    assert {name: read[name] for name in claims if name not in PROTOCOL_CLAIMS} == {
        name: value for name, value in claims.items() if name not in PROTOCOL_CLAIMS
    }


@given(
    TEXT,
    st.lists(st.sampled_from(["openid", *SCOPE_CLAIMS]), unique=True).map(tuple),
    st.dictionaries(
        st.sampled_from(["name", "email", "email_verified", "address", "phone_number", "secret", "sub"]), JSON
    ),
)
def test_userinfo(subject: str, scopes: tuple[str, ...], claims: dict[str, Json]) -> None:
    """OpenID Connect Core §5.3.2, §5.4: the subject's own, and of the claims those the scopes ask for."""
    written = msgspec.json.encode(build_userinfo(subject, scopes, claims))
    read = parse_userinfo(msgspec.json.decode(written), subject=subject)
    asked = {name for scope in scopes for name in SCOPE_CLAIMS.get(scope, ())}
    assert read == {
        "sub": subject,
        **{name: value for name, value in claims.items() if name in asked and value is not None},
    }
    with pytest.raises(ValueError, match="sub"):
        parse_userinfo(read, subject=subject + "x")


@given(
    st.from_regex(r"[A-Za-z0-9\-._~+/]{1,40}={0,2}", fullmatch=True),
    st.sampled_from(["Bearer", "DPoP", "bEARER"]),
)
def test_a_bearer_token(token: str, scheme: str) -> None:
    """RFC 6750 §2.1."""
    request = HttpRequest.to("GET", "https://rs.example/", headers={"Authorization": f"{scheme} {token}"})
    assert parse_bearer_token(request) == (scheme.lower(), token)


def _without(params: Params, name: str) -> Params:
    return Params.of([(known, value) for known, value in params.pairs() if known != name])
