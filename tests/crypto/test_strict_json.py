"""JSON objects with one meaning only."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authwright.crypto.strict_json import parse_object

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**19), 10**19) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=6), _values, max_size=6), st.booleans())
def test_an_object_reads_as_the_standard_library_reads_it(value: dict[str, Any], spaced: bool) -> None:
    """Compact text and text with white space and escapes give the same object."""
    try:
        text = json.dumps(value, ensure_ascii=spaced, indent=1 if spaced else None).encode()
    except UnicodeEncodeError:
        return
    assert parse_object(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1},{"b":1,"c":2,"b":1}]}',
        b'{ "a" : 1, "b" : 2, "a" : 1 }',
        b'{"":1,"":2}',
    ],
)
def test_sec_J8_a_member_named_twice_is_refused_at_any_depth(text: bytes) -> None:
    """J8: duplicate JSON members."""
    with pytest.raises(ValueError, match="duplicate"):
        parse_object(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b'{"a":1}x',
        b'{"a":1}{"a":1}',
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":1e300}',
        b'{"a":-1e300}',
        b'{"a":100000000000000000000}',
        b'{"a":{"b":[1e21]}}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":01}',
        b'{"a":.5}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\n"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b'{"a":' + b"[" * 16 + b"]" * 16 + b"}",
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        json.dumps({str(number): 1 for number in range(65)}).encode(),
        json.dumps({str(n): {str(m): 1 for m in range(60)} for n in range(10)}).encode(),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_sec_J8_what_is_no_bounded_object_is_refused(text: bytes) -> None:
    """J8: depth > 16, > 64 claims, NaN, 1e300; and the message holds none of the text."""
    with pytest.raises(ValueError) as refused:
        parse_object(text)
    assert str(refused.value) in {
        "not JSON",
        "not a JSON object",
        "too many members",
        "nested too deeply",
        "number too large",
    }


def test_the_bounds_themselves_are_still_accepted() -> None:
    """Sixteen levels, sixty-four members, twenty digits."""
    assert parse_object(b'{"a":' * 16 + b"1" + b"}" * 16)
    assert len(parse_object(json.dumps({str(number): 1 for number in range(64)}).encode())) == 64
    assert parse_object(b'{"a":99999999999999999999}') == {"a": 99999999999999999999}
    assert len(parse_object(json.dumps({"groups": ["g"] * 2000}).encode())["groups"]) == 2000
