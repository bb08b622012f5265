"""How times and records stand in a database row: microseconds since 1970 in UTC, and JSON for what is not searched."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from authwright.records import (
    Account,
    Client,
    Consent,
    ConsentService,
    RelyingPartySession,
    Session,
    SigningKeyRecord,
)
from authwright.ticket import Binding, StoredTicket, TokenKind, decode_ticket

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

DAY = 86_400_000_000
HOUR = 3_600_000_000


def micros(moment: datetime) -> int:
    """Microseconds since the epoch. Raises TypeError for a naive datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def micros_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The reverse of `micros`."""
    return _EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


_binding_encoder = msgspec.json.Encoder()
_binding_decoder = msgspec.json.Decoder(Binding)


def encode_binding(binding: Binding | None) -> str | None:
    return None if binding is None else _binding_encoder.encode(binding).decode()


def decode_binding(text: str | None) -> Binding | None:
    """The reverse of `encode_binding`."""
    return None if text is None else _binding_decoder.decode(text)


COLUMNS = (
    "t.kind, t.digest, t.ticket, t.issued_at, t.expires_at, t.parent, t.origin_grant, t.binding, t.version,"
    " t.used_at, t.used_by"
)
"""What `stored_ticket` reads, from the table `tickets` as `t`."""


def stored_ticket(row: Sequence[Any]) -> StoredTicket:
    """A ticket from a row of `COLUMNS`."""
    return StoredTicket(
        kind=TokenKind(row[0]),
        digest=row[1],
        ticket=decode_ticket(row[2]),
        issued_at=moment(row[3]),
        expires_at=moment_or_none(row[4]),
        parent=row[5],
        origin_grant=row[6],
        binding=decode_binding(row[7]),
        version=row[8],
        used_at=moment_or_none(row[9]),
        used_by=row[10],
    )


Record = Client | Account | Consent | ConsentService | Session | SigningKeyRecord | RelyingPartySession


def encode_record(record: Record) -> str:
    """The JSON a row keeps of a record."""
    return msgspec.json.encode(record).decode()


decode_client: Callable[[bytes | str], Client] = msgspec.json.Decoder(Client).decode
decode_account: Callable[[bytes | str], Account] = msgspec.json.Decoder(Account).decode
decode_consent: Callable[[bytes | str], Consent] = msgspec.json.Decoder(Consent).decode
decode_consent_service: Callable[[bytes | str], ConsentService] = msgspec.json.Decoder(ConsentService).decode
decode_session: Callable[[bytes | str], Session] = msgspec.json.Decoder(Session).decode
decode_key: Callable[[bytes | str], SigningKeyRecord] = msgspec.json.Decoder(SigningKeyRecord).decode
decode_relying_party_session: Callable[[bytes | str], RelyingPartySession] = msgspec.json.Decoder(
    RelyingPartySession
).decode


def oldest_first(sessions: Sequence[Session]) -> list[Session]:
    return sorted(sessions, key=lambda session: (session.created_at, session.digest))
