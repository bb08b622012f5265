"""Time as an argument: everything that needs "now" is given a `Clock`, so that tests can freeze it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Answers the current moment as an aware datetime in UTC."""


def utcnow() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)
