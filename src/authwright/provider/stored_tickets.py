"""From a presented value to the ticket it stands for."""

from authwright.crypto.handles import Handles
from authwright.stores.protocols import TicketStore
from authwright.ticket import StoredTicket, TokenKind

JWT_LABEL = "access_token_jwt"
"""The label under which a whole JWT access token is digested: whoever presents it must present every byte of it."""

MAX_JWT = 16 * 1024


async def find_stored(
    tickets: TicketStore, handles: Handles, kind: TokenKind, value: str
) -> StoredTicket | None:
    """The ticket an opaque value stands for, spent, expired or live; None when nobody issued the value."""
    for digest in handles.digests(kind, value):
        stored = await tickets.get(kind, digest)
        if stored is not None:
            return stored
    return None


async def find_access_token(tickets: TicketStore, handles: Handles, value: str) -> StoredTicket | None:
    """The ticket of an access token of either format, spent, expired or live.

    A JWT is found by the digest of its whole text: being equal to what was issued is proof enough, so no signature is
    verified, and a token with a second valid signature is still not one of ours.
    """
    if "." not in value:
        return await find_stored(tickets, handles, TokenKind.ACCESS_TOKEN, value)
    if len(value) > MAX_JWT or not value.isascii():
        return None
    for digest in handles.digests_of(JWT_LABEL, value):
        stored = await tickets.get(TokenKind.ACCESS_TOKEN, digest)
        if stored is not None:
            return stored
    return None
