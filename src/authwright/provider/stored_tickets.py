"""From a presented value to the ticket it stands for."""

import re
from collections.abc import Mapping

from authwright.crypto.handles import STAMP_SIZE, Handles, random_id
from authwright.crypto.jwt import unverified_claims
from authwright.protocol.errors import InvalidGrant, InvalidToken, OAuthError
from authwright.provider.events import ProviderEvents
from authwright.provider.serialization import Deserialized, UnrecordedTicket
from authwright.stores.protocols import Revoked, TicketStore
from authwright.ticket import StoredTicket, TokenKind

JWT_LABEL = "access_token_jwt"
"""The label under which a whole JWT access token is digested: whoever presents it must present every byte of it."""

MAX_JWT = 16 * 1024
_STAMPED = re.compile(rf"[0-9a-f]{{{STAMP_SIZE}}}")

# The events that write and read a kind, and what a refusal of the latter is.
_EVENTS: Mapping[TokenKind, tuple[str, str, type[OAuthError]]] = {
    TokenKind.AUTHORIZATION_CODE: (
        "serialize_authorization_code",
        "deserialize_authorization_code",
        InvalidGrant,
    ),
    TokenKind.REFRESH_TOKEN: ("serialize_refresh_token", "deserialize_refresh_token", InvalidGrant),
    TokenKind.ACCESS_TOKEN: ("serialize_access_token", "deserialize_access_token", InvalidToken),
}
_NO_EVENTS = ("", "", InvalidGrant)


def own_label(kind: TokenKind) -> str:
    """The label under which the application's own form of a value is digested."""
    return f"own_{kind.value}"


async def find_stored(
    tickets: TicketStore,
    handles: Handles,
    kind: TokenKind,
    value: str,
    events: ProviderEvents | None = None,
) -> StoredTicket | None:
    """The ticket a value stands for, spent, expired or live; None when nobody issued the value.

    Raises AnsweredByEvent, and the refusal of an event.
    """
    if events is not None and events.wanted:
        own = await _find_own(tickets, handles, kind, value, events)
        if own is not None:
            return own
    for digest in handles.digests(kind, value):
        stored = await tickets.get(kind, digest)
        if stored is not None:
            return stored
    return None


async def find_access_token(
    tickets: TicketStore, handles: Handles, value: str, events: ProviderEvents | None = None
) -> StoredTicket | None:
    """The ticket of an access token of either format, spent, expired or live.

    A JWT is found by the digest of its whole text: being equal to what was issued is proof enough, so no signature is
    verified, and a token with a second valid signature is still not one of ours.
    """
    if "." not in value:
        return await find_stored(tickets, handles, TokenKind.ACCESS_TOKEN, value, events)
    if len(value) > MAX_JWT or not value.isascii():
        return None
    if events is not None and events.wanted:
        own = await _find_own(tickets, handles, TokenKind.ACCESS_TOKEN, value, events)
        if own is not None:
            return own
    # Its id begins with the stamp its digest begins with; nothing else in it is looked at.
    jti = (unverified_claims(value) or {}).get("jti")
    if not isinstance(jti, str) or not _STAMPED.match(jti):
        return None
    for digest in handles.digests_of(JWT_LABEL, value):
        stored = await tickets.get(TokenKind.ACCESS_TOKEN, jti[:STAMP_SIZE] + digest)
        if stored is not None:
            return stored
    return None


async def _find_own(
    tickets: TicketStore, handles: Handles, kind: TokenKind, value: str, events: ProviderEvents
) -> StoredTicket | None:
    """The ticket of a value in a form of the application's own: as an event reads it, or as it was recorded."""
    serialize, deserialize, refusal = _EVENTS.get(kind, _NO_EVENTS)
    if deserialize in events.wanted:
        read: Deserialized | None = await events.ask(deserialize, refusal, value)
        if read is not None:
            return await _unless_revoked(tickets, unrecorded(kind, value, read, handles))
    if serialize in events.wanted:
        for digest in handles.digests_of(own_label(kind), value):
            stored = await tickets.get(kind, digest)
            if stored is not None:
                return stored
    return None


def unrecorded(kind: TokenKind, value: str, read: Deserialized, handles: Handles) -> UnrecordedTicket:
    """What an event read, as a stored ticket would be."""
    digests = handles.digests_of(own_label(kind), value)
    return UnrecordedTicket(
        kind=kind,
        digest=digests[0],
        digests=digests,
        ticket=read.ticket,
        issued_at=read.issued_at,
        expires_at=read.expires_at,
        origin_grant=read.origin_grant,
        binding=read.binding,
    )


async def _unless_revoked(tickets: TicketStore, found: UnrecordedTicket) -> StoredTicket | None:
    # The store has no record of it, but it knows which grants are revoked; a commit of nothing asks it that.
    outcome = await tickets.commit(id=random_id(), now=found.issued_at, live=(found.grant_id,))
    return None if isinstance(outcome, Revoked) else found
