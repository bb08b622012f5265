"""What a session keeps when another takes its place."""

import msgspec

from authwright.records import Session


def with_clients_of(before: Session, after: Session) -> Session:
    """`after`, with the clients of `before` too when it is the same session under another value of the cookie."""
    if before.session_id != after.session_id:
        return after
    return msgspec.structs.replace(after, clients=before.clients | after.clients)
