"""rp_I: which claims a user has, and when UserInfo is asked for them."""

from authwright.protocol.http import HttpResponse
from authwright.relying_party.claim_actions import Claims, default_claims
from tests.relying_party.hostile_provider import (
    ISSUER,
    Browser,
    HostileProvider,
    error_code,
    relying_party,
    sign_in,
)


def test_rp_I_claim_steps_run_in_order_and_keep_their_types() -> None:
    """I9-I15: drop, unique, map, sub_key, custom, map_all; lists and booleans stay what they are."""
    info = {
        "sub": "other", "name": "B", "email_verified": True, "groups": ["a", "b"], "address": {"country": "NL"},
        "empty": "", "nothing": None, "zero": 0,
    }  # fmt: skip
    claims = {"sub": "s", "name": "A", "groups": ["a", "c"], "nonce": "n"}
    built = (
        Claims()
        .drop("nonce")
        .unique("name")
        .unique("email_verified")
        .unique("empty")
        .map("groups")
        .map("zero")
        .sub_key("country", "address", "country")
        .sub_key("nowhere", "name", "x")
        .custom("shout", lambda given: given["name"] + "!")
        .custom("silent", lambda given: None)
    )
    assert built.run(claims, info) == {
        "sub": "s", "name": "A", "email_verified": True, "groups": ["a", "c", "b"], "zero": 0, "country": "NL",
        "shout": "B!",
    }  # fmt: skip
    assert claims["groups"] == ["a", "c"]


def test_rp_I14_map_all_takes_everything_but() -> None:
    """I14: what the user has stays; what is excepted does not come."""
    assert Claims().map_all(but=("x",)).run({"a": 1}, {"a": 2, "b": 3, "x": 4}) == {"a": 1, "b": 3}


def test_rp_I9_protocol_claims_are_not_the_user_s() -> None:
    """I9: deleted from the ID token, and not let in by UserInfo."""
    claims = {"sub": "s", "iss": "i", "aud": "a", "nonce": "n", "exp": 1, "amr": ["pwd"]}
    assert default_claims().run(claims, {"iss": "evil", "email": "e"}) == {
        "sub": "s",
        "amr": ["pwd"],
        "email": "e",
    }


async def test_userinfo_can_be_left_alone_or_asked_only_when_needed(provider: HostileProvider) -> None:
    """userinfo="never" and "missing"."""
    from authwright.relying_party.client import Public, RelyingPartyClient

    for mode, scopes, asked in (
        ("never", ("openid", "email"), 0),
        ("missing", ("openid", "profile"), 0),
        ("missing", ("openid", "email"), 1),
    ):
        provider.requests.clear()
        client = RelyingPartyClient(client_id="web", auth=Public(), scopes=scopes, userinfo=mode)  # type: ignore[arg-type]
        await sign_in(provider, Browser(relying_party(provider, client=client)))
        assert provider.asked("/userinfo") == asked


async def test_signed_userinfo_is_verified(provider: HostileProvider, browser: Browser) -> None:
    """rp_I4: application/jwt: signature, iss and aud are checked."""
    from authwright.crypto.jwt import sign_jwt
    from authwright.crypto.keys import SigningKey
    from authwright.protocol.http import Headers

    claims = {"sub": "u-alice", "iss": ISSUER, "aud": "web", "email": "signed@example.com"}
    stranger = SigningKey.generate("ES256")
    for key, changes, reason in (
        (provider.key, {}, None),
        (stranger, {}, "userinfo_signature"),
        (provider.key, {"aud": "other"}, "userinfo_aud"),
        (provider.key, {"iss": "https://evil.example"}, "userinfo_iss"),
    ):
        token = sign_jwt(key, {**claims, **changes}, typ="JWT")
        headers = Headers.of({"content-type": "application/jwt; charset=utf-8"})
        provider.answers["/userinfo"] = lambda request, token=token, headers=headers: HttpResponse(  # type: ignore[misc]
            200, headers, token.encode()
        )
        response = await sign_in(provider, browser)
        assert response.status == (303 if reason is None else 400)
        if reason is not None:
            assert error_code(response) == reason
