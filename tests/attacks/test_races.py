"""Races through the token endpoint, on each store: 200 tries of each with every push, 10,000 with `make races`.

RACES in the environment is the number of tries, and then as many requests meet as the table of races says.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from authwright.testing.clock import FrozenClock
from tests.attacks.races import RACES, workers, workers_on
from tests.stores.racy import racy_stores

TRIES = int(os.environ.get("RACES", "200"))
FULL = "RACES" in os.environ
AT_ONCE = 8
"""Tries that run beside each other: they share nothing but the store, which is then busier."""


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
@pytest.mark.parametrize("name", RACES)
async def test_sec_T1_T4_T9_T15_D3_of_requests_that_meet_one_wins(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, kind: str
) -> None:
    """T1, T4, T9, T15, D3: no interleaving gives two, and none gives an error of ours."""
    race, together = RACES[name]
    dice = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    async with workers(
        kind, FrozenClock(), dice, tmp_path, lambda: str(request.getfixturevalue("postgres_database"))
    ) as both:
        for _ in range(0, TRIES, AT_ONCE):
            await asyncio.gather(*(race(both, together if FULL else 6) for _ in range(AT_ONCE)))


@pytest.mark.parametrize("name", RACES)
async def test_each_race_catches_a_store_that_looks_first_and_writes_later(name: str) -> None:
    """Within 100 tries, so that a race that is passed means something."""
    race, _ = RACES[name]
    both = await workers_on([racy_stores()] * 2, FrozenClock(), random.Random(4))
    for _ in range(100):
        try:
            await race(both, 6)
        except AssertionError:
            return
    pytest.fail("the racy store passed 100 times")
