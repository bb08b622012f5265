"""What the signed claims of an ID token must say (OpenID Connect Core §3.1.3.7)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.http import Json
from authwright.protocol.id_token import (
    PROTOCOL_CLAIMS,
    ExpectedIdToken,
    IdTokenRejected,
    build_id_token,
    check_id_token,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
EXPECTED = ExpectedIdToken(issuer="https://op.example", client_id="rp", now=NOW, nonce="n", max_age=300)


def _claims(**changes: Json) -> dict[str, Json]:
    claims = build_id_token(
        issuer="https://op.example",
        subject="alice",
        client_id="rp",
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
        auth_time=NOW,
        nonce="n",
    )
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not ...}


def test_what_the_provider_writes_passes() -> None:
    """The base every refusal below departs from."""
    check_id_token(_claims(), EXPECTED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": ...}, "iss"),
        ({"iss": "https://op.example/"}, "iss"),
        ({"iss": "https://OP.example"}, "iss"),
        ({"iss": ["https://op.example"]}, "iss"),
        ({"sub": ...}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 1}, "sub"),
        ({"sub": "a" * 256}, "sub"),
        ({"aud": ...}, "aud"),
        ({"aud": "rp2"}, "aud"),
        ({"aud": "r"}, "aud"),
        ({"aud": "xrpx"}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": [["rp"]]}, "aud"),
        ({"aud": {"rp": 1}}, "aud"),
        ({"aud": ["rp", "other"], "azp": "rp"}, "aud_untrusted"),
        ({"azp": "other"}, "azp"),
        ({"azp": ["rp"]}, "azp"),
        ({"exp": ...}, "exp"),
        ({"exp": AT - 60}, "exp"),
        ({"exp": str(AT + 300)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": -1}, "exp"),
        ({"exp": 1e300}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"iat": ...}, "iat"),
        ({"iat": AT + 61}, "iat"),
        ({"iat": AT - 661}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": AT + 61}, "nbf"),
        ({"nbf": "0"}, "nbf"),
        ({"nbf": True}, "nbf"),
        ({"nonce": ...}, "nonce"),
        ({"nonce": "N"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"nonce": ["n"]}, "nonce"),
        ({"auth_time": ...}, "auth_time"),
        ({"auth_time": AT - 361}, "auth_time"),
        ({"auth_time": "now"}, "auth_time"),
    ],
)
def test_a_claim_that_is_absent_wrong_or_of_another_type_is_refused(
    changes: dict[str, Json], reason: str
) -> None:
    """Each step of OpenID Connect Core §3.1.3.7 on its own, and §3.1.2.1 for max_age."""
    with pytest.raises(IdTokenRejected) as raised:
        check_id_token(_claims(**changes), EXPECTED)
    assert raised.value.reason == reason


def test_a_nonce_that_was_not_asked_for_is_refused() -> None:
    """Core §3.1.3.7 step 11: it belongs to another request."""
    with pytest.raises(IdTokenRejected):
        check_id_token(_claims(), replace(EXPECTED, nonce=None))
    check_id_token(_claims(nonce=...), replace(EXPECTED, nonce=None))


def test_after_a_refresh_the_nonce_may_be_absent_and_the_subject_must_be_the_same() -> None:
    """Core §12.2."""
    refreshed = replace(EXPECTED, check_nonce=False, subject="alice")
    check_id_token(_claims(nonce=...), refreshed)
    with pytest.raises(IdTokenRejected) as raised:
        check_id_token(_claims(sub="mallory"), refreshed)
    assert raised.value.reason == "sub_changed"


def test_a_second_audience_needs_trust_and_an_authorized_party() -> None:
    """Core §3.1.3.7 steps 3 to 5."""
    trusting = replace(EXPECTED, trusted_audiences=frozenset({"api"}))
    check_id_token(_claims(aud=["rp", "api"], azp="rp"), trusting)
    for changes in ({"aud": ["rp", "api"]}, {"aud": ["rp", "api"], "azp": "api"}):
        with pytest.raises(IdTokenRejected) as raised:
            check_id_token(_claims(**changes), trusting)
        assert raised.value.reason == "azp"


@given(
    st.dictionaries(
        st.sampled_from(sorted(PROTOCOL_CLAIMS)),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3) | st.none(), max_size=3),
    )
)
def test_whatever_the_claims_they_pass_or_are_refused(claims: dict[str, Json]) -> None:
    """A provider's nonsense is a refusal with a short reason, never another exception."""
    reasons = []
    for given_claims in (claims, _claims(**claims)):
        try:
            check_id_token(given_claims, EXPECTED)
        except IdTokenRejected as rejected:
            reasons.append(rejected.reason)
    assert all(reason.replace("_", "").isalpha() for reason in reasons)


@pytest.mark.parametrize("name", sorted(PROTOCOL_CLAIMS))
def test_no_claim_of_the_user_stands_over_one_of_the_protocol(name: str) -> None:
    """Core §2: what says something of the token is said by the provider alone."""
    plain = build_id_token(
        issuer="i", subject="s", client_id="c", issued_at=NOW, expires_at=NOW, claims={name: "forged", "x": 1}
    )
    assert plain.get(name) != "forged"
    assert plain["x"] == 1
