"""Device codes and the user codes that stand for them, from the device's request to the person's answer (RFC 8628).

A user code is a small ticket that points at its device code's. Answering spends it in the same commit that notes the
answer, so that a code is answered once, and cannot be tried any more afterwards.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from authwright.crypto.handles import Handles, ordered_id, random_id
from authwright.protocol.device import DEVICE_CODE, USER_CODE_ALPHABET, USER_CODE_SIZE, canonical_user_code
from authwright.protocol.errors import TemporarilyUnavailable
from authwright.provider.minting import seconds_until
from authwright.provider.settings import Settings
from authwright.records import Client, Session
from authwright.stores.protocols import Change, Committed, Conflict, TicketStore
from authwright.ticket import Decision, DeviceBinding, StoredTicket, Ticket, TokenKind, UserCodeBinding

USER_CODE_LABEL = "user_code"
APPROVED_LABEL = "device_grant"

CODE_ROUNDS = 5
ANSWER_ROUNDS = 16


def random_user_code() -> str:
    """A canonical user code: 34.6 bits."""
    return "".join(secrets.choice(USER_CODE_ALPHABET) for _ in range(USER_CODE_SIZE))


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunDevice:
    """What a device is given. `user_code` is canonical."""

    device_code: str
    user_code: str
    expires_in: int

    def __repr__(self) -> str:
        return "BegunDevice(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDevice:
    """A device whose user has not answered: the ticket of the user code, and that of the device code."""

    pointer: StoredTicket
    device: StoredTicket

    @property
    def ticket(self) -> Ticket:
        """Who asks, and for what."""
        return self.device.ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodes:
    """Raises StoreUnavailable when the store cannot answer."""

    tickets: TicketStore
    handles: Handles
    settings: Settings
    user_code: Callable[[], str] = random_user_code

    async def begin(
        self, client: Client, scopes: tuple[str, ...], resources: tuple[str, ...], now: datetime
    ) -> BegunDevice:
        """A new pair of codes. Raises TemporarilyUnavailable when no free user code is found."""
        lifetime = client.lifetimes.get(TokenKind.DEVICE_CODE) or self.settings.lifetime(
            TokenKind.DEVICE_CODE
        )
        expires_at = now + lifetime
        value, digest = self.handles.mint(TokenKind.DEVICE_CODE)
        ticket = Ticket(
            grant_id=ordered_id(now),
            client_id=client.client_id,
            scopes=scopes,
            resources=resources,
            presenters=frozenset({client.client_id}),
        )
        device = StoredTicket(
            kind=TokenKind.DEVICE_CODE,
            digest=digest,
            ticket=ticket,
            issued_at=now,
            expires_at=expires_at,
            binding=DeviceBinding(),
        )
        # RFC 8628 §6.1: codes are short, so two that live at once may collide.
        for _ in range(CODE_ROUNDS):
            user_code = self.user_code()
            pointer = StoredTicket(
                kind=TokenKind.USER_CODE,
                digest=self.handles.digest_of(USER_CODE_LABEL, user_code),
                ticket=Ticket(grant_id=ticket.grant_id, client_id=client.client_id),
                issued_at=now,
                expires_at=expires_at,
                binding=UserCodeBinding(digest),
            )
            outcome = await self.tickets.commit(id=random_id(), now=now, add=(device, pointer))
            if isinstance(outcome, Committed):
                return BegunDevice(
                    device_code=value, user_code=user_code, expires_in=seconds_until(expires_at, now) or 0
                )
        raise TemporarilyUnavailable("Try again.", detail="device.no_free_code")

    async def find(self, typed: str, now: datetime) -> WaitingDevice | None:
        """The device that waits for the code somebody typed, or None."""
        canonical = canonical_user_code(typed)
        if canonical is None:
            return None
        for digest in self.handles.digests_of(USER_CODE_LABEL, canonical):
            waiting = await self.waiting(digest, now)
            if waiting is not None:
                return waiting
        return None

    async def waiting(self, digest: str, now: datetime) -> WaitingDevice | None:
        """The device that waits for the user code with that digest; None when it was answered or is too late."""
        pointer = await self.tickets.get(TokenKind.USER_CODE, digest)
        if pointer is None or pointer.used_at is not None or pointer.expired(now):
            return None
        if not isinstance(pointer.binding, UserCodeBinding):
            return None
        device = await self.tickets.get(TokenKind.DEVICE_CODE, pointer.binding.device_code)
        return None if device is None else WaitingDevice(pointer=pointer, device=device)

    async def deny(self, waiting: WaitingDevice, now: datetime) -> bool:
        """The person said no; False when it was answered before."""
        return await self._answer(waiting, None, now)

    async def approve(self, waiting: WaitingDevice, session: Session, now: datetime) -> bool:
        """The user of `session` said yes; False when it was answered before."""
        asked = waiting.ticket
        granted = msgspec.structs.replace(
            asked,
            grant_id=ordered_id(now),
            subject=session.subject,
            session_id=session.session_id,
            auth_time=session.auth_time,
            acr=session.acr,
            amr=session.amr,
        )
        return await self._answer(waiting, granted, now)

    async def _answer(self, waiting: WaitingDevice, granted: Ticket | None, now: datetime) -> bool:
        """Note the answer; each poll that comes between reading and writing costs another round."""
        for _ in range(ANSWER_ROUNDS):
            device = await self.tickets.get(TokenKind.DEVICE_CODE, waiting.device.digest)
            if device is None or device.used_at is not None or not isinstance(device.binding, DeviceBinding):
                return False
            outcome = await self.tickets.commit(
                id=random_id(),
                now=now,
                consume=waiting.pointer,
                replace=(Change(device, _answered(device, device.binding, granted)),),
                add=() if granted is None else (self._beginning(granted, device, now),),
            )
            if not isinstance(outcome, Conflict):
                return isinstance(outcome, Committed)
        raise TemporarilyUnavailable("Try again.", detail="device.contention")

    def _beginning(self, granted: Ticket, device: StoredTicket, now: datetime) -> StoredTicket:
        """The first ticket of what was granted: from now on it is found, and revoked, by its user and session."""
        return StoredTicket(
            kind=TokenKind.USER_CODE,
            digest=self.handles.digest_of(APPROVED_LABEL, granted.grant_id),
            ticket=granted,
            issued_at=now,
            expires_at=device.expires_at,
            parent=device.digest,
            origin_grant=DEVICE_CODE,
        )


def _answered(device: StoredTicket, binding: DeviceBinding, granted: Ticket | None) -> StoredTicket:
    polling = msgspec.structs.replace(
        binding.polling, decision=Decision.DENIED if granted is None else Decision.APPROVED
    )
    if granted is None:
        return msgspec.structs.replace(device, binding=DeviceBinding(polling))
    # The device code itself stays in the grant it was made in, as every change to a ticket demands.
    ticket = msgspec.structs.replace(granted, grant_id=device.grant_id)
    return msgspec.structs.replace(device, ticket=ticket, binding=DeviceBinding(polling, granted.grant_id))
