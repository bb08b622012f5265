"""Several connection pools as one: a pool looks at all of its connections for every request, so each is kept small."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore2


class Pools:
    """`count` pools made by `make`. One is used until it is `busy`, then the next; when all are, the least busy one.

    So few requests share few connections, as with one pool.
    """

    def __init__(self, make: Callable[[], httpcore2.AsyncConnectionPool], *, count: int, busy: int) -> None:
        self._pools = [make() for _ in range(count)]
        self._in_use = [0] * count
        self._busy = busy

    @contextmanager
    def one(self) -> Iterator[httpcore2.AsyncConnectionPool]:
        """The pool for a request, for as long as the request lasts."""
        in_use = self._in_use
        free = (index for index, number in enumerate(in_use) if number < self._busy)
        index = next(free, None)
        if index is None:
            index = in_use.index(min(in_use))
        in_use[index] += 1
        try:
            yield self._pools[index]
        finally:
            in_use[index] -= 1

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools:
            await pool.aclose()
