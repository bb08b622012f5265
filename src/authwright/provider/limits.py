"""Limits on guessing: failed logins and failed client authentication (RFC 6819 §4.4.3.6, NIST SP 800-63B §5.2.2).

Only failures cost a client anything; one that authenticates is not limited. A login counts before the password is
looked at, so that attempts in parallel cannot slip under the limit together, and is forgiven when it succeeds.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from authwright.protocol.errors import SlowDown
from authwright.stores.protocols import LimitStore, Rate

DEFAULT_LOGIN = Rate(burst=5, period=timedelta(seconds=30))
DEFAULT_LOGIN_BY_PEER = Rate(burst=50, period=timedelta(seconds=2))
DEFAULT_CLIENT_FAILURES = Rate(burst=20, period=timedelta(seconds=3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Raises SlowDown (429 with Retry-After) for what is over a limit."""

    store: LimitStore
    login: Rate = DEFAULT_LOGIN
    """Attempts for one username from one address."""
    login_by_peer: Rate = DEFAULT_LOGIN_BY_PEER
    """Attempts from one address, whatever the username."""
    client_failures: Rate = DEFAULT_CLIENT_FAILURES
    """Failed authentications of one client from one address."""

    async def login_attempt(self, username: str, peer: str | None, now: datetime) -> None:
        """Count an attempt before its password is checked."""
        wait = await self.store.take(f"login|{peer}", now, self.login_by_peer)
        if not wait:
            wait = await self.store.take(_login_key(username, peer), now, self.login)
        _refuse(wait, "login.limit")

    async def login_succeeded(self, username: str, peer: str | None) -> None:
        """Forgive the attempts for this username from this address."""
        await self.store.clear(_login_key(username, peer))

    async def client_authentication_failed(self, client_id: str, peer: str | None, now: datetime) -> None:
        """Count a failure; past the limit the answer is 429 instead of 401."""
        _refuse(
            await self.store.take(f"client|{peer}|{client_id}", now, self.client_failures), "client.limit"
        )


def _login_key(username: str, peer: str | None) -> str:
    return f"login|{peer}|{username.casefold()}"


def _refuse(wait: timedelta, reason: str) -> None:
    if wait:
        raise SlowDown(
            "Too many failed attempts. Try again later.",
            retry_after=max(1, ceil(wait.total_seconds())),
            detail=reason,
        )
