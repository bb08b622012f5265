"""The modules of the plans config, dynamic and 3rd-party-init-login for relying parties."""

from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from authwright.protocol.http import HttpResponse
from authwright.relying_party.client import FlowPolicy
from tests.conformance.suite_provider import ISSUER, SuiteProvider, answer, client_of, visit
from tests.relying_party.hostile_provider import BASE, error_code, location

CONFIGURATION = "/.well-known/openid-configuration"


@pytest.fixture
def provider() -> SuiteProvider:
    return SuiteProvider()


async def test_oidcc_client_test_discovery_openid_config(provider: SuiteProvider) -> None:
    """The document is fetched below the issuer's path, one slash and not two, and its endpoints are used."""
    provider.metadata["authorization_endpoint"] = ISSUER + "somewhere/else"
    browser = client_of(provider)
    assert location(await browser.get("/auth/login")).startswith(ISSUER + "somewhere/else?")
    assert [request.path for request in provider.requests] == [CONFIGURATION]


async def test_oidcc_client_test_discovery_jwks_uri_keys(provider: SuiteProvider) -> None:
    """The keys come from jwks_uri."""
    assert (await visit(provider, client_of(provider))).status == 303
    assert provider.asked("/jwks") == 1


@pytest.mark.parametrize(
    "issuer",
    ["https://suite.example:8443/other/", ISSUER.rstrip("/"), ISSUER + "/", "https://evil.example", None, 5],
)
async def test_oidcc_client_test_discovery_issuer_mismatch(provider: SuiteProvider, issuer: object) -> None:
    """Reject: the browser is not even sent there."""
    provider.metadata["issuer"] = issuer
    response = await client_of(provider).get("/auth/login")
    assert (response.status, error_code(response)) == (503, "issuer_mismatch")
    assert response.headers.get("location") is None


async def test_oidcc_client_test_signing_key_rotation(provider: SuiteProvider) -> None:
    """Between two logins: the new keys are fetched once for the unknown id."""
    browser = client_of(provider)
    assert (await visit(provider, browser)).status == 303
    provider.rotate()
    assert (await visit(provider, browser)).status == 303
    assert provider.asked("/jwks") == 2


@pytest.mark.parametrize("response_type", ["code", "id_token", "code id_token"])
async def test_oidcc_client_test_signing_key_rotation_just_before_signing(
    provider: SuiteProvider, response_type: str
) -> None:
    """Within one login, after the keys were fetched: that very login works."""
    browser = client_of(provider, response_type=response_type)
    await browser.party.keys.get()
    sent = location(await browser.get("/auth/login"))
    provider.rotate()
    assert (await answer(provider, browser, sent)).status == 303


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_oidcc_client_test_3rd_party_init_login(provider: SuiteProvider, method: str) -> None:
    """initiate_login_uri with iss and target_link_uri: a login begins, and ends there."""
    browser = client_of(provider, flow=FlowPolicy(initiate_login=True))
    query = f"iss={quote(ISSUER, safe='')}&target_link_uri={quote(BASE + '/inbox', safe='')}&login_hint=a"
    response: HttpResponse
    if method == "GET":
        response = await browser.get(f"/auth/initiate?{query}", sec_fetch_site="cross-site")
    else:
        response = await browser.post("/auth/initiate", query.encode(), sec_fetch_site="cross-site")
    sent = location(response)
    assert sent.startswith(ISSUER)
    assert dict(parse_qsl(urlsplit(sent).query))["login_hint"] == "a"
    assert location(await answer(provider, browser, sent)) == BASE + "/inbox"


async def test_oidcc_client_test_3rd_party_init_login_of_another_issuer(provider: SuiteProvider) -> None:
    """Reject: nobody is sent to a provider that is not ours."""
    browser = client_of(provider, flow=FlowPolicy(initiate_login=True))
    response = await browser.get("/auth/initiate?iss=https%3A%2F%2Fevil.example%2F")
    assert response.status == 400
