"""JARM: the answer is a JWT of the issuer for this client, now, or it is none (security.md P1, J*; conformance §2.9)."""

from typing import Any

import pytest

from authwright.crypto.jwe import DecryptionKey, EncryptionKey
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.authorization import AuthorizationResponse
from authwright.protocol.jarm import build_response_claims
from authwright.protocol.params import encode
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.encrypted import Encrypted
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    error_code,
    location,
    relying_party,
    sign_in,
    sign_in_by_form,
)
from tests.relying_party.modern_provider import ModernProvider


@pytest.fixture
def provider() -> ModernProvider:
    """Signs its answers when it is asked to."""
    return ModernProvider()


def browser_of(provider: ModernProvider, mode: str = "jwt", **options: Any) -> Browser:
    client = RelyingPartyClient(client_id="web", auth=Public(), response_mode=mode, **options)  # type: ignore[arg-type]
    return Browser(relying_party(provider, client=client))


@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
async def test_a_signed_answer_signs_in(provider: ModernProvider, mode: str) -> None:
    """JARM §2.3: by query; the mode is in the request, and nothing but `response` in the answer."""
    browser = browser_of(provider, mode)
    sent = location(await browser.get("/auth/login?return_to=/orders"))
    asked = provider.last("/par")
    assert asked["response_mode"] == mode
    back = provider.authorize(sent)
    assert back.count("=") == 1
    assert location(await browser.get(back)) == BASE + "/orders"
    assert browser.signed_in


async def test_a_signed_answer_can_be_posted(provider: ModernProvider) -> None:
    """JARM §2.3.3: form_post.jwt, with a cookie that comes along from another site."""
    browser = browser_of(provider, "form_post.jwt")
    assert (await sign_in_by_form(provider, browser)).status == 303
    assert browser.signed_in


async def test_a_hybrid_answer_can_be_signed(provider: ModernProvider) -> None:
    """The ID token inside is verified as any from the front channel."""
    browser = browser_of(provider, "form_post.jwt", response_type="code id_token")
    assert (await sign_in_by_form(provider, browser)).status == 303
    provider.front_id_token = {"nonce": "another"}
    assert error_code(await sign_in_by_form(provider, browser)) == "id_token_nonce"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": None}, "response_iss"),
        ({"iss": "https://evil.example"}, "response_iss"),
        ({"iss": "https://op.example/"}, "response_iss"),
        ({"aud": None}, "response_aud"),
        ({"aud": "other"}, "response_aud"),
        ({"aud": ["web", "other"]}, "response_aud"),
        ({"exp": None}, "response_exp"),
        ({"exp": 1}, "response_exp"),
        ({"exp": True}, "response_exp"),
        ({"exp": "4000000000"}, "response_exp"),
        ({"code": 5.5}, "response_members"),
        ({"state": ["x"]}, "response_members"),
        ({"state": None}, "state_missing"),
        ({"state": "unknown"}, "state_unknown"),
        ({"code": None}, "code_missing"),
    ],
)
async def test_sec_P1_an_answer_whose_claims_are_wrong_is_refused(
    provider: ModernProvider, changes: dict[str, object], reason: str
) -> None:
    """P1, conformance §2.9 JARM: without or invalid iss, aud, exp; state missing or unknown: no token request."""
    browser = browser_of(provider)
    provider.response_claims = dict(changes)
    response = await sign_in(provider, browser)
    assert (response.status, error_code(response)) == (400, reason)
    assert provider.asked("/token") == 0
    assert not browser.signed_in


async def test_sec_J1_an_answer_without_a_right_signature_is_refused(provider: ModernProvider) -> None:
    """J1, J13: bad signature, alg none, another's key: reject."""
    browser = browser_of(provider)
    sent = location(await browser.get("/auth/login"))
    good = provider.authorize(sent)
    start, _, token = good.partition("response=")
    header, payload, signature = token.split(".")
    for forged, reason in (
        (f"{header}.{payload}.{'A' * len(signature)}", "signature"),
        (f"eyJhbGciOiJub25lIn0.{payload}.", "alg"),
        (f"{header}.{payload}.{signature}AAAA", "signature"),
        (f"{header}.{payload}", "segments"),
    ):
        assert error_code(await browser.get(f"{start}response={forged}")) == f"response_{reason}"
    provider.response_key = SigningKey.generate("ES256")
    assert error_code(await sign_in(provider, browser)) == "response_kid"
    # The attempt is still there for the answer that is right.
    assert (await browser.get(good)).status == 303


async def test_sec_J6_another_kind_of_token_is_no_answer(provider: ModernProvider) -> None:
    """J6: an ID token of the same issuer for the same client has no code in it; an access token says what it is."""
    browser = browser_of(provider)
    await browser.get("/auth/login")
    id_token = provider.mint_id_token({}, nonce=None, access_token=None)
    response = await browser.get(f"{BASE}/auth/callback?response={id_token}")
    assert error_code(response) == "state_missing"
    typed = sign_jwt(provider.key, {"iss": provider.issuer}, typ="at+jwt")
    assert error_code(await browser.get(f"{BASE}/auth/callback?response={typed}")) == "response_typ"


async def test_sec_P1_a_plain_answer_is_refused_where_signed_ones_are_wanted(
    provider: ModernProvider,
) -> None:
    """P1: whoever strips the signature is refused; so are parameters beside it, and a signed answer nobody asked for."""
    browser = browser_of(provider)
    sent = location(await browser.get("/auth/login"))
    asked = dict(provider.pushed[next(iter(provider.pushed))])
    plain = encode((("code", "x"), ("state", asked["state"]), ("iss", provider.issuer)))
    assert error_code(await browser.get(f"{BASE}/auth/callback?{plain}")) == "response_missing"
    good = provider.authorize(sent)
    for more in ("&state=x", "&error=access_denied", "&code=x"):
        assert error_code(await browser.get(good + more)) == "response_and_more"
    assert error_code(await browser.get(f"{good}&response=x")) == "message_malformed"
    unasked = Browser(relying_party(provider))
    await unasked.get("/auth/login")
    assert error_code(await unasked.get(good)) == "front_channel_tokens"
    assert (await browser.get(good)).status == 303


async def test_a_signed_refusal_is_the_provider_s(provider: ModernProvider) -> None:
    """JARM §2.1: an error is in the JWT too."""
    browser = browser_of(provider)
    response = await sign_in(provider, browser, error="access_denied", code=None)
    assert (response.status, error_code(response)) == (400, "access_denied")


async def test_a_lost_attempt_starts_again_once(provider: ModernProvider) -> None:
    """rp_E23 for answers whose state is inside: one automatic restart, then a page."""
    browser = browser_of(provider)
    back = provider.authorize(location(await browser.get("/auth/login")))
    browser.cookies.clear()
    page = (await browser.get(back)).body.decode()
    assert "again=1" in page
    back = provider.authorize(location(await browser.get("/auth/login?again=1")))
    browser.cookies.clear()
    page = (await browser.get(back)).body.decode()
    assert "again=1" not in page


async def test_an_answer_can_be_encrypted_too(provider: ModernProvider) -> None:
    """JARM §2.2: signed, then encrypted; then one that is only signed is refused, and the reverse."""
    key = DecryptionKey.generate("RSA-OAEP-256")
    provider.encrypt_to["response"] = EncryptionKey.from_jwk(key.public_jwk)
    browser = browser_of(provider, encrypted=Encrypted(keys=(key,), response=True))
    assert (await sign_in(provider, browser)).status == 303
    del provider.encrypt_to["response"]
    assert error_code(await sign_in(provider, browser)) == "response_encryption"
    provider.encrypt_to["response"] = EncryptionKey.from_jwk(key.public_jwk)
    assert error_code(await sign_in(provider, browser_of(provider))) == "response_segments"


async def test_without_keys_the_answer_waits(provider: ModernProvider) -> None:
    """G5: the provider's key set cannot be had: 503, and the same answer is good afterwards."""
    browser = browser_of(provider)
    back = provider.authorize(location(await browser.get("/auth/login")))
    provider.down.add("/jwks")
    response = await browser.get(back)
    assert response.status == 503
    provider.down.clear()
    provider.clock.forward(seconds=5)
    assert (await browser.get(back)).status == 303


def test_encrypting_an_answer_needs_a_signed_one() -> None:
    """JARM §3: at start, not at the first user."""
    with pytest.raises(ValueError, match="response_mode"):
        RelyingPartyClient(
            client_id="web", encrypted=Encrypted(keys=(DecryptionKey.generate(),), response=True)
        )


def test_a_response_lives_ten_minutes(provider: ModernProvider) -> None:
    """JARM §2.1, for who writes one."""
    claims = build_response_claims(
        AuthorizationResponse(code="c", state="s", iss="ignored"),
        issuer=provider.issuer,
        client_id="web",
        now=provider.clock(),
    )
    assert claims == {
        "iss": provider.issuer,
        "aud": "web",
        "exp": int(provider.clock().timestamp()) + 600,
        "code": "c",
        "state": "s",
    }
