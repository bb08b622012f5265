"""Where clients come from: those in the configuration first, then those in the store, read at most every two seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.seal import Seal
from authwright.crypto.shared_secrets import SharedSecret
from authwright.protocol.client_credentials import CLIENT_SECRET_JWT
from authwright.provider.profiles import OIDC, tightened
from authwright.provider.recent import REREAD, Recent
from authwright.records import Client, ClientSecret
from authwright.stores.protocols import ClientStore

SECRET_LABEL = "client_secret"
"""The label under which machine-made client secrets are digested."""

SECRET_SEAL = "client-secret"
"""The purpose of the seal for secrets of client_secret_jwt; the context is the client's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRegistration:
    """A client as an operator or an application writes it down: with its secrets still in clear."""

    client: Client
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def digested(self, handles: Handles, clock: Clock = utcnow, *, seal: Seal | None = None) -> Client:
        """The client with its secrets as keyed digests, beside those it has already.

        Those of client_secret_jwt are kept sealed too, by `seal`, of the purpose `SECRET_SEAL`. Raises ValueError
        when such a secret is too short for HS256, or without a seal.
        """
        now = clock()
        added = tuple(
            ClientSecret(
                digest=handles.digest_of(SECRET_LABEL, secret),
                created_at=now,
                sealed=self._sealed(secret, seal),
            )
            for secret in self.secrets
        )
        return msgspec.structs.replace(self.client, secrets=(*self.client.secrets, *added))

    def _sealed(self, secret: str, seal: Seal | None) -> str:
        if self.client.token_endpoint_auth_method != CLIENT_SECRET_JWT:
            return ""
        try:
            shared = SharedSecret.of(secret)
        except ValueError as error:
            raise ValueError(f"client {self.client.client_id!r}: client_secret_jwt: {error}") from None
        if seal is None:
            raise ValueError(
                f"client {self.client.client_id!r}: client_secret_jwt needs a seal for its secret"
            )
        return seal.seal(shared.octets, context=self.client.client_id)


def shared_secrets(client: Client, seal: Seal, now: datetime) -> tuple[SharedSecret, ...]:
    """The live secrets of a client_secret_jwt client; one that does not open under our root keys is left out."""
    opened = (
        seal.open(secret.sealed, context=client.client_id)
        for secret in live_secrets(client, now)
        if secret.sealed
    )
    return tuple(SharedSecret(octets) for octets in opened if octets is not None)


def live_secrets(client: Client, now: datetime) -> tuple[ClientSecret, ...]:
    """Those that work now: a secret that is being replaced does until its `expires_at`."""
    return tuple(secret for secret in client.secrets if secret.expires_at is None or secret.expires_at > now)


class Clients:
    """Looks clients up. A change in the store is seen within `reread` by every worker."""

    def __init__(
        self,
        store: ClientStore,
        *,
        configured: Sequence[Client] = (),
        clock: Clock = utcnow,
        reread: timedelta = REREAD,
        profile: str = OIDC,
    ) -> None:
        """`profile` is the issuer's: what is answered keeps to it, or to the client's own, whatever is stored."""
        self._store = store
        self._profile = profile
        self._configured: Mapping[str, Client] = {
            client.client_id: tightened(client, profile) for client in configured
        }
        self._stored = Recent(self._tightened, clock=clock, reread=reread)

    async def get(self, client_id: str) -> Client | None:
        """The client, or None when there is none or it is disabled."""
        client = self._configured.get(client_id)
        if client is None:
            client = await self._stored.get(client_id)
        return client if client is not None and client.enabled else None

    async def enabled(self) -> Sequence[Client]:
        """All that are enabled, read anew: for who keeps what it makes of them. Raises StoreUnavailable."""
        stored = {client.client_id: tightened(client, self._profile) for client in await self._store.list()}
        return [client for client in {**stored, **self._configured}.values() if client.enabled]

    async def _tightened(self, client_id: str) -> Client | None:
        client = await self._store.get(client_id)
        return tightened(client, self._profile) if client is not None else None
