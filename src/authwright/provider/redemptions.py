"""What a token request writes: one commit when it succeeds, and a trace of what a refused one tried.

RFC 6749 §4.1.2, RFC 9700 §4.14.2.
"""

from datetime import timedelta
from typing import Any

import msgspec

from authwright.crypto.handles import random_id
from authwright.protocol.errors import InvalidGrant, OAuthError, PolledTooSoon, TemporarilyUnavailable
from authwright.provider.audit import Audit, CodeReplayed, RefreshReplayed
from authwright.provider.concluded_ticket import rewritten, spent
from authwright.provider.grants.base import Polled
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.serialization import UnrecordedTicket
from authwright.stores.protocols import (
    AlreadyConsumed,
    Change,
    Committed,
    Conflict,
    OnceStore,
    Revoked,
    TicketStore,
)
from authwright.ticket import CodeBinding, StoredTicket, Ticket, TokenKind, parent_grant_id

Request = AuthenticatedTokenRequest[Any]

FOR_EVER = timedelta(days=36_500)
FAILURE_ROUNDS = 8


class Redemptions:
    """Spends what tickets redeem."""

    def __init__(self, *, tickets: TicketStore, once: OnceStore, audit: Audit) -> None:
        self._tickets = tickets
        self._once = once
        self._audit = audit

    async def commit(
        self,
        ticket: Ticket,
        records: tuple[StoredTicket, ...],
        request: Request,
        refusal: type[OAuthError] = InvalidGrant,
    ) -> StoredTicket | None:
        """None when all of it is stored; what the ticket redeems, as it now stands, when another request spent it first;
        what it rewrites, as it was read, when another request changed that meanwhile.

        Raises `refusal` when the grant, or the one it was made from, was revoked meanwhile, or it rests on an
        assertion that was used before.
        """
        once = ticket.single_use
        # RFC 7523 §3: a statement about a user counts once, however many requests bring it at the same time.
        if once is not None and not await self._once.claim(once.key, once.until):
            raise refusal("The specified assertion is invalid.", detail="assertion.replay")
        redeems = spent(ticket, request)
        if isinstance(redeems, UnrecordedTicket):
            if not await self._claim_once(redeems, request):
                return msgspec.structs.replace(redeems, used_at=redeems.issued_at)
            redeems = None
        live = _relied_on(ticket)
        # What has no record of its own, such as an ID token, must not come of a revoked grant either.
        if redeems is None and not records and ticket.rewrites is None and not live:
            return None
        outcome = await self._tickets.commit(
            id=random_id(),
            now=request.now,
            consume=redeems,
            replace=rewritten(ticket),
            add=records,
            live=live,
        )
        match outcome:
            case Committed():
                return None
            case AlreadyConsumed(stored):
                return stored
            case Revoked():
                raise refusal("The specified grant is no longer valid.", detail="grant.revoked")
            case Conflict() if ticket.rewrites is not None:
                return ticket.rewrites
            case Conflict() if redeems is not None and redeems.kind is TokenKind.REFRESH_TOKEN:
                # What it allows was changed in place meanwhile, so it is decided as what it now is.
                changed = await self._tickets.get(redeems.kind, redeems.digest)
                if changed is None:
                    raise refusal("The specified grant is no longer valid.", detail="grant.revoked")
                return changed
            case Conflict():
                # It changed under us and may still be good: nothing was spent, so trying again is right.
                raise TemporarilyUnavailable("Try again.", detail="store.conflict")

    async def _claim_once(self, redeems: UnrecordedTicket, request: Request) -> bool:
        """Whether this request is the first to spend what the store has no record of."""
        until = redeems.expires_at or request.now + FOR_EVER
        # The oldest key first: whoever claimed under it alone, before there was a newer one, was here.
        claims = [await self._once.claim(f"spent|{digest}", until) for digest in reversed(redeems.digests)]
        return all(claims)

    async def revoke_replayed(self, stored: StoredTicket, request: Request) -> None:
        """RFC 6749 §4.1.2, RFC 9700 §4.14.2: everything the grant ever gave stops working."""
        await self._tickets.revoke(now=request.now, grant_id=stored.grant_id)
        replayed = CodeReplayed if stored.kind is TokenKind.AUTHORIZATION_CODE else RefreshReplayed
        self._audit.record(replayed(client_id=request.client.client_id, grant_id=stored.grant_id))

    async def count_failure(self, stored: StoredTicket, request: Request) -> None:
        """One more failed redemption of a code by its own client; the tenth is its last."""
        current: StoredTicket | None = stored
        for _ in range(FAILURE_ROUNDS):
            if current is None or current.used_at is not None:
                return
            if not isinstance(current.binding, CodeBinding):
                return
            binding = msgspec.structs.replace(current.binding, failures=current.binding.failures + 1)
            change = Change(current, msgspec.structs.replace(current, binding=binding))
            outcome = await self._tickets.commit(id=random_id(), now=request.now, replace=(change,))
            if not isinstance(outcome, Conflict):
                return
            current = await self._tickets.get(stored.kind, stored.digest)

    async def note_poll(self, poll: Polled, request: Request) -> OAuthError:
        """Keep when the client asked; the refusal to answer with."""
        outcome = await self._tickets.commit(id=random_id(), now=request.now, replace=(poll.change,))
        # Another poll came at the same moment, or the person's answer did: either way the client is to wait.
        return PolledTooSoon(detail="poll.at_once") if isinstance(outcome, Conflict) else poll.refusal


def _relied_on(ticket: Ticket) -> tuple[str, ...]:
    """The grants that must not be revoked: what is redeemed, or what a new grant is made from."""
    if ticket.redeems is not None:
        return (ticket.redeems.grant_id,)
    parent = parent_grant_id(ticket.grant_id) if ticket.rewrites is None else None
    return () if parent is None else (parent,)
