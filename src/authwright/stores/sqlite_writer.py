"""The one writer of a SQLite database: it puts what waits into one transaction (group commit).

One fsync serves the whole group. A work item decides before it writes, so a refused one leaves nothing to undo and
its neighbours stand.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from authwright.stores.protocols import StoreUnavailable

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], Any]
"""Runs inside the group's transaction, on the writer's thread; checks first, then writes."""
Apply: TypeAlias = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
"""Carries out several items in one transaction and answers one result each."""

LOCK_WAIT = 5.0
"""Seconds another process may hold the database."""
LOCK_RETRY = 0.001

_Item: TypeAlias = tuple[asyncio.Future[Any], Any]
_Outcome: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]


class GroupWriter:
    """Gathers what waits, writes it in the event loop, and waits for the disk on a thread. Started and used on one loop.

    Writing rows takes microseconds; it is the disk that takes long, and a lock that another process holds. Handing each
    row to a thread would cost more than writing it, since both threads want the interpreter.
    """

    def __init__(
        self, apply: Apply, apply_in_loop: Apply, is_short: Callable[[Any], bool], *, group: int = 64
    ) -> None:
        """`is_short` tells whether an item may be written in the loop, by `apply_in_loop`.

        That may fail for what `apply` does well: the group is then rolled back and carried out by `apply`.
        """
        self._apply = apply
        self._apply_in_loop = apply_in_loop
        self._is_short = is_short
        self._group = group
        self._waiting: deque[_Item] = deque()
        self._gathered = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._jobs: SimpleQueue[Callable[[], list[_Outcome]] | None] = SimpleQueue()
        self._started = False

    def start(self, connection: sqlite3.Connection) -> None:
        """Write on this connection, which does not wait for locks by itself, from now on and from this event loop."""
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="authwright-sqlite-writer", daemon=True)
        self._thread.start()
        self._started = True

    def submit(self, item: Any) -> asyncio.Future[Any]:
        """Queue one item. It is carried out while the loop runs, whatever becomes of the future."""
        if not self._started:
            raise StoreUnavailable("the database is not open")
        future = self._loop.create_future()
        self._waiting.append((future, item))
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._gather)
        return future

    async def close(self) -> None:
        """Carry out what is queued, then stop the thread."""
        if self._started:
            self._started = False
            await self._idle.wait()
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    def _gather(self) -> None:
        """Let the group grow as long as each turn of the loop brings more: a commit costs the same for one and for many."""
        waiting = len(self._waiting)
        if self._gathered < waiting < self._group:
            self._gathered = waiting
            self._loop.call_soon(self._gather)
            return
        self._gathered = 0
        self._write()

    def _write(self) -> None:
        """Start the next group, in the loop; nothing else is under way."""
        group = [self._waiting.popleft() for _ in range(min(self._group, len(self._waiting)))]
        if not group:
            self._idle.set()
            return
        job: Callable[[], list[_Outcome]] = partial(self._carry_out, group)
        if all(self._is_short(item) for _, item in group):
            results = self._written([item for _, item in group])
            if results is not None:
                job = partial(self._commit, group, results)
        self._jobs.put(job)

    def _written(self, items: Sequence[Any]) -> Sequence[Any] | None:
        """Results of the items, written but not committed; None, with nothing written, when that takes the long way."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            return None  # another process writes, or worse: the thread waits for it, or says so
        try:
            return self._apply_in_loop(self._connection, items)
        except Exception:
            self._roll_back()
            return None  # the thread does it with more care, or finds out which item is at fault

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            outcomes = job()
            # When the loop is closed nobody waits for the answers any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._done, outcomes)

    def _done(self, outcomes: list[_Outcome]) -> None:
        _deliver(outcomes)
        self._gather()

    def _commit(self, group: list[_Item], results: Sequence[Any]) -> list[_Outcome]:
        """On the thread: make durable what was written."""
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            return [(future, None, _unavailable(error)) for future, _ in group]
        return [(future, result, None) for (future, _), result in zip(group, results, strict=True)]

    def _carry_out(self, group: list[_Item]) -> list[_Outcome]:
        """On the thread: wait for the lock, write, commit; item by item when one of them is at fault."""
        try:
            results = self._transact([item for _, item in group])
        except Exception as error:
            if is_outage(error):
                # This says nothing about any single item.
                return [(future, None, _unavailable(error)) for future, _ in group]
            if len(group) == 1:
                return [(group[0][0], None, error)]
            # One item is at fault; alone in its transaction each gets its own answer.
            return [outcome for one in group for outcome in self._carry_out([one])]
        return [(future, result, None) for (future, _), result in zip(group, results, strict=True)]

    def _transact(self, items: Sequence[Any]) -> Sequence[Any]:
        self._begin()
        try:
            results = self._apply(self._connection, items)
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return results

    def _begin(self) -> None:
        deadline = time.monotonic() + LOCK_WAIT
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(LOCK_RETRY)

    def _roll_back(self) -> None:
        # A rollback that fails leaves nobody waiting: the next group cannot begin, and says why.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def is_outage(error: Exception) -> bool:
    """Whether the database could not serve (locked, full, unreadable, damaged), rather than refused one statement."""
    refused = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, refused)


def _unavailable(error: Exception) -> StoreUnavailable:
    unavailable = StoreUnavailable(f"SQLite: {getattr(error, 'sqlite_errorname', 'unknown error')}")
    unavailable.__cause__ = error
    return unavailable


def _deliver(outcomes: list[_Outcome]) -> None:
    for future, result, error in outcomes:
        if future.done():
            continue  # its caller was cancelled
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
