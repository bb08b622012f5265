"""Refresh that survives real clients: inside the grace window a retry gets the identical successor."""

import asyncio
from typing import Any

import pytest

from authwright.registrations import client
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import CALLBACK, SECRET, Installation, install


@pytest.fixture
async def patient(each_store: Stores, clock: FrozenClock) -> Installation:
    """A provider whose client `web` has ten seconds of grace, on each of the stores."""
    registration = client(
        "web", SECRET, redirect_uris=[CALLBACK], scope="openid profile offline_access read", refresh_grace=10
    )
    return await install(each_store, clock, clients=(registration,))


async def first_tokens(op: Installation) -> dict[str, Any]:
    members: dict[str, Any] = (await op.redeem(await op.code())).json()
    return members


async def test_a_retry_inside_the_window_gets_the_identical_successor(patient: Installation) -> None:
    """A lost response is survivable: the same refresh token, a new access token, one live leaf."""
    first = await first_tokens(patient)
    second = (await patient.refresh(first["refresh_token"])).json()
    patient.clock.advance(10)
    again = (await patient.refresh(first["refresh_token"])).json()
    assert again["refresh_token"] == second["refresh_token"]
    assert again["access_token"] != second["access_token"]
    assert await patient.is_active(again["access_token"])
    assert (await patient.refresh(again["refresh_token"])).status == 200


async def test_several_processes_refreshing_at_once_share_one_successor(patient: Installation) -> None:
    """Every 200 carries the byte-identical successor; never a fork, never a dead family, at most four access tokens."""
    first = await first_tokens(patient)
    answers = await asyncio.gather(*(patient.refresh(first["refresh_token"]) for _ in range(4)))
    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert (await patient.refresh(answers[0].json()["refresh_token"])).status == 200


async def test_after_the_window_reuse_revokes_the_family(patient: Installation) -> None:
    """Past the window any reuse is a thief's."""
    first = await first_tokens(patient)
    second = (await patient.refresh(first["refresh_token"])).json()
    patient.clock.advance(10.001)
    assert (await patient.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await patient.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_grandparent_revokes_the_family_even_inside_the_window(patient: Installation) -> None:
    """Only the immediate parent, and only until the successor is first used."""
    first = await first_tokens(patient)
    second = (await patient.refresh(first["refresh_token"])).json()
    third = (await patient.refresh(second["refresh_token"])).json()
    assert (await patient.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await patient.refresh(third["refresh_token"])).json()["error"] == "invalid_grant"


async def test_the_fourth_retry_is_one_too_many(patient: Installation) -> None:
    """Three extra access tokens at most."""
    first = await first_tokens(patient)
    answers = [await patient.refresh(first["refresh_token"]) for _ in range(6)]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 400, 400]
    # A client of many processes is no thief: what it got goes on.
    assert (await patient.refresh(answers[0].json()["refresh_token"])).status == 200


async def test_a_successor_cannot_be_told_from_its_parent(op: Installation) -> None:
    """It is derived with a secret of the server, and differs for every parent."""
    first, other = await first_tokens(op), await first_tokens(op)
    a = (await op.refresh(first["refresh_token"])).json()["refresh_token"]
    b = (await op.refresh(other["refresh_token"])).json()["refresh_token"]
    assert len({a, b, first["refresh_token"], other["refresh_token"]}) == 4
    assert a[3:20] not in first["refresh_token"]
