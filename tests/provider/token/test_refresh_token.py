"""Refreshing: rotation, families, and rows T4 to T6 of the attack table."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from authwright.provider.audit import RefreshReplayed
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.stores.postgres import PostgresDatabase
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CALLBACK, SECRET, Installation, install


async def first_tokens(op: Installation, client_id: str = "web") -> dict[str, str]:
    members: dict[str, str] = (await op.redeem(await op.code(client_id), client_id=client_id)).json()
    return members


async def test_a_refresh_gives_new_tokens_and_the_next_refresh_token(op: Installation) -> None:
    """RFC 6749 §6 with rotation."""
    first = await first_tokens(op)
    second = (await op.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert await op.is_active(first["access_token"])
    assert (await op.refresh(second["refresh_token"])).status == 200


async def test_sec_T4_a_replayed_refresh_token_of_any_generation_revokes_the_family(
    op_on_each_store: Installation,
) -> None:
    """T4: replay after rotation, 1..k generations old: 400 invalid_grant and access and refresh tokens revoked."""
    op = op_on_each_store
    for generation in (0, 1, 2):
        tokens = [await first_tokens(op)]
        for _ in range(3):
            tokens.append((await op.refresh(tokens[-1]["refresh_token"])).json())
        answer = await op.refresh(tokens[generation]["refresh_token"])
        assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
        assert (await op.refresh(tokens[-1]["refresh_token"])).json()["error"] == "invalid_grant"
        for issued in tokens:
            assert not await op.is_active(issued["access_token"])
    assert sum(isinstance(event, RefreshReplayed) for event in op.audit) == 3


async def test_sec_T4_of_32_parallel_refreshes_exactly_one_wins(op_on_each_store: Installation) -> None:
    """T4: N parallel refreshes of one token: one 200, the others 400 invalid_grant, no 500, the family revoked."""
    op = op_on_each_store
    first = await first_tokens(op)
    answers = await asyncio.gather(*(op.refresh(first["refresh_token"]) for _ in range(32)))
    won = [answer.json() for answer in answers if answer.status == 200]
    assert len(won) == 1
    assert {(a.status, a.json()["error"]) for a in answers if a.status != 200} == {(400, "invalid_grant")}
    assert not await op.is_active(won[0]["access_token"])


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_sec_T5_a_replay_after_a_restart_still_revokes(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock, kind: str
) -> None:
    """T5: what was spent and revoked is known after a restart."""
    database: Callable[[], SqliteDatabase | PostgresDatabase]
    if kind == "sqlite":
        database = partial(SqliteDatabase, tmp_path / "authwright.db", clock=clock)
    else:
        dsn = str(request.getfixturevalue("postgres_database"))
        database = partial(PostgresDatabase, dsn, clock=clock)
    async with database() as opened:
        op = await install(opened.stores, clock)
        first = await first_tokens(op)
        second = (await op.refresh(first["refresh_token"])).json()
    async with database() as opened:
        op = await install(opened.stores, clock)
        assert await op.is_active(second["access_token"])
        assert (await op.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    async with database() as opened:
        op = await install(opened.stores, clock)
        assert not await op.is_active(second["access_token"])
        assert (await op.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_sec_T6_another_client_is_refused_and_spends_nothing(op_on_each_store: Installation) -> None:
    """T6: refresh by another client: invalid_grant; the token still works for its own."""
    op = op_on_each_store
    first = await first_tokens(op)
    by_other = await op.refresh(first["refresh_token"], client_id="other")
    by_public = await op.post_raw(
        "/token",
        f"grant_type=refresh_token&refresh_token={first['refresh_token']}&client_id=spa".encode(),
        {"content-type": "application/x-www-form-urlencoded"},
    )
    assert by_other.json()["error"] == by_public.json()["error"] == "invalid_grant"
    assert (await op.refresh(first["refresh_token"])).status == 200


async def test_sec_T6_a_wider_scope_is_invalid_scope_and_a_foreign_resource_invalid_target(
    op_on_each_store: Installation,
) -> None:
    """T6: wider scope: invalid_scope; foreign resource: invalid_target; nothing is spent by either."""
    op = op_on_each_store
    first = await first_tokens(op)
    assert (await op.refresh(first["refresh_token"], scope="openid write")).json()["error"] == "invalid_scope"
    assert (await op.refresh(first["refresh_token"], resource="https://x.example")).json()[
        "error"
    ] == "invalid_target"
    assert (await op.refresh(first["refresh_token"])).status == 200


async def test_sec_T6_a_revoked_grant_and_a_deleted_user_are_invalid_grant(
    op_on_each_store: Installation,
) -> None:
    """T6: revoked grant, disabled user."""
    op = op_on_each_store
    first, second = await first_tokens(op), await first_tokens(op)
    assert (await op.post("/revoke", token=first["refresh_token"])).status == 200
    assert (await op.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    await op.remove_user()
    assert (await op.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_narrowed_scope_narrows_the_access_token_only(op: Installation) -> None:
    """D7 and RFC 6749 §6: the next refresh token keeps every scope; the ID token goes when openid is narrowed away."""
    first = await first_tokens(op)
    narrowed = (await op.refresh(first["refresh_token"], scope="read")).json()
    assert narrowed["scope"] == "read"
    assert "id_token" not in narrowed
    whole = (await op.refresh(narrowed["refresh_token"])).json()
    assert whole["scope"] == "openid profile offline_access read"
    assert "id_token" in whole


async def test_a_public_client_names_itself_and_its_tokens_rotate(op: Installation) -> None:
    """RFC 9700 §4.14.2: rotation is on for a client that cannot authenticate."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    code = await op.code("spa")
    body = f"grant_type=authorization_code&client_id=spa&code={code}&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    first = (await op.post_raw("/token", body.encode(), form)).json()
    body = f"grant_type=refresh_token&client_id=spa&refresh_token={first['refresh_token']}"
    assert (await op.post_raw("/token", body.encode(), form)).json()["refresh_token"] != first[
        "refresh_token"
    ]
    missing = await op.post_raw("/token", body.replace("client_id=spa&", "").encode(), form)
    assert (missing.status, missing.json()["error"]) == (400, "invalid_request")


async def test_a_client_without_rotation_keeps_its_refresh_token(clock: FrozenClock) -> None:
    """Rotation is policy per client; a profile that forbids it uses the same token again and again."""
    steady = client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK],
        scope="openid profile offline_access read",
        refresh_rotation=False,
    )
    op = await install(memory_stores(clock), clock, clients=(steady,))
    first = await first_tokens(op)
    for _ in range(3):
        again = await op.refresh(first["refresh_token"])
        assert again.status == 200
        assert "refresh_token" not in again.json()


async def test_a_refresh_token_expires_and_a_rotated_one_starts_anew(op: Installation) -> None:
    """30 days, sliding."""
    first = await first_tokens(op)
    op.clock.advance(29 * 86400)
    second = (await op.refresh(first["refresh_token"])).json()
    op.clock.advance(29 * 86400)
    third = await op.refresh(second["refresh_token"])
    assert third.status == 200
    op.clock.advance(30 * 86400 + 1)
    late = await op.refresh(third.json()["refresh_token"])
    assert late.json()["error_description"] == "The specified refresh token is no longer valid."


async def test_what_is_refused_before_the_commit_spends_nothing(op: Installation) -> None:
    """Bad input burns nothing: wrong secret, unknown scope grammar, duplicate parameter."""
    first = await first_tokens(op)
    token = first["refresh_token"]
    assert (await op.refresh(token, secret="wrong")).status == 401
    assert (await op.refresh(token, scope="read  profile")).json()["error"] == "invalid_scope"
    assert (await op.post("/token", grant_type="refresh_token", refresh_token=[token, token])).json()[
        "error"
    ] == "invalid_request"
    assert (await op.refresh(token)).status == 200
