"""What an operator does to clients in the store, and what it takes with it.

What stands in the configuration file cannot be changed in the store: the file wins, so the attempt is an error.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.seal import Seal
from authwright.protocol.client_credentials import CLIENT_SECRET_BASIC, CLIENT_SECRET_JWT, CLIENT_SECRET_POST
from authwright.provider.clients import ClientRegistration, live_secrets
from authwright.records import Client
from authwright.server import declared
from authwright.server.config import ConfigurationError, Loaded
from authwright.server.ending import Ended
from authwright.stores.protocols import Stores

SETTLED = timedelta(seconds=2.25)
"""How long a worker may go on with what it read of a client (two seconds), and finish the request it is at."""

SECRET_METHODS = (CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, CLIENT_SECRET_JWT)

FILE = "file"
STORE = "store"


class ListedClient(msgspec.Struct, frozen=True, kw_only=True):
    """A client and where it stands: `source` is "file" or "store"."""

    record: Client
    source: str


@dataclass(frozen=True, slots=True)
class ClientOperations:
    """Clients. Every method that names one raises ConfigurationError, as one line, when it is not there."""

    loaded: Loaded
    stores: Stores
    clock: Clock = utcnow
    settled: timedelta = SETTLED

    async def list(self) -> Sequence[ListedClient]:
        """All of them, by id. One that stands in both places is the file's."""
        stored = {
            client.client_id: ListedClient(record=client, source=STORE)
            for client in await self.stores.clients.list()
        }
        both = {**stored, **self._declared()}
        return [both[client_id] for client_id in sorted(both)]

    async def get(self, client_id: str) -> ListedClient:
        """The client that counts: the file's, else the store's."""
        found = self._declared().get(client_id)
        return found or ListedClient(record=await self._stored(client_id), source=STORE)

    async def add(self, registration: ClientRegistration, handles: Handles, seal: Seal) -> Client:
        """Store a new client."""
        client_id = registration.client.client_id
        self._refuse_declared(client_id)
        if await self.stores.clients.get(client_id) is not None:
            raise ConfigurationError(f"client {client_id!r} is there already")
        subjects = {declared.account(table).subject for table in self.loaded.values.users}
        if client_id in subjects or await self.stores.accounts.get(client_id) is not None:
            # RFC 9700 §4.15: the client's tokens would say the same `sub` as the user's.
            raise ConfigurationError(f"{client_id!r} is the sub of a user; a client needs another name")
        client = registration.digested(handles, self.clock, seal=seal)
        await self.stores.clients.put(client)
        return client

    async def enable(self, client_id: str) -> Client:
        """Let it be served again. What was revoked stays revoked."""
        return await self._put(await self._changeable(client_id), enabled=True)

    async def disable(self, client_id: str) -> Ended:
        """Refuse it from now on, and revoke its grants. Returns when every worker knows."""
        await self._put(await self._changeable(client_id), enabled=False)
        return await self._end_grants(client_id)

    async def remove(self, client_id: str) -> Ended:
        """Take it out of the store with its grants and the consents to it. Returns when every worker knows.

        One that stands in the file too goes on being served from there, so its grants and consents stay.
        """
        await self._stored(client_id)
        await self.stores.clients.remove(client_id)
        if client_id in self._declared():
            return Ended(grants=0)
        ended = await self._end_grants(client_id)
        subjects = {account.subject for account in await self.stores.accounts.list()}
        subjects |= {declared.account(table).subject for table in self.loaded.values.users}
        for subject in sorted(subjects):
            # Else a new client of the same name would have what its users once allowed the old one.
            await self.stores.consents.remove(subject, client_id)
        return ended

    async def rotate_secret(
        self, client_id: str, secret: str, keep_old: timedelta, handles: Handles, seal: Seal
    ) -> Client:
        """Give it `secret`. The newest of the old ones works for `keep_old` more, or to its own end if that is sooner."""
        client = await self._changeable(client_id)
        if client.token_endpoint_auth_method not in SECRET_METHODS:
            raise ConfigurationError(
                f"client {client_id!r} has no secret: its token_endpoint_auth_method is"
                f" {client.token_endpoint_auth_method!r}"
            )
        now = self.clock()
        end = now + keep_old
        live = sorted(live_secrets(client, now), key=lambda secret: secret.created_at)
        # Two that work at once are enough to change over; an older one would outlive its purpose.
        kept = tuple(
            msgspec.structs.replace(old, expires_at=min(end, old.expires_at or end))
            for old in (live[-1:] if keep_old else [])
        )
        bare = msgspec.structs.replace(client, secrets=kept)
        renewed = ClientRegistration(client=bare, secrets=(secret,)).digested(handles, lambda: now, seal=seal)
        await self.stores.clients.put(renewed)
        return renewed

    async def _end_grants(self, client_id: str) -> Ended:
        first = await self.stores.tickets.revoke(now=self.clock(), client_id=client_id)
        # A worker may still serve what it read of the client; what it gives until it reads again is revoked too.
        await asyncio.sleep(self.settled.total_seconds())
        second = await self.stores.tickets.revoke(now=self.clock(), client_id=client_id)
        return Ended(grants=first + second)

    async def _put(self, client: Client, *, enabled: bool) -> Client:
        changed = msgspec.structs.replace(client, enabled=enabled)
        await self.stores.clients.put(changed)
        return changed

    async def _changeable(self, client_id: str) -> Client:
        self._refuse_declared(client_id)
        return await self._stored(client_id)

    async def _stored(self, client_id: str) -> Client:
        client = await self.stores.clients.get(client_id)
        if client is None:
            self._refuse_declared(client_id)
            raise ConfigurationError(f"there is no client {client_id!r}")
        return client

    def _refuse_declared(self, client_id: str) -> None:
        if client_id in self._declared():
            raise ConfigurationError(
                f"client {client_id!r} stands in {self.loaded.file}, which wins; change it there"
            )

    def _declared(self) -> dict[str, ListedClient]:
        now = self.clock()
        return {
            table.client_id: ListedClient(record=declared.registration(table, now).client, source=FILE)
            for table in self.loaded.values.clients
        }
