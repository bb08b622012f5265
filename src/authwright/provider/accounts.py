"""Who may sign in: the application's own users, or those in the provider's store."""

from typing import Protocol, runtime_checkable

from authwright.clock import Clock, utcnow
from authwright.crypto.passwords import Passwords
from authwright.provider.recent import Recent
from authwright.records import Account
from authwright.stores.protocols import AccountStore


class Accounts(Protocol):
    """What the provider asks about users. Implement it over the application's own tables to use those."""

    async def authenticate(self, username: str, password: str) -> Account | None:
        """The account, or None when username and password do not belong together or it is disabled.

        It takes the same time whether or not the username exists.
        """

    async def get(self, subject: str) -> Account | None:
        """The account with that `sub`, or None when there is none any more or it is disabled."""


@runtime_checkable
class NamedAccounts(Accounts, Protocol):
    """Accounts that can be told by a name alone, as a `login_hint` does (CIBA Core 1.0 §7.1)."""

    async def find(self, username: str) -> Account | None:
        """The account with that username, or None when there is none or it is disabled."""


class StoredAccounts:
    """Accounts of the provider's own store, with Argon2id passwords. `get` sees a change within two seconds."""

    def __init__(self, store: AccountStore, passwords: Passwords, clock: Clock = utcnow) -> None:
        self._store = store
        self._recent = Recent(store.get, clock=clock)
        self.passwords = passwords

    async def authenticate(self, username: str, password: str) -> Account | None:
        account = await self._store.find(username)
        # An unknown username costs a hash too, so that time does not tell who exists.
        matches = await self.passwords.verify(password, account.password_hash if account else None)
        return account if matches and account is not None and account.enabled else None

    async def find(self, username: str) -> Account | None:
        account = await self._store.find(username)
        return account if account is not None and account.enabled else None

    async def get(self, subject: str) -> Account | None:
        account = await self._recent.get(subject)
        return account if account is not None and account.enabled else None
