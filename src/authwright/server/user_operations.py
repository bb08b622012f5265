"""What an operator does to users in the store, and what it takes with it.

Who stands in the configuration file cannot be changed in the store: the file wins, so the attempt is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from authwright.clock import Clock, utcnow
from authwright.records import Account
from authwright.server import declared
from authwright.server.config import ConfigurationError, Loaded
from authwright.server.ending import Ended, end
from authwright.stores.protocols import Stores

FILE = "file"
STORE = "store"


class ListedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user and where it stands: `source` is "file" or "store"."""

    record: Account
    source: str


@dataclass(frozen=True, slots=True)
class UserOperations:
    """Users, by username. Every method that names one raises ConfigurationError when it is not there."""

    loaded: Loaded
    stores: Stores
    clock: Clock = utcnow

    async def list(self) -> Sequence[ListedUser]:
        """All of them, by username. One that stands in both places, by name or subject, is the file's."""
        from_file = self._declared()
        subjects = {item.record.subject for item in from_file.values()}
        both = {
            account.username: ListedUser(record=account, source=STORE)
            for account in await self.stores.accounts.list()
            if account.subject not in subjects
        } | from_file
        return [both[username] for username in sorted(both)]

    async def get(self, username: str) -> ListedUser:
        """The user that counts: the file's, else the store's."""
        found = self._declared().get(username)
        return found or ListedUser(record=await self._stored(username), source=STORE)

    async def add(self, account: Account) -> Account:
        """Store a new user."""
        self._refuse_declared(account.username, account.subject)
        if await self.stores.accounts.find(account.username) is not None:
            raise ConfigurationError(f"user {account.username!r} is there already")
        if await self.stores.accounts.get(account.subject) is not None:
            raise ConfigurationError(f"another user has the sub {account.subject!r} already")
        clients = {table.client_id for table in self.loaded.values.clients}
        if account.subject in clients or await self.stores.clients.get(account.subject) is not None:
            # RFC 9700 §4.15: the user's tokens would say the same `sub` as the client's.
            raise ConfigurationError(
                f"{account.subject!r} is the client_id of a client; a user needs another sub"
            )
        await self._put(account)
        return account

    async def enable(self, username: str) -> Account:
        """Let the user sign in again."""
        return await self._put(msgspec.structs.replace(await self._changeable(username), enabled=True))

    async def disable(self, username: str) -> Ended:
        """Let the user not sign in any more; sessions and grants end."""
        account = await self._put(msgspec.structs.replace(await self._changeable(username), enabled=False))
        return await end(self.stores, self.clock(), subject=account.subject)

    async def set_password(self, username: str, password_hash: str) -> Account:
        """Replace the password. Sessions and grants go on; `end` ends them."""
        account = await self._changeable(username)
        return await self._put(msgspec.structs.replace(account, password_hash=password_hash))

    async def remove(self, username: str) -> Ended:
        """Take the user out of the store, with sessions, grants and consents.

        One that stands in the file too goes on being served from there, so these stay.
        """
        account = await self._stored(username)
        await self.stores.accounts.remove(account.subject)
        if self._is_declared(account.username, account.subject):
            return Ended(grants=0)
        ended = await end(self.stores, self.clock(), subject=account.subject)
        clients = {client.client_id for client in await self.stores.clients.list()}
        clients |= {table.client_id for table in self.loaded.values.clients}
        for client_id in sorted(clients):
            # Else a new user of the same name would have allowed what the old one did.
            await self.stores.consents.remove(account.subject, client_id)
        return ended

    async def subject(self, name: str) -> str:
        """The `sub` of the user called `name`; else `name` itself, so that what a removed user left can be ended."""
        declared_user = self._declared().get(name)
        found = declared_user.record if declared_user else await self.stores.accounts.find(name)
        return found.subject if found else name

    async def _put(self, account: Account) -> Account:
        try:
            await self.stores.accounts.put(account)
        except ValueError as error:
            raise ConfigurationError(f"user {account.username!r}: {error}") from None
        return account

    async def _changeable(self, username: str) -> Account:
        self._refuse_declared(username)
        account = await self._stored(username)
        self._refuse_declared(account.username, account.subject)
        return account

    async def _stored(self, username: str) -> Account:
        account = await self.stores.accounts.find(username)
        if account is None:
            self._refuse_declared(username)
            raise ConfigurationError(f"there is no user {username!r}")
        return account

    def _refuse_declared(self, username: str, subject: str = "") -> None:
        if self._is_declared(username, subject):
            raise ConfigurationError(
                f"user {username!r} stands in {self.loaded.file}, which wins; change it there"
            )

    def _is_declared(self, username: str, subject: str = "") -> bool:
        accounts = [declared.account(table) for table in self.loaded.values.users]
        return any(
            account.username == username or (subject and account.subject == subject) for account in accounts
        )

    def _declared(self) -> dict[str, ListedUser]:
        return {
            table.username: ListedUser(record=declared.account(table), source=FILE)
            for table in self.loaded.values.users
        }
