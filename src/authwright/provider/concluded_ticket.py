"""What every ticket is once grant and events have spoken: complete, bound, and clear about what it spends."""

from datetime import datetime
from typing import Any

import msgspec

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.exchange import TOKEN_EXCHANGE
from authwright.protocol.scopes import OPENID
from authwright.provider.profiles import check_resource_named
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.stores.protocols import Change
from authwright.ticket import Rewrite, StoredTicket, Ticket, TokenKind

Request = AuthenticatedTokenRequest[Any]

# The tokens by their names in `response_type`; one at the token endpoint is no standard, and off by default.
RESPONSE_TYPES = {
    "token": TokenKind.ACCESS_TOKEN,
    "id_token": TokenKind.ID_TOKEN,
    "refresh_token": TokenKind.REFRESH_TOKEN,
}


def asked_tokens(request: Request) -> frozenset[TokenKind] | None:
    """Which tokens the request asks for; None = the usual ones. Raises InvalidRequest for one there is not."""
    # RFC 8693 §2.1: an exchange has a parameter of its own for that, and always one token in its answer.
    if not request.client.token_response_type or request.request.grant_type == TOKEN_EXCHANGE:
        return None
    asked = request.request.params.one("response_type")
    if asked is None:
        return None
    kinds = frozenset(RESPONSE_TYPES.get(name) for name in asked.split())
    if not kinds or None in kinds:
        raise InvalidRequest(
            "The specified 'response_type' parameter is invalid.", detail="req.response_type"
        )
    return frozenset(kind for kind in kinds if kind is not None)


def bound(ticket: Ticket, request: Request) -> Ticket:
    """The ticket, bound to the key the request proved; one that is changed in place stays bound as it was."""
    if request.confirmation is None or ticket.rewrites is not None:
        return ticket
    return msgspec.structs.replace(ticket, confirmation=request.confirmation)


def concluded(ticket: Ticket, request: Request) -> Ticket:
    """The ticket with what follows from the request, whoever decided it."""
    changes: dict[str, Any] = {}
    check_resource_named(request.client, ticket.resources)
    if request.authentication.confidential and not ticket.confidential:
        # Never taken back: what an authenticated client obtained is of use to an authenticated client only.
        changes["confidential"] = True
    if not ticket.presenters:
        changes["presenters"] = frozenset((ticket.client_id,))
    if (
        not ticket.scopes
        and ticket.subject is not None
        and ticket.rewrites is None
        and _asks_to_sign_in(request)
    ):
        changes["scopes"] = (OPENID,)
    if ticket.confirmation is None and request.confirmation is not None and ticket.rewrites is None:
        changes["confirmation"] = request.confirmation
    return msgspec.structs.replace(ticket, **changes) if changes else ticket


def _asks_to_sign_in(request: Request) -> bool:
    return OPENID in (request.request.scope or ()) and OPENID in request.client.scopes


def spent(ticket: Ticket, request: Request) -> StoredTicket | None:
    """What the ticket spends: a code always, a refresh token when the client's rotate and it was not spent before."""
    redeems = ticket.redeems
    if redeems is None or redeems.kind is not TokenKind.REFRESH_TOKEN:
        return redeems
    return redeems if request.client.refresh_rotation and redeems.used_at is None else None


def rewritten(ticket: Ticket) -> tuple[Change, ...]:
    """What `ticket` changes in place: each stored ticket as it was read, and as it shall be."""
    stored = ticket.rewrites
    if stored is None:
        return ()
    # Whose it is, what it is bound to, when and how it began: none of that is a matter of what it allows now.
    allowed = msgspec.structs.replace(
        stored.ticket,
        scopes=ticket.scopes,
        resources=ticket.resources,
        claims=ticket.claims,
        destinations=ticket.destinations,
        properties=ticket.properties,
        amr=ticket.amr,
        services=ticket.services,
    )
    after = msgspec.structs.replace(stored, ticket=allowed, expires_at=end_of(stored, ticket))
    return (
        Change(stored, after),
        *(Change(beside.before, beside.after) for beside in ticket.rewrites_beside),
    )


def end_of(stored: StoredTicket, ticket: Ticket) -> datetime | None:
    """When `stored` ends once it is what `ticket` makes of it: as before, or earlier."""
    if ticket.not_after is None or stored.expires_at is None:
        return ticket.not_after or stored.expires_at
    return min(ticket.not_after, stored.expires_at)


def following(decided: Ticket, amended: Ticket) -> tuple[Rewrite, ...]:
    """What changes beside a ticket, once an event made `amended` of what was `decided`: it gains and loses the same."""
    return tuple(
        Rewrite(
            beside.before,
            msgspec.structs.replace(beside.after, ticket=_following(beside.after.ticket, decided, amended)),
        )
        for beside in decided.rewrites_beside
    )


def _following(beside: Ticket, decided: Ticket, amended: Ticket) -> Ticket:
    had, has = decided.scopes, amended.scopes
    scopes = (
        *(scope for scope in beside.scopes if scope in has or scope not in had),
        *(scope for scope in has if scope not in had),
    )
    claims = {
        name: value
        for name, value in beside.claims.items()
        if name in amended.claims or name not in decided.claims
    }
    new = {name: value for name, value in amended.claims.items() if decided.claims.get(name) != value}
    return msgspec.structs.replace(
        beside,
        scopes=tuple(dict.fromkeys(scopes)),
        claims={**claims, **new},
        destinations={**beside.destinations, **amended.destinations},
    )
