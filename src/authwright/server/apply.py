"""Declared clients and users, written into the store: what would change, told as a diff, and then done.

Applying the same file twice changes nothing the second time: secrets and passwords are compared, not written anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from authwright.crypto.handles import Handles
from authwright.crypto.passwords import Passwords
from authwright.crypto.seal import Seal
from authwright.protocol.client_credentials import CLIENT_SECRET_JWT
from authwright.provider.clients import ClientRegistration
from authwright.records import Account, Client
from authwright.server import declared
from authwright.server.config import ClientTable, UserTable
from authwright.stores.protocols import AccountStore, ClientStore

_HIDDEN = frozenset({"secrets", "password_hash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One change: `before` None adds, `after` None removes."""

    kind: str
    name: str
    before: Client | Account | None
    after: Client | Account | None

    def lines(self) -> list[str]:
        """As a diff: `+` adds, `-` removes, `~` changes. Never a secret."""
        if self.before is None:
            return [f"+ {self.kind} {self.name}"]
        if self.after is None:
            return [f"- {self.kind} {self.name}"]
        changed = [
            (field, getattr(self.before, field), getattr(self.after, field))
            for field in self.before.__struct_fields__
            if getattr(self.before, field) != getattr(self.after, field)
        ]
        return [f"~ {self.kind} {self.name}", *(_field_line(*field) for field in changed)]


def _field_line(field: str, before: Any, after: Any) -> str:
    if field in _HIDDEN:
        return f"    {field}: changed"
    return f"    {field}: {_text(before)} -> {_text(after)}"


def _text(value: Any) -> str:
    if isinstance(value, frozenset):
        value = sorted(value)
    return msgspec.json.encode(value).decode()


async def client_differences(
    tables: Sequence[ClientTable],
    store: ClientStore,
    handles: Handles,
    seal: Seal,
    now: datetime,
    *,
    prune: bool,
) -> list[Difference]:
    """What applying `tables` to the store would change; with `prune`, clients that are not declared go."""
    stored = {client.client_id: client for client in await store.list()}
    found = []
    for table in tables:
        before = stored.pop(table.client_id, None)
        after = _with_known_secrets(declared.registration(table, now), before, handles, seal, now)
        if before != after:
            found.append(Difference(kind="client", name=table.client_id, before=before, after=after))
    if prune:
        found += [
            Difference(kind="client", name=name, before=client, after=None)
            for name, client in sorted(stored.items())
        ]
    return found


def _with_known_secrets(
    registration: ClientRegistration, before: Client | None, handles: Handles, seal: Seal, now: datetime
) -> Client:
    """The declared client; a secret that is stored already keeps its record, so that nothing changes."""
    client = registration.digested(handles, lambda: now, seal=seal)
    if before is None:
        return client
    accepted = {
        digest for secret in registration.secrets for digest in handles.digests_of("client_secret", secret)
    }
    accepted |= {secret.digest for secret in registration.client.secrets}
    # Another method may need the secret itself, or no longer: then its record is made anew.
    sealed = client.token_endpoint_auth_method == CLIENT_SECRET_JWT
    kept = tuple(
        secret for secret in before.secrets if secret.digest in accepted and bool(secret.sealed) is sealed
    )
    return msgspec.structs.replace(client, secrets=kept) if kept else client


async def user_differences(
    tables: Sequence[UserTable], store: AccountStore, passwords: Passwords, *, prune: bool
) -> list[Difference]:
    """What applying `tables` to the store would change; with `prune`, users that are not declared go."""
    stored = {account.subject: account for account in await store.list()}
    found = []
    for table in tables:
        before = await store.find(table.username)
        after = declared.account(table, subject=before.subject if before else "")
        if before is None or before.subject != after.subject:
            before = stored.get(after.subject)
        stored.pop(after.subject, None)
        if not after.password_hash:
            hashed = await _password_hash(table.password, before, passwords)
            after = msgspec.structs.replace(after, password_hash=hashed)
        if before != after:
            found.append(Difference(kind="user", name=table.username, before=before, after=after))
    if prune:
        found += [
            Difference(kind="user", name=account.username, before=account, after=None)
            for account in sorted(stored.values(), key=lambda account: account.username)
        ]
    # Removed first, so that a username may move to another subject in one go.
    return sorted(found, key=lambda difference: difference.after is not None)


async def _password_hash(password: str, before: Account | None, passwords: Passwords) -> str:
    if before is not None and await passwords.verify(password, before.password_hash):
        return before.password_hash
    return await passwords.hash(password)


async def carry_out(differences: Sequence[Difference], clients: ClientStore, accounts: AccountStore) -> None:
    """Write the changes. Raises ValueError when a username belongs to another subject."""
    for difference in differences:
        match difference.after, difference.before:
            case Client() as client, _:
                await clients.put(client)
            case Account() as account, _:
                await accounts.put(account)
            case None, Client() as client:
                await clients.remove(client.client_id)
            case None, Account() as account:
                await accounts.remove(account.subject)
