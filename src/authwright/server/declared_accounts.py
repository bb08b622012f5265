"""Users that stand in the configuration, before those in the store: the file wins, and taking one out ends it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from authwright.crypto.passwords import Passwords, hash_password
from authwright.provider.accounts import StoredAccounts
from authwright.records import Account
from authwright.server import declared
from authwright.server.config import UserTable
from authwright.stores.protocols import AccountStore


@dataclass(frozen=True, slots=True)
class DeclaredAccounts:
    """An `Accounts`. What is declared is never written to the store, so nothing of it outlives its line."""

    by_username: Mapping[str, Account]
    by_subject: Mapping[str, Account]
    stored: StoredAccounts

    @classmethod
    async def of(
        cls, tables: Sequence[UserTable], store: AccountStore, passwords: Passwords
    ) -> "DeclaredAccounts":
        """Passwords that stand in clear are hashed here, once, some 20 ms each."""
        accounts = [await _hashed(table) for table in tables]
        return cls(
            by_username={account.username: account for account in accounts},
            by_subject={account.subject: account for account in accounts},
            stored=StoredAccounts(store, passwords),
        )

    async def authenticate(self, username: str, password: str) -> Account | None:
        account = self.by_username.get(username)
        if account is not None:
            matches = await self.stored.passwords.verify(password, account.password_hash)
            return account if matches and account.enabled else None
        found = await self.stored.authenticate(username, password)
        # The store may know a declared user under a name it had before.
        return None if found is not None and found.subject in self.by_subject else found

    async def find(self, username: str) -> Account | None:
        account = self.by_username.get(username)
        if account is not None:
            return account if account.enabled else None
        found = await self.stored.find(username)
        return None if found is not None and found.subject in self.by_subject else found

    async def get(self, subject: str) -> Account | None:
        account = self.by_subject.get(subject)
        if account is not None:
            return account if account.enabled else None
        return await self.stored.get(subject)


async def _hashed(table: UserTable) -> Account:
    account = declared.account(table)
    if not table.password:
        return account
    phc = await asyncio.to_thread(hash_password, table.password)
    return msgspec.structs.replace(account, password_hash=phc)
