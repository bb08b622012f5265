"""The contract itself: a store that reads, waits and writes is caught by each race."""

import pytest

from authwright.testing.store_contract import StoreContract
from tests.stores.racy import racy_stores

RACES = [
    "test_64_redemptions_of_one_code_give_one_winner_and_no_error",
    "test_of_16_changes_from_one_version_one_wins",
    "test_a_change_that_meets_a_refresh_never_revives_what_was_spent",
    "test_no_token_outlives_a_revocation_it_raced",
    "test_what_was_made_from_a_grant_does_not_slip_past_the_end_of_its_subject",
    "test_revocations_that_meet_count_a_grant_once",
    "test_of_32_claims_of_one_key_one_is_true",
    "test_of_16_replacements_of_one_session_one_wins",
    "test_clients_that_are_noted_at_once_are_all_remembered",
    "test_of_8_activations_one_wins",
    "test_relying_party_sessions_change_from_the_version_that_was_read",
]


@pytest.mark.parametrize("case", RACES)
async def test_a_racy_store_is_caught_within_100_tries(case: str) -> None:
    """Each concurrency case of the contract fails on a store that checks first and writes later."""
    for _ in range(100):
        try:
            await getattr(StoreContract(), case)(racy_stores())
        except AssertionError:
            return
    pytest.fail("the racy store passed 100 times")


@pytest.mark.parametrize(
    "case",
    [
        "test_a_ticket_comes_back_as_it_was_stored",
        "test_a_spent_code_is_answered_with_who_spent_it",
        "test_current_is_the_unspent_ticket_of_the_grant",
        "test_a_key_is_claimed_once_until_its_time_has_passed",
    ],
)
async def test_the_racy_store_is_right_without_a_race(case: str) -> None:
    """So it is the race that the contract catches, not a store that does nothing right."""
    await getattr(StoreContract(), case)(racy_stores())
