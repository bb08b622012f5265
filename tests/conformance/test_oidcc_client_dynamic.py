"""The modules of the dynamic plan for relying parties: who the provider is, and registering there."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from authwright.protocol.http import HttpRequest, HttpResponse, json_response
from authwright.protocol.metadata import parse_metadata
from authwright.relying_party.client import Paths, Public, SecretBasic, SecretPost, Site
from authwright.relying_party.errors import ProviderRefused, ResponseRejected
from authwright.relying_party.registration import register, registration_request
from authwright.remote.documents import RemoteFault
from authwright.remote.webfinger import RELATION, find_issuer, resource_of
from tests.conformance.suite_provider import ISSUER, SuiteProvider, client_of, visit
from tests.relying_party.hostile_provider import BASE

SITE = Site(BASE, Paths())


@pytest.fixture
def provider() -> SuiteProvider:
    return SuiteProvider()


def webfinger(links: Any, seen: list[HttpRequest]) -> Any:
    async def fetch(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return json_response(200, {"links": links})

    return fetch


@pytest.mark.parametrize(
    ("identifier", "resource", "host"),
    [
        ("alice@suite.example:8443", "https://alice@suite.example:8443", None),
        ("alice@suite.example", "acct:alice@suite.example", "suite.example"),
        ("acct:alice@suite.example", "acct:alice@suite.example", "suite.example"),
        ("acct:alice%40x@suite.example", "acct:alice%40x@suite.example", "suite.example"),
        ("suite.example", "https://suite.example", "suite.example"),
        ("suite.example:8443/alice", "https://suite.example:8443/alice", "suite.example:8443"),
        ("https://suite.example:8443/alice#x", "https://suite.example:8443/alice", "suite.example:8443"),
    ],
)
async def test_oidcc_client_test_discovery_webfinger_acct_discovery_webfinger_url(
    identifier: str, resource: str, host: str | None
) -> None:
    """The identifier's own host is asked, over https, for the issuer's link and no other."""
    if host is None:
        with pytest.raises(ValueError):
            resource_of(identifier)
        return
    seen: list[HttpRequest] = []
    links = [{"rel": "x", "href": "https://evil.example/"}, {"rel": RELATION, "href": ISSUER}]
    assert await find_issuer(webfinger(links, seen), identifier) == ISSUER
    (request,) = seen
    assert request.origin == f"https://{host}"
    assert request.path == "/.well-known/webfinger"
    assert dict(parse_qsl(request.query)) == {"resource": resource, "rel": RELATION}


@pytest.mark.parametrize(
    "identifier",
    ["", " ", "@x", "=x", "!x", "acct:@x", "acct:a@b@c", "a b@c", "a\\b", "é@x", "https://", "x" * 600],
)
def test_an_identifier_that_is_none_is_not_looked_up(identifier: str) -> None:
    """ValueError, before anybody is asked."""
    with pytest.raises(ValueError, match="identifier"):
        resource_of(identifier)


@pytest.mark.parametrize(
    "links",
    [None, [], "x", [5], [{"rel": RELATION}], [{"rel": RELATION, "href": 5}],
     *([{"rel": RELATION, "href": href}] for href in ("http://x/", "javascript:x", "https://x/?a", "https://x/#a",
                                                        "https://a@x/", "https://", "https://x/ y"))],
)  # fmt: skip
async def test_an_issuer_that_is_none_is_not_believed(links: Any) -> None:
    """https, no query, no fragment, no user."""
    with pytest.raises(RemoteFault, match="no_issuer"):
        await find_issuer(webfinger(links, []), "alice@suite.example")


def registering(provider: SuiteProvider, answer: dict[str, Any], status: int = 201) -> list[dict[str, Any]]:
    """The suite's registration endpoint, and what was asked of it."""
    asked: list[dict[str, Any]] = []

    def handle(request: HttpRequest) -> HttpResponse:
        asked.append(json.loads(request.body) | {"authorization": request.headers.get("authorization")})
        return json_response(status, answer)

    provider.metadata["registration_endpoint"] = ISSUER + "register"
    provider.answers["/register"] = handle
    return asked


async def test_oidcc_client_test_dynamic_registration(provider: SuiteProvider) -> None:
    """Register, then sign in with what was given."""
    asked = registering(
        provider,
        {"client_id": "web", "client_secret": "the-secret", "client_secret_expires_at": 0,
         "registration_access_token": "the-token", "registration_client_uri": ISSUER + "register/web"},
    )  # fmt: skip
    metadata = parse_metadata(provider.metadata, issuer=ISSUER)
    request = registration_request(
        SITE, scopes=["openid", "offline_access"], client_name="Shop", initiate_login=True
    )
    made = await register(provider, metadata, request, initial_access_token="iat")
    assert asked == [
        {
            "application_type": "web", "redirect_uris": [BASE + "/auth/callback"], "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"], "scope": "openid offline_access",
            "token_endpoint_auth_method": "client_secret_basic", "client_name": "Shop",
            "post_logout_redirect_uris": [BASE + "/auth/logout/callback"],
            "backchannel_logout_uri": BASE + "/auth/backchannel-logout", "backchannel_logout_session_required": True,
            "initiate_login_uri": BASE + "/auth/initiate", "authorization": "Bearer iat",
        }
    ]  # fmt: skip
    assert (made.client_id, made.auth, made.secret_expires_at) == ("web", SecretBasic("the-secret"), None)
    assert "the-" not in repr(made)
    assert (
        await visit(provider, client_of(provider, client_id=made.client_id, auth=made.auth))
    ).status == 303


@pytest.mark.parametrize(
    ("answer", "auth"),
    [
        ({"client_id": "web", "token_endpoint_auth_method": "none"}, Public()),
        (
            {"client_id": "web", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post"},
            SecretPost("s"),
        ),
        (
            {"client_id": "web", "client_secret": "s", "client_secret_expires_at": 4_000_000_000},
            SecretBasic("s"),
        ),
    ],
)
async def test_the_provider_s_choice_of_method_is_followed(
    provider: SuiteProvider, answer: dict[str, Any], auth: object
) -> None:
    """RFC 7591 §3.2.1: what was registered counts, not what was asked for."""
    registering(provider, answer, 200)
    metadata = parse_metadata(provider.metadata, issuer=ISSUER)
    made = await register(provider, metadata, registration_request(SITE))
    assert made.auth == auth
    assert (made.secret_expires_at is not None) == ("client_secret_expires_at" in answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], "registration_malformed"),
        ({}, "registration_malformed"),
        ({"client_id": 5}, "registration_malformed"),
        ({"client_id": "web", "client_secret": 5}, "registration_malformed"),
        ({"client_id": "web", "client_secret": "s", "client_secret_expires_at": -1}, "registration_malformed"),
        ({"client_id": "web", "client_secret": "s", "client_secret_expires_at": True}, "registration_malformed"),
        ({"client_id": "web", "client_secret": "s", "client_secret_expires_at": 10**20}, "registration_malformed"),
        ({"client_id": "web"}, "registration_auth_method"),
        ({"client_id": "web", "client_secret": "s", "token_endpoint_auth_method": "tls_client_auth"}, "registration_auth_method"),
        ({"client_id": "web", "client_secret": "s", "redirect_uris": ["https://evil.example/"]}, "registration_redirect_uris"),
    ],
)  # fmt: skip
async def test_a_registration_that_is_of_no_use_is_refused(
    provider: SuiteProvider, answer: Any, reason: str
) -> None:
    """By name."""
    registering(provider, answer)
    metadata = parse_metadata(provider.metadata, issuer=ISSUER)
    with pytest.raises(ResponseRejected, match=reason):
        await register(provider, metadata, registration_request(SITE))


async def test_a_refusal_says_whose_it_is(provider: SuiteProvider) -> None:
    """An error of the provider, an answer that is none, and no endpoint at all."""
    metadata = parse_metadata(provider.metadata, issuer=ISSUER)
    with pytest.raises(RemoteFault, match="no_registration_endpoint"):
        await register(provider, metadata, registration_request(SITE))
    for status, answer, failure in (
        (400, {"error": "invalid_redirect_uri"}, ProviderRefused),
        (401, {}, ResponseRejected),
        (503, {}, RemoteFault),
    ):
        registering(provider, answer, status)
        metadata = parse_metadata(provider.metadata, issuer=ISSUER)
        with pytest.raises(failure):
            await register(provider, metadata, registration_request(SITE, method="none"))


@pytest.mark.parametrize(
    ("response_type", "grants"),
    [
        ("code", ["authorization_code"]),
        ("id_token", ["implicit"]),
        ("code id_token", ["authorization_code", "implicit"]),
    ],
)
def test_the_grants_are_those_of_the_response_type(response_type: Any, grants: list[str]) -> None:
    """RFC 7591 §2.1: they go together."""
    assert registration_request(SITE, response_type=response_type)["grant_types"] == grants
    with pytest.raises(ValueError, match="method"):
        registration_request(SITE, method="private_key_jwt")
