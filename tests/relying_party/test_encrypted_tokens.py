"""What comes encrypted to this client, and what is signed by the UserInfo endpoint (rows I4, G, F10; security.md J*)."""

from typing import Any

import pytest

from authwright.crypto.jwe import DecryptionKey, EncryptionKey, encrypt
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Headers, HttpResponse, json_response
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.encrypted import Encrypted
from authwright.relying_party.errors import ResponseRejected
from tests.relying_party.hostile_provider import (
    Browser,
    error_code,
    relying_party,
    sign_in,
    sign_in_by_form,
)
from tests.relying_party.modern_provider import ModernProvider

RSA_KEY = DecryptionKey.generate("RSA-OAEP-256")
EC_KEY = DecryptionKey.generate("ECDH-ES+A128KW")


@pytest.fixture
def provider() -> ModernProvider:
    """Encrypts nothing yet."""
    return ModernProvider()


def browser_of(provider: ModernProvider, **options: Any) -> Browser:
    client = RelyingPartyClient(client_id="web", auth=Public(), **options)
    return Browser(relying_party(provider, client=client))


def jwt_answer(body: str) -> HttpResponse:
    return HttpResponse(200, Headers.of({"content-type": "application/jwt"}), body.encode())


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("encryption", ["A256GCM", "A128CBC-HS256"])
async def test_rp_G21_an_encrypted_id_token_signs_in(
    provider: ModernProvider, key: DecryptionKey, encryption: str
) -> None:
    """G21: encrypted ID tokens, by the keys that are configured; the signature inside is verified as ever."""
    provider.encrypt_to["id_token"] = EncryptionKey.from_jwk(key.public_jwk)
    provider.encryption = encryption
    browser = browser_of(provider, encrypted=Encrypted(keys=(key,), id_token=True))
    assert (await sign_in(provider, browser)).status == 303
    provider.id_token = {"nonce": "another"}
    assert error_code(await sign_in(provider, browser)) == "id_token_nonce"
    provider.id_token = {}
    provider.key = SigningKey.generate("ES256")
    assert error_code(await sign_in(provider, browser)) == "id_token_kid"


async def test_an_encrypted_id_token_is_kept_as_the_signed_one_inside(provider: ModernProvider) -> None:
    """OpenID Connect Core §3.1.2.1: as a hint the provider must be able to read it."""
    provider.encrypt_to["id_token"] = EncryptionKey.from_jwk(EC_KEY.public_jwk)
    provider.refreshed_id_token = {}
    browser = browser_of(provider, encrypted=Encrypted(keys=(EC_KEY,), id_token=True))
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert (signed_in.data.id_token or "").count(".") == 2
    renewed = await browser.party.refresh(signed_in)
    assert renewed.data.id_token != signed_in.data.id_token
    assert (renewed.data.id_token or "").count(".") == 2
    del provider.encrypt_to["id_token"]
    with pytest.raises(ResponseRejected, match="id_token_encryption"):
        await browser.party.refresh(renewed)


async def test_an_id_token_from_the_browser_can_be_encrypted(provider: ModernProvider) -> None:
    """Hybrid: the one in the front channel too."""
    provider.encrypt_to["id_token"] = EncryptionKey.from_jwk(EC_KEY.public_jwk)
    mint = provider.mint_id_token

    def encrypted(*args: Any, **named: Any) -> str:
        token = mint(*args, **named)
        key = EncryptionKey.from_jwk(EC_KEY.public_jwk)
        return encrypt(token.encode(), key) if named.get("code") else token

    provider.mint_id_token = encrypted  # type: ignore[method-assign]
    browser = browser_of(
        provider, response_type="code id_token", encrypted=Encrypted(keys=(EC_KEY,), id_token=True)
    )
    assert (await sign_in_by_form(provider, browser)).status == 303


async def test_sec_J11_what_is_registered_encrypted_must_be_and_the_reverse(provider: ModernProvider) -> None:
    """J11: a JWS where a JWE is required, or reverse: reject."""
    browser = browser_of(provider, encrypted=Encrypted(keys=(EC_KEY,), id_token=True))
    assert error_code(await sign_in(provider, browser)) == "id_token_encryption"
    provider.encrypt_to["id_token"] = EncryptionKey.from_jwk(EC_KEY.public_jwk)
    browser = browser_of(provider, encrypted=Encrypted(keys=(EC_KEY,), userinfo=True))
    assert error_code(await sign_in(provider, browser)) == "id_token_segments"
    assert error_code(await sign_in(provider, browser_of(provider))) == "id_token_segments"


async def test_sec_J11_one_layer_and_no_more(provider: ModernProvider) -> None:
    """J11: nested depth over one; and content that is no token."""
    key = EncryptionKey.from_jwk(EC_KEY.public_jwk)
    browser = browser_of(provider, encrypted=Encrypted(keys=(EC_KEY,), id_token=True))
    mint = provider.mint_id_token
    for spoil in (
        lambda token: encrypt(encrypt(token.encode(), key).encode(), key),
        lambda token: encrypt(b'{"sub":"u-alice"}', key),
        lambda token: encrypt(b"\xff\xfe", key),
        lambda token: encrypt(token.encode(), EncryptionKey.from_jwk(RSA_KEY.public_jwk)),
        lambda token: encrypt(token.encode(), key) + "A",
    ):
        provider.mint_id_token = lambda *a, _spoil=spoil, **k: _spoil(mint(*a, **k))  # type: ignore[method-assign]
        assert error_code(await sign_in(provider, browser)) == "id_token_encryption"
        assert not browser.signed_in


async def test_sec_J1_an_unsigned_token_inside_is_refused(provider: ModernProvider) -> None:
    """J1, F10: everybody can encrypt to a public key, so only the signature inside says who wrote it."""
    key = EncryptionKey.from_jwk(EC_KEY.public_jwk)
    mint = provider.mint_id_token

    def forged(*args: Any, **named: Any) -> str:
        payload = mint(*args, **named).split(".")[1]
        return encrypt(f"eyJhbGciOiJub25lIn0.{payload}.".encode(), key)

    provider.mint_id_token = forged  # type: ignore[method-assign]
    browser = browser_of(provider, encrypted=Encrypted(keys=(EC_KEY,), id_token=True))
    assert error_code(await sign_in(provider, browser)) == "id_token_alg"


async def test_rp_I4_signed_userinfo_is_verified(provider: ModernProvider) -> None:
    """I4: application/jwt: the signature, the algorithm, iss, aud, and sub as ever."""
    provider.signed_userinfo = {}
    browser = browser_of(provider)
    assert (await sign_in(provider, browser)).status == 303
    for changes, reason in (
        ({"iss": "https://evil.example"}, "userinfo_iss"),
        ({"iss": None}, "userinfo_iss"),
        ({"aud": "other"}, "userinfo_aud"),
        ({"aud": None}, "userinfo_aud"),
        ({"sub": "u-mallory"}, "userinfo_sub"),
        ({"sub": None}, "userinfo_sub"),
    ):
        provider.signed_userinfo = dict(changes)
        assert error_code(await sign_in(provider, browser)) == reason
    provider.signed_userinfo = {"aud": ["web", "other"]}
    assert (await sign_in(provider, browser)).status == 303


async def test_rp_I4_the_algorithm_is_the_registered_one(provider: ModernProvider) -> None:
    """I4: per registered alg; what the metadata lists narrows it too, and none is never one."""
    provider.signed_userinfo = {}
    assert (await sign_in(provider, browser_of(provider, userinfo_algorithms=("ES256",)))).status == 303
    browser = browser_of(provider, userinfo_algorithms=("RS256",))
    assert error_code(await sign_in(provider, browser)) == "userinfo_signature"
    provider.metadata["userinfo_signing_alg_values_supported"] = ["RS256"]
    assert error_code(await sign_in(provider, browser_of(provider))) == "userinfo_signature"
    claims = sign_jwt(provider.key, {}, typ="JWT").split(".")[1]
    provider.answers["/userinfo"] = lambda request: jwt_answer(f"eyJhbGciOiJub25lIn0.{claims}.")
    assert error_code(await sign_in(provider, browser_of(provider))) == "userinfo_signature"


async def test_rp_I4_where_a_signature_is_registered_plain_json_is_refused(provider: ModernProvider) -> None:
    """I4: or whoever sits between could leave the signature out."""
    browser = browser_of(provider, userinfo_algorithms=("ES256",))
    assert error_code(await sign_in(provider, browser)) == "userinfo_not_protected"
    provider.answers["/userinfo"] = lambda request: HttpResponse(200, body=json_response(200, {}).body)
    assert error_code(await sign_in(provider, browser)) == "userinfo_not_protected"


@pytest.mark.parametrize("signed", [True, False])
async def test_rp_I4_encrypted_userinfo_is_opened(provider: ModernProvider, signed: bool) -> None:
    """I4: JWE, with a signature inside or with the claims themselves."""
    provider.signed_userinfo = {} if signed else None
    provider.encrypt_to["userinfo"] = EncryptionKey.from_jwk(RSA_KEY.public_jwk)
    browser = browser_of(provider, encrypted=Encrypted(keys=(RSA_KEY,), userinfo=True))
    assert (await sign_in(provider, browser)).status == 303
    session = await browser.party.session(browser.request("GET", "/"))
    assert session is not None
    assert session.claims["email"] == "alice@example.com"
    provider.userinfo = {"sub": "u-mallory"}
    assert error_code(await sign_in(provider, browser)) == "userinfo_sub"
    # Only signed, or not at all, it is not what is registered.
    provider.encrypt_to.clear()
    expected = "userinfo_encryption" if signed else "userinfo_not_protected"
    assert error_code(await sign_in(provider, browser)) == expected


async def test_encrypted_userinfo_without_the_signature_that_is_registered_is_refused(
    provider: ModernProvider,
) -> None:
    """I4: encryption says nothing of the author."""
    provider.encrypt_to["userinfo"] = EncryptionKey.from_jwk(RSA_KEY.public_jwk)
    browser = browser_of(
        provider, encrypted=Encrypted(keys=(RSA_KEY,), userinfo=True), userinfo_algorithms=("ES256",)
    )
    assert error_code(await sign_in(provider, browser)) == "userinfo_signature"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "userinfo_not_json"),
        (b"[]", "userinfo_encryption"),
        (b"", "userinfo_encryption"),
        (b"a.b.c", "userinfo_signature"),
    ],
)
async def test_what_is_inside_must_be_claims(provider: ModernProvider, content: bytes, reason: str) -> None:
    """Never a 500."""
    key = EncryptionKey.from_jwk(RSA_KEY.public_jwk)
    provider.answers["/userinfo"] = lambda request: jwt_answer(encrypt(content, key))
    browser = browser_of(provider, encrypted=Encrypted(keys=(RSA_KEY,), userinfo=True))
    response = await sign_in(provider, browser)
    assert (response.status, error_code(response)) == (400, reason)


def test_keys_and_encryptions_are_checked_at_start() -> None:
    """No key, or an encryption there is not, is a mistake in the configuration."""
    with pytest.raises(ValueError, match="no key"):
        Encrypted(keys=(), id_token=True)
    with pytest.raises(ValueError, match="encryptions"):
        Encrypted(keys=(RSA_KEY,), encryptions=("A192GCM",))
    assert "_key" not in repr(Encrypted(keys=(RSA_KEY,)))
