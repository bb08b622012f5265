"""UserInfo, introspection, revocation: what a token shows, to whom, and how it ends."""

import pytest

from tests.provider.installation import Installation

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def tokens(op: Installation, **options: object) -> dict[str, str]:
    members: dict[str, str] = (await op.redeem(await op.code(**options))).json()  # type: ignore[arg-type]
    return members


async def userinfo(op: Installation, token: str, scheme: str = "Bearer") -> tuple[int, dict[str, object]]:
    answer = await op.get("/userinfo", authorization=f"{scheme} {token}")
    return answer.status, answer.json()


async def test_userinfo_answers_the_claims_of_the_granted_scopes(op: Installation) -> None:
    """OpenID Connect Core §5.3.2, §5.4."""
    whole = await tokens(op, scopes=["openid", "profile", "email"])
    assert await userinfo(op, whole["access_token"]) == (
        200,
        {"sub": "u-alice", "name": "Alice Example", "email": "alice@example.com"},
    )
    bare = await tokens(op, scopes=["openid"])
    assert await userinfo(op, bare["access_token"], "bEARER") == (200, {"sub": "u-alice"})


async def test_userinfo_takes_a_post_with_the_token_in_header_or_body(op: Installation) -> None:
    """OpenID Connect Core §5.3.1, RFC 6750 §2.2."""
    token = (await tokens(op, scopes=["openid"]))["access_token"]
    assert (await op.post_raw("/userinfo", b"", {"authorization": f"Bearer {token}"})).status == 200
    assert (await op.post_raw("/userinfo", f"access_token={token}".encode(), FORM)).status == 200
    both = await op.post_raw(
        "/userinfo", f"access_token={token}".encode(), {**FORM, "authorization": f"Bearer {token}"}
    )
    assert (both.status, both.json()["error"]) == (400, "invalid_request")


async def test_sec_D8_userinfo_refuses_in_the_words_of_rfc_6750(op: Installation) -> None:
    """D8: token in the query 400; none 401 bare Bearer; unknown 401 invalid_token; no openid 403 insufficient_scope."""
    token = (await tokens(op, scopes=["openid"]))["access_token"]
    assert (await op.get(f"/userinfo?access_token={token}")).json()["error"] == "invalid_request"
    none = await op.get("/userinfo")
    assert (none.status, none.json()) == (401, {})
    assert none.headers.get("www-authenticate") == 'Bearer realm="https://op.example"'
    for bad in ("x", "at_" + "0" * 10 + "A" * 47, token[:-1], token + "x", token[:-2] + "AA"):
        answer = await op.get("/userinfo", authorization=f"Bearer {bad}")
        assert (answer.status, answer.json()["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in (answer.headers.get("www-authenticate") or "")
    low = (await tokens(op, scopes=["read"]))["access_token"]
    answer = await op.get("/userinfo", authorization=f"Bearer {low}")
    assert (answer.status, answer.json()["error"]) == (403, "insufficient_scope")
    assert (await userinfo(op, token, "DPoP"))[0] == 401


async def test_an_expired_token_and_a_vanished_user_are_refused(op: Installation) -> None:
    """The token's time and its user are looked at each time."""
    token = (await tokens(op, scopes=["openid"]))["access_token"]
    op.clock.advance(601)
    assert (await userinfo(op, token))[0] == 401
    token = (await tokens(op, scopes=["openid"]))["access_token"]
    await op.remove_user()
    assert (await userinfo(op, token))[0] == 401


async def test_both_formats_are_introspected(op: Installation) -> None:
    """Access tokens are recorded by id whatever their format."""
    jwt = await tokens(op)
    seen = (await op.post("/introspect", token=jwt["access_token"], token_type_hint="refresh_token")).json()
    assert seen["active"] is True
    assert (seen["sub"], seen["client_id"], seen["sid"]) == ("u-alice", "web", "sid-1")
    assert seen["exp"] - seen["iat"] == 600
    opaque = (await op.post("/token", client_id="machine", grant_type="client_credentials")).json()[
        "access_token"
    ]
    assert await op.is_active(opaque, "machine")
    assert await op.is_active(jwt["refresh_token"])


@pytest.mark.parametrize("token", ["x", "at_" + "0" * 10 + "A" * 47, "a.b.c", "ü", "x" * 8000, "."])
async def test_sec_D10_anything_else_is_inactive_and_says_no_more(op: Installation, token: str) -> None:
    """D10: unknown or malformed: exactly {"active": false}."""
    answer = await op.post("/introspect", token=token)
    assert (answer.status, answer.json()) == (200, {"active": False})


async def test_sec_D10_introspection_answers_the_tokens_client_and_its_audience_only(
    op_on_each_store: Installation,
) -> None:
    """D10: another audience: {"active": false}; a named resource server sees access tokens, never refresh tokens."""
    op = op_on_each_store
    mine = await tokens(op)
    assert not await op.is_active(mine["access_token"], "other")
    assert not await op.is_active(mine["access_token"], "machine")
    assert await op.is_active(mine["access_token"], "api")
    assert not await op.is_active(mine["refresh_token"], "api")
    bare = await tokens(op, scopes=["openid"])
    assert not await op.is_active(bare["access_token"], "api")


async def test_a_code_is_no_token(op: Installation) -> None:
    """Each kind has its own key and digest: a code shown elsewhere is nothing."""
    code = await op.code()
    assert not await op.is_active(code)
    assert (await op.refresh(code)).json()["error"] == "invalid_grant"
    assert (await userinfo(op, code))[0] == 401
    issued = await tokens(op)
    for wrong in (issued["access_token"], issued["refresh_token"], issued["id_token"]):
        assert (await op.redeem(wrong)).json()["error"] == "invalid_grant"
    assert (await userinfo(op, issued["refresh_token"]))[0] == 401
    assert (await userinfo(op, issued["id_token"]))[0] == 401
    assert (await op.refresh(issued["access_token"])).json()["error"] == "invalid_grant"


async def test_revoking_an_access_token_ends_it_alone(op_on_each_store: Installation) -> None:
    """RFC 7009 §2.1."""
    op = op_on_each_store
    issued = await tokens(op)
    assert (await op.post("/revoke", token=issued["access_token"], token_type_hint="nonsense")).status == 200
    assert not await op.is_active(issued["access_token"])
    assert await op.is_active(issued["refresh_token"])
    assert (await op.post("/revoke", token=issued["access_token"])).status == 200


async def test_revoking_a_refresh_token_ends_its_whole_grant(op_on_each_store: Installation) -> None:
    """RFC 7009 §2.1: the tokens of the same grant go with it."""
    op = op_on_each_store
    issued = await tokens(op)
    assert (await op.post("/revoke", token=issued["refresh_token"])).status == 200
    assert not await op.is_active(issued["access_token"])
    assert not await op.is_active(issued["refresh_token"])


async def test_sec_D11_revocation_is_for_ones_own_tokens(op_on_each_store: Installation) -> None:
    """D11: unknown token 200; another client's 400 unauthorized_client, and it lives on."""
    op = op_on_each_store
    issued = await tokens(op)
    assert (await op.post("/revoke", token="unknown")).status == 200
    answer = await op.post("/revoke", client_id="other", token=issued["refresh_token"])
    assert (answer.status, answer.json()["error"]) == (400, "unauthorized_client")
    assert await op.is_active(issued["refresh_token"])
    assert (await op.post("/revoke", secret="wrong", token=issued["refresh_token"])).status == 401
