"""The one writer of a SQLite database: a thread that puts what waits into one transaction (group commit).

One fsync serves the whole group. A work item decides before it writes, so a refused one leaves nothing to undo and
its neighbours stand. Each statement hands the interpreter lock over, so few statements for many items is what counts.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from authwright.stores.protocols import StoreUnavailable

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], Any]
"""Runs inside the group's transaction, on the writer's thread; checks first, then writes."""
Apply: TypeAlias = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
"""Carries out several items in one transaction and answers one result each."""

_Item: TypeAlias = tuple[asyncio.Future[Any], Any]
_Outcome: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]


class GroupWriter:
    """Queue, thread and connection. Made and used on one event loop."""

    def __init__(self, connection: sqlite3.Connection, apply: Apply, *, group: int = 128) -> None:
        self._connection = connection
        self._apply = apply
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Item] = []
        self._queue: SimpleQueue[list[_Item] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="authwright-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, item: Any) -> asyncio.Future[Any]:
        """Queue one item. Once this returned it is carried out, whatever becomes of the future."""
        if self._closed:
            raise StoreUnavailable("the database is closed")
        future = self._loop.create_future()
        if not self._gathered:
            # What arrives in the same turn of the loop goes over together, with one wake-up.
            self._loop.call_soon(self._hand_over)
        self._gathered.append((future, item))
        return future

    def _hand_over(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._queue.put(gathered)

    async def close(self) -> None:
        """Carry out what is queued, then stop the thread."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            # The last results were handed to the loop before the thread ended: let them arrive.
            await asyncio.sleep(0)

    def _run(self) -> None:
        waiting: list[_Item] = []
        last = False
        while not last or waiting:
            if not waiting:
                arrived = self._queue.get()
                if arrived is None:
                    last = True
                    continue
                waiting = arrived
            for _ in range(self._queue.qsize()):
                arrived = self._queue.get()
                if arrived is None:
                    last = True
                else:
                    waiting.extend(arrived)
            group, waiting = waiting[: self._group], waiting[self._group :]
            outcomes = self._carry_out(group)
            # When the loop is closed nobody waits for the answers any more; what is queued is carried out all the same.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_deliver, outcomes)

    def _carry_out(self, group: list[_Item]) -> list[_Outcome]:
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
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            results = self._apply(self._connection, items)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return results


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
