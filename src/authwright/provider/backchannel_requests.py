"""Backchannel authentication requests from the client's request to the user's answer (CIBA Core 1.0 §7, §8)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from authwright.crypto.handles import Handles, ordered_id, random_id
from authwright.crypto.seal import Seal
from authwright.protocol.ciba import PUSH, BackchannelRequest, BackchannelResponse
from authwright.protocol.errors import TemporarilyUnavailable
from authwright.provider.minting import seconds_until
from authwright.provider.settings import Settings
from authwright.records import Client
from authwright.stores.protocols import Change, Committed, Conflict, TicketStore
from authwright.ticket import BackchannelBinding, Decision, Polling, StoredTicket, Ticket, TokenKind

ANSWER_ROUNDS = 16
LONGEST = timedelta(minutes=30)
"""However long a client asks for."""


class Callback(msgspec.Struct, frozen=True, array_like=True):
    """What a ping or a push needs, kept encrypted: the request's id as the client knows it, and the client's token."""

    auth_req_id: str
    notification_token: str

    def __repr__(self) -> str:
        return "Callback(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequest:
    """A request that waits for its user's answer, as an approver and a page show it."""

    id: str
    """By which it is approved or denied here; it is not the `auth_req_id`, which only the client has."""
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    binding_message: str
    acr_values: tuple[str, ...]
    expires_at: datetime | None
    stored: StoredTicket = field(repr=False)


class BackchannelRequests:
    """Raises StoreUnavailable when the store cannot answer."""

    def __init__(self, *, tickets: TicketStore, handles: Handles, settings: Settings, seal: Seal) -> None:
        self._tickets = tickets
        self._handles = handles
        self._settings = settings
        self._seal = seal

    async def begin(
        self,
        asked: BackchannelRequest,
        client: Client,
        subject: str,
        scopes: tuple[str, ...],
        resources: tuple[str, ...],
        now: datetime,
    ) -> tuple[PendingRequest, BackchannelResponse]:
        """Store the request of a client that may make it, about a user who is there."""
        value, digest = self._handles.mint(TokenKind.AUTH_REQ_ID)
        delivery = client.backchannel_token_delivery_mode
        binding = BackchannelBinding(
            delivery=delivery,
            binding_message=asked.binding_message,
            acr_values=asked.acr_values,
            sealed=self._sealed(value, asked.client_notification_token, digest),
        )
        expires_at = now + self._lifetime(asked, client)
        stored = StoredTicket(
            kind=TokenKind.AUTH_REQ_ID,
            digest=digest,
            ticket=Ticket(
                grant_id=ordered_id(now),
                client_id=client.client_id,
                subject=subject,
                scopes=scopes,
                resources=resources,
                presenters=frozenset({client.client_id}),
            ),
            issued_at=now,
            expires_at=expires_at,
            binding=binding,
        )
        outcome = await self._tickets.commit(id=random_id(), now=now, add=(stored,))
        if not isinstance(outcome, Committed):
            raise TemporarilyUnavailable("Try again.", detail="ciba.commit")
        response = BackchannelResponse(
            auth_req_id=value,
            expires_in=seconds_until(expires_at, now) or 0,
            # CIBA Core §7.3: in push mode there is nothing to poll for.
            interval=None if delivery == PUSH else binding.polling.interval,
        )
        return pending_request(stored, subject, binding), response

    async def withdraw(self, request: PendingRequest, now: datetime) -> None:
        """Forget a request that nobody could be told of."""
        await self._tickets.revoke(now=now, grant_id=request.id)

    async def find(self, request_id: str, now: datetime) -> PendingRequest | None:
        """The request with that id, as long as it waits for an answer."""
        stored = await self._tickets.current(request_id, TokenKind.AUTH_REQ_ID)
        if stored is None or stored.expired(now) or stored.ticket.subject is None:
            return None
        if not isinstance(stored.binding, BackchannelBinding):
            return None
        if stored.binding.polling.decision is not Decision.PENDING:
            return None
        return pending_request(stored, stored.ticket.subject, stored.binding)

    async def of(self, subject: str, now: datetime) -> Sequence[PendingRequest]:
        """What waits for the answer of one user, oldest first."""
        found = []
        for grant in await self._tickets.grants(subject=subject):
            # An older grant cannot have a request that still waits, and need not be looked at.
            if grant.issued_at + LONGEST >= now:
                found.append(await self.find(grant.grant_id, now))
        return [request for request in found if request is not None]

    async def answer(
        self, request: PendingRequest, granted: Ticket | None, now: datetime
    ) -> StoredTicket | None:
        """Note the answer; what is stored then, or None when it was answered before.

        `granted` is None for a no. Each poll that comes between reading and writing costs another round.
        """
        for _ in range(ANSWER_ROUNDS):
            current = await self.find(request.id, now)
            if current is None:
                return None
            after = _answered(current.stored, granted)
            change = Change(current.stored, after)
            outcome = await self._tickets.commit(id=random_id(), now=now, replace=(change,))
            if isinstance(outcome, Committed):
                return await self._tickets.get(after.kind, after.digest)
            if not isinstance(outcome, Conflict):
                return None
        raise TemporarilyUnavailable("Try again.", detail="ciba.contention")

    def callback(self, stored: StoredTicket) -> Callback | None:
        """What a ping or a push of this request needs; None for one that is polled for, or that no key opens."""
        if not isinstance(stored.binding, BackchannelBinding) or not stored.binding.sealed:
            return None
        opened = self._seal.open(stored.binding.sealed, context=stored.digest)
        return None if opened is None else msgspec.msgpack.decode(opened, type=Callback)

    def _sealed(self, value: str, notification_token: str | None, digest: str) -> str:
        if notification_token is None:
            return ""
        return self._seal.seal(msgspec.msgpack.encode(Callback(value, notification_token)), context=digest)

    def _lifetime(self, asked: BackchannelRequest, client: Client) -> timedelta:
        kind = TokenKind.AUTH_REQ_ID
        usual = client.lifetimes.get(kind) or self._settings.lifetime(kind)
        if asked.requested_expiry is None:
            return usual
        return min(timedelta(seconds=asked.requested_expiry), max(LONGEST, usual))


def pending_request(stored: StoredTicket, subject: str, binding: BackchannelBinding) -> PendingRequest:
    """A stored request as it is shown."""
    return PendingRequest(
        id=stored.grant_id,
        client_id=stored.ticket.client_id,
        subject=subject,
        scopes=stored.ticket.scopes,
        resources=stored.ticket.resources,
        binding_message=binding.binding_message,
        acr_values=binding.acr_values,
        expires_at=stored.expires_at,
        stored=stored,
    )


def _answered(stored: StoredTicket, granted: Ticket | None) -> StoredTicket:
    if not isinstance(stored.binding, BackchannelBinding):
        raise AssertionError("a pending request has its binding")
    decision = Decision.DENIED if granted is None else Decision.APPROVED
    polling = Polling(decision, stored.binding.polling.interval, stored.binding.polling.polled_at)
    binding = msgspec.structs.replace(stored.binding, polling=polling)
    return msgspec.structs.replace(stored, ticket=granted or stored.ticket, binding=binding)
