"""Ticket: what was granted, the one object that travels from the grant to the tokens and back.

A code, a refresh token and an access token are the same thing at rest: a `StoredTicket` under the digest of its
value. Nothing here is ever changed in place; `msgspec.structs.replace` makes the next one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from authwright.protocol.http import Json

NOTHING: Mapping[Any, Any] = MappingProxyType({})
"""The one empty mapping every ticket starts with; nobody can put anything in."""


class TokenKind(StrEnum):
    """What a stored ticket, or a minted value, is. The kind is part of the key and of the digest."""

    AUTHORIZATION_CODE = "authorization_code"
    ACCESS_TOKEN = "access_token"
    REFRESH_TOKEN = "refresh_token"
    ID_TOKEN = "id_token"
    DEVICE_CODE = "device_code"
    USER_CODE = "user_code"
    AUTH_REQ_ID = "auth_req_id"


class Confirmation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The key a token is bound to (RFC 7800): a DPoP key's thumbprint or a certificate's."""

    jkt: str | None = None
    x5t_s256: str | None = None

    def claim(self) -> dict[str, str]:
        """As the `cnf` claim."""
        members = {}
        if self.jkt:
            members["jkt"] = self.jkt
        if self.x5t_s256:
            members["x5t#S256"] = self.x5t_s256
        return members


class SingleUse(msgspec.Struct, frozen=True):
    """What a request may use once: the key for `OnceStore.claim`, and until when it could come back."""

    key: str
    until: datetime


class CodeBinding(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="of", tag="authorization_code"):
    """What a code may only be redeemed with, and how often that was tried in vain."""

    redirect_uri: str
    """Where the code was sent, as the client spelled it."""
    code_challenge: str | None = None
    """RFC 7636 S256 challenge; None only for a confidential client that may do without."""
    dpop_jkt: str | None = None
    """RFC 9449 §10: the key the token request must prove."""
    failures: int = 0
    """Failed redemptions by the code's own client; the tenth kills the code."""


class Decision(StrEnum):
    """What the person said to a request that a client polls for."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


class Polling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a request is that a client polls for (RFC 8628 §3.5, CIBA Core 1.0 §7.3)."""

    decision: Decision = Decision.PENDING
    interval: int = 5
    """Seconds the client must wait between polls; each poll that comes too soon adds five."""
    polled_at: datetime | None = None


class DeviceBinding(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="of", tag="device_code"):
    """A device code: whether its user agreed, and how often its device asked."""

    polling: Polling = Polling()
    grant_id: str = ""
    """The grant that the approval began. Its first ticket has a subject, which the device code's own has not."""


class UserCodeBinding(msgspec.Struct, frozen=True, tag_field="of", tag="user_code"):
    """A user code: the digest of the device code it stands for."""

    device_code: str


class BackchannelBinding(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="of", tag="auth_req_id"
):
    """A backchannel authentication request (CIBA Core 1.0 §7): what the user said, and how the client hears of it."""

    polling: Polling = Polling()
    delivery: str = "poll"
    """"poll", "ping" or "push"."""
    binding_message: str = ""
    acr_values: tuple[str, ...] = ()
    sealed: str = ""
    """For ping and push: the request's id and the client's notification token, encrypted, since both go out again."""


class Rewrite(msgspec.Struct, frozen=True):
    """A stored ticket as it was read, and as it shall be."""

    before: "StoredTicket"
    after: "StoredTicket"


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was granted, to whom, for how long and into which tokens."""

    grant_id: str
    client_id: str
    subject: str | None = None
    session_id: str | None = None
    """The `sid` of the provider's session in which it was granted; None without one."""
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    presenters: frozenset[str] = frozenset()
    """The clients that may redeem it."""
    claims: Mapping[str, Json] = NOTHING
    """Claims the grant or an event put there; where each may go is in `destinations`."""
    destinations: Mapping[str, frozenset[TokenKind]] = NOTHING
    """Claim name to the tokens it may enter; a claim that is absent here follows the generator's rule."""
    properties: Mapping[str, Json] = NOTHING
    """The application's own: kept with code and refresh token, shown to later events, never in a token."""
    carry: Mapping[str, Any] = NOTHING
    """For this request only, from grant to generator to events; never stored."""
    auth_time: datetime | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    nonce: str | None = None
    confidential: bool = False
    """Whether an authenticated client obtained it; then only an authenticated client may use its refresh token."""
    issued_at: datetime | None = None
    not_after: datetime | None = None
    """Nothing minted from this ticket lives longer; None = no such limit."""
    lifetimes: Mapping[TokenKind, timedelta | None] = NOTHING
    """A choice of this grant; an absent kind takes the configured lifetime, None means no expiry."""
    issues: frozenset[TokenKind] | None = None
    """Which tokens to issue; None = the generator's rule."""
    act: Mapping[str, Json] | None = None
    """The actor chain (RFC 8693 §4.1)."""
    confirmation: Confirmation | None = None
    response: Mapping[str, Json] = NOTHING
    """Extra members of the token response."""
    redeems: "StoredTicket | None" = None
    """What this request spends; never stored."""
    rewrites: "StoredTicket | None" = None
    """What this request changes in place: it will allow and say what this ticket does. Never stored."""
    single_use: SingleUse | None = None
    """The assertion that this request uses up; never stored."""
    sealed: str = ""
    """In the store only: claims, their destinations, properties and `act`, encrypted (`stores.sealed_tickets`)."""
    services: tuple[str, ...] = ()
    """The consent services whose decisions are in scopes and claims."""
    rewrites_beside: tuple["Rewrite", ...] = ()
    """What changes in the same step as `rewrites`, all of it or nothing; never stored."""

    def __repr__(self) -> str:
        # Claims and properties are personal data; identifiers are enough to find the record.
        return f"Ticket(grant_id={self.grant_id!r}, client_id={self.client_id!r}, scopes={self.scopes!r})"


Binding: TypeAlias = CodeBinding | DeviceBinding | UserCodeBinding | BackchannelBinding
"""What is kept beside a ticket and says how it may be spent; which one, its kind says."""


class StoredTicket(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A ticket at rest. `kind` and `digest` are its key; the value it stands for is nowhere."""

    kind: TokenKind
    digest: str
    """Hex of the keyed digest of kind and value; never the value."""
    ticket: Ticket
    issued_at: datetime
    expires_at: datetime | None
    """None = does not expire."""
    parent: str | None = None
    """Digest of the refresh token or code it was made from."""
    origin_grant: str = ""
    """The grant_type that made it; what a refresh makes keeps that of the refresh token."""
    binding: Binding | None = None
    """Codes only; tokens have none."""
    version: int = 0
    """Goes up by one at each replace."""
    used_at: datetime | None = None
    used_by: str | None = None
    """Id of the commit that spent it. A spent code or refresh token stays as long as its grant lives."""

    @property
    def grant_id(self) -> str:
        return self.ticket.grant_id

    def expired(self, now: datetime) -> bool:
        """Whether it is past its time at `now`; the last moment itself still counts."""
        return self.expires_at is not None and self.expires_at < now


_MADE_FROM = "."


def derived_grant_id(parent: str, own: str) -> str:
    """The id of a grant that is made from another, and is revoked with it. `own` is unique.

    The id itself says what it descends from, so no store needs a record of that.
    """
    return f"{parent}{_MADE_FROM}{own}"


def parent_grant_id(grant_id: str) -> str | None:
    """The id of the grant that this one was made from, or None."""
    return grant_id.rpartition(_MADE_FROM)[0] or None


def ancestors(grant_id: str) -> tuple[str, ...]:
    """The ids of all grants it was made from, the nearest first."""
    found: list[str] = []
    parent = parent_grant_id(grant_id)
    while parent is not None:
        found.append(parent)
        parent = parent_grant_id(parent)
    return tuple(found)


def descendants_between(grant_id: str) -> tuple[str, str]:
    """All that was made from the grant has an id between these two, by their octets; the second is outside."""
    return grant_id + _MADE_FROM, grant_id + chr(ord(_MADE_FROM) + 1)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Ticket)


def encode_ticket(ticket: Ticket) -> bytes:
    """The bytes a store keeps; what belongs to one request only is left out."""
    if (
        ticket.carry
        or ticket.redeems is not None
        or ticket.rewrites is not None
        or ticket.rewrites_beside
        or ticket.single_use is not None
    ):
        ticket = msgspec.structs.replace(
            ticket, carry=NOTHING, redeems=None, rewrites=None, rewrites_beside=(), single_use=None
        )
    return _encoder.encode(ticket)


def decode_ticket(data: bytes) -> Ticket:
    """The reverse of `encode_ticket`. Raises msgspec.DecodeError for anything else."""
    return _decoder.decode(data)
