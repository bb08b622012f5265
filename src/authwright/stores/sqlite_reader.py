"""Reads of a SQLite database, in the loop: a lookup by key takes microseconds, a hop to a thread takes longer."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from authwright.stores.protocols import StoreUnavailable


class Reader:
    """A read-only connection. Every statement is a snapshot of its own, so it sees all that was committed."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None

    def start(self, connection: sqlite3.Connection) -> None:
        """Read from this connection from now on."""
        self._connection = connection

    def stop(self) -> None:
        """Refuse to read from now on."""
        self._connection = None

    def one(self, sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        if self._connection is None:
            raise StoreUnavailable("the database is not open")
        try:
            row: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        except sqlite3.DatabaseError as error:
            raise StoreUnavailable("SQLite could not be read") from error
        return row

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self._connection is None:
            raise StoreUnavailable("the database is not open")
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise StoreUnavailable("SQLite could not be read") from error


def conditions(**values: str | None) -> tuple[str, list[str]]:
    """A WHERE clause that asks for all of `values` that are given, and its parameters. Raises ValueError for none."""
    given = {column: value for column, value in values.items() if value is not None}
    if not given:
        raise ValueError(f"one of {', '.join(values)} is needed")
    return " AND ".join(f"{column} = ?" for column in given), list(given.values())
