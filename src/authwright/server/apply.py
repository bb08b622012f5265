"""Declared clients, users and consent services, written into the store: what would change, told as a diff, and then done.

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
from authwright.records import Account, Client, ConsentService
from authwright.registrations import check_subjects
from authwright.server import declared, declared_services
from authwright.server.config import ClientTable, Configuration, ConsentServiceTable, UserTable
from authwright.server.config_checks import subject_of
from authwright.stores.protocols import AccountStore, ClientStore, ConsentServiceStore, Stores

_HIDDEN = frozenset({"secrets", "password_hash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One change: `before` None adds, `after` None removes."""

    kind: str
    name: str
    before: Client | Account | ConsentService | None
    after: Client | Account | ConsentService | None

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


async def check_names(
    differences: Sequence[Difference], clients: ClientStore, accounts: AccountStore, declared: Configuration
) -> None:
    """Raises ValueError when afterwards a user's `sub`, here or in `declared`, is a client's id (RFC 9700 §4.15)."""
    removed = [difference.before for difference in differences if difference.after is None]
    written = [difference.after for difference in differences]
    client_ids = {client.client_id for client in await clients.list()}
    client_ids -= {record.client_id for record in removed if isinstance(record, Client)}
    client_ids |= {record.client_id for record in written if isinstance(record, Client)}
    client_ids |= {table.client_id for table in declared.clients}
    subjects = {account.subject for account in await accounts.list()}
    subjects -= {record.subject for record in removed if isinstance(record, Account)}
    subjects |= {record.subject for record in written if isinstance(record, Account)}
    subjects |= {subject_of(table) for table in declared.users}
    check_subjects(client_ids, subjects)


async def service_differences(
    tables: Sequence[ConsentServiceTable], store: ConsentServiceStore, tenant: str, *, prune: bool
) -> list[Difference]:
    """What applying `tables` to the store would change.

    With `prune`, services that are not declared go: of the issuer's `tenant`, and of every tenant that is declared one.
    """
    wanted = [declared_services.consent_service(table, tenant) for table in tables]
    tenants = {tenant, *(service.tenant for service in wanted)}
    stored = {
        (service.tenant, service.name): service
        for each in sorted(tenants)
        for service in await store.list(each)
    }
    found = []
    for after in wanted:
        before = stored.pop((after.tenant, after.name), None)
        if before != after:
            name = _service_name(after, tenant)
            found.append(Difference(kind="consent service", name=name, before=before, after=after))
    if prune:
        found += [
            Difference(kind="consent service", name=_service_name(gone, tenant), before=gone, after=None)
            for gone in stored.values()
        ]
    return found


def _service_name(service: ConsentService, tenant: str) -> str:
    return service.name if service.tenant == tenant else f"{service.name} of tenant {service.tenant}"


async def carry_out(differences: Sequence[Difference], stores: Stores) -> None:
    """Write the changes. Raises ValueError when a username belongs to another subject."""
    for difference in differences:
        match difference.after, difference.before:
            case Client() as client, _:
                await stores.clients.put(client)
            case Account() as account, _:
                await stores.accounts.put(account)
            case ConsentService() as service, _:
                await stores.consent_services.put(service)
            case None, Client() as client:
                await stores.clients.remove(client.client_id)
            case None, Account() as account:
                await stores.accounts.remove(account.subject)
            case None, ConsentService() as service:
                await stores.consent_services.remove(service.tenant, service.name)
