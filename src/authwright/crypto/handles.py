"""Opaque values (codes, tokens, session ids, client secrets): minted at random, kept only as a keyed digest.

A value is `<prefix>_`, a stamp of ten hex digits, 32 random bytes in base64url and a checksum of four characters. The
checksum is no secret: it turns typing errors, truncations and garbage away before anything is digested or looked up.
The stamp is the time, and stands before the digest too, so that a database index of digests grows at its end only.
"""

import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from authwright.crypto import base64url

PREFIXES = {
    "authorization_code": "ac",
    "access_token": "at",
    "refresh_token": "rt",
    "id_token": "it",
    "device_code": "dc",
    "auth_req_id": "ar",
    "session": "ss",
    "csrf": "cf",
    "interaction": "ia",
    "rp_session": "rs",
    "flow": "fl",
    "client_secret": "cs",
    "registration_access_token": "ra",
    "pushed_authorization_request": "pr",
    "initial_access_token": "in",
}
"""Purpose to prefix; the prefix of any other purpose is its own name without underscores."""

_PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RANDOM_SIZE = 32
_TEXT_SIZE = 43
_CHECKSUM_SIZE = 4
STAMP_SIZE = 10
_STAMPS_PER_SECOND = 256
_POOL_SIZE = 4096
_INNER_PAD = bytes(octet ^ 0x36 for octet in range(256))
_OUTER_PAD = bytes(octet ^ 0x5C for octet in range(256))


class RandomOctets(threading.local):
    """The system's random octets, fetched many at a time: each call of the system lets go of the interpreter.

    No octet is given out twice: each thread has its own, and a forked process starts anew.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Fetch new octets at the next call."""
        self._octets = b""
        self._at = 0

    def __call__(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._octets):
            self._octets, self._at, end = os.urandom(max(_POOL_SIZE, size)), 0, size
        taken = self._octets[self._at : end]
        self._at = end
        return taken


random_octets: RandomOctets = RandomOctets()
os.register_at_fork(after_in_child=random_octets.forget)


class _Mac:
    """HMAC-SHA-256 (RFC 2104 §2) with the key's two blocks hashed beforehand, which makes a short message cost half."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
        self._inner = sha256(block.translate(_INNER_PAD))
        self._outer = sha256(block.translate(_OUTER_PAD))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class Handles:
    """Mints opaque values and digests them; the digest is the stamp and HMAC-SHA-256 of purpose, a zero octet and the value.

    A keyed digest, not a bare hash: who can write to the database still cannot plant a value of his choice.
    """

    __slots__ = ("_macs", "_random", "_seconds", "_shapes")

    def __init__(
        self,
        peppers: Sequence[bytes],
        random: Callable[[int], bytes] = random_octets,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        """`peppers`: the digest keys, newest first. Raises ValueError for none, or for one under 32 bytes."""
        if not peppers or any(len(pepper) < 32 for pepper in peppers):
            raise ValueError("peppers: at least one, of 32 bytes or more each")
        self._macs = tuple(_Mac(pepper) for pepper in peppers)
        self._random = random
        self._seconds = seconds
        self._shapes: dict[str, tuple[bytes, bytes, re.Pattern[bytes]]] = {}

    def __repr__(self) -> str:
        return f"Handles({len(self._macs)} peppers)"

    def stamp(self) -> str:
        """The time as ten hex digits that sort as it passes; good until the year 2106, and no secret."""
        return f"{int(self._seconds() * _STAMPS_PER_SECOND):010x}"

    def mint(self, purpose: str) -> tuple[str, str]:
        """A new value, to be sent once and forgotten, and its digest, to be kept."""
        return self._made(purpose, self.stamp(), self._random(_RANDOM_SIZE))

    def successor(self, purpose: str, value: str, stamp: str | None = None) -> tuple[str, str]:
        """The value that follows `value`, and its digest; always the same ones for the same `stamp` (None = a new one).

        Whoever holds `value` alone cannot tell what follows; whoever minted it can hand the same successor out twice.
        """
        _, label, _ = self._shapes.get(purpose) or self._shape(purpose)
        derived = self._macs[0].digest(b"successor\0" + label + value.encode("utf-8"))
        return self._made(purpose, self.stamp() if stamp is None else stamp, derived)

    def _made(self, purpose: str, stamp: str, octets: bytes) -> tuple[str, str]:
        prefix, label, _ = self._shapes.get(purpose) or self._shape(purpose)
        body = prefix + stamp.encode("ascii") + base64url.encode(octets)
        value = body + _checksum(body)
        return value.decode("ascii"), stamp + self._macs[0].digest(label + value).hex()

    def digests(self, purpose: str, value: str) -> tuple[str, ...]:
        """The digests `value` may be kept under, one for each pepper; () when it was never minted for `purpose`."""
        prefix, label, pattern = self._shapes.get(purpose) or self._shape(purpose)
        text = _formed(value, pattern)
        if text is None:
            return ()
        message = label + text
        stamp = value[len(prefix) : len(prefix) + STAMP_SIZE]
        return tuple([stamp + mac.digest(message).hex() for mac in self._macs])

    def has_form(self, purpose: str, value: str) -> bool:
        """Whether `value` looks like one that was minted for `purpose`; anybody can make one that does."""
        _, _, pattern = self._shapes.get(purpose) or self._shape(purpose)
        return _formed(value, pattern) is not None

    def digest_of(self, label: str, text: str) -> str:
        """The keyed digest in hex of any text, with the newest pepper: assertion ids, cookie bindings, secrets."""
        return self._macs[0].digest(_labelled(label, text)).hex()

    def digests_of(self, label: str, text: str) -> tuple[str, ...]:
        """`digest_of` for each pepper, newest first."""
        message = _labelled(label, text)
        return tuple([mac.digest(message).hex() for mac in self._macs])

    def fingerprint(self, text: str) -> str:
        """Eight hex digits by which a log may name a secret value without holding any of it."""
        return self.digest_of("fingerprint", text)[:8]

    def _shape(self, purpose: str) -> tuple[bytes, bytes, re.Pattern[bytes]]:
        """What values of `purpose` begin with, what their digest begins with, and what they look like."""
        if _PURPOSE.fullmatch(purpose) is None:
            raise ValueError("a purpose is up to 64 lower-case letters, digits and underscores")
        prefix = (PREFIXES.get(purpose) or purpose.replace("_", "")).encode("ascii") + b"_"
        rest = b"[0-9a-f]{%d}[A-Za-z0-9_-]{%d}" % (STAMP_SIZE, _TEXT_SIZE + _CHECKSUM_SIZE)
        pattern = re.compile(re.escape(prefix) + rest)
        shape = (prefix, purpose.encode("ascii") + b"\0", pattern)
        # Purposes are constants of the program, so this memory has a natural bound.
        self._shapes[purpose] = shape
        return shape


def random_id(size: int = 16, random: Callable[[int], bytes] = random_octets) -> str:
    """base64url of `size` random bytes, for identifiers that are no secrets: grant ids, `sid`, `jti`."""
    return base64url.encode(random(size)).decode("ascii")


def ordered_id(now: datetime) -> str:
    """An identifier that is no secret and sorts by time, so that a database index of many grows at its end only."""
    return f"{int(now.timestamp() * 1_000_000):014x}{random_id(12)}"


def _formed(value: str, pattern: re.Pattern[bytes]) -> bytes | None:
    """The octets of a value that has the form of a minted one, else None."""
    # Length first, so that encoding costs nothing for a value of a megabyte; length, charset and checksum all come
    # before any digest.
    if len(value) > 160 or not value.isascii():
        return None
    text = value.encode("ascii")
    if pattern.fullmatch(text) is None or _checksum(text[:-_CHECKSUM_SIZE]) != text[-_CHECKSUM_SIZE:]:
        return None
    return text


def _checksum(body: bytes) -> bytes:
    crc = zlib.crc32(body)
    return base64url.encode(((crc ^ crc >> 24) & 0xFFFFFF).to_bytes(3, "big"))


def _labelled(label: str, text: str) -> bytes:
    if "\0" in label:
        raise ValueError("a label holds no zero octet")
    # Lone surrogates can come out of lenient decoders: they are digested like anything else, never a crash.
    return label.encode("utf-8") + b"\0" + text.encode("utf-8", "surrogatepass")
