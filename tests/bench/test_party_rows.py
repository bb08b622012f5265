"""The applications that the benchmark compares do the work of their rows."""

import pytest

from bench.rp_rows import PARTY_ROWS
from bench.rp_work import Work, carry_out


@pytest.mark.parametrize("row", [row.name for row in PARTY_ROWS])
async def test_our_application_does_the_work_of_its_row(row: str) -> None:
    """A right answer first, then a round, in which nothing fails."""
    work = Work("ours", row)
    await work.check(row)
    assert (await carry_out(work, row, 0.01))["requests"] > 0


@pytest.mark.parametrize("row", [row.name for row in PARTY_ROWS if row.with_peer])
async def test_authlib_does_the_work_of_its_row(row: str) -> None:
    """The same requests, the same answers."""
    work = Work("authlib", row)
    await work.check(row)
    assert (await carry_out(work, row, 0.01))["requests"] > 0
