"""Nonces a server asks DPoP proofs to carry (RFC 9449 §8, §9). They are derived from the time, so nothing is stored.

Whoever has the same keys makes and accepts the same nonces: every worker, and every server of one issuer.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from authwright.crypto import base64url

PERIOD = timedelta(seconds=60)
"""How long a nonce is handed out; it is accepted for one period more."""
_SIZE = 18


class DpopNonces:
    """Makes and recognises nonces."""

    __slots__ = ("_epoch", "_keys", "_made")

    def __init__(self, keys: Sequence[bytes], epoch: str = "") -> None:
        """`keys`: 32 bytes each, newest first; the newest makes, all are recognised.

        `epoch` is another one whenever the memory of used proofs may have been lost, so that proofs from before need
        a new nonce; empty where that memory is durable.
        """
        if not keys:
            raise ValueError("no key for DPoP nonces")
        self._keys = tuple(keys)
        self._epoch = epoch.encode()
        self._made: tuple[int, tuple[str, ...]] | None = None

    def current(self, now: datetime) -> str:
        """The nonce to hand out."""
        return self._accepted(now)[0]

    def accepts(self, nonce: str, now: datetime) -> bool:
        """Whether it was handed out in this period or the last, or just now by a server whose clock is ahead."""
        if not nonce.isascii():
            return False
        return any(hmac.compare_digest(nonce, known) for known in self._accepted(now))

    def _accepted(self, now: datetime) -> tuple[str, ...]:
        period = int(now.timestamp() // PERIOD.total_seconds())
        made = self._made
        if made is None or made[0] != period:
            periods = (period, period - 1, period + 1)
            made = self._made = (
                period,
                tuple(_nonce(key, self._epoch, p) for key in self._keys for p in periods),
            )
        return made[1]

    def __repr__(self) -> str:
        return f"DpopNonces({len(self._keys)} keys)"


def _nonce(key: bytes, epoch: bytes, period: int) -> str:
    digest = hmac.digest(key, b"dpop nonce\0" + period.to_bytes(8, "big") + epoch, "sha256")
    return base64url.encode(digest[:_SIZE]).decode("ascii")
