"""base64url without padding (RFC 7515 §2), with exactly one accepted spelling for each value."""

import binascii

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_URL = bytes.maketrans(b"+/", b"-_")
# What is outside the alphabet, "+", "/" and "=" among it, becomes "!", which the strict decoder refuses.
_FROM_URL = bytes(
    {0x2D: 0x2B, 0x5F: 0x2F}.get(octet, octet) if octet in _ALPHABET else 0x21 for octet in range(256)
)
_PADDING = (b"", b"", b"==", b"=")
# RFC 4648 §3.5: the bits a last character does not need must be zero, or one value has several spellings.
_LAST_OF_TWO = frozenset(b"AQgw")
_LAST_OF_THREE = frozenset(b"AEIMQUYcgkosw048")


def encode(data: bytes) -> bytes:
    """The text of `data`, as ASCII bytes."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=")


def decode(text: bytes) -> bytes:
    """The reverse of `encode`. Raises ValueError for any text `encode` would not have written."""
    rest = len(text) % 4
    if rest:
        if rest == 1:
            raise ValueError("not base64url: impossible length")
        if text[-1] not in (_LAST_OF_TWO if rest == 2 else _LAST_OF_THREE):
            raise ValueError("not base64url: not in canonical form")
    try:
        return binascii.a2b_base64(text.translate(_FROM_URL) + _PADDING[rest], strict_mode=True)
    except binascii.Error:
        raise ValueError("not base64url: foreign character") from None
