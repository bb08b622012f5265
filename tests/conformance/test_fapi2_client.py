"""The modules of the OpenID Foundation's plans for FAPI 2.0 clients: security profile and message signing.

`fapi2-security-profile-final-client-…` and `fapi2-message-signing-final-client-…`, with private_key_jwt and DPoP; a test
has the name of its module. The provider wants a nonce in every proof, pushed requests, and, for message signing, signed
ones, and answers with a JWT.
"""

from typing import Any

import pytest

from authwright.crypto.dpop import verify_proof
from authwright.crypto.keys import KeySet, SigningKey
from authwright.protocol.http import HttpRequest, HttpResponse, json_response
from authwright.relying_party.client import PrivateKeyJwt, RelyingPartyClient
from authwright.relying_party.sessions import SignedIn, dpop_key
from tests.relying_party.hostile_provider import Browser, error_code, location, relying_party, sign_in
from tests.relying_party.modern_provider import ModernProvider, client_key

NONCED = ("/par", "/token", "/userinfo")


@pytest.fixture
def provider() -> ModernProvider:
    """As the profile has a server."""
    made = ModernProvider()
    made.dpop = True
    made.nonces = {path: f"nonce for {path}".replace(" ", "-") for path in NONCED}
    made.client_keys = KeySet.of(KEY)
    made.metadata["require_pushed_authorization_requests"] = True
    return made


KEY = client_key()


def client_of(provider: ModernProvider, **options: Any) -> Browser:
    client = RelyingPartyClient(
        client_id="web",
        auth=PrivateKeyJwt(KEY),
        par="require",
        dpop="require",
        id_token_algorithms=("PS256", "ES256", "EdDSA"),
        **options,
    )
    return Browser(relying_party(provider, client=client))


def message_signing(provider: ModernProvider) -> Browser:
    return client_of(provider, request_object=KEY, response_mode="jwt")


async def rejected(provider: ModernProvider, browser: Browser, reason: str, **changes: str | None) -> None:
    """Refused by name, and nothing is asked for after the offending message."""
    response = await sign_in(provider, browser, **changes)
    assert (response.status, error_code(response)) == (400, reason)
    assert provider.asked("/userinfo") == 0
    assert not browser.signed_in


async def session_of(browser: Browser) -> SignedIn:
    found = await browser.party.session(browser.request("GET", "/"))
    assert found is not None
    return found


async def test_client_test_happy_path(provider: ModernProvider) -> None:
    """Nonces are demanded at PAR, token and resource; the redirect has client_id and request_uri alone."""
    browser = client_of(provider)
    assert (await sign_in(provider, browser)).status == 303
    assert [path for path, _ in provider.proofs] == ["/par", "/token", "/userinfo"]


async def test_client_test_happy_path_no_dpop_nonce(provider: ModernProvider) -> None:
    """No server asks for one."""
    provider.nonces.clear()
    browser = client_of(provider)
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked("/token") == 1


async def test_client_test_ensure_discovery_issuer_mismatch(provider: ModernProvider) -> None:
    """Nothing is asked after the document."""
    provider.metadata["issuer"] = "https://op.example/other"
    response = await client_of(provider).get("/auth/login")
    assert (response.status, error_code(response)) == (503, "issuer_mismatch")
    assert provider.asked("/par") == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"iss": "https://op.example/x"}, "iss", id="invalid-iss"),
        pytest.param({"iss": None}, "iss", id="missing-iss"),
        pytest.param({"aud": "another"}, "aud", id="invalid-aud"),
        pytest.param({"aud": None}, "aud", id="missing-aud"),
        pytest.param({"aud": ["web", "https://evil.example"]}, "aud_untrusted", id="invalid-secondary-aud"),
        pytest.param({"exp": 1}, "exp", id="invalid-expired-exp"),
        pytest.param({"exp": None}, "exp", id="invalid-missing-exp"),
        pytest.param({"nonce": "another"}, "nonce", id="invalid-nonce"),
        pytest.param({"nonce": None}, "nonce", id="missing-nonce"),
    ],
)
async def test_client_test_id_token_claims(
    provider: ModernProvider, changes: dict[str, Any], reason: str
) -> None:
    """invalid-iss, -aud, -secondary-aud, -nonce, -expired-exp, -missing-exp, -missing-aud, -missing-iss."""
    provider.id_token = dict(changes)
    await rejected(provider, client_of(provider), f"id_token_{reason}")


async def test_client_test_invalid_null_alg(provider: ModernProvider) -> None:
    """alg none."""
    mint = provider.mint_id_token

    def unsigned(*args: Any, **named: Any) -> str:
        return f"eyJhbGciOiJub25lIn0.{mint(*args, **named).split('.')[1]}."

    provider.mint_id_token = unsigned  # type: ignore[method-assign]
    await rejected(provider, client_of(provider), "id_token_alg")


async def test_client_test_invalid_alternate_alg(provider: ModernProvider) -> None:
    """RS256, with a key the provider publishes."""
    provider.key = SigningKey.generate("RS256")
    provider.published.append(dict(provider.key.public_jwk))
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256", "RS256"]
    await rejected(provider, client_of(provider), "id_token_alg")


async def test_client_test_valid_aud_as_array(provider: ModernProvider) -> None:
    """A list with us alone is accepted."""
    provider.id_token = {"aud": ["web"]}
    assert (await sign_in(provider, client_of(provider))).status == 303


async def test_client_test_invalid_authorization_response_iss(provider: ModernProvider) -> None:
    """RFC 9207."""
    browser = client_of(provider)
    await rejected(provider, browser, "iss_mismatch", iss="https://evil.example")
    assert provider.asked("/token") == 0


async def test_client_test_remove_authorization_response_iss(provider: ModernProvider) -> None:
    """Missing though the metadata says it is sent."""
    browser = client_of(provider)
    await rejected(provider, browser, "iss_missing", iss=None)
    assert provider.asked("/token") == 0


@pytest.mark.parametrize(("state", "reason"), [("invalid", "state_unknown"), (None, "state_missing")])
async def test_client_test_ensure_authorization_response_with_invalid_or_missing_state_fails(
    provider: ModernProvider, state: str | None, reason: str
) -> None:
    """Two modules: invalid, and missing."""
    browser = client_of(provider)
    await rejected(provider, browser, reason, state=state)
    assert provider.asked("/token") == 0


async def test_client_test_token_endpoint_response_without_expires_in(provider: ModernProvider) -> None:
    """It is recommended, not required."""
    provider.token_answer = {"expires_in": None}
    assert (await sign_in(provider, client_of(provider))).status == 303


async def test_client_test_token_type_case_insensitivity(provider: ModernProvider) -> None:
    """dPOP."""
    provider.token_answer = {"token_type": "dPOP"}
    browser = client_of(provider)
    assert (await sign_in(provider, browser)).status == 303
    assert (await session_of(browser)).data.dpop_key


async def test_client_test_rs_dpop_auth_scheme_case_insensitivity(provider: ModernProvider) -> None:
    """WWW-Authenticate: dpop … use_dpop_nonce brings a second request with the nonce."""
    browser = client_of(provider)
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked("/userinfo") == 2


async def test_client_test_refresh_token(provider: ModernProvider) -> None:
    """The API always answers 401; the refresh token is used twice, each time the newest one."""
    browser = client_of(provider)
    await sign_in(provider, browser)
    signed_in = await session_of(browser)

    async def api(request: HttpRequest) -> HttpResponse:
        assert verify_proof(request.headers.get("dpop") or "")
        return json_response(401, {"error": "invalid_token"})

    used = []
    for _ in range(2):
        answer = await browser.party.channel.send_with_token(
            HttpRequest.to("GET", "https://api.example/accounts"),
            signed_in.data.access_token or "",
            dpop_key=dpop_key(signed_in.data.dpop_key),
            fetch=api,
        )
        assert answer.status == 401
        used.append(signed_in.data.refresh_token)
        signed_in = await browser.party.refresh(signed_in)
        assert provider.last("/token")["refresh_token"] == used[-1]
    assert len(set(used)) == 2


async def test_message_signing_client_test_happy_path(provider: ModernProvider) -> None:
    """A signed request in the push, a signed answer."""
    browser = message_signing(provider)
    sent = location(await browser.get("/auth/login"))
    assert set(provider.pushed[next(iter(provider.pushed))]) >= {"request", "client_assertion"}
    assert (await browser.get(provider.authorize(sent))).status == 303
    assert provider.request_objects[0]["response_mode"] == "jwt"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"iss": None}, "iss", id="without-iss"),
        pytest.param({"iss": "https://evil.example"}, "iss", id="invalid-iss"),
        pytest.param({"aud": None}, "aud", id="without-aud"),
        pytest.param({"aud": "another"}, "aud", id="invalid-aud"),
        pytest.param({"exp": None}, "exp", id="without-exp"),
        pytest.param({"exp": 1}, "exp", id="invalid-exp"),
    ],
)
async def test_message_signing_client_test_jarm_claims(
    provider: ModernProvider, changes: dict[str, Any], reason: str
) -> None:
    """jarm-without- and jarm-invalid-: iss, aud, exp."""
    provider.response_claims = dict(changes)
    await rejected(provider, message_signing(provider), f"response_{reason}")
    assert provider.asked("/token") == 0


async def test_message_signing_client_test_jarm_invalid_sig(provider: ModernProvider) -> None:
    """A signature that is not of this content."""
    browser = message_signing(provider)
    back = provider.authorize(location(await browser.get("/auth/login")))
    assert error_code(await browser.get(back[:-8] + "AAAAAAAA")) == "response_signature"
    assert provider.asked("/token") == 0


async def test_message_signing_client_test_jarm_signature_algorithm_is_none(provider: ModernProvider) -> None:
    """alg none."""
    browser = message_signing(provider)
    back = provider.authorize(location(await browser.get("/auth/login")))
    start, _, token = back.partition("response=")
    unsigned = f"{start}response=eyJhbGciOiJub25lIn0.{token.split('.')[1]}."
    assert error_code(await browser.get(unsigned)) == "response_alg"
    assert provider.asked("/token") == 0
