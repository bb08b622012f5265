"""What a commit is answered, given what is stored: the rules both databases share, without any I/O."""

from collections.abc import Mapping, Sequence, Set
from typing import TypeAlias

import msgspec

from authwright.stores.protocols import AlreadyConsumed, Change, Committed, Conflict, Revoked
from authwright.ticket import StoredTicket

Answer: TypeAlias = Committed | AlreadyConsumed | Conflict | Revoked

COMMITTED = Committed()
CONFLICT = Conflict()
REVOKED = Revoked()


class TicketState(msgspec.Struct, gc=False):
    """What of a stored ticket decides."""

    version: int
    used_by: str | None
    changed_by: str
    """Id of the commit that added it or changed it last."""


def answer_without_effect(
    id: str,
    consume: StoredTicket | None,
    replace: Sequence[Change],
    add: Sequence[StoredTicket],
    live: Sequence[str],
    *,
    revoked: Set[str],
    tickets: Mapping[tuple[str, str], TicketState],
) -> Answer | None:
    """The answer to a commit that must not write (refused, or done already); None when it may write.

    `revoked` are the revoked ones of the grants it touches, `tickets` the stored ones by kind and digest. The ticket
    in AlreadyConsumed is `consume` as it was given: the store puts what it holds in its place.
    """
    if revoked:
        touched = [*live, *(stored.ticket.grant_id for stored in add)]
        touched += [change.before.ticket.grant_id for change in replace]
        if consume is not None:
            touched.append(consume.ticket.grant_id)
        if not revoked.isdisjoint(touched):
            return REVOKED
    if consume is not None:
        there = tickets.get((consume.kind, consume.digest))
        if there is None:
            return CONFLICT
        if there.used_by is not None:
            return COMMITTED if there.used_by == id else AlreadyConsumed(consume)
        if there.version != consume.version:
            return CONFLICT
    for change in replace:
        before = change.before
        there = tickets.get((before.kind, before.digest))
        if there is None or there.version != before.version or there.used_by != before.used_by:
            # Its own mark, on this or on anything it added, shows that an earlier try of the same commit was here.
            ours = [there, *(tickets.get((new.kind, new.digest)) for new in add)]
            return COMMITTED if any(state and state.changed_by == id for state in ours) else CONFLICT
    for new in add:
        there = tickets.get((new.kind, new.digest))
        if there is not None:
            return COMMITTED if there.changed_by == id else CONFLICT
    return None
