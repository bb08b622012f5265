"""Tests of other servers that are worth having (node-oidc-provider, idpy-oidc, authelia, OIDF): which of ours is each.

A behaviour whose test goes away is a failure here.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

COUNTERPARTS: Mapping[str, tuple[str, ...]] = {
    # node-oidc-provider: refresh, code, client authentication, custom grants
    "a consumed code is invalid_grant and revokes the grant": ("sec_T1_a_code_redeemed_twice_revokes_what_it_gave",),
    "a reused refresh token revokes the grant": (
        "sec_T4_a_replayed_refresh_token_of_any_generation_revokes_the_family",
    ),
    "a rotated refresh token keeps its scope after narrowing": ("a_narrowed_scope_narrows_the_access_token_only",),
    "no ID token where openid is narrowed away": ("peer_node_oidc_an_id_token_goes_when_openid_is_narrowed_away",),
    "a repeated parameter": ("tok_D2_a_repeated_parameter_is_invalid_request",),
    "Basic: parts, scheme, colon, base64, percent-encoding": (
        "tok_10_a_malformed_basic_header_is_invalid_client", "sec_T8_loose_base64_is_invalid_client",
    ),
    "Basic: client_id in the body, equal or not": ("tok_10_a_client_id_beside_basic_must_be_the_same",),
    "an expired secret": ("peer_node_oidc_an_expired_secret_is_invalid_client",),
    "two authentications at once": ("sec_T8_two_methods_at_once_are_invalid_request",),
    "custom grants and repeated parameters": (
        "peer_node_oidc_custom_grants_refuse_repeated_parameters_unless_they_list_them",
    ),
    # idpy-oidc: token exchange
    "each required attribute that is missing": (
        "tx_row_4_subject_token_is_required", "tx_row_5_subject_token_type_is_required",
        "tx_E2_all_that_is_missing_is_named_in_one_answer",
    ),
    "an unknown resource or audience": ("tx_E4_an_unknown_target_is_refused",),
    "a refresh token as subject, and an audience": ("tx_E11_targets_stay_within_the_subject_tokens",),
    "an unsupported requested, subject or actor type": (
        "tx_E3_what_is_asked_for_must_be_something_we_issue", "tx_E5_the_type_must_be_known_and_allowed",
        "tx_E10_a_bad_actor_token_is_refused",
    ),
    "scopes: the intersection, and none": (
        "tx_E11_scopes_are_narrowed_never_widened", "tx_E11_and_within_what_the_client_is_registered_for",
    ),
    "a refresh token without offline_access": (
        "tx_E15_a_refresh_token_is_issued_where_it_is_asked_for_and_may_be",
    ),
    # authelia: RFC 8693
    "a type that is not the client's": ("tx_E3_and_allowed_for_the_client", "tx_M1_the_client_must_be_allowed_to_bring_access_tokens"),
    "an actor_token without its type, and the reverse": ("tx_E10_a_bad_actor_token_is_refused",),
    "a public client": ("tx_E1_a_public_client_may_not_exchange",),
    "allow-lists of scope, audience, resource": (
        "tx_E11_and_within_what_the_client_is_registered_for", "tx_E11_exchange_to_lets_a_service_go_on_to_the_next",
    ),
    "no act on impersonation": ("tx_E10_without_an_actor_it_is_impersonation",),
    "the order of a chain of actors": ("tx_E10_the_chain_is_nested_and_the_oldest_is_deepest",),
    "an actor without identity": ("tx_E10_nothing_but_identities_is_passed_on",),
    "the shape of the answer for each type": ("tx_E17_what_the_answer_says",),
    "a may_act that is no object, or has no actor": (
        "tx_E10_the_actor_must_match_every_member_of_may_act", "tx_E10_may_act_speaks_of_impersonation_too",
    ),
    # The suite of the OpenID Foundation
    "code_verifier missing or wrong": ("sec_T3_a_missing_or_wrong_verifier_is_invalid_grant_and_burns_nothing",),
    "a code is bound to its client": ("peer_oidf_a_code_is_bound_to_its_client",),
    "the characters of error_description": ("peer_oidf_error_descriptions_keep_to_their_characters",),
    "oidcc-codereuse, after 30 seconds too": ("tok_D4_",),
    "oidcc-refresh-token": ("a_refresh_gives_new_tokens_and_the_next_refresh_token",),
    "oidcc-server-client-secret-post": ("basic_and_post_authenticate_the_clients_registered_for_them",),
    "oidcc-ensure-request-with-valid-pkce-succeeds": ("tok_22_asos_30_the_right_verifier_gives_tokens",),
    "cache headers and JSON on every answer": (
        "tok_1_2_no_cache_keeps_success_or_error", "tok_39_a_success_is_200_json",
    ),
    # toolhive's lesson
    "mint, exchange, introspect, mutate, refresh, end to end": (
        "peer_lesson_mint_introspect_refresh_and_revoke_end_to_end", "tx_M10_the_next_introspection_knows_and_the_audit_was_told",
    ),
}  # fmt: skip
"""Behaviour to the tests that hold it."""

NAMES = " ".join(
    f"_{name}_"
    for path in TESTS.rglob("test_*.py")
    for name in re.findall(r"def test_(\w+)\(", path.read_text("utf-8"))
)


@pytest.mark.parametrize("behaviour", COUNTERPARTS)
def test_every_behaviour_has_its_test(behaviour: str) -> None:
    """By the test's whole name, or the beginning of several."""
    for name in COUNTERPARTS[behaviour]:
        assert f"_{name}" in NAMES, name
