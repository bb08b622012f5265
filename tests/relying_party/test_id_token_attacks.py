"""sec_P3, sec_D12, sec_J: ID tokens and UserInfo answers that are not what they should be."""

from collections.abc import Callable

import pytest

from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Json
from authwright.relying_party.client import Public, RelyingPartyClient
from tests.relying_party.hostile_provider import (
    Browser,
    Clock,
    HostileProvider,
    error_code,
    relying_party,
    sign_in,
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": "https://op.example/"}, "iss"),
        ({"aud": "webb"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": ["web", "other"], "azp": "web"}, "aud_untrusted"),
        ({"azp": "other"}, "azp"),
        ({"exp": 1}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": 4_000_000_000}, "iat"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"at_hash": "AAAA"}, "at_hash"),
        ({"at_hash": 5}, "at_hash"),
    ],
)
async def test_sec_P3_an_id_token_with_a_wrong_claim_is_refused(
    provider: HostileProvider, browser: Browser, changes: dict[str, object], reason: str
) -> None:
    """P3: ID token with wrong iss, aud, azp, exp, iat, nonce, at_hash: reject."""
    provider.id_token = dict(changes)
    response = await sign_in(provider, browser)
    assert (response.status, error_code(response)) == (400, f"id_token_{reason}")
    assert not browser.signed_in


async def test_sec_P3_auth_time_must_satisfy_max_age(provider: HostileProvider) -> None:
    """P3: auth_time: with max_age it must be there and young enough."""
    client = RelyingPartyClient(client_id="web", auth=Public(), max_age=60)
    browser = Browser(relying_party(provider, client=client))
    assert error_code(await sign_in(provider, browser)) == "id_token_auth_time"
    provider.id_token = {"auth_time": int(provider.clock().timestamp()) - 600}
    assert error_code(await sign_in(provider, browser)) == "id_token_auth_time"
    provider.id_token = {"auth_time": int(provider.clock().timestamp()) - 10}
    assert (await sign_in(provider, browser)).status == 303


async def test_sec_P3_an_algorithm_that_is_not_registered_is_refused(provider: HostileProvider) -> None:
    """P3: alg ≠ registered: reject, though the key is published and the signature right."""
    client = RelyingPartyClient(client_id="web", auth=Public(), id_token_algorithms=("RS256",))
    browser = Browser(relying_party(provider, client=client))
    assert error_code(await sign_in(provider, browser)) == "id_token_alg"


async def test_sec_P3_an_algorithm_the_provider_does_not_use_is_refused(
    provider: HostileProvider, browser: Browser
) -> None:
    """P3, J: the metadata narrows what we accept; without the member that is RS256 alone."""
    provider.metadata["id_token_signing_alg_values_supported"] = ["RS256", "none", "HS256"]
    assert error_code(await sign_in(provider, browser)) == "id_token_alg"
    del provider.metadata["id_token_signing_alg_values_supported"]
    assert error_code(await sign_in(provider, Browser(relying_party(provider)))) == "id_token_alg"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "EdDSA"])
async def test_each_signature_algorithm_signs_in(algorithm: str) -> None:
    """at_hash included."""
    provider = HostileProvider(Clock(), algorithm=algorithm)
    assert (await sign_in(provider, Browser(relying_party(provider)))).status == 303


def unsigned(token: str) -> str:
    header = "eyJhbGciOiJub25lIn0"
    return f"{header}.{token.split('.')[1]}."


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (unsigned, "alg"),
        (lambda token: token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"), "signature"),
        (lambda token: token + "=", "encoding"),
        (lambda token: token + ".e30.e30", "segments"),
        (lambda token: "x" * 20_000, "size"),
        (lambda token: "", "missing"),
    ],
)
async def test_sec_J1_J8_an_id_token_without_a_right_signature_is_refused(
    provider: HostileProvider, browser: Browser, spoil: Callable[[str], str], reason: str
) -> None:
    """J1, J8, J13: alg none, a spoilt signature, junk after it, too many parts or bytes: reject."""
    mint = provider.mint_id_token
    provider.mint_id_token = lambda *a, **k: spoil(mint(*a, **k))  # type: ignore[method-assign]
    response = await sign_in(provider, browser)
    assert response.status == 400
    assert error_code(response) == f"id_token_{reason}"
    assert not browser.signed_in


async def test_sec_J6_an_access_token_is_no_id_token(provider: HostileProvider, browser: Browser) -> None:
    """J6: a JWT that says it is something else is refused by its typ."""
    from authwright.crypto.jwt import sign_jwt, unverified_claims

    mint = provider.mint_id_token

    def retyped(*args: object, **named: object) -> str:
        claims = unverified_claims(mint(*args, **named))  # type: ignore[arg-type]
        return sign_jwt(provider.key, dict(claims or {}), typ="at+jwt")

    provider.mint_id_token = retyped  # type: ignore[method-assign]
    assert error_code(await sign_in(provider, browser)) == "id_token_typ"


async def test_sec_J5_a_key_nobody_published_is_refused(provider: HostileProvider, browser: Browser) -> None:
    """J5: unknown kid: one throttled JWKS refresh, then reject."""
    provider.key = SigningKey.generate("ES256")
    assert error_code(await sign_in(provider, browser)) == "id_token_kid"
    assert provider.asked("/jwks") == 2
    assert error_code(await sign_in(provider, browser)) == "id_token_kid"
    assert provider.asked("/jwks") == 2


async def test_a_key_rotated_just_now_is_found(provider: HostileProvider, browser: Browser) -> None:
    """The provider rotated after we fetched its keys: the login works, at the price of one fetch."""
    await sign_in(provider, browser)
    provider.key = SigningKey.generate("ES256")
    provider.published.append(dict(provider.key.public_jwk))
    assert (await sign_in(provider, browser)).status == 303


async def test_sec_D12_userinfo_of_another_user_is_refused(
    provider: HostileProvider, browser: Browser
) -> None:
    """D12: userinfo sub ≠ id_token sub: the relying party aborts."""
    for subject in ("u-mallory", None, 5):
        provider.userinfo = {"sub": subject, "email": "mallory@example.com"}
        response = await sign_in(provider, browser)
        assert (response.status, error_code(response)) == (400, "userinfo_sub")
    assert not browser.signed_in


async def test_userinfo_never_changes_who_signed_in(provider: HostileProvider, browser: Browser) -> None:
    """The validated ID token's values win, and protocol claims do not come in by the back door."""
    provider.userinfo = {"sub": "u-alice", "name": "Mallory", "iss": "https://evil.example", "acr": "high"}
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.claims == {"sub": "u-alice", "name": "Alice Example"}


@pytest.mark.parametrize("auth_time", [True, False, "1", [], 1.5])
async def test_sec_P3_an_auth_time_that_is_none_does_not_lock_the_user_out(
    provider: HostileProvider, browser: Browser, auth_time: Json
) -> None:
    """P3: nobody asked for it; a session that kept it as it came could never be opened again."""
    provider.id_token = {"auth_time": auth_time}
    await sign_in(provider, browser)
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.data.auth_time is None
