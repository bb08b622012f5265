"""JSON objects as a security boundary reads them (RFC 8259, RFC 8725 §2.4): bounded, and with one meaning only."""

import json
from typing import Any

import msgspec

from authwright.protocol.http import Json

MAX_DEPTH = 16
MAX_MEMBERS = 64
"""Of the object itself; all objects in it together may have eight times as many."""
_MAX_TOTAL = 8 * MAX_MEMBERS
_NUMBER_LIMIT = 10**20

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def parse_object(text: bytes) -> dict[str, Json]:
    """The JSON object `text` is.

    Raises ValueError for anything else: other values, duplicate members at any depth, more than 16 levels or 64
    members, NaN, infinities, numbers of 10^20 and beyond, broken UTF-8, lone surrogates. The message never holds
    the text.
    """
    try:
        value = _decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    if len(value) > MAX_MEMBERS:
        raise ValueError("too many members")
    if _count(value, 1) > _MAX_TOTAL:
        raise ValueError("too many members")
    # Text that equals the encoding of a dict cannot name a member twice; other spellings take the slower look.
    if _encode(value) != text:
        _each_object.decode(text.decode())
    return value


def _count(value: Any, depth: int) -> int:
    """The members of all objects in `value`. Raises ValueError where a bound is passed."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    is_object = type(value) is dict
    count = len(value) if is_object else 0
    for item in value.values() if is_object else value:
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is int or kind is float:
            if not -_NUMBER_LIMIT < item < _NUMBER_LIMIT:
                raise ValueError("number too large")
            continue
        count += _count(item, depth + 1)
    return count


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("duplicate member")


_each_object = json.JSONDecoder(object_pairs_hook=_unique)
