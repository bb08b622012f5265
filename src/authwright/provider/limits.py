"""Limits on guessing: failed logins and failed client authentication (RFC 6819 §4.4.3.6, NIST SP 800-63B §5.2.2).

Only failures cost a client anything; one that authenticates is not limited. A login counts before the password is
looked at, so that attempts in parallel cannot slip under the limit together, and is forgiven when it succeeds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from authwright.protocol.errors import SlowDown
from authwright.stores.protocols import LimitStore, Rate

DEFAULT_LOGIN = Rate(burst=5, period=timedelta(seconds=30))
DEFAULT_LOGIN_BY_PEER = Rate(burst=50, period=timedelta(seconds=2))
DEFAULT_DEVICE_CODES = Rate(burst=60, period=timedelta(seconds=1))
DEFAULT_USER_CODE_TRIES = 5
DEFAULT_USER_CODE_MEMORY = timedelta(minutes=10)
DEFAULT_USER_CODE_OVERALL = Rate(burst=30, period=timedelta(seconds=1))
DEFAULT_CLIENT_FAILURES = Rate(burst=20, period=timedelta(seconds=3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Raises SlowDown (429 with Retry-After) for what is over a limit."""

    store: LimitStore
    digest: Callable[[str], str]
    """A keyed digest: what somebody typed as a name may be a password, and is not kept."""
    login: Rate = DEFAULT_LOGIN
    """Attempts for one username from one address."""
    login_by_peer: Rate = DEFAULT_LOGIN_BY_PEER
    """Attempts from one address, whatever the username."""
    client_failures: Rate = DEFAULT_CLIENT_FAILURES
    """Failed authentications of one client from one address."""

    device_codes: Rate = DEFAULT_DEVICE_CODES
    """Device codes for one client that does not authenticate, from one address."""
    user_code_tries: int = DEFAULT_USER_CODE_TRIES
    """Wrong user codes in one browser, and from one address, within `user_code_memory`."""
    user_code_memory: timedelta = DEFAULT_USER_CODE_MEMORY
    user_code_overall: Rate = DEFAULT_USER_CODE_OVERALL
    """User codes tried by all, right ones included."""

    async def device_code_wanted(self, client_id: str, peer: str | None, now: datetime) -> None:
        """Count a device code for somebody unknown: the more user codes are alive, the easier one is guessed."""
        _refuse(await self.store.take(f"device|{peer}|{client_id}", now, self.device_codes), "device.limit")

    async def user_code_attempt(self, browser: str, peer: str | None, now: datetime) -> tuple[str, ...]:
        """Count a try of a user code before it is looked up (RFC 8628 §5.1); what `user_code_succeeded` gives back."""
        # Right ones count as well: what is counted after the look-up does not stop a thousand tries at once.
        _refuse(await self.store.take("user_code", now, self.user_code_overall), "user_code.overall")
        by_browser = await self._take_slot(f"user_code|browser|{browser}", now)
        by_peer = await self._take_slot(f"user_code|peer|{peer}", now)
        return by_browser, by_peer

    async def user_code_succeeded(self, counted: tuple[str, ...]) -> None:
        """Forgive this one try, and no other: with a code of his own nobody wins back the wrong ones."""
        for slot in counted:
            await self.store.clear(slot)

    async def _take_slot(self, key: str, now: datetime) -> str:
        """Each wrong code holds one of a few places until it is forgotten."""
        waits = []
        for place in range(self.user_code_tries):
            slot = f"{key}|{place}"
            wait = await self.store.take(slot, now, Rate(burst=1, period=self.user_code_memory))
            if not wait:
                return slot
            waits.append(wait)
        _refuse(min(waits, default=self.user_code_memory), "user_code.limit")
        return ""

    async def login_attempt(self, username: str, peer: str | None, now: datetime) -> None:
        """Count an attempt before its password is checked."""
        wait = await self.store.take(f"login|{peer}", now, self.login_by_peer)
        if not wait:
            wait = await self.store.take(self._login_key(username, peer), now, self.login)
        _refuse(wait, "login.limit")

    async def login_succeeded(self, username: str, peer: str | None) -> None:
        """Forgive the attempts for this username from this address."""
        await self.store.clear(self._login_key(username, peer))

    async def client_authentication_failed(self, client_id: str, peer: str | None, now: datetime) -> None:
        """Count a failure; past the limit the answer is 429 instead of 401."""
        key = f"client|{peer}|{self.digest(client_id)}"
        _refuse(await self.store.take(key, now, self.client_failures), "client.limit")

    def _login_key(self, username: str, peer: str | None) -> str:
        return f"login|{peer}|{self.digest(username.casefold())}"


def _refuse(wait: timedelta, reason: str) -> None:
    if wait:
        raise SlowDown(
            "Too many failed attempts. Try again later.",
            retry_after=max(1, ceil(wait.total_seconds())),
            detail=reason,
        )
