"""Requests that a client polls for while a person decides elsewhere (RFC 8628 §3.5, CIBA Core 1.0 §7.3, §11)."""

from datetime import datetime, timedelta

import msgspec

from authwright.protocol.device import DEFAULT_INTERVAL
from authwright.protocol.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    OAuthError,
    PolledTooSoon,
)
from authwright.provider.grants.base import Polled
from authwright.stores.protocols import Change
from authwright.ticket import BackchannelBinding, Decision, DeviceBinding, StoredTicket


def check_approved(found: StoredTicket, binding: DeviceBinding | BackchannelBinding, now: datetime) -> None:
    """Raise unless the person approved and nothing was given for it yet: an OAuthError, or Polled to go on waiting.

    An answer that is there is given at once; the pace counts only as long as there is none.
    """
    what = found.kind.value
    if found.used_at is not None:
        raise InvalidGrant(f"The specified {what} is no longer valid.", detail=f"{what}.redeemed")
    if found.expired(now):
        raise ExpiredToken(f"The specified {what} is no longer valid.", detail=f"{what}.expired")
    if binding.polling.decision is Decision.DENIED:
        raise AccessDenied("The user denied the request.", detail=f"{what}.denied")
    if binding.polling.decision is not Decision.APPROVED:
        raise _still_waiting(found, binding, now)


def _still_waiting(found: StoredTicket, binding: DeviceBinding | BackchannelBinding, now: datetime) -> Polled:
    polling = binding.polling
    refusal: OAuthError = AuthorizationPending("The user has not answered yet.", detail="poll.pending")
    interval = polling.interval
    if polling.polled_at is not None and now - polling.polled_at < timedelta(seconds=interval):
        # RFC 8628 §3.5: five seconds more, for this and all later polls.
        interval += DEFAULT_INTERVAL
        refusal = PolledTooSoon("The client polls too often.", detail="poll.too_soon")
    noted = msgspec.structs.replace(polling, interval=interval, polled_at=now)
    after = msgspec.structs.replace(found, binding=msgspec.structs.replace(binding, polling=noted))
    return Polled(refusal, Change(found, after))
