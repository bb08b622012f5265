"""base64url with one spelling for each value."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authwright.crypto import base64url


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_what_is_encoded_decodes_again_and_equals_the_standard_library(data: bytes) -> None:
    """Round trip, and the same text as the standard library without its padding."""
    text = base64url.encode(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=")
    assert base64url.decode(text) == data


@settings(max_examples=200)
@given(st.text(alphabet="ABQgwIz09-_+/= \n.", max_size=12))
def test_no_value_has_a_second_spelling(text: str) -> None:
    """Whatever is accepted is exactly what encode writes."""
    raw = text.encode()
    try:
        data = base64url.decode(raw)
    except ValueError:
        return
    assert base64url.encode(data) == raw


@pytest.mark.parametrize("octet", sorted(set(range(256)) - set(base64url._ALPHABET)))
def test_an_octet_outside_the_alphabet_is_refused_wherever_it_stands(octet: int) -> None:
    """First, in the middle and last."""
    for text in (b"%cAAA", b"AA%cA", b"AAA%c", b"AAAA%cAAA"):
        with pytest.raises(ValueError, match="base64url"):
            base64url.decode(text % octet)


@pytest.mark.parametrize("text", [b"A", b"AAAAA", b"AB", b"AAB", b"AA==", b"AAA=", b"AAAA====", b"AA=", b"="])
def test_padding_stray_bits_and_impossible_lengths_are_refused(text: bytes) -> None:
    """RFC 7515 §2 has no padding; RFC 4648 §3.5 wants unused bits zero."""
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)
