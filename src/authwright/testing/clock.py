"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FrozenClock:
    """A `Clock`. `FrozenClock()` starts at noon on 1 January 2026 UTC; `advance` moves it on."""

    def __init__(self, now: datetime = START) -> None:
        if now.tzinfo is None:
            raise ValueError("the time must be aware")
        self.now: datetime = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta | float) -> datetime:
        """Move on by a timedelta or a number of seconds; the new time."""
        self.now += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self.now
