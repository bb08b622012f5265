"""Whatever is sent as a proof, it is a proof or refused; and nonces that nobody stores."""

import base64
import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from authwright.crypto.dpop import sign_proof, verify_proof
from authwright.crypto.dpop_nonces import DpopNonces
from authwright.crypto.keys import SigningKey
from authwright.protocol.dpop import ProofRejected, build_proof

KEY = SigningKey.generate("ES256")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = sign_proof(KEY, build_proof("POST", "https://op.example/token", jti="j", now=NOW))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def is_refused(proof: str) -> bool:
    try:
        verify_proof(proof)
    except ProofRejected:
        return True
    return False


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused(text: str) -> None:
    """D1: garbage is a refusal, never another error."""
    assert is_refused(text)
    assert is_refused(f"{text}.{GOOD.partition('.')[2]}")


@settings(max_examples=200)
@given(header=st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "kid", "crit", "x"]), JSON), claims=JSON)
def test_any_header_and_claims_are_refused(header: dict[str, object], claims: object) -> None:
    """D1, J8: JSON of any shape where an object, a key or a name is expected."""
    jwk = {**KEY.public_jwk, **header} if isinstance(header.get("jwk"), dict) else header.get("jwk")
    for shape in (header, {**header, "jwk": jwk}, {"typ": "dpop+jwt", "alg": "ES256", **header}):
        assert is_refused(f"{segment(shape)}.{segment(claims)}.{'A' * 86}")


@settings(max_examples=60)
@given(position=st.integers(0, len(GOOD) - 1), letter=st.sampled_from("AZaz09-_."))
def test_sec_J13_a_changed_character_is_refused(position: int, letter: str) -> None:
    """J13: a proof that differs by one character, wherever it stands, is no proof; the good one stays good."""
    changed = GOOD[:position] + letter + GOOD[position + 1 :]
    assert is_refused(changed) is (changed != GOOD)
    assert verify_proof(GOOD).jkt == KEY.kid


@given(st.text(max_size=40))
def test_no_made_up_nonce_is_accepted(text: str) -> None:
    """D4: forged nonces."""
    assert not DpopNonces([b"k" * 32]).accepts(text, NOW)


def test_nonces_show_no_key() -> None:
    """Neither does their maker."""
    nonces = DpopNonces([b"k" * 32])
    assert "kkkk" not in repr(nonces)
    assert nonces.accepts(nonces.current(NOW), NOW)
