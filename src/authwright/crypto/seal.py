"""Authenticated encryption of cookies, state and private keys at rest, under rotating root keys.

AES-256-GCM (NIST SP 800-38D) with a key of its own for each record; key derivation is HKDF-SHA-256 (RFC 5869).
"""

import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from authwright.crypto import base64url

KEY_SIZE = 32
_VERSION = b"\x01"
_KEY_ID_SIZE = 4
_SALT_SIZE = 20
_NONCE_SIZE = 12
_TAG_SIZE = 16
_SALT_START = len(_VERSION) + _KEY_ID_SIZE
_NONCE_START = _SALT_START + _SALT_SIZE
_DATA_START = _NONCE_START + _NONCE_SIZE
_SHORTEST = _DATA_START + _TAG_SIZE


class RootKeys:
    """The key-encryption keys, newest first. Losing them loses what they sealed; they never enter a store."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys`: 32 random bytes each, newest first. Raises ValueError for none or another size."""
        if not keys:
            raise ValueError("no root key")
        if any(len(key) != KEY_SIZE for key in keys):
            raise ValueError("a root key has 32 bytes")
        self._keys = tuple(bytes(key) for key in keys)

    @classmethod
    def parse(cls, text: str) -> "RootKeys":
        """Keys from a file's text: one base64url key a line, newest first; `#` starts a comment.

        Raises ValueError naming the line, never its content.
        """
        keys = []
        for number, line in enumerate(text.splitlines(), start=1):
            written = line.partition("#")[0].strip()
            if not written:
                continue
            try:
                key = base64url.decode(written.rstrip("=").encode("ascii"))
            except ValueError:
                raise ValueError(f"root keys, line {number}: not base64url") from None
            if len(key) != KEY_SIZE:
                raise ValueError(f"root keys, line {number}: {len(key)} bytes where 32 are needed")
            keys.append(key)
        if not keys:
            raise ValueError("root keys: no key in the file")
        return cls(keys)

    @staticmethod
    def generate_line() -> str:
        """A new random key as a line for `parse`, without the line's end."""
        return base64url.encode(secrets.token_bytes(KEY_SIZE)).decode("ascii")

    def derive(self, label: str) -> tuple[bytes, ...]:
        """For each root key a child of 32 bytes that serves `label` and nothing else, newest first."""
        # RFC 5869 §3.1, §3.2: root keys are uniformly random, so no salt; the label is the domain separation.
        info = b"authwright v1\0" + label.encode("utf-8")
        return tuple(
            HKDF(algorithm=hashes.SHA256(), length=KEY_SIZE, salt=None, info=info).derive(key)
            for key in self._keys
        )

    def __repr__(self) -> str:
        return f"RootKeys({len(self._keys)} keys)"


class Seal:
    """Seals and opens values of one purpose. What one purpose sealed no other opens.

    Sealed text is base64url of: version (1 byte), key id (4), salt (20), nonce (12), ciphertext and tag (16).
    It is 71 characters longer than the data's own base64url, and safe in URLs and cookies.
    """

    __slots__ = ("_info", "_keys", "_newest")

    def __init__(self, keys: RootKeys, purpose: str) -> None:
        """`purpose`: a constant of the program, such as `signing_key` or `state`."""
        if not purpose or "\0" in purpose:
            raise ValueError("a purpose is not empty and holds no zero octet")
        children = keys.derive(f"seal\0{purpose}")
        # The id tells which key to open with; it is derived, so it needs no table, and tells nothing of the key.
        identified = [(hmac.digest(child, b"key id", "sha256")[:_KEY_ID_SIZE], child) for child in children]
        self._newest = identified[0]
        self._keys = tuple(identified)
        self._info = b"record\0" + purpose.encode("utf-8") + b"\0"

    def seal(self, data: bytes, *, context: str = "") -> str:
        """Encrypts `data`. `context` (a row's key, a cookie's name) is not in the text, but must be given to open."""
        key_id, child = self._newest
        fresh = secrets.token_bytes(_SALT_SIZE + _NONCE_SIZE)
        salt, nonce = fresh[:_SALT_SIZE], fresh[_SALT_SIZE:]
        header = _VERSION + key_id
        sealed = self._record_cipher(child, salt).encrypt(nonce, data, self._bound(header, context))
        return base64url.encode(header + fresh + sealed).decode("ascii")

    def open(self, sealed: str, *, context: str = "") -> bytes | None:
        """The data, or None for anything this purpose did not seal with this context under a known key."""
        try:
            record = base64url.decode(sealed.encode("ascii"))
        except ValueError:
            return None
        if len(record) < _SHORTEST or record[:1] != _VERSION:
            return None
        header, salt = record[:_SALT_START], record[_SALT_START:_NONCE_START]
        for key_id, child in self._keys:
            if key_id == header[1:]:
                try:
                    return self._record_cipher(child, salt).decrypt(
                        record[_NONCE_START:_DATA_START], record[_DATA_START:], self._bound(header, context)
                    )
                except InvalidTag:
                    continue
        return None

    def _record_cipher(self, child: bytes, salt: bytes) -> AESGCM:
        # RFC 5869 §3.3: the child is already a uniform key, so HKDF's first half may be left out. Its second half
        # for 32 bytes is this one HMAC, half the cost. Key and nonce come from 256 fresh random bits together, so
        # no number of records brings a repeated pair near (SP 800-38D §8.3 allows one key 2^32 random nonces).
        return AESGCM(hmac.digest(child, self._info + salt + b"\x01", "sha256"))

    def _bound(self, header: bytes, context: str) -> bytes:
        return header + self._info + context.encode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return f"Seal({len(self._keys)} keys)"
