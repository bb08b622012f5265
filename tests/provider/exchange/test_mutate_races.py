"""token-exchange-mutate, M8: what meets a mutate between its look and its write; on every store."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import Decision
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import TokenKind
from tests.provider.exchange.exchanging import Services, introspected, refusal, scope_of
from tests.provider.exchange.mutating import (
    MAIL,
    PHOTOS,
    READ,
    changes,
    exchanged,
    mutate,
    mutating,
    record_of,
)
from tests.provider.installation import Installation

ACCESS, REFRESH = TokenKind.ACCESS_TOKEN, TokenKind.REFRESH_TOKEN
Meanwhile = Callable[[], Awaitable[Any]]


class Interrupted(Services):
    """Services that let something else happen while they are being asked: each of `meanwhile`, once."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Meanwhile] = []

    async def authorize(
        self, request: AuthenticatedTokenRequest[Any], subject: str, services: Mapping[str, tuple[str, ...]]
    ) -> Mapping[str, Decision]:
        decisions = await super().authorize(request, subject, services)
        if self.meanwhile:
            await self.meanwhile.pop(0)()
        return decisions


@pytest.fixture
def services() -> Interrupted:
    services = Interrupted()
    services.grant("photos", "", "readonly")
    services.grant("mail")
    return services


@pytest.fixture
async def op(each_store: Stores, clock: FrozenClock, services: Services) -> Installation:
    return await mutating(each_store, clock, services)


async def test_tx_M8_another_mutate_in_between_is_noticed_and_asked_after_once(
    op: Installation, services: Interrupted
) -> None:
    """M8: CAS, retried once: the second decision rests on what the other one left, and both are told of."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}")
    services.asked.clear()

    async def other() -> None:
        assert (await mutate(op, tokens["access_token"], f"read {MAIL}")).status == 200

    services.meanwhile.append(other)
    answer = await mutate(op, tokens["access_token"], f"read {READ}", mode="merge")
    assert answer.status == 200
    assert answer.json()["scope"] == f"read offline_access {PHOTOS} {READ} {MAIL}"
    assert [list(asked) for _, asked in services.asked] == [["photos"], ["mail"], ["photos"]]
    for kind in ("access_token", "refresh_token"):
        record = await record_of(op, TokenKind(kind), tokens[kind])
        assert (record.version, " ".join(record.ticket.scopes)) == (2, answer.json()["scope"])
    assert [change.after for change in changes(op)] == [
        ("read", "offline_access", MAIL),
        tuple(answer.json()["scope"].split()),
    ]


async def test_tx_M8_a_second_conflict_is_the_clients_to_know(
    op: Installation, services: Interrupted
) -> None:
    """M8: twice in a row: invalid_request "concurrent update", and what the others wrote stands."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}")

    def other(scope: str) -> Meanwhile:
        async def change() -> None:
            assert (await mutate(op, tokens["access_token"], scope)).status == 200

        return change

    # The mutate in the middle is asked too, and nothing happens meanwhile then.
    idle = asyncio.sleep
    services.meanwhile += [other(f"read {MAIL}"), lambda: idle(0), other(MAIL)]
    answer = await mutate(op, tokens["access_token"], PHOTOS)
    assert refusal(op, answer) == (400, "invalid_request", "store.concurrent_update")
    assert answer.json()["error_description"] == "concurrent update"
    assert (await introspected(op, tokens["access_token"], "shop"))["scope"] == f"offline_access {MAIL}"


async def test_tx_M8_a_refresh_in_between_gets_what_is_decided(
    op: Installation, services: Interrupted
) -> None:
    """M8: the refresh token that came meanwhile is the one that changes with the access token."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}")
    renewed: dict[str, Any] = {}

    async def refresh() -> None:
        renewed.update((await op.refresh(tokens["refresh_token"], client_id="shop")).json())

    services.meanwhile.append(refresh)
    answer = await mutate(op, tokens["access_token"], MAIL)
    assert (answer.status, answer.json()["scope"]) == (200, f"offline_access {MAIL}")
    assert renewed["scope"] == f"read offline_access {PHOTOS} {READ}"
    again = (await op.refresh(renewed["refresh_token"], client_id="shop")).json()
    assert again["scope"] == f"offline_access {MAIL}"


async def test_tx_M8_a_mutate_in_between_a_refresh_is_seen_by_it(
    each_store: Stores, clock: FrozenClock, services: Interrupted
) -> None:
    """M8: a refresh that looked before the mutate and writes after it gives what the mutate left."""
    tokens: dict[str, Any] = {}
    op: Installation
    pending: list[str] = []

    async def token_endpoint(request: Any, ticket: Any) -> None:
        if request.request.grant_type == "refresh_token" and pending:
            assert (await mutate(op, tokens["access_token"], pending.pop())).status == 200

    op = await mutating(each_store, clock, services, events=ProviderEvents(token_endpoint=token_endpoint))
    tokens.update(await exchanged(op, f"read offline_access {PHOTOS}"))
    pending.append(MAIL)
    answer = await op.refresh(tokens["refresh_token"], client_id="shop")
    assert (answer.status, answer.json()["scope"]) == (200, f"offline_access {MAIL}")
    assert (await op.refresh(answer.json()["refresh_token"], client_id="shop")).status == 200


async def test_tx_M8_a_retry_of_a_refresh_gets_no_more_than_the_mutate_left(op: Installation) -> None:
    """M8: inside the grace window too, where the spent refresh token still has the scopes of before."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}", "patient")
    renewed = (await op.refresh(tokens["refresh_token"], client_id="patient")).json()
    assert (await mutate(op, renewed["access_token"], MAIL, "patient")).status == 200
    again = (await op.refresh(tokens["refresh_token"], client_id="patient")).json()
    assert again["refresh_token"] == renewed["refresh_token"]
    assert again["scope"] == f"offline_access {MAIL}"


async def test_tx_M8_a_refresh_token_that_stays_changes_with_it(op: Installation) -> None:
    """M8: a client whose refresh tokens do not rotate."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}", "steady")
    assert (await mutate(op, tokens["access_token"], MAIL, "steady")).status == 200
    for _ in range(2):
        renewed = (await op.refresh(tokens["refresh_token"], client_id="steady")).json()
        assert renewed["scope"] == f"offline_access {MAIL}"


@pytest.mark.parametrize("named", ["access_token", "refresh_token"])
async def test_tx_M8_a_revocation_in_between_wins(
    op: Installation, services: Interrupted, named: str
) -> None:
    """M8: of the token, or of its grant: invalid_request, and nothing comes back to life."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}")

    async def revoke() -> None:
        assert (await op.post("/revoke", client_id="shop", token=tokens[named])).status == 200

    services.meanwhile.append(revoke)
    answer = await mutate(op, tokens["access_token"], MAIL)
    reason = "exchange.subject_revoked" if named == "access_token" else "grant.revoked"
    assert refusal(op, answer) == (400, "invalid_request", reason)
    assert not await op.is_active(tokens["access_token"], "shop")
    assert changes(op) == []


async def test_tx_M8_the_parents_revocation_in_between_wins(op: Installation, services: Interrupted) -> None:
    """E18: the grant it was exchanged from takes it along."""
    tokens = await exchanged(op, f"read {PHOTOS}")

    async def sign_out() -> None:
        assert await op.stores.tickets.revoke(now=op.clock(), session_id="sid-1") == 2

    services.meanwhile.append(sign_out)
    answer = await mutate(op, tokens["access_token"], PHOTOS)
    assert refusal(op, answer) == (400, "invalid_request", "grant.revoked")


async def test_tx_bug_17_whatever_meets_the_records_agree(op: Installation, services: Interrupted) -> None:
    """Defect 17: mutates, refreshes and a revocation at once: access and refresh record tell of the same decision."""
    for round_number in range(6):
        tokens = await exchanged(op, f"read offline_access {PHOTOS}")
        requests: list[Any] = [
            mutate(op, tokens["access_token"], f"read {PHOTOS}"),
            mutate(op, tokens["access_token"], MAIL),
            mutate(op, tokens["access_token"], scope_of("mail") + f" {READ}"),
            op.refresh(tokens["refresh_token"], client_id="shop"),
        ]
        if round_number % 2:
            requests.append(op.post("/revoke", client_id="shop", token=tokens["refresh_token"]))
        answers = await asyncio.gather(*requests)
        for answer in answers[:3]:
            if answer.status != 200:
                assert refusal(op, answer)[:2] == (400, "invalid_request")
        if round_number % 2:
            assert not await op.is_active(tokens["access_token"], "shop")
            continue
        renewed = answers[3]
        if renewed.status == 503:
            # It met two mutates and spent nothing: a client that asks again gets its tokens.
            assert renewed.headers.get("retry-after")
            renewed = await op.refresh(tokens["refresh_token"], client_id="shop")
        assert renewed.status == 200, renewed.body
        assert any(answer.status == 200 for answer in answers[:3])
        access = await record_of(op, ACCESS, tokens["access_token"])
        live = await record_of(op, REFRESH, renewed.json()["refresh_token"])
        assert access.ticket.scopes in {change.after for change in changes(op)}
        assert live.ticket.scopes == access.ticket.scopes
