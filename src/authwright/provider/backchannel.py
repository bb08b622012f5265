"""The user's answer to a backchannel request, from wherever it comes: a page, an app, a phone call (CIBA Core 1.0 §8)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import msgspec

from authwright.clock import Clock, utcnow
from authwright.protocol.ciba import CIBA
from authwright.provider.audit import Audit, RequestAnswered
from authwright.provider.backchannel_delivery import BackchannelDelivery
from authwright.provider.backchannel_requests import BackchannelRequests, PendingRequest
from authwright.provider.clients import Clients
from authwright.records import Session
from authwright.ticket import Ticket

Approver: TypeAlias = Callable[[PendingRequest], Awaitable[None]]
"""Told of each new request, to bring it before its user; raises an OAuthError to refuse it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backchannel:
    """What `provider.ciba` is: the requests that wait, and the two answers to each."""

    requests: BackchannelRequests
    delivery: BackchannelDelivery
    clients: Clients
    audit: Audit
    clock: Clock = utcnow

    async def pending(self, subject: str) -> Sequence[PendingRequest]:
        """The requests that wait for the answer of one user, oldest first."""
        return await self.requests.of(subject, self.clock())

    async def approve(
        self,
        request_id: str,
        *,
        auth_time: datetime | None = None,
        acr: str | None = None,
        amr: tuple[str, ...] = (),
        session: Session | None = None,
    ) -> bool:
        """The user agreed; False when the request is gone or was answered before.

        `auth_time`, `acr` and `amr` say how the user was recognised, by default now and no more; or a `session` does.
        """
        now = self.clock()
        request = await self.requests.find(request_id, now)
        if request is None:
            return False
        asked = request.stored.ticket
        granted = msgspec.structs.replace(asked, auth_time=auth_time or now, acr=acr, amr=amr)
        if session is not None:
            granted = msgspec.structs.replace(
                asked,
                session_id=session.session_id,
                auth_time=session.auth_time,
                acr=session.acr,
                amr=session.amr,
            )
        return await self._answer(request, granted, now)

    async def deny(self, request_id: str) -> bool:
        """The user refused; False when the request is gone or was answered before."""
        now = self.clock()
        request = await self.requests.find(request_id, now)
        return request is not None and await self._answer(request, None, now)

    async def _answer(self, request: PendingRequest, granted: Ticket | None, now: datetime) -> bool:
        client = await self.clients.get(request.client_id)
        if client is None:
            return False
        stored = await self.requests.answer(request, granted, now)
        if stored is None:
            return False
        self.audit.record(
            RequestAnswered(
                client_id=client.client_id,
                subject=request.subject,
                grant_type=CIBA,
                allowed=granted is not None,
            )
        )
        await self.delivery.deliver(stored, client, now)
        return True
