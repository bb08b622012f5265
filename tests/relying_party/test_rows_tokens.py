"""rp_G: tokens validated."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from authwright.crypto.jwt import half_hash, sign_jwt, unverified_claims
from authwright.crypto.keys import SigningKey
from authwright.relying_party.events import (
    AuthorizationCodeReceived,
)
from tests.relying_party.hostile_provider import (
    Browser,
    HostileProvider,
    error_code,
    location,
    sign_in,
)
from tests.relying_party.ways import arrive, at, pairs_of, session_of, unsigned


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30", "{}", "null", ".."])
@pytest.mark.parametrize("response_type", ["code", "id_token"])
async def test_rp_G1_G6_what_is_no_jwt_is_refused(
    provider: HostileProvider, token: str, response_type: str
) -> None:
    """G1, G6: unreadable, in either channel."""
    provider.mint_id_token = lambda *a, **k: token  # type: ignore[method-assign]
    response = await arrive(provider, at(provider, response_type))
    assert response.status == 400
    assert error_code(response).startswith("id_token_")


async def test_rp_G2_the_keys_are_the_issuer_s(provider: HostileProvider) -> None:
    """G2: those of its jwks_uri, and no other; a key in the token's own header counts for nothing."""
    browser = at(provider)
    stranger = SigningKey.generate("ES256")
    mint, own = provider.mint_id_token, provider.key

    def by_stranger(*args: Any, **named: Any) -> str:
        claims = unverified_claims(mint(*args, **named))
        return sign_jwt(replace(stranger, kid=own.kid), dict(claims or {}), typ="JWT")

    provider.mint_id_token = by_stranger  # type: ignore[method-assign]
    assert error_code(await arrive(provider, browser)) == "id_token_signature"


@pytest.mark.parametrize(
    ("audience", "reason"),
    [("web", ""), (["web"], ""), ("webb", "aud"), ("we", "aud"), (["other"], "aud"), ([], "aud"), (None, "aud"),
     ({"web": 1}, "aud"), ([["web"]], "aud"), (["web", "other"], "aud_untrusted")],
)  # fmt: skip
async def test_rp_G3_the_audience_is_us(
    provider: HostileProvider, browser: Browser, audience: Any, reason: str
) -> None:
    """G3: exactly, as text or as a member of a list."""
    provider.id_token = {"aud": audience}
    response = await sign_in(provider, browser)
    assert response.status == (400 if reason else 303)
    assert not reason or error_code(response) == f"id_token_{reason}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"exp": None}, "exp"), ({"exp": "4000000000"}, "exp"), ({"exp": 1.5}, "exp"), ({"nbf": 4_000_000_000}, "nbf")],
)  # fmt: skip
async def test_rp_G4_an_id_token_has_an_end_and_a_beginning(
    provider: HostileProvider, browser: Browser, changes: dict[str, Any], reason: str
) -> None:
    """G4: exp is required, nbf counts when it is there."""
    provider.id_token = changes
    assert error_code(await sign_in(provider, browser)) == f"id_token_{reason}"


@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
async def test_rp_G5_in_the_front_channel_a_signature_is_required(
    provider: HostileProvider, response_type: str
) -> None:
    """G5: even where `none` is registered."""
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256", "none"]
    browser = at(provider, response_type, id_token_algorithms=("ES256", "none"))
    url, body = provider.authorize_form(location(await browser.get("/auth/login")))
    form = dict(pair.split("=", 1) for pair in pairs_of(body))
    form["id_token"] = unsigned(form["id_token"])
    response = await browser.post_back(url, "&".join(f"{k}={v}" for k, v in form.items()).encode())
    assert error_code(response) == "id_token_alg"


async def test_rp_G7_the_session_s_life_is_its_own(provider: HostileProvider, browser: Browser) -> None:
    """G7: not that of an ID token, which says when it was issued, not how long somebody may stay."""
    await sign_in(provider, browser)
    provider.clock.forward(hours=1)
    assert (await session_of(browser)).expires_at - provider.clock() > timedelta(days=13)


async def test_rp_G8_without_a_key_id_the_keys_are_tried(provider: HostileProvider) -> None:
    """G8: among those of the right algorithm."""
    from authwright.crypto import base64url

    provider.published = [dict(SigningKey.generate("ES256").public_jwk), *provider.published]
    mint = provider.mint_id_token

    def without_kid(*args: Any, **named: Any) -> str:
        payload = mint(*args, **named).split(".")[1]
        signed = base64url.encode(b'{"alg":"ES256"}') + b"." + payload.encode()
        return (signed + b"." + base64url.encode(provider.key.sign(signed))).decode()

    provider.mint_id_token = without_kid  # type: ignore[method-assign]
    assert (await arrive(provider, at(provider))).status == 303


async def test_rp_G9_one_login_changes_nothing_for_the_next(
    provider: HostileProvider, browser: Browser
) -> None:
    """G9: settings are frozen; what an event changes is this login's."""
    browser.party.on(AuthorizationCodeReceived)(lambda context: replace(context, properties={"x": 1}))
    with pytest.raises(AttributeError):
        browser.party.client.client_id = "other"  # type: ignore[misc]
    await sign_in(provider, browser)
    before = browser.party.client
    await sign_in(provider, browser)
    assert browser.party.client is before


async def test_rp_G10_G19_a_code_alone_is_answered_by_its_state(
    provider: HostileProvider, browser: Browser
) -> None:
    """G10, G19: no ID token beside it: only the state rule, which is the attempt itself."""
    assert (await sign_in(provider, browser)).status == 303
    assert error_code(await sign_in(provider, browser, state=None)) == "state_missing"


@pytest.mark.parametrize("response_type", ["code", "id_token"])
@pytest.mark.parametrize("name", ["aud", "exp", "iat", "iss", "sub"])
async def test_rp_G11_these_claims_are_required(
    provider: HostileProvider, response_type: str, name: str
) -> None:
    """G11: a missing one is named."""
    provider.id_token = provider.front_id_token = {name: None}
    assert error_code(await arrive(provider, at(provider, response_type))) == f"id_token_{name}"


@pytest.mark.parametrize("azp", ["other", 5, ["web"], ""])
async def test_rp_G13_azp_is_us_or_absent(provider: HostileProvider, azp: Any) -> None:
    """G13: and with several audiences it is there."""
    provider.id_token = {"azp": azp}
    assert error_code(await arrive(provider, at(provider))) == "id_token_azp"
    provider.id_token = {"aud": ["web", "api"]}
    browser = at(provider, trusted_audiences=frozenset({"api"}))
    assert error_code(await arrive(provider, browser)) == "id_token_azp"


@pytest.mark.parametrize("response_type", ["code", "id_token", "code id_token"])
@pytest.mark.parametrize("nonce", [None, "", "another", 5])
async def test_rp_G14_the_nonce_is_the_attempt_s(
    provider: HostileProvider, response_type: str, nonce: Any
) -> None:
    """G14: missing, empty or another one."""
    provider.id_token = provider.front_id_token = {"nonce": nonce}
    assert error_code(await arrive(provider, at(provider, response_type))) == "id_token_nonce"


@pytest.mark.parametrize("value", [None, "", "x", 5, half_hash("ES256", "another code")])
async def test_rp_G15_c_hash_binds_the_code(provider: HostileProvider, value: Any) -> None:
    """G15: required and checked when a code accompanies an ID token; no token request is made."""
    provider.front_id_token = {"c_hash": value}
    assert error_code(await arrive(provider, at(provider, "code id_token"))) == "id_token_c_hash"
    assert provider.asked("/token") == 0


@pytest.mark.parametrize("value", [None, "", "x", 5, half_hash("ES256", "another token")])
@pytest.mark.parametrize("response_type", ["id_token token", "code id_token token"])
async def test_rp_G16_at_hash_binds_the_access_token(
    provider: HostileProvider, response_type: str, value: Any
) -> None:
    """G16: required in the front channel."""
    provider.front_id_token = {"at_hash": value}
    assert error_code(await arrive(provider, at(provider, response_type))) == "id_token_at_hash"


@pytest.mark.parametrize(("value", "accepted"), [(None, True), ("x", False), ("", False)])
async def test_rp_G16_at_the_token_endpoint_it_is_checked_when_it_is_there(
    provider: HostileProvider, value: Any, accepted: bool
) -> None:
    """G16: optional there."""
    provider.id_token = {"at_hash": value}
    assert (await arrive(provider, at(provider))).status == (303 if accepted else 400)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
async def test_rp_G17_the_hash_is_the_signature_s(algorithm: str) -> None:
    """G17: for each algorithm we take; an unknown one never passes."""
    from authwright.crypto.jwt import JwtRejected
    from tests.relying_party.hostile_provider import Clock

    provider = HostileProvider(Clock(), algorithm=algorithm)
    browser = at(provider, "code id_token token")
    assert (await arrive(provider, browser)).status == 303
    with pytest.raises(JwtRejected):
        half_hash("XS999", "x")


@pytest.mark.parametrize(
    ("name", "reason"), [("id_token", "id_token_missing"), ("access_token", "access_token_missing")]
)
@pytest.mark.parametrize("response_type", ["code", "code id_token"])
async def test_rp_G18_a_token_response_has_both(
    provider: HostileProvider, response_type: str, name: str, reason: str
) -> None:
    """G18: ID token and access token."""
    provider.token_answer = {name: None}
    assert error_code(await arrive(provider, at(provider, response_type))) == reason


@pytest.mark.parametrize("response_type", ["code", "id_token token"])
async def test_rp_G20_userinfo_is_of_the_same_user(provider: HostileProvider, response_type: str) -> None:
    """G20: sub in both, and equal."""
    for content in ({"sub": "u-mallory"}, {"email": "x"}, {"sub": None}):
        provider.userinfo = content
        assert error_code(await arrive(provider, at(provider, response_type))) == "userinfo_sub"


@pytest.mark.parametrize("response_type", ["code", "id_token"])
@pytest.mark.parametrize(
    ("age", "accepted"), [(None, False), (0, True), (60, True), (119, True), (121, False), ("x", False)]
)
async def test_rp_G21_auth_time_satisfies_max_age(
    provider: HostileProvider, response_type: str, age: Any, accepted: bool
) -> None:
    """G21: with max_age the ID token says when the user signed in, and it is not too long ago."""
    now = int(provider.clock().timestamp())
    claims = {} if age is None else {"auth_time": now - age if isinstance(age, int) else age}
    provider.id_token = provider.front_id_token = claims
    response = await arrive(provider, at(provider, response_type, max_age=60))
    assert response.status == (303 if accepted else 400)
    assert accepted or error_code(response) == "id_token_auth_time"


async def test_rp_G21_the_max_age_of_a_challenge_counts(provider: HostileProvider, browser: Browser) -> None:
    """G21: not only that of the options: a step-up cannot be skipped by an old session at the provider."""
    provider.id_token = {"auth_time": int(provider.clock().timestamp()) - 3600}
    response = await browser.party.challenge(browser.request("GET", "/"), max_age=300)
    browser.keep(response)
    assert error_code(await browser.get(provider.authorize(location(response)))) == "id_token_auth_time"
