"""What was read from a store a moment ago: a row that every request needs need not be read for every request."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from authwright.clock import Clock

T = TypeVar("T")

REREAD = timedelta(seconds=2)
"""How long a change in the store may go unseen, by every worker."""

MAX_REMEMBERED = 10_000


class Recent(Generic[T]):
    """Reads by key, each key at most every `reread`."""

    def __init__(
        self, read: Callable[[str], Awaitable[T]], *, clock: Clock, reread: timedelta = REREAD
    ) -> None:
        self._read = read
        self._clock = clock
        self._reread = reread.total_seconds()
        self._remembered: dict[str, tuple[float, T]] = {}

    async def get(self, key: str) -> T:
        """What is there, or was at most `reread` ago. Raises StoreUnavailable."""
        now = self._clock().timestamp()
        remembered = self._remembered.get(key)
        # A clock that was set back makes nothing fresh again.
        if remembered is not None and 0 <= now - remembered[0] < self._reread:
            return remembered[1]
        value = await self._read(key)
        # Anyone can ask for any key, so what is remembered is bounded and simply started over.
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered = {}
        self._remembered[key] = (now, value)
        return value
