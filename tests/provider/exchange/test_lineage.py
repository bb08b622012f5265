"""Token exchange, row E18 and T14, on every store: what was made from a grant ends with it."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from authwright.protocol.exchange import ACCESS_TOKEN, REFRESH_TOKEN
from authwright.provider.audit import TokenIssued
from authwright.ticket import ancestors
from tests.provider.exchange.exchanging import (
    ORDERS,
    access_token,
    exchange,
    introspected,
    own_token,
    refusal,
    tokens_of,
)
from tests.provider.installation import API, Installation


async def test_tx_E18_revoking_the_parent_revokes_what_was_made_from_it(
    op_on_each_store: Installation,
) -> None:
    """E18: the parent's refresh token is revoked: the child, and the child's child, go too; on every store."""
    op = op_on_each_store
    tokens = await tokens_of(op, resources=(API,))
    child = (await exchange(op, tokens["access_token"], scope="read offline_access")).json()
    other = (await exchange(op, tokens["access_token"], "api", scope="read")).json()["access_token"]
    grandchild = (await exchange(op, child["access_token"], scope="read")).json()["access_token"]
    alive = [
        (child["access_token"], "web"),
        (child["refresh_token"], "web"),
        (other, "api"),
        (grandchild, "web"),
    ]
    for token, client_id in alive:
        assert await op.is_active(token, client_id)
    assert (await op.post("/revoke", token=tokens["refresh_token"])).status == 200
    for token, client_id in alive:
        assert not await op.is_active(token, client_id)
    answer = await op.refresh(child["refresh_token"])
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


async def test_tx_E18_revoking_the_child_leaves_the_parent(op_on_each_store: Installation) -> None:
    """E18: the chain goes downwards only; a sibling stays too."""
    op = op_on_each_store
    tokens = await tokens_of(op)
    child = (await exchange(op, tokens["access_token"], scope="read offline_access")).json()
    sibling = (await exchange(op, tokens["access_token"], scope="read")).json()["access_token"]
    await op.post("/revoke", token=child["refresh_token"])
    assert not await op.is_active(child["access_token"])
    assert await op.is_active(tokens["access_token"])
    assert await op.is_active(sibling)
    assert (await op.refresh(tokens["refresh_token"])).status == 200


async def test_tx_E18_a_replay_ends_what_was_made_from_the_grant(op_on_each_store: Installation) -> None:
    """E18: a stolen refresh token that is noticed takes the thief's exchanged tokens along."""
    op = op_on_each_store
    tokens = await tokens_of(op)
    child = (await exchange(op, tokens["access_token"], scope="read")).json()["access_token"]
    assert (await op.refresh(tokens["refresh_token"])).status == 200
    assert (await op.refresh(tokens["refresh_token"])).status == 400
    assert not await op.is_active(child)


async def test_tx_E18_signing_out_ends_what_another_client_exchanged(op_on_each_store: Installation) -> None:
    """E18: by session, by user, and by the client the parent was issued to."""
    op = op_on_each_store
    for conditions in ({"session_id": "sid-1"}, {"subject": "u-alice"}, {"client_id": "web"}):
        token = await access_token(op, resources=(API,))
        child = (await exchange(op, token, "api", scope="read")).json()["access_token"]
        ended = await op.stores.tickets.revoke(now=op.clock(), **conditions)
        assert ended >= 2
        assert not await op.is_active(child, "api"), conditions


async def test_sec_T14_a_revoked_or_spent_subject_token_is_refused(op_on_each_store: Installation) -> None:
    """T14: revoked by itself, with its grant, or used: 400 invalid_request and nothing is issued; on every store."""
    op = op_on_each_store
    tokens = await tokens_of(op)
    await op.post("/revoke", token=tokens["access_token"])
    answer = await exchange(op, tokens["access_token"])
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_revoked")
    renewed = (await op.refresh(tokens["refresh_token"])).json()
    answer = await exchange(op, tokens["refresh_token"], subject_token_type=REFRESH_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_revoked")
    # That was no refresh: the family lives.
    assert await op.is_active(renewed["access_token"])
    await op.post("/revoke", token=renewed["refresh_token"])
    for value, token_type in ((renewed["access_token"], None), (renewed["refresh_token"], REFRESH_TOKEN)):
        params = {} if token_type is None else {"subject_token_type": token_type}
        assert refusal(op, await exchange(op, value, **params))[2] == "exchange.subject_unknown"
    assert not [event for event in op.audit if isinstance(event, TokenIssued) and "." in event.grant_id]


async def test_sec_T14_a_revocation_that_races_an_exchange_wins(op_on_each_store: Installation) -> None:
    """T14, E18: whichever comes first, nothing that was made from a revoked grant is alive afterwards."""
    op = op_on_each_store
    for _ in range(6):
        tokens = await tokens_of(op)
        *answers, _ = await asyncio.gather(
            *(exchange(op, tokens["access_token"], scope="read") for _ in range(4)),
            op.post("/revoke", token=tokens["refresh_token"]),
        )
        for answer in answers:
            if answer.status == 200:
                assert not await op.is_active(answer.json()["access_token"])
            else:
                assert refusal(op, answer)[:2] == (400, "invalid_request")


async def test_a_chain_of_exchanges_has_an_end(op: Installation) -> None:
    """Each exchange is a grant of its own; sixteen generations are enough for anybody."""
    token = await access_token(op)
    for _ in range(16):
        token = (await exchange(op, token, scope="read")).json()["access_token"]
    assert refusal(op, await exchange(op, token, scope="read")) == (
        400,
        "invalid_request",
        "exchange.subject_generations",
    )


async def test_tx_E16_the_record_knows_its_parent(op: Installation) -> None:
    """E16: what it was made from stands in its grant's id."""
    tokens = await tokens_of(op)
    await exchange(op, tokens["access_token"], scope="read")
    first, second = [event.grant_id for event in op.audit if isinstance(event, TokenIssued)]
    assert ancestors(second) == (first,)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
async def test_an_exchanged_token_is_revoked_by_the_client_that_has_it(op: Installation, hint: str) -> None:
    """RFC 7009 §2.1: it is the requester's, not the subject token's client's."""
    token = await access_token(op, resources=(API,))
    child = (await exchange(op, token, "api", scope="read")).json()["access_token"]
    assert (await op.post("/revoke", token=child, token_type_hint=hint)).json()[
        "error"
    ] == "unauthorized_client"
    assert (await op.post("/revoke", client_id="api", token=child)).status == 200
    assert (await introspected(op, child, "api")) == {"active": False}


async def test_sec_T14_every_way_in_which_an_exchange_is_refused(op_on_each_store: Installation) -> None:
    """T14: expired, foreign, disabled, an actor without right, an unknown type, another audience, more scope, a long chain.

    400 with the right error, nothing issued, and the subject token as good as before; on every store.
    """
    op = op_on_each_store
    token = await access_token(op, scopes=("read",), resources=(API,))
    old = await access_token(op, scopes=("read",))
    act: dict[str, object] = {"sub": "a0"}
    for number in range(1, 6):
        act = {"sub": f"a{number}", "act": act}
    long = await access_token(op, scopes=("read",), act=act)
    api = await own_token(op, "api")
    issued = len([event for event in op.audit if isinstance(event, TokenIssued)])
    actor = {"actor_token": api, "actor_token_type": ACCESS_TOKEN}
    unknown = {"requested_token_type": "urn:example:other"}
    for value, client_id, params, error in (
        (token, "other", {}, "invalid_request"),
        (token, "plain", {}, "unauthorized_client"),
        (token, "api", actor, "invalid_request"),
        (token, "web", unknown, "invalid_request"),
        (token, "web", {"audience": ORDERS}, "invalid_target"),
        (token, "web", {"scope": "read write"}, "invalid_scope"),
        (token, "web", {"subject_token_type": REFRESH_TOKEN}, "invalid_request"),
        (long, "web", {}, "invalid_request"),
    ):
        answer = await exchange(op, value, client_id, **params)
        assert refusal(op, answer)[:2] == (400, error), (client_id, params)
    account = await op.stores.accounts.get("u-alice")
    assert account is not None
    await op.stores.accounts.put(msgspec.structs.replace(account, enabled=False))
    op.clock.advance(timedelta(seconds=3))
    assert refusal(op, await exchange(op, token))[:2] == (400, "invalid_request")
    await op.stores.accounts.put(account)
    op.clock.advance(timedelta(seconds=3))
    assert len([event for event in op.audit if isinstance(event, TokenIssued)]) == issued
    assert (await exchange(op, token)).status == 200
    op.clock.advance(timedelta(minutes=10))
    assert refusal(op, await exchange(op, old))[:2] == (400, "invalid_request")
