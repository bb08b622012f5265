"""The refresh modules of the OpenID Foundation's plan for relying parties: what a refreshed ID token may not say."""

import pytest

from authwright.relying_party.errors import ResponseRejected
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.sessions import SignedIn
from tests.relying_party.hostile_provider import Browser, Clock, HostileProvider, relying_party, sign_in


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


async def signed_in(provider: HostileProvider, party: RelyingParty, browser: Browser) -> SignedIn:
    await sign_in(provider, browser)
    found = await party.session(browser.request("GET", "/"))
    assert found is not None
    provider.requests.clear()
    return found


async def test_oidf_oidcc_client_test_refresh_token(provider: HostileProvider) -> None:
    """oidcc-client-test-refresh-token: the refresh token is used, and with the new access token UserInfo is asked."""
    party = relying_party(provider)
    held = await signed_in(provider, party, Browser(party))
    provider.refreshed_id_token = {}
    provider.clock.forward(seconds=595)
    token = await party.access_token(held)
    assert provider.last("/token")["grant_type"] == "refresh_token"
    assert provider.last("/token")["refresh_token"] == held.data.refresh_token
    assert (await party.fetch_userinfo(token))["sub"] == held.sub
    assert provider.requests[-1].headers.get("authorization") == f"Bearer {token}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param(
            {"iss": "https://other.example"},
            "id_token_iss",
            id="oidcc-client-test-refresh-token-invalid-issuer",
        ),
        pytest.param(
            {"sub": "u-mallory"}, "id_token_sub_changed", id="oidcc-client-test-refresh-token-invalid-sub"
        ),
    ],
)
async def test_oidf_oidcc_client_test_refresh_token_refuses(
    provider: HostileProvider, changes: dict[str, object], reason: str
) -> None:
    """…-invalid-issuer, -invalid-sub: the answer is refused: no further call, and the session is as it was."""
    party = relying_party(provider)
    browser = Browser(party)
    held = await signed_in(provider, party, browser)
    provider.refreshed_id_token = dict(changes)
    with pytest.raises(ResponseRejected, match=reason):
        await party.refresh(held)
    assert [request.path for request in provider.requests if request.path != "/jwks"] == ["/token"]
    after = await party.session(browser.request("GET", "/"))
    assert after is not None
    assert (after.sub, after.data) == (held.sub, held.data)
