"""What a worker counts, in memory that all workers of one server share: one adds to its own cells, one adds them up.

A worker that ends leaves its cells as they are and the next in its place goes on from them, so that no sum ever falls.
"""

import mmap
import os
import sys
import tempfile
from collections.abc import Iterable
from time import perf_counter_ns

from authwright.protocol.http import Fetch, HttpRequest, HttpResponse
from authwright.provider.audit import (
    AuditEvent,
    CodeReplayed,
    LoginCompleted,
    LoginFailed,
    RefreshReplayed,
    StoreFailed,
    TokenIssued,
    TokenMutated,
    TokenRefused,
)
from authwright.server import metric_series as series

_SIZE = 8
_HEAD = 1
_WORKER = _SIZE * (_HEAD + series.CELLS)


class Counts:
    """The cells of one worker: adding to one costs a fraction of a microsecond and is seen by all at once."""

    __slots__ = ("_cells", "_paths")

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells
        self._paths: dict[str, int] = {}

    def serve(self, paths: Iterable[str], base: str) -> None:
        """Learn the paths that are answered; `base` is the issuer's own, which is no part of an endpoint's name."""
        for path in paths:
            # RFC 8414 §3.1 puts one document before the issuer's path instead of below it.
            name = path.removeprefix(base) if path.startswith(base) else path.removesuffix(base)
            self._paths[path] = series.endpoint_cell(name)

    def counting(self, fetch: Fetch) -> Fetch:
        """`fetch`, counted and timed as its answers leave."""
        cells, paths = self._cells, self._paths
        other = series.endpoint_cell(series.OTHER)

        async def counted(request: HttpRequest) -> HttpResponse:
            began = perf_counter_ns()
            answer = await fetch(request)
            took = perf_counter_ns() - began
            first = paths.get(request.path, other)
            cells[first + answer.status // 100 - 1] += 1
            cells[first + series.DURATIONS + series.bucket(took)] += 1
            cells[first + series.SUM] += took // 1000
            return answer

        return counted

    def record(self, event: AuditEvent) -> None:
        """An `AuditSink`."""
        match event:
            case TokenIssued() | TokenMutated():
                cell = series.issued_cell(event.grant_type)
            case TokenRefused():
                cell = series.refused_cell(event.grant_type, event.reason)
            case CodeReplayed():
                cell = series.REPLAYED
            case RefreshReplayed():
                cell = series.REPLAYED + 1
            case LoginCompleted():
                cell = series.SIGNED_IN
            case LoginFailed():
                cell = series.SIGNED_IN + 1
            case StoreFailed():
                cell = series.STORE_FAULTS
            case _:
                return
        self._cells[cell] += 1


class SharedCounts:
    """The cells of all workers. Processes share it by inheriting `fd`."""

    def __init__(self, fd: int) -> None:
        """Raises ValueError when `fd` is not such memory, or that of another version."""
        self.fd = fd
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        self._cells = memoryview(self._map).cast("q")
        if len(self._map) % _WORKER or self._cells[0] != series.LAYOUT:
            raise ValueError("the counts are those of another version")

    @classmethod
    def of(cls, workers: int) -> "SharedCounts":
        """All zero, for that many workers."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("authwright-metrics")
        else:
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.truncate(fd, workers * _WORKER)
        for worker in range(workers):
            os.pwrite(fd, series.LAYOUT.to_bytes(_SIZE, sys.byteorder), worker * _WORKER)
        return cls(fd)

    def worker(self, index: int) -> Counts:
        """The cells of one worker, from 0."""
        first = index * (_HEAD + series.CELLS) + _HEAD
        return Counts(self._cells[first : first + series.CELLS])

    def sums(self) -> list[int]:
        """All cells, added up over the workers."""
        step = _HEAD + series.CELLS
        workers = [
            self._cells[first + _HEAD : first + step].tolist() for first in range(0, len(self._cells), step)
        ]
        return [sum(values) for values in zip(*workers, strict=True)]
