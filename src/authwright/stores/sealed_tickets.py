"""Tickets whose claims a store holds only encrypted: a stolen database or backup tells nobody's name.

What finds, dates and revokes a ticket stays in clear; its claims, the application's properties and the actor chain do
not. The key-encryption key is not in the store, and what was sealed for one row opens in no other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from authwright.crypto.seal import Seal
from authwright.protocol.http import Json
from authwright.stores.decision import Answer
from authwright.stores.protocols import (
    AlreadyConsumed,
    Change,
    GrantSummary,
    StoreUnavailable,
    TicketStore,
)
from authwright.ticket import NOTHING, StoredTicket, Ticket, TokenKind

TICKET_SEAL = "ticket"
"""The purpose of the seal; the context is the ticket's kind, digest and grant."""


class _Private(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """What of a ticket is sealed."""

    claims: Mapping[str, Json]
    destinations: Mapping[str, frozenset[TokenKind]]
    properties: Mapping[str, Json]
    act: Mapping[str, Json] | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Private).decode


class SealedTickets:
    """A `TicketStore` over another, which never sees what is private in a ticket."""

    def __init__(self, inner: TicketStore, seal: Seal) -> None:
        """`seal`: of the purpose `TICKET_SEAL`."""
        self._inner = inner
        self._seal = seal

    async def get(self, kind: TokenKind, digest: str) -> StoredTicket | None:
        stored = await self._inner.get(kind, digest)
        return stored if stored is None or not stored.ticket.sealed else self._opened(stored)

    async def current(self, grant_id: str, kind: TokenKind) -> StoredTicket | None:
        stored = await self._inner.current(grant_id, kind)
        return stored if stored is None or not stored.ticket.sealed else self._opened(stored)

    async def commit(
        self,
        *,
        id: str,
        now: datetime,
        consume: StoredTicket | None = None,
        replace: Sequence[Change] = (),
        add: Sequence[StoredTicket] = (),
        live: Sequence[str] = (),
    ) -> Answer:
        answer = await self._inner.commit(
            id=id,
            now=now,
            consume=consume,
            replace=[
                Change(change.before, self._sealed(change.after))
                if _has_private(change.after.ticket)
                else change
                for change in replace
            ],
            add=[self._sealed(stored) if _has_private(stored.ticket) else stored for stored in add],
            live=live,
        )
        if isinstance(answer, AlreadyConsumed) and answer.stored.ticket.sealed:
            return AlreadyConsumed(self._opened(answer.stored))
        return answer

    async def revoke(
        self,
        *,
        now: datetime,
        grant_id: str | None = None,
        session_id: str | None = None,
        subject: str | None = None,
        client_id: str | None = None,
    ) -> int:
        return await self._inner.revoke(
            now=now, grant_id=grant_id, session_id=session_id, subject=subject, client_id=client_id
        )

    async def grants(
        self, *, subject: str | None = None, client_id: str | None = None
    ) -> Sequence[GrantSummary]:
        return await self._inner.grants(subject=subject, client_id=client_id)

    async def purge(self, now: datetime) -> int:
        return await self._inner.purge(now)

    def _sealed(self, stored: StoredTicket) -> StoredTicket:
        ticket = stored.ticket
        private = _Private(
            dict(ticket.claims), dict(ticket.destinations), dict(ticket.properties), ticket.act
        )
        ticket = msgspec.structs.replace(
            ticket,
            claims=NOTHING,
            destinations=NOTHING,
            properties=NOTHING,
            act=None,
            sealed=self._seal.seal(_encode(private), context=_context(stored)),
        )
        return msgspec.structs.replace(stored, ticket=ticket)

    def _opened(self, stored: StoredTicket) -> StoredTicket:
        data = self._seal.open(stored.ticket.sealed, context=_context(stored))
        if data is None:
            # The key is not the one it was sealed with, or the row was tampered with: never "no claims".
            raise StoreUnavailable("a ticket's claims do not open under the key-encryption keys")
        private = _decode(data)
        ticket = msgspec.structs.replace(
            stored.ticket,
            claims=private.claims,
            destinations=private.destinations,
            properties=private.properties,
            act=private.act,
            sealed="",
        )
        return msgspec.structs.replace(stored, ticket=ticket)


def _has_private(ticket: Ticket) -> bool:
    return bool(ticket.claims or ticket.properties or ticket.act is not None)


def _context(stored: StoredTicket) -> str:
    return f"{stored.kind.value}|{stored.digest}|{stored.grant_id}"
