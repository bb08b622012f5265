"""Passwords of people: Argon2id (RFC 9106) as PHC text, computed in a few threads with a short queue.

One verification takes some 20 ms and 19 MiB, so a flood of logins must wait outside, not in memory or in the event
loop. Machine-made secrets are not passwords: they have `Handles`.
"""

import asyncio
import re
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

MAX_PASSWORD_BYTES = 1024
_MEMORY_KIB = 19_456
_PASSES = 2
_LANES = 1
_PARAMETERS = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"
_PHC = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{11,86}"
)
# Imported hashes may cost more than ours, but a row someone planted must not take the machine's memory.
_MOST_MEMORY_KIB = 262_144
_MOST_PASSES = 16
_MOST_LANES = 16
# A hash with our parameters whose password nobody knows: what is verified where there is no account.
_NOBODY = _PARAMETERS + "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Overloaded(Exception):
    """Every thread is busy and the queue is full: answer 503 and let the caller come back."""


def hash_password(password: str) -> str:
    """The Argon2id PHC text of `password`: 19 MiB, two passes, a random salt. Slow, about 20 ms.

    Raises ValueError for more than 1024 bytes of UTF-8.
    """
    octets = _octets(password)
    if octets is None:
        raise ValueError("a password has at most 1024 bytes")
    kdf = Argon2id(
        salt=secrets.token_bytes(16), length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB
    )
    return kdf.derive_phc_encoded(octets)


def verify_password(password: str, phc: str) -> bool:
    """Whether `password` made `phc`; False for text that is no Argon2id hash, or one dearer than we accept. Slow."""
    octets = _octets(password)
    if octets is None or not _is_affordable(phc):
        return False
    try:
        Argon2id.verify_phc_encoded(octets, phc)
    except (InvalidKey, ValueError):
        return False
    return True


def needs_rehash(phc: str) -> bool:
    """Whether `phc` was made with other parameters than ours, so that a right password should be hashed anew."""
    return not phc.startswith(_PARAMETERS)


class Passwords:
    """The async door to hashing: `parallel` threads, and `queue` more callers who may wait for one."""

    __slots__ = ("_executor", "_places")

    def __init__(self, *, parallel: int = 2, queue: int = 32) -> None:
        if parallel < 1 or queue < 0:
            raise ValueError("parallel is at least 1, queue at least 0")
        self._executor = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="authwright-password")
        self._places = threading.BoundedSemaphore(parallel + queue)

    async def verify(self, password: str, phc: str | None) -> bool:
        """Whether `password` made `phc`. Without a usable hash it takes as long and answers False.

        Raises Overloaded at once when the queue is full.
        """
        return await asyncio.wrap_future(self._submit(_verify_or_burn, password, phc))

    async def hash(self, password: str) -> str:
        """`hash_password` in a thread. Raises Overloaded at once when the queue is full, ValueError as that does."""
        return await asyncio.wrap_future(self._submit(hash_password, password))

    def close(self) -> None:
        """Drops who still waits and ends the threads. Idempotent."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(
        self, work: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> Future[_Result]:
        if not self._places.acquire(blocking=False):
            raise Overloaded
        try:
            future = self._executor.submit(work, *args, **kwargs)
        except RuntimeError:
            # Closed: the process is going down, and its callers may come back to another.
            self._places.release()
            raise Overloaded from None
        # Called on a result, an error and a cancellation alike, so that no place is ever lost.
        future.add_done_callback(lambda _: self._places.release())
        return future

    def __repr__(self) -> str:
        return "Passwords()"


def _verify_or_burn(password: str, phc: str | None) -> bool:
    if phc and _is_affordable(phc):
        return verify_password(password, phc)
    # An unknown user must not be told from a known one by the clock.
    verify_password(password, _NOBODY)
    return False


def _is_affordable(phc: str) -> bool:
    match = _PHC.fullmatch(phc)
    if match is None:
        return False
    memory, passes, lanes = (int(number) for number in match.groups())
    return memory <= _MOST_MEMORY_KIB and 0 < passes <= _MOST_PASSES and 0 < lanes <= _MOST_LANES


def _octets(password: str) -> bytes | None:
    """The bytes that are hashed; None for more than we take."""
    # Bounded before it is normalised: that may make the text shorter, and costs time.
    if len(password) > MAX_PASSWORD_BYTES:
        return None
    # RFC 8265 §4.2.2: the same letters typed on another system must be the same bytes.
    octets = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return octets if len(octets) <= MAX_PASSWORD_BYTES else None
