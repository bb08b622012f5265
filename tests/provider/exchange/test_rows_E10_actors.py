"""Token exchange, row E10: who may act for whom, delegation and impersonation told apart (RFC 8693 §1.1, §4.1, §4.4)."""

from typing import Any

import pytest

from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, REFRESH_TOKEN
from authwright.provider.act import MAX_ACTORS
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.subject_tokens import ValidatedToken
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Confirmation
from tests.provider.exchange.exchanging import (
    access_token,
    claims_of,
    exchange,
    exchanging,
    introspected,
    own_token,
    refusal,
    with_may_act,
)
from tests.provider.installation import API, ISSUER, Installation

API_MAY = with_may_act({"sub": "api"})


async def delegated(op: Installation, subject: str, client_id: str = "api", **changes: Any) -> Any:
    """The client exchanges the token and shows its own as the actor's."""
    actor = await own_token(op, client_id)
    return await exchange(op, subject, client_id, actor_token=actor, actor_token_type=ACCESS_TOKEN, **changes)


def chain(*actors: str) -> dict[str, Any]:
    """An `act` claim, the current actor first."""
    act: dict[str, Any] = {}
    for actor in reversed(actors):
        act = {"sub": actor, "act": act} if act else {"sub": actor}
    return act


async def test_tx_E10_without_an_actor_it_is_impersonation(op: Installation) -> None:
    """E10: the token is the subject's, and nothing says who asked for it but client_id (RFC 8693 §1.1)."""
    answer = await exchange(op, await access_token(op, resources=(API,)), "api", scope="read")
    seen = await introspected(op, answer.json()["access_token"], "api")
    assert (seen["sub"], seen["client_id"], "act" in seen) == ("u-alice", "api", False)


async def test_tx_E10_with_an_actor_it_is_delegation(op: Installation) -> None:
    """E10: `act` has the actor's identity and nothing else, in the JWT and in introspection."""
    token = await access_token(op, **with_may_act({"sub": "web"}))
    answer = await delegated(op, token, "web", scope="read")
    assert answer.status == 200, answer.body
    claims = claims_of(answer.json()["access_token"])
    assert (claims["sub"], claims["act"]) == ("u-alice", {"sub": "web", "client_id": "web"})
    assert (await introspected(op, answer.json()["access_token"]))["act"] == claims["act"]


async def test_tx_E16_may_act_is_not_passed_on(op: Installation) -> None:
    """E16: the new token gives nobody a right to act."""
    answer = await delegated(op, await access_token(op, **with_may_act({"sub": "web"})), "web", scope="read")
    assert "may_act" not in claims_of(answer.json()["access_token"])
    again = await delegated(op, answer.json()["access_token"], "web")
    assert refusal(op, again)[2] == "exchange.actor_not_allowed"


@pytest.mark.parametrize(
    "may_act",
    [
        {"sub": "other"},
        {"sub": "api", "client_id": "other"},
        {"sub": "api", "iss": "https://idp.example"},
        {"sub": "api", "email": "api@example.com"},
        {"iss": ISSUER},
        {},
        "api",
        ["api"],
        {"sub": ["api"]},
        {"sub": ""},
    ],
)
async def test_tx_E10_the_actor_must_match_every_member_of_may_act(op: Installation, may_act: Any) -> None:
    """E10: objects only; sub, iss and client_id; a member that is not understood names nobody."""
    token = await access_token(op, resources=(API,), **with_may_act(may_act))
    answer = await delegated(op, token, scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_not_allowed")


@pytest.mark.parametrize(
    "may_act", [{"sub": "api"}, {"client_id": "api"}, {"sub": "api", "client_id": "api", "iss": ISSUER}]
)
async def test_tx_E10_an_actor_that_matches_may_act(op: Installation, may_act: Any) -> None:
    """E10: by subject, by client, by all of them."""
    token = await access_token(op, resources=(API,), **with_may_act(may_act))
    assert (await delegated(op, token, scope="read")).status == 200


async def test_tx_E10_may_act_speaks_of_impersonation_too(op: Installation) -> None:
    """E10: without an actor token, the client is the one who must be named (RFC 8693 §4.4)."""
    token = await access_token(op, resources=(API,), **with_may_act({"sub": "other"}))
    answer = await exchange(op, token, "api", scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_not_allowed")
    token = await access_token(op, resources=(API,), **API_MAY)
    assert (await exchange(op, token, "api", scope="read")).status == 200


async def test_tx_E10_nobody_acts_without_being_named(op: Installation) -> None:
    """E10, T14 "actor without right": no may_act, no actor."""
    answer = await delegated(op, await access_token(op, resources=(API,)), scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_not_allowed")


async def test_tx_E10_unless_the_operators_rule_says_so(clock: FrozenClock) -> None:
    """E10: the `actor_without_may_act` hook, which may_act is stronger than."""
    seen: list[str] = []

    async def rule(
        request: AuthenticatedTokenRequest[Any], subject: ValidatedToken, actor: ValidatedToken
    ) -> bool:
        seen.append(f"{actor.subject} for {subject.subject}")
        return True

    op = await exchanging(memory_stores(clock), clock, policy={"actor_without_may_act": rule})
    assert (await delegated(op, await access_token(op, resources=(API,)), scope="read")).status == 200
    assert seen == ["api for u-alice"]
    token = await access_token(op, resources=(API,), **with_may_act({"sub": "other"}))
    assert refusal(op, await delegated(op, token, scope="read"))[2] == "exchange.actor_not_allowed"


async def test_tx_E10_the_actors_token_must_be_the_requesters(op: Installation) -> None:
    """E10: actor.issued_to = requester; another client's token makes nobody an actor."""
    token = await access_token(op, resources=(API,), **with_may_act({"sub": "web"}))
    stolen = await own_token(op, "web")
    answer = await exchange(op, token, "api", scope="read", actor_token=stolen, actor_token_type=ACCESS_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_other_clients_token")


async def test_tx_E10_a_bad_actor_token_is_refused(op: Installation) -> None:
    """E10: unknown, and a type that is not allowed; never in the text of the answer."""
    token = await access_token(op, resources=(API,), **API_MAY)
    params = {"actor_token": "at_nobodys", "actor_token_type": ACCESS_TOKEN}
    assert refusal(op, await exchange(op, token, "api", **params))[2] == "exchange.actor_unknown"
    params["actor_token_type"] = ID_TOKEN
    assert refusal(op, await exchange(op, token, "api", **params))[2] == "exchange.actor_type_not_allowed"


async def test_tx_E10_a_bound_actor_token_needs_its_key(op: Installation) -> None:
    """E9 for the actor's token: a stolen one without its key makes nobody an actor."""
    token = await access_token(op, resources=(API,), **with_may_act({"sub": "u-alice"}))
    actor = await access_token(op, confirmation=Confirmation(jkt="k" * 43))
    answer = await exchange(op, token, actor_token=actor, actor_token_type=ACCESS_TOKEN)
    assert refusal(op, answer) == (400, "invalid_dpop_proof", "exchange.proof_missing")


async def test_tx_E10_nobody_acts_for_itself(op: Installation) -> None:
    """E10: actor is not the subject."""
    token = await access_token(op, **with_may_act({"sub": "u-alice"}))
    actor = await access_token(op)
    answer = await exchange(op, token, actor_token=actor, actor_token_type=ACCESS_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_acts_for_itself")


async def test_tx_E10_the_chain_is_nested_and_the_oldest_is_deepest(op: Installation) -> None:
    """E10: the new actor outermost, what was there below it (RFC 8693 §4.1)."""
    token = await access_token(op, resources=(API,), act=chain("first", "zeroth"), **API_MAY)
    answer = await delegated(op, token, scope="read")
    seen = await introspected(op, answer.json()["access_token"], "api")
    assert seen["act"] == {"sub": "api", "client_id": "api", "act": chain("first", "zeroth")}


async def test_tx_E10_a_loop_of_actors_is_refused(op: Installation) -> None:
    """E10: whoever acted before does not act again."""
    token = await access_token(op, resources=(API,), act=chain("first", "api"), **API_MAY)
    answer = await delegated(op, token, scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_loop")


async def test_tx_E10_a_chain_has_five_actors_at_most(op: Installation) -> None:
    """E10, T14: depth; four and one are five, five and one are refused, and so is a token that has six."""
    four = chain(*(f"a{number}" for number in range(MAX_ACTORS - 1)))
    token = await access_token(op, resources=(API,), act=four, **API_MAY)
    assert (await delegated(op, token, scope="read")).status == 200
    for length in (MAX_ACTORS, MAX_ACTORS + 1):
        long = chain(*(f"a{number}" for number in range(length)))
        token = await access_token(op, resources=(API,), act=long, **API_MAY)
        answer = await delegated(op, token, scope="read")
        assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_too_deep")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ({"sub": "a", "act": "b"}, "not_an_object"),
        ({"sub": "a", "act": ["b"]}, "not_an_object"),
        ({"sub": "a", "act": None}, "not_an_object"),
        ({"sub": 1}, "not_an_identity"),
        ({"email": "a@b"}, "not_an_identity"),
        ({"sub": "a", "act": {}}, "not_an_identity"),
    ],
)
async def test_tx_E10_a_chain_must_be_objects_all_the_way_down(
    op: Installation, act: Any, reason: str
) -> None:
    """E10: subject.act is a dict at each level (toolhive #6093); what is none is not passed on."""
    answer = await exchange(op, await access_token(op, act=act), scope="read")
    assert refusal(op, answer) == (400, "invalid_request", f"exchange.actor_{reason}")


async def test_tx_E10_nothing_but_identities_is_passed_on(op: Installation) -> None:
    """Act building: never arbitrary claims of what was there."""
    act = {"sub": "a", "exp": 1, "role": "admin", "act": {"client_id": "b", "aud": "x"}}
    answer = await exchange(op, await access_token(op, act=act), scope="read")
    assert claims_of(answer.json()["access_token"])["act"] == {"sub": "a", "act": {"client_id": "b"}}


async def test_tx_E10_impersonation_keeps_who_acts_already(op: Installation) -> None:
    """T14 "impersonation when delegation asked": without an actor, a delegated token stays delegated."""
    answer = await exchange(op, await access_token(op, act=chain("api")), scope="read")
    assert claims_of(answer.json()["access_token"])["act"] == {"sub": "api"}


@pytest.mark.parametrize(
    ("mode", "own", "others"),
    [("never", False, False), ("cross_client", False, True), ("always", True, True)],
)
async def test_tx_E10_the_client_may_be_recorded_as_the_actor(
    clock: FrozenClock, mode: str, own: bool, others: bool
) -> None:
    """Act building: `record_client_as_actor` never, across clients, or always."""
    op = await exchanging(memory_stores(clock), clock, policy={"record_client_as_actor": mode})
    token = await access_token(op)
    answer = await exchange(op, token, scope="read")
    assert ("act" in claims_of(answer.json()["access_token"])) is own
    answer = await exchange(op, token, "gateway", scope="read")
    assert ("act" in claims_of(answer.json()["access_token"])) is others


@pytest.mark.parametrize("asked", [REFRESH_TOKEN, ID_TOKEN])
async def test_tx_E15_an_actor_gets_an_access_token_and_no_more(op: Installation, asked: str) -> None:
    """E15: no refresh token and no ID token where somebody acts for the subject."""
    token = await access_token(op, **with_may_act({"sub": "web"}))
    answer = await delegated(op, token, "web", requested_token_type=asked)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.requested_type_not_allowed")
    answer = await delegated(op, token, "web", scope="read offline_access")
    assert (answer.json()["scope"], "refresh_token" in answer.json()) == ("read", False)
    # Nor later, without an actor, from a token that has one.
    answer = await exchange(op, await access_token(op, act=chain("api")), requested_token_type=asked)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.requested_type_not_allowed")
