"""What a resource server says of itself: the RFC 9728 document, and the refusals that point to it."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from authwright.protocol.challenge import parse_challenge
from authwright.protocol.http import Headers, HttpResponse
from authwright.protocol.protected_resource import parse_protected_resource
from authwright.resource_server.access_token import AccessToken
from authwright.resource_server.refusals import BearerRefused
from authwright.standard_rs import ResourceServer
from tests.asgi.asgi_peer import Exchange, http_scope
from tests.provider.sender_constrained.peers import Prover
from tests.relying_party.hostile_provider import ISSUER, Clock, HostileProvider
from tests.resource_server.test_bearer_guard import API, mint, request

DOCUMENT = "/.well-known/oauth-protected-resource"


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


def guard_of(provider: HostileProvider, audience: str = API, **more: Any) -> ResourceServer:
    return ResourceServer(ISSUER, audience, fetch=provider, clock=provider.clock, **more)


async def call(
    guard: ResourceServer, path: str, method: str = "GET", *headers: tuple[str, str], **more: Any
) -> HttpResponse:
    app = FastAPI()

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Depends(guard.require("orders:read"))]) -> str | None:
        return token.sub

    fields = [(name.encode(), value.encode()) for name, value in headers]
    scope = http_scope(method, path, headers=fields, **more)
    sent = (await Exchange().run(guard.wrap(app), scope)).sent
    return HttpResponse(sent[0]["status"], Headers(sent[0]["headers"]), sent[1]["body"])


async def test_the_middleware_serves_the_document(provider: HostileProvider) -> None:
    """RFC 9728 §3.2: resource, issuer, the scopes the routes name; what has no value is left out."""
    guard = guard_of(provider, scopes=["basic"], resource_metadata={"resource_name": "Orders"})
    answer = await call(guard, DOCUMENT)
    assert answer.status == 200
    assert answer.headers.get("content-type") == "application/json"
    assert answer.headers.get("access-control-allow-origin") == "*"
    assert answer.json() == {
        "resource": API,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["basic", "orders:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
    }
    assert parse_protected_resource(answer.json(), resource=API).authorization_servers == (ISSUER,)


@pytest.mark.parametrize(
    ("audience", "path"),
    [
        ("https://api.example/orders", DOCUMENT + "/orders"),
        ("https://api.example/", DOCUMENT),
        ("https://api.example/a/b/", DOCUMENT + "/a/b/"),
        ("http://localhost:9001/api", DOCUMENT + "/api"),
    ],
)
async def test_the_path_of_the_resource_follows_the_well_known_one(
    provider: HostileProvider, audience: str, path: str
) -> None:
    """RFC 9728 §3.1."""
    answer = await call(guard_of(provider, audience), path)
    assert (answer.status, answer.json()["resource"]) == (200, audience)
    assert (await call(guard_of(provider, audience), DOCUMENT + "/elsewhere")).status == 404


async def test_a_document_is_only_read(provider: HostileProvider) -> None:
    """HEAD has no body, and nothing else is allowed."""
    head = await call(guard_of(provider), DOCUMENT, "HEAD")
    assert (head.status, head.body) == (200, b"")
    post = await call(guard_of(provider), DOCUMENT, "POST")
    assert (post.status, post.headers.get("allow")) == (405, "GET, HEAD")


async def test_sec_D8_every_refusal_points_to_the_document(provider: HostileProvider) -> None:
    """RFC 9728 §5.1: `resource_metadata` in WWW-Authenticate; D8: without a token there is still no error in it."""
    guard = guard_of(provider, API + "/v1")
    where = f"{API}{DOCUMENT}/v1"
    bare = await call(guard, "/orders")
    assert bare.status == 401
    assert parse_challenge(bare.headers.get("www-authenticate") or "") == (
        "bearer",
        {"scope": "orders:read", "resource_metadata": where},
    )
    for token, error in ((mint(provider), "invalid_token"), ("x", "invalid_token")):
        answer = await call(guard, "/orders", "GET", ("authorization", f"Bearer {token}"))
        parameters = parse_challenge(answer.headers.get("www-authenticate") or "")[1]
        assert (parameters["error"], parameters["resource_metadata"]) == (error, where)


@pytest.mark.parametrize("options", [{"audience": "orders"}, {"resource_metadata": None}])
async def test_without_a_document_nothing_points_to_one(
    provider: HostileProvider, options: dict[str, Any]
) -> None:
    """An audience that is a plain name has no place for it, and it can be switched off."""
    guard = guard_of(provider, **options)
    assert (await call(guard, DOCUMENT)).status == 404
    challenge = (await call(guard, "/orders")).headers.get("www-authenticate")
    assert challenge == 'Bearer scope="orders:read"'


async def test_the_document_says_how_bound_tokens_are_taken(provider: HostileProvider) -> None:
    """RFC 9728 §2, and RFC 9449 §7.1: a challenge for each scheme, each with all a client needs."""
    both = await call(guard_of(provider, base_url=API), DOCUMENT)
    assert both.json()["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "EdDSA"]
    assert "dpop_bound_access_tokens_required" not in both.json()
    only = await call(guard_of(provider, base_url=API, dpop_required=True), DOCUMENT)
    assert only.json()["dpop_bound_access_tokens_required"] is True
    challenge = guard_of(provider, base_url=API).core.no_token(["read"]).www_authenticate
    where = f'resource_metadata="{API}{DOCUMENT}"'
    assert challenge == (
        f'Bearer scope="read", {where}, DPoP scope="read", algs="ES256 PS256 EdDSA", {where}'
    )


async def test_a_caller_that_used_dpop_is_answered_in_dpop(provider: HostileProvider) -> None:
    """RFC 9449 §7.1: whatever is wrong, the challenge is of the scheme that was used, where it is taken."""
    prover = Prover(provider.clock)
    guard = guard_of(provider, base_url=API)
    token = mint(provider, cnf={"jkt": prover.jkt})
    proof = ("dpop", prover.proof("GET", f"{API}/orders", access_token=token))
    short = await call(guard, "/orders", "GET", ("authorization", f"DPoP {token}"), proof)
    assert short.status == 403
    assert (short.headers.get("www-authenticate") or "").startswith('DPoP error="insufficient_scope"')
    forged = await call(guard, "/orders", "GET", ("authorization", "DPoP x.y.z"), proof)
    assert (forged.headers.get("www-authenticate") or "").startswith('DPoP error="invalid_token"')
    unknown = await call(guard_of(provider), "/orders", "GET", ("authorization", f"DPoP {token}"), proof)
    assert (unknown.headers.get("www-authenticate") or "").startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize("audience", ["https://", "https://api.example/#x", "https://user@api.example"])
def test_an_audience_that_is_no_resource_identifier_is_refused_at_start(
    provider: HostileProvider, audience: str
) -> None:
    """RFC 9728 §1.2: a URL without a fragment."""
    with pytest.raises(ValueError, match="resource identifier"):
        guard_of(provider, audience)


async def test_the_front_guards_a_plain_request_too(provider: HostileProvider) -> None:
    """`api.guard(request, …)` has all that `require` has."""
    guard = guard_of(provider)
    assert (await guard.guard(request(mint(provider)), ["read"])).sub == "u-alice"
    with pytest.raises(BearerRefused) as raised:
        await guard.guard(request(mint(provider)), acr=["high"], max_age=5)
    assert raised.value.error == "insufficient_user_authentication"
