"""The modules of the OpenID Foundation's plans for relying parties: basic, implicit, hybrid and form post.

`oidcc-client-basic-…`, `oidcc-client-implicit-…`, `oidcc-client-hybrid-…` and `oidcc-client-formpost-basic-…`. A test
has the name of its module. What we do not serve is told in docs/explain/divergences-relying-party.md.
"""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.crypto import base64url
from authwright.crypto.jwt import half_hash, sign_jwt, unverified_claims
from authwright.protocol.http import Headers, HttpResponse, json_response
from authwright.relying_party.client import SecretPost, TlsClientCertificate
from tests.conformance.suite_provider import ISSUER, SECRET, SuiteProvider, client_of, signing_key, visit
from tests.relying_party.hostile_provider import Browser, error_code, location

PLANS: dict[str, dict[str, Any]] = {
    "basic": {},
    "formpost-basic": {"response_mode": "form_post"},
    "implicit id_token": {"response_type": "id_token"},
    "implicit id_token token": {"response_type": "id_token token"},
    "hybrid code id_token": {"response_type": "code id_token"},
    "hybrid code token": {"response_type": "code token"},
    "hybrid code id_token token": {"response_type": "code id_token token"},
}
WITH_TOKEN = [name for name in PLANS if name != "implicit id_token"]
FRONT = [name for name in PLANS if name.endswith("id_token token")]
HYBRID_ID_TOKEN = ["hybrid code id_token", "hybrid code id_token token"]
WITH_CODE = [name for name in PLANS if not name.startswith("implicit")]

every_plan = pytest.mark.parametrize("plan", PLANS)


@pytest.fixture
def provider() -> SuiteProvider:
    return SuiteProvider()


def spoil(provider: SuiteProvider, **claims: Any) -> None:
    """In whichever channel the ID token comes."""
    provider.id_token = provider.front_id_token = claims


async def accepted(provider: SuiteProvider, browser: Browser) -> None:
    response = await visit(provider, browser)
    assert response.status == 303, error_code(response)
    assert browser.signed_in


async def rejected(provider: SuiteProvider, browser: Browser, reason: str) -> None:
    """Refused by name, and nothing is asked for after the offending message."""
    response = await visit(provider, browser)
    assert (response.status, error_code(response)) == (400, reason)
    assert not browser.signed_in
    assert provider.asked("/userinfo") == (1 if reason.startswith("userinfo") else 0)


@every_plan
async def test_oidcc_client_test(provider: SuiteProvider, plan: str) -> None:
    """The happy way ends at UserInfo, or at the keys where there is no access token."""
    browser = client_of(provider, **PLANS[plan])
    await accepted(provider, browser)
    assert provider.asked("/userinfo") == (1 if plan in WITH_TOKEN else 0)
    assert provider.asked("/jwks") == 1


@every_plan
async def test_oidcc_client_test_invalid_iss(provider: SuiteProvider, plan: str) -> None:
    """Reject an ID token of another issuer, and one that lacks the slash at the end."""
    for issuer in ("https://suite.example:8443/other/", ISSUER.rstrip("/")):
        spoil(provider, iss=issuer)
        await rejected(provider, client_of(provider, **PLANS[plan]), "id_token_iss")


@every_plan
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        pytest.param({"sub": None}, "sub", id="missing-sub"),
        pytest.param({"aud": "webinvalid"}, "aud", id="invalid-aud"),
        pytest.param({"aud": None}, "aud", id="missing-aud"),
        pytest.param({"iat": None}, "iat", id="missing-iat"),
        pytest.param({"nonce": "invalid"}, "nonce", id="nonce-invalid"),
    ],
)
async def test_oidcc_client_test_missing_sub_invalid_aud_missing_aud_missing_iat_nonce_invalid(
    provider: SuiteProvider, plan: str, claims: dict[str, Any], reason: str
) -> None:
    """Reject each."""
    spoil(provider, **claims)
    await rejected(provider, client_of(provider, **PLANS[plan]), f"id_token_{reason}")


@pytest.mark.parametrize("plan", WITH_TOKEN)
async def test_oidcc_client_test_userinfo_invalid_sub(provider: SuiteProvider, plan: str) -> None:
    """Reject UserInfo about somebody else."""
    provider.userinfo = {"sub": "u-aliceinvalid"}
    await rejected(provider, client_of(provider, **PLANS[plan]), "userinfo_sub")


@every_plan
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_oidcc_client_test_invalid_sig_rs256_invalid_sig_es256(plan: str, algorithm: str) -> None:
    """Reject a signature that is not of the published key."""
    provider = SuiteProvider(algorithm)
    published = dict(provider.key.public_jwk)
    provider.rotate(publish=False)
    provider.published = [published]
    mint = provider.mint_id_token

    def under_the_other_kid(*args: Any, **named: Any) -> str:
        payload = mint(*args, **named).split(".")[1].encode()
        header = f'{{"alg":"{algorithm}","kid":"{published["kid"]}"}}'.encode()
        signed = base64url.encode(header) + b"." + payload
        return (signed + b"." + base64url.encode(provider.key.sign(signed))).decode()

    provider.mint_id_token = under_the_other_kid  # type: ignore[method-assign]
    await rejected(provider, client_of(provider, **PLANS[plan]), "id_token_signature")


@every_plan
async def test_oidcc_client_test_invalid_sig_hs256(provider: SuiteProvider, plan: str) -> None:
    """Reject: symmetric signatures are none of ours, right or wrong, and least of all with a public key as the secret."""
    import hmac
    from hashlib import sha256

    mint = provider.mint_id_token

    def symmetric(*args: Any, **named: Any) -> str:
        payload = mint(*args, **named).split(".")[1].encode()
        signed = base64url.encode(b'{"alg":"HS256"}') + b"." + payload
        mac = hmac.new(SECRET.encode(), signed, sha256).digest()
        return (signed + b"." + base64url.encode(mac)).decode()

    provider.mint_id_token = symmetric  # type: ignore[method-assign]
    await rejected(provider, client_of(provider, **PLANS[plan]), "id_token_alg")


@pytest.mark.parametrize("plan", FRONT)
@pytest.mark.parametrize("value", ["invalid", None], ids=["invalid-athash", "missing-athash"])
async def test_oidcc_client_test_invalid_athash_missing_athash(
    provider: SuiteProvider, plan: str, value: str | None
) -> None:
    """Reject in the front channel, where the access token came beside the ID token."""
    provider.front_id_token = {"at_hash": value}
    await rejected(provider, client_of(provider, **PLANS[plan]), "id_token_at_hash")


@pytest.mark.parametrize("plan", ["basic", "formpost-basic", "hybrid code token"])
async def test_oidcc_client_test_invalid_athash_of_the_token_endpoint(
    provider: SuiteProvider, plan: str
) -> None:
    """Reject when it is there and wrong; it may be absent."""
    provider.id_token = {"at_hash": "invalid"}
    await rejected(provider, client_of(provider, **PLANS[plan]), "id_token_at_hash")
    provider.id_token = {"at_hash": None}
    await accepted(provider, client_of(provider, **PLANS[plan]))


@pytest.mark.parametrize("plan", HYBRID_ID_TOKEN)
@pytest.mark.parametrize("value", ["invalid", None], ids=["invalid-chash", "missing-chash"])
async def test_oidcc_client_test_invalid_chash_missing_chash(
    provider: SuiteProvider, plan: str, value: str | None
) -> None:
    """Reject before the code is redeemed."""
    provider.front_id_token = {"c_hash": value}
    await rejected(provider, client_of(provider, **PLANS[plan]), "id_token_c_hash")
    assert provider.asked("/token") == 0


def without_kid(provider: SuiteProvider) -> None:
    mint = provider.mint_id_token

    def minted(*args: Any, **named: Any) -> str:
        payload = mint(*args, **named).split(".")[1].encode()
        signed = base64url.encode(b'{"alg":"RS256"}') + b"." + payload
        return (signed + b"." + base64url.encode(provider.key.sign(signed))).decode()

    provider.mint_id_token = minted  # type: ignore[method-assign]
    for key in provider.published:
        key.pop("kid", None)


@every_plan
async def test_oidcc_client_test_kid_absent_single_jwks(provider: SuiteProvider, plan: str) -> None:
    """Accept: there is only one key it can be."""
    without_kid(provider)
    await accepted(provider, client_of(provider, **PLANS[plan]))


@every_plan
async def test_oidcc_client_test_kid_absent_multiple_jwks(provider: SuiteProvider, plan: str) -> None:
    """Accept by trying: keys without ids, a few of them."""
    provider.published = [
        dict(signing_key("RS256", 2).public_jwk),
        dict(signing_key("ES256", 2).public_jwk),
        *provider.published,
    ]
    without_kid(provider)
    await accepted(provider, client_of(provider, **PLANS[plan]))


@every_plan
async def test_oidcc_client_test_idtoken_sig_rs256(provider: SuiteProvider, plan: str) -> None:
    """Accept."""
    assert provider.key.algorithm == "RS256"
    await accepted(provider, client_of(provider, **PLANS[plan]))


@every_plan
@pytest.mark.parametrize("registered", [True, False])
async def test_oidcc_client_test_idtoken_sig_none(
    provider: SuiteProvider, plan: str, registered: bool
) -> None:
    """Accept only where `none` is registered, and only in the code flow."""
    provider.metadata["id_token_signing_alg_values_supported"] = ["RS256", "none"]
    mint = provider.mint_id_token
    provider.mint_id_token = lambda *a, **k: f"eyJhbGciOiJub25lIn0.{mint(*a, **k).split('.')[1]}."  # type: ignore[method-assign]
    algorithms = ("RS256", "none") if registered else ("RS256",)
    browser = client_of(provider, **PLANS[plan], id_token_algorithms=algorithms)
    if registered and plan in ("basic", "formpost-basic", "hybrid code token"):
        await accepted(provider, browser)
    else:
        await rejected(provider, browser, "id_token_alg")


@every_plan
async def test_oidcc_client_test_nonce_unless_code_flow(provider: SuiteProvider, plan: str) -> None:
    """A nonce is sent, in the code flow too."""
    sent = location(await client_of(provider, **PLANS[plan]).get("/auth/login"))
    assert len(dict(parse_qsl(urlsplit(sent).query))["nonce"]) >= 32


@pytest.mark.parametrize("plan", WITH_TOKEN)
async def test_oidcc_client_test_scope_userinfo_claims(provider: SuiteProvider, plan: str) -> None:
    """The scopes are asked for, and what UserInfo says of them becomes claims."""
    scopes = ("openid", "profile", "email", "address", "phone")
    provider.userinfo = {
        "sub": "u-alice",
        "email": "a@b.c",
        "phone_number": "+1",
        "address": {"country": "NL"},
    }
    browser = client_of(provider, **PLANS[plan], scopes=scopes)
    sent = location(await browser.get("/auth/login"))
    assert dict(parse_qsl(urlsplit(sent).query))["scope"].split() == list(scopes)
    await accepted(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert provider.userinfo.items() <= signed_in.claims.items()


@pytest.mark.parametrize("plan", WITH_CODE)
async def test_oidcc_client_test_client_secret_basic(provider: SuiteProvider, plan: str) -> None:
    """The secret in the header, form-encoded before base64, and nowhere else; by post where that is registered."""
    await accepted(provider, client_of(provider, **PLANS[plan]))
    (request,) = [request for request in provider.requests if request.path == "/token"]
    scheme, _, credentials = (request.headers.get("authorization") or "").partition(" ")
    assert scheme == "Basic"
    from base64 import b64decode

    assert b64decode(credentials) == b"web:the+secret+of+the+suite%27s+static+client"
    assert not {"client_id", "client_secret"} & provider.last("/token").keys()
    await accepted(provider, client_of(provider, **PLANS[plan], auth=SecretPost(SECRET)))
    assert provider.last("/token")["client_secret"] == SECRET


@pytest.mark.parametrize("plan", WITH_TOKEN)
async def test_oidcc_client_test_userinfo_bearer_header(provider: SuiteProvider, plan: str) -> None:
    """The access token in the header, and nowhere else."""
    await accepted(provider, client_of(provider, **PLANS[plan]))
    (request,) = [request for request in provider.requests if request.path == "/userinfo"]
    assert (request.headers.get("authorization") or "").startswith("Bearer ")
    assert (request.query, request.body) == ("", b"")


@pytest.mark.parametrize("plan", WITH_TOKEN)
async def test_oidcc_client_test_userinfo_bearer_body(provider: SuiteProvider, plan: str) -> None:
    """The access token in a form, and nowhere else."""
    await accepted(provider, client_of(provider, **PLANS[plan], userinfo_token="body"))
    (request,) = [request for request in provider.requests if request.path == "/userinfo"]
    assert (request.method, request.query, request.headers.get("authorization")) == ("POST", "", None)
    assert request.headers.get("content-type") == "application/x-www-form-urlencoded"
    assert list(provider.last("/userinfo")) == ["access_token"]


@pytest.mark.parametrize(
    "options", [{"userinfo_token": "query"}, {"userinfo_token": "body", "dpop": "require"}]
)
def test_a_token_that_is_bound_goes_in_the_header(provider: SuiteProvider, options: dict[str, str]) -> None:
    """Found when the relying party is made; and no token ever goes in a query."""
    with pytest.raises(ValueError, match="userinfo_token"):
        client_of(provider, **options)


@pytest.mark.parametrize("plan", WITH_TOKEN)
async def test_oidcc_client_test_userinfo_signed(provider: SuiteProvider, plan: str) -> None:
    """A signed answer is verified: accept the right one, reject another key's."""
    claims = {"sub": "u-alice", "iss": ISSUER, "aud": "web", "email": "signed@example.com"}
    headers = Headers.of({"content-type": "application/jwt"})
    for key, good in ((provider.key, True), (signing_key("RS256", 2), False)):
        token = sign_jwt(key, claims, typ="JWT").encode()
        provider.answers["/userinfo"] = lambda request, token=token: HttpResponse(200, headers, token)  # type: ignore[misc]
        browser = client_of(provider, **PLANS[plan])
        provider.requests.clear()
        if good:
            await accepted(provider, browser)
            signed_in = await browser.party.session(browser.request("GET", "/"))
            assert signed_in is not None
            assert signed_in.claims["email"] == "signed@example.com"
        else:
            await rejected(provider, browser, "userinfo_signature")


@pytest.mark.parametrize("plan", WITH_TOKEN)
@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"JWT": "e30.e30.e30"}, id="aggregated-claims"),
        pytest.param({"endpoint": "https://claims.example/", "access_token": "x"}, id="distributed-claims"),
    ],
)
async def test_oidcc_client_test_aggregated_claims_distributed_claims(
    provider: SuiteProvider, plan: str, source: dict[str, str]
) -> None:
    """Where nobody is trusted with claims neither is followed: what nobody verified is no claim; the login goes on."""
    provider.userinfo = {
        "sub": "u-alice", "_claim_names": {"credit_score": "src1"}, "_claim_sources": {"src1": source},
    }  # fmt: skip
    browser = client_of(provider, **PLANS[plan])
    await accepted(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert not {"_claim_names", "_claim_sources", "credit_score"} & signed_in.claims.keys()
    assert all(request.origin != "https://claims.example" for request in provider.requests)


@pytest.mark.parametrize("plan", WITH_TOKEN)
async def test_oidcc_client_test_aggregated_claims(provider: SuiteProvider, plan: str) -> None:
    """The JWT beside them is verified, and its claims are the user's; one with another key's signature says nothing."""
    for key, score in ((provider.key, 650), (signing_key("RS256", 2), None)):
        token = sign_jwt(key, {"iss": ISSUER, "credit_score": 650}, typ="JWT")
        provider.userinfo = {
            "sub": "u-alice", "_claim_names": {"credit_score": "src1"}, "_claim_sources": {"src1": {"JWT": token}},
        }  # fmt: skip
        browser = client_of(provider, **PLANS[plan], claims_providers=(ISSUER,))
        await accepted(provider, browser)
        signed_in = await browser.party.session(browser.request("GET", "/"))
        assert signed_in is not None
        assert signed_in.claims.get("credit_score") == score


@pytest.mark.parametrize("plan", WITH_TOKEN)
async def test_oidcc_client_test_distributed_claims(provider: SuiteProvider, plan: str) -> None:
    """The endpoint is called, with the access token beside it, and what it says is verified."""
    source = {"endpoint": ISSUER + "claims", "access_token": "ksj3n283dke"}
    provider.userinfo = {
        "sub": "u-alice", "_claim_names": {"credit_score": "src1"}, "_claim_sources": {"src1": source},
    }  # fmt: skip
    token = sign_jwt(provider.key, {"iss": ISSUER, "credit_score": 650}, typ="JWT").encode()
    provider.answers["/claims"] = lambda request: HttpResponse(
        200, Headers.of({"content-type": "application/jwt"}), token
    )
    browser = client_of(provider, **PLANS[plan], claims_providers=(ISSUER,))
    await accepted(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.claims["credit_score"] == 650
    (request,) = [request for request in provider.requests if request.path == "/claims"]
    assert request.headers.get("authorization") == "Bearer ksj3n283dke"


async def test_oidcc_client_test_form_post_error(provider: SuiteProvider) -> None:
    """form_post with max_age=0 and prompt=none: the error that comes by POST is shown, and nobody is signed in."""
    browser = client_of(provider, response_mode="form_post", max_age=0, prompt=("none",))
    response = await visit(provider, browser, code=None, error="login_required")
    assert (response.status, error_code(response)) == (400, "login_required")
    sent = location(await browser.get("/auth/login"))
    query = dict(parse_qsl(urlsplit(sent).query))
    assert (query["max_age"], query["prompt"], query["response_mode"]) == ("0", "none", "form_post")
    assert provider.asked("/token") == 0


@pytest.mark.parametrize("plan", HYBRID_ID_TOKEN)
@pytest.mark.parametrize("name", ["iss", "sub"])
async def test_oidcc_client_test_hybrid_id_tokens_agree(
    provider: SuiteProvider, plan: str, name: str
) -> None:
    """Core §3.3.3.6: reject when the two differ in issuer or subject."""
    provider.id_token = {name: "https://suite.example:8443/x/" if name == "iss" else "u-other"}
    reason = {"iss": "id_token_iss", "sub": "id_token_sub_changed"}[name]
    await rejected(provider, client_of(provider, **PLANS[plan]), reason)


def test_every_hash_is_of_its_own_value(provider: SuiteProvider) -> None:
    """What the suite's provider signs is right until a test spoils it."""
    token = provider.mint_id_token({}, nonce="n", access_token="a", code="c")
    claims = unverified_claims(token) or {}
    assert (claims["at_hash"], claims["c_hash"]) == (half_hash("RS256", "a"), half_hash("RS256", "c"))
    assert json_response(200, claims).status == 200


async def test_oidcc_client_test_mtls_endpoint_aliases(provider: SuiteProvider) -> None:
    """A client with a certificate calls the token endpoint's alias; one without calls the endpoint itself."""
    provider.metadata["mtls_endpoint_aliases"] = {"token_endpoint": ISSUER + "mtls/token"}
    provider.answers["/mtls/token"] = lambda request: json_response(400, {"error": "invalid_grant"})
    await rejected(provider, client_of(provider, auth=TlsClientCertificate()), "invalid_grant")
    assert (provider.asked("/mtls/token"), provider.asked("/token")) == (1, 0)
    assert provider.last("/mtls/token")["client_id"] == "web"
    await accepted(provider, client_of(provider))
    assert provider.asked("/token") == 1
