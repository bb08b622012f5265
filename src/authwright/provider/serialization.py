"""What an event may change about a value before it is made, and what it makes of one of its own that comes back.

A code, a token or a ticket has a built-in form: an opaque value, or a JWT. An application with a form of its own
writes it in `serialize_…` and, when the store cannot know it, reads it in `deserialize_…`.
"""

from datetime import datetime

import msgspec

from authwright.records import Client
from authwright.ticket import Binding, StoredTicket, Ticket, TokenKind


class Serialization(msgspec.Struct, frozen=True, kw_only=True):
    """A value that is about to be made. An event changes it with `msgspec.structs.replace`."""

    kind: TokenKind
    ticket: Ticket
    """What the value stands for; its resources are the audience, its claims and destinations the content."""
    client: Client
    now: datetime
    expires_at: datetime | None
    """None = does not expire."""
    format: str = "opaque"
    """"jwt" or "opaque"; only access tokens have a choice."""
    algorithm: str = ""
    """What a JWT is signed with: one of the issuer's algorithms."""
    binding: Binding | None = None
    """Codes only: what the code may only be redeemed with."""
    value: str | None = None
    """The application's own form. None = the built-in one; empty = none is to be issued."""
    recorded: bool = True
    """Whether the store keeps a record of an own `value`, so that it is found, spent and revoked like any other.

    Without one, `deserialize_…` must bring the ticket back, and only its whole grant can be revoked.
    """

    def __repr__(self) -> str:
        return f"Serialization({self.kind.value})"


class Deserialized(msgspec.Struct, frozen=True, kw_only=True):
    """What a value of the application's own form stands for, as an event read it."""

    ticket: Ticket
    issued_at: datetime
    expires_at: datetime | None
    """None = does not expire."""
    binding: Binding | None = None
    """Codes only: as `Serialization.binding` had it."""
    origin_grant: str = ""


class UnrecordedTicket(StoredTicket, frozen=True, omit_defaults=True, kw_only=True):
    """A ticket that came out of an event and not out of the store; it is spent by claiming its digests once."""

    digests: tuple[str, ...] = ()
    """One for each key that digests; all are claimed, so that a new key opens no second chance."""
