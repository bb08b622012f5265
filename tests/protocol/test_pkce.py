"""Proof Key for Code Exchange (RFC 7636), S256 only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.errors import InvalidGrant, InvalidRequest
from authwright.protocol.pkce import S256, challenge_of, check_challenge, check_verifier

# RFC 7636 Appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

VERIFIERS = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=43, max_size=128
)


def test_the_example_of_rfc_7636_appendix_b() -> None:
    """The one pair the specification prints."""
    assert challenge_of(VERIFIER) == CHALLENGE
    check_verifier(VERIFIER, CHALLENGE)


@given(VERIFIERS, VERIFIERS)
def test_a_verifier_answers_its_own_challenge_and_no_other(verifier: str, other: str) -> None:
    """RFC 7636 §4.1, §4.2, §4.6."""
    challenge = check_challenge(challenge_of(verifier), S256, required=True)
    check_verifier(verifier, challenge)
    if other != verifier:
        with pytest.raises(InvalidGrant):
            check_verifier(other, challenge)


@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (None, None),
        (None, S256),
        (CHALLENGE, None),
        (CHALLENGE, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE, "S256 "),
        (CHALLENGE, ""),
        ("", S256),
        (CHALLENGE[:-1], S256),
        (CHALLENGE + "A", S256),
        (CHALLENGE + "=", S256),
        (CHALLENGE + "\n", S256),
        (CHALLENGE.replace("-", "+"), S256),
        (CHALLENGE[:-1] + "é", S256),
        (CHALLENGE[:-1] + "~", S256),
        ("x" * 100_000, S256),
    ],
)
def test_sec_A8_a_challenge_that_is_absent_plain_or_malformed_is_refused(
    challenge: str | None, method: str | None
) -> None:
    """Row A8: invalid_request for a public client without S256 and 43 characters of base64url (RFC 7636 §4.4.1)."""
    with pytest.raises(InvalidRequest) as raised:
        check_challenge(challenge, method, required=True)
    assert raised.value.code == "invalid_request"
    assert (raised.value.detail or "").startswith("pkce.")


def test_sec_A8_only_who_need_not_may_leave_the_challenge_out() -> None:
    """Row A8: a client that is not required may; a method without a challenge is refused all the same."""
    assert check_challenge(None, None, required=False) is None
    with pytest.raises(InvalidRequest):
        check_challenge(None, S256, required=False)
    with pytest.raises(InvalidRequest):
        check_challenge(CHALLENGE, "plain", required=False)


@pytest.mark.parametrize(
    "verifier",
    [
        None,
        "",
        CHALLENGE,
        VERIFIER[:-1],
        VERIFIER + "k",
        VERIFIER.swapcase(),
        VERIFIER + "\n",
        VERIFIER + "=",
        " " + VERIFIER,
        "a" * 42,
        "a" * 43,
        "a" * 128,
        "a" * 129,
        "a" * 100_000,
        "é" * 43,
        "٣" * 43,
        "\x00" * 43,
    ],
)
def test_sec_T3_a_verifier_that_is_absent_empty_or_wrong_is_invalid_grant(verifier: str | None) -> None:
    """Row T3: with a challenge in the code there is no way around it."""
    with pytest.raises(InvalidGrant) as raised:
        check_verifier(verifier, CHALLENGE)
    assert raised.value.code == "invalid_grant"


@pytest.mark.parametrize("verifier", [VERIFIER, "", "x"])
def test_sec_T3_a_verifier_for_a_code_without_a_challenge_is_a_downgrade(verifier: str) -> None:
    """Row T3, RFC 9700 §2.1.1 and §4.8: somebody took the challenge out of the authorization request."""
    with pytest.raises(InvalidGrant) as raised:
        check_verifier(verifier, None)
    assert raised.value.detail == "pkce.downgrade"
    check_verifier(None, None)


@pytest.mark.parametrize("verifier", ["a", "a" * 42, "a" * 129, "a" * 42 + "+", "a" * 43 + "\n"])
def test_a_verifier_off_the_grammar_is_refused_although_it_answers(verifier: str) -> None:
    """RFC 7636 §4.1: a short one could be guessed."""
    with pytest.raises(InvalidGrant):
        check_verifier(verifier, challenge_of(verifier))
