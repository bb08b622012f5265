"""The bearer guard: who is let in, what the others are told."""

from typing import Any

import pytest

from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json, json_response
from authwright.remote.client_authentication import SecretBasic
from authwright.resource_server.guard import ResourceServer
from authwright.resource_server.introspection import Introspection
from authwright.resource_server.refusals import BearerRefused
from tests.relying_party.hostile_provider import ISSUER, Clock, HostileProvider

API = "https://api.example"


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


def guard_of(provider: HostileProvider, **more: Any) -> ResourceServer:
    return ResourceServer(issuer=ISSUER, audience=API, fetch=provider, clock=provider.clock, **more)


def claims(provider: HostileProvider, **changes: Json) -> dict[str, Json]:
    now = int(provider.clock().timestamp())
    all_claims = {
        "iss": ISSUER, "sub": "u-alice", "aud": API, "client_id": "web", "iat": now, "exp": now + 300, "jti": "j1",
        "scope": "read write", **changes,
    }  # fmt: skip
    return {name: value for name, value in all_claims.items() if value is not None}


def mint(
    provider: HostileProvider, typ: str = "at+jwt", key: SigningKey | None = None, **changes: Json
) -> str:
    return sign_jwt(key or provider.key, claims(provider, **changes), typ=typ)


def request(token: str | None, scheme: str = "Bearer", query: str = "") -> HttpRequest:
    headers = Headers() if token is None else Headers.of({"authorization": f"{scheme} {token}"})
    return HttpRequest("GET", "/orders", query, headers)


async def refused(guard: ResourceServer, given: HttpRequest, *scopes: str) -> BearerRefused:
    with pytest.raises(BearerRefused) as raised:
        await guard.guard(given, scopes)
    return raised.value


async def test_a_good_token_is_let_in(provider: HostileProvider) -> None:
    """RFC 9068: typ, issuer, audience, times, scope."""
    token = await guard_of(provider).guard(request(mint(provider, aud=["other", API])), ["read"])
    assert (token.iss, token.sub, token.client_id) == (ISSUER, "u-alice", "web")
    assert token.scopes == ("read", "write")
    assert token.allows("read", "write")
    assert not token.allows("admin")
    assert token.value not in repr(token)


async def test_sec_D8_no_token_is_a_bare_challenge(provider: HostileProvider) -> None:
    """D8: no token: 401 with a bare `Bearer`, no error."""
    error = await refused(guard_of(provider), request(None))
    assert (error.status, error.www_authenticate) == (401, "Bearer")
    other = await refused(guard_of(provider), request("dXNlcjpwYXNz", "Basic"))
    assert (other.status, other.www_authenticate) == (401, "Bearer")


async def test_sec_D8_a_token_in_the_query_is_a_bad_request(provider: HostileProvider) -> None:
    """D8: token in query: 400 invalid_request."""
    error = await refused(guard_of(provider), request(None, query="access_token=" + mint(provider)))
    assert error.status == 400
    assert 'error="invalid_request"' in (error.www_authenticate or "")


async def test_sec_D8_two_transports_are_a_bad_request(provider: HostileProvider) -> None:
    """D8: header and body, two headers: 400 invalid_request."""
    token = mint(provider)
    fields = (
        ("authorization", f"Bearer {token}"),
        ("content-type", "application/x-www-form-urlencoded"),
    )
    twice = HttpRequest("POST", "/orders", "", Headers.of(fields), f"access_token={token}".encode())
    assert (await refused(guard_of(provider), twice)).status == 400
    doubled = HttpRequest("GET", "/orders", "", Headers.of((fields[0], fields[0])))
    assert (await refused(guard_of(provider), doubled)).status == 400


async def test_sec_D8_a_token_with_too_little_scope_is_403(provider: HostileProvider) -> None:
    """D8: low scope: 403 insufficient_scope, with what is needed."""
    error = await refused(guard_of(provider, scopes=["read"]), request(mint(provider, scope="read")), "write")
    assert error.status == 403
    challenge = error.www_authenticate or ""
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="read write"' in challenge


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": API + "/"}, "aud"),
        ({"aud": "https://api.example.evil"}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"exp": None}, "exp"),
        ({"exp": 1}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": "9999999999"}, "exp"),
        ({"nbf": 9_999_999_999}, "nbf"),
        ({"client_id": None}, "client_id"),
        ({"sub": None}, "sub"),
        ({"jti": None}, "jti"),
        ({"scope": ["read"]}, "scope"),
        ({"cnf": {"jkt": "x"}}, "bound"),
    ],
)
async def test_sec_D9_a_token_that_is_not_for_us_is_401(
    provider: HostileProvider, changes: dict[str, Json], reason: str
) -> None:
    """D9, D5: a JWT for another resource server, without exp, bound to a key but sent as Bearer: 401 invalid_token."""
    error = await refused(guard_of(provider), request(mint(provider, **changes)))
    assert (error.status, error.error, error.reason) == (401, "invalid_token", reason)
    assert reason not in (error.www_authenticate or "").replace("expired", "")


@pytest.mark.parametrize("typ", ["JWT", "", "logout+jwt", "dpop+jwt"])
async def test_sec_D9_an_id_token_is_no_access_token(provider: HostileProvider, typ: str) -> None:
    """D9, J6: an ID token, or any other JWT of the issuer: 401 invalid_token, even with the right audience."""
    error = await refused(guard_of(provider), request(mint(provider, typ=typ)))
    assert (error.status, error.reason) == (401, "typ")


async def test_sec_J_a_forged_token_is_401(provider: HostileProvider) -> None:
    """J1, J5, J8: foreign key, garbage, an opaque token where none is expected."""
    stranger = SigningKey.generate("ES256")
    for token, reason in (
        (mint(provider, key=stranger), "kid"),
        ("eyJhbGciOiJub25lIn0.e30.", "alg"),
        ("a.b.c", "header"),
        ("..", "header"),
        ("opaque", "not_a_jwt"),
    ):
        error = await refused(guard_of(provider), request(token))
        assert (error.status, error.error) == (401, "invalid_token"), token
        assert error.reason in (reason, "encoding")


async def test_a_dpop_token_needs_its_proof(provider: HostileProvider) -> None:
    """D5: the DPoP scheme is not served here yet, so it is refused, not taken for Bearer."""
    error = await refused(guard_of(provider), request(mint(provider), "DPoP"))
    assert (error.status, error.error) == (401, "invalid_token")


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration"])
async def test_our_fault_is_503_and_never_invalid_token(provider: HostileProvider, path: str) -> None:
    """A client that is told invalid_token throws its token away."""
    provider.down.add(path)
    error = await refused(guard_of(provider), request(mint(provider)))
    assert (error.status, error.www_authenticate) == (503, None)
    assert error.response.headers.get("retry-after")


def test_a_guard_without_audience_is_refused_at_start(provider: HostileProvider) -> None:
    """D9: audience mandatory in the configuration."""
    with pytest.raises(ValueError, match="audience"):
        ResourceServer(issuer=ISSUER, audience="", fetch=provider)
    with pytest.raises(ValueError, match="algorithms"):
        guard_of(provider, algorithms=("HS256",))


async def test_the_answer_is_json_that_no_cache_keeps(provider: HostileProvider) -> None:
    """Status, challenge, body."""
    response = (await refused(guard_of(provider), request("x"))).response
    assert response.status == 401
    assert response.json()["error"] == "invalid_token"
    assert response.headers.get("cache-control") == "no-store"
    assert (response.headers.get("www-authenticate") or "").startswith('Bearer error="invalid_token"')


async def test_a_token_from_a_clock_a_little_ahead_of_ours_is_taken(provider: HostileProvider) -> None:
    """`iat` and `nbf` are for those who issued it; what ends, ends when it says, on our clock."""
    guard, now = guard_of(provider), int(provider.clock().timestamp())
    for ahead in (1, 30):
        await guard.guard(request(mint(provider, iat=now + ahead, nbf=now + ahead)))
    for token, reason in (
        (mint(provider, iat=now + 31), "iat"),
        (mint(provider, nbf=now + 31), "nbf"),
        (mint(provider, exp=now), "exp"),
    ):
        assert (await refused(guard, request(token))).reason == reason


# --- introspection


class Introspected:
    """The issuer's introspection endpoint."""

    def __init__(self, provider: HostileProvider) -> None:
        self.answer: Json = {"active": True, **claims(provider)}
        self.status = 200
        provider.answers["/introspect"] = self

    def __call__(self, request: HttpRequest) -> HttpResponse:
        assert (request.headers.get("authorization") or "").startswith("Basic ")
        return json_response(self.status, self.answer)


INTROSPECTION = Introspection("api", SecretBasic("secret"))


async def test_an_opaque_token_is_looked_up(provider: HostileProvider) -> None:
    """RFC 7662, by a client that authenticates; a JWT is still verified here."""
    Introspected(provider)
    guard = guard_of(provider, introspection=INTROSPECTION)
    token = await guard.guard(request("opaque"), ["read"])
    assert (token.sub, token.scopes) == ("u-alice", ("read", "write"))
    await guard.guard(request(mint(provider)))
    assert provider.asked("/introspect") == 1


async def test_only_life_is_remembered_and_only_for_seconds(provider: HostileProvider) -> None:
    """A small positive cache: within 5 s one question; a dead token is asked about each time."""
    endpoint = Introspected(provider)
    guard = guard_of(provider, introspection=INTROSPECTION)
    for _ in range(10):
        await guard.guard(request("opaque"))
    assert provider.asked("/introspect") == 1
    provider.clock.forward(seconds=5)
    endpoint.answer = {"active": False}
    for _ in range(3):
        error = await refused(guard, request("opaque"))
        assert (error.status, error.reason) == (401, "inactive")
    assert provider.asked("/introspect") == 4


async def test_a_remembered_answer_never_outlives_the_token(provider: HostileProvider) -> None:
    """exp counts also within the cache's seconds."""
    endpoint = Introspected(provider)
    endpoint.answer["exp"] = int(provider.clock().timestamp()) + 2
    guard = guard_of(provider, introspection=INTROSPECTION)
    await guard.guard(request("opaque"))
    provider.clock.forward(seconds=2)
    assert (await refused(guard, request("opaque"))).reason == "exp"


async def test_the_memory_of_introspection_is_bounded(provider: HostileProvider) -> None:
    """A thousand answers, the oldest forgotten."""
    from authwright.resource_server.introspection import MAX_CACHED

    Introspected(provider)
    guard = guard_of(provider, introspection=INTROSPECTION)
    for number in range(MAX_CACHED + 1):
        await guard.guard(request(f"opaque-{number}"))
    provider.requests.clear()
    await guard.guard(request("opaque-1000"))
    assert provider.asked("/introspect") == 0
    await guard.guard(request("opaque-0"))
    assert provider.asked("/introspect") == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"exp": 1}, "exp"),
        ({"cnf": {"jkt": "x"}}, "bound"),
        ({"token_type": "refresh_token"}, "token_type"),
        ({"token_type": 1}, "token_type"),
        ({"token_type": "DPoP"}, "bound"),
    ],
)
async def test_sec_D9_a_live_token_of_somebody_else_s_is_401(
    provider: HostileProvider, changes: dict[str, Json], reason: str
) -> None:
    """D9: alive is not enough: audience, issuer, time, kind and binding count as well."""
    Introspected(provider).answer.update(changes)
    error = await refused(guard_of(provider, introspection=INTROSPECTION), request("opaque"))
    assert (error.status, error.reason) == (401, reason)


@pytest.mark.parametrize(
    ("status", "answer"),
    [(401, {}), (403, {}), (500, {}), (429, {}), (200, []), (200, {}), (200, {"active": "yes"}), (302, {})],
)
async def test_a_faulty_introspection_is_503(provider: HostileProvider, status: int, answer: Json) -> None:
    """Our credentials refused, or nonsense answered: never invalid_token, and never let in."""
    endpoint = Introspected(provider)
    endpoint.status, endpoint.answer = status, answer
    error = await refused(guard_of(provider, introspection=INTROSPECTION), request("opaque"))
    assert error.status == 503
    provider.down.add("/introspect")
    assert (await refused(guard_of(provider, introspection=INTROSPECTION), request("opaque"))).status == 503


async def test_jwts_can_be_looked_up_too(provider: HostileProvider) -> None:
    """So that a revocation is seen before the token expires."""
    Introspected(provider).answer = {"active": False}
    guard = guard_of(provider, introspection=INTROSPECTION, introspect_jwts=True)
    assert (await refused(guard, request(mint(provider)))).reason == "inactive"
    with pytest.raises(ValueError, match="introspection"):
        guard_of(provider, introspect_jwts=True)
