"""Several connection pools as one: a pool looks at all of its connections for every request, so each is kept small."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zlib import crc32

import httpcore2


class Pools:
    """`count` pools made by `make`. A host has one it begins with, where its idle connections are; when that is `busy`
    the next is used, and when all are, the least busy one.
    """

    def __init__(self, make: Callable[[], httpcore2.AsyncConnectionPool], *, count: int, busy: int) -> None:
        self._pools = [make() for _ in range(count)]
        self._in_use = [0] * count
        self._busy = busy

    @contextmanager
    def one(self, host: str) -> Iterator[httpcore2.AsyncConnectionPool]:
        """The pool for a request to that host, for as long as the request lasts."""
        in_use, count = self._in_use, len(self._in_use)
        first = crc32(host.encode()) % count
        index = next((at for at in (*range(first, count), *range(first)) if in_use[at] < self._busy), None)
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
