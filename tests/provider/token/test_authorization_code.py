"""Redeeming a code: rows T1 to T3 of the attack table, and what a code gives."""

import asyncio
from datetime import timedelta

from authwright.provider.audit import CodeReplayed
from tests.provider.installation import CALLBACK, ISSUER, VERIFIER, Installation

WRONG_VERIFIER = "x" * 43


async def test_a_code_gives_an_access_token_an_id_token_and_a_refresh_token(op: Installation) -> None:
    """RFC 6749 §5.1 and OpenID Connect Core §3.1.3.3."""
    answer = await op.redeem(await op.code())
    assert answer.status == 200
    members = answer.json()
    assert members["token_type"] == "Bearer"
    assert members["expires_in"] == 600
    assert members["scope"] == "openid profile offline_access read"
    assert members["refresh_token"].startswith("rt_")
    assert members["access_token"].count(".") == members["id_token"].count(".") == 2
    assert answer.headers.get("cache-control") == "no-store"
    assert answer.headers.get("pragma") == "no-cache"


async def test_without_offline_access_there_is_no_refresh_token_and_without_openid_no_id_token(
    op: Installation,
) -> None:
    """The scopes say which tokens go out (rows 36 and 37 of the token table)."""
    members = (await op.redeem(await op.code(scopes=["read"]))).json()
    assert "refresh_token" not in members
    assert "id_token" not in members


async def test_sec_T1_a_code_redeemed_twice_revokes_what_it_gave(op_on_each_store: Installation) -> None:
    """T1: code replay: the second answer is 400 invalid_grant, and everything the code gave is revoked."""
    op = op_on_each_store
    code = await op.code()
    first = (await op.redeem(code)).json()
    assert await op.is_active(first["access_token"])
    second = await op.redeem(code)
    assert (second.status, second.json()["error"]) == (400, "invalid_grant")
    assert not await op.is_active(first["access_token"])
    assert not await op.is_active(first["refresh_token"])
    assert (await op.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert any(isinstance(event, CodeReplayed) for event in op.audit)


async def test_sec_T1_of_64_parallel_redemptions_exactly_one_wins(op_on_each_store: Installation) -> None:
    """T1: N parallel redemptions: one 200, every other 400 invalid_grant, no 500, and the family revoked."""
    op = op_on_each_store
    code = await op.code()
    answers = await asyncio.gather(*(op.redeem(code) for _ in range(64)))
    won = [answer.json() for answer in answers if answer.status == 200]
    lost = [answer for answer in answers if answer.status != 200]
    assert len(won) == 1
    assert {(answer.status, answer.json()["error"]) for answer in lost} == {(400, "invalid_grant")}
    assert not await op.is_active(won[0]["access_token"])


async def test_sec_T2_a_code_is_useless_to_another_client_and_is_not_burned_by_its_try(
    op_on_each_store: Installation,
) -> None:
    """T2: the code of client A by client B: 400 invalid_grant; A's code still works, and B's replay revokes nothing."""
    op = op_on_each_store
    code = await op.code("web")
    assert (await op.redeem(code, client_id="other")).json()["error"] == "invalid_grant"
    tokens = (await op.redeem(code)).json()
    assert (await op.redeem(code, client_id="other")).json()["error"] == "invalid_grant"
    assert await op.is_active(tokens["access_token"])


async def test_sec_T2_an_unknown_and_a_foreign_code_get_the_same_status_and_error(op: Installation) -> None:
    """D3: nobody learns from the answer whether a code exists."""
    unknown = await op.redeem("ac_" + "0" * 10 + "A" * 47, client_id="other")
    foreign = await op.redeem(await op.code(), client_id="other")
    assert (
        (unknown.status, unknown.json()["error"])
        == (foreign.status, foreign.json()["error"])
        == (400, "invalid_grant")
    )


async def test_sec_T2_another_redirect_uri_is_refused_and_does_not_burn_the_code(
    op_on_each_store: Installation,
) -> None:
    """T2: another redirect_uri: 400 invalid_grant, code not burned."""
    op = op_on_each_store
    code = await op.code()
    for wrong in ("https://app.example/other", CALLBACK + "/", CALLBACK.upper(), CALLBACK + "?a=b"):
        assert (await op.redeem(code, redirect_uri=wrong)).json()["error"] == "invalid_grant"
    assert (await op.redeem(code)).status == 200


async def test_sec_T2_the_code_of_a_deleted_user_is_refused(op_on_each_store: Installation) -> None:
    """T2: deleted or disabled user: 400 invalid_grant."""
    op = op_on_each_store
    code = await op.code()
    await op.remove_user()
    assert (await op.redeem(code)).json()["error"] == "invalid_grant"


async def test_sec_T2_a_disabled_client_redeems_nothing(op_on_each_store: Installation) -> None:
    """T2: a disabled client is not known: 401 invalid_client."""
    op = op_on_each_store
    code = await op.code("gone")
    answer = await op.redeem(code, client_id="gone")
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")


async def test_sec_T3_a_missing_or_wrong_verifier_is_invalid_grant_and_burns_nothing(
    op_on_each_store: Installation,
) -> None:
    """T3: code_verifier absent, empty or wrong though a challenge was sent: 400 invalid_grant."""
    op = op_on_each_store
    code = await op.code()
    for verifier in (None, "", WRONG_VERIFIER, VERIFIER[:-1], VERIFIER + "x", "short", "ü" * 43):
        answer = await op.redeem(code, code_verifier=verifier)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
    assert (await op.redeem(code)).status == 200


async def test_sec_T3_a_verifier_for_a_code_without_a_challenge_is_a_downgrade(
    op_on_each_store: Installation,
) -> None:
    """T3: verifier sent though no challenge: 400 invalid_grant."""
    op = op_on_each_store
    code = await op.code("lax", challenge=None, scopes=["openid"])
    assert (await op.redeem(code, client_id="lax")).json()["error"] == "invalid_grant"
    assert (await op.redeem(code, client_id="lax", code_verifier=None)).status == 200


async def test_the_tenth_failure_of_its_own_client_kills_a_code_and_a_strangers_tries_do_not_count(
    op_on_each_store: Installation,
) -> None:
    """Ten failures of verifier or redirect_uri by the code's own client; a stranger's do not count."""
    op = op_on_each_store
    code = await op.code()
    for _ in range(15):
        await op.redeem(code, client_id="other", code_verifier=WRONG_VERIFIER)
    for _ in range(9):
        await op.redeem(code, code_verifier=WRONG_VERIFIER)
    still_good = await op.code()
    for _ in range(10):
        await op.redeem(still_good, code_verifier=WRONG_VERIFIER)
    assert (await op.redeem(code)).status == 200
    assert (await op.redeem(still_good)).json()["error"] == "invalid_grant"


async def test_failures_in_parallel_are_all_counted(op: Installation) -> None:
    """Sixteen wrong verifiers at once kill a code like sixteen in a row."""
    code = await op.code()
    await asyncio.gather(*(op.redeem(code, code_verifier=WRONG_VERIFIER) for _ in range(16)))
    assert (await op.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_lives_sixty_seconds(op: Installation) -> None:
    """The last moment itself still counts (row 16)."""
    first, second = await op.code(), await op.code()
    op.clock.advance(60)
    assert (await op.redeem(first)).status == 200
    op.clock.advance(timedelta(microseconds=1))
    late = await op.redeem(second)
    assert (late.status, late.json()["error"]) == (400, "invalid_grant")
    assert late.json()["error_description"] == "The specified authorization code is no longer valid."


async def test_redirect_uri_may_be_left_out_when_pkce_binds_the_code_and_not_otherwise(
    op: Installation,
) -> None:
    """Row 21 and OAuth 2.1 §10.2: never redeem with neither PKCE nor redirect_uri."""
    assert (await op.redeem(await op.code(), redirect_uri=None)).status == 200
    unbound = await op.code("lax", challenge=None, scopes=["openid"])
    answer = await op.redeem(unbound, client_id="lax", redirect_uri=None, code_verifier=None)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_description"] == "The mandatory 'redirect_uri' parameter is missing."


async def test_a_code_without_presenters_is_our_fault(op: Installation) -> None:
    """Row 18: server_error, 500."""
    answer = await op.redeem(await op.code(presenters=frozenset()))
    assert (answer.status, answer.json()["error"]) == (500, "server_error")


async def test_a_resource_is_narrowed_within_what_was_granted_and_never_beyond(op: Installation) -> None:
    """Row 23 and RFC 8707 §2.2: invalid_target."""
    code = await op.code(resources=("https://api.example", "https://b.example"))
    refused = await op.redeem(code, resource="https://c.example")
    assert (refused.status, refused.json()["error"]) == (400, "invalid_target")
    tokens = (await op.redeem(code, resource="https://b.example")).json()
    seen = (await op.post("/introspect", token=tokens["access_token"])).json()
    assert seen["aud"] == "https://b.example"
    # The refresh token keeps all of it.
    refreshed = (await op.refresh(tokens["refresh_token"])).json()
    seen = (await op.post("/introspect", token=refreshed["access_token"])).json()
    assert seen["aud"] == ["https://api.example", "https://b.example"]


async def test_the_issuer_is_the_audience_when_no_resource_is_meant(op: Installation) -> None:
    """Access tokens: `aud` is the resources whose scopes were granted, else the issuer."""
    tokens = (await op.redeem(await op.code(scopes=["openid"]))).json()
    assert (await op.post("/introspect", token=tokens["access_token"])).json()["aud"] == ISSUER
