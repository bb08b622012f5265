"""What a token's record becomes when services decide about it again: their answers over what it allowed before.

A service that answered is believed, whatever it says. One of which nothing is known keeps what it said last: an outage
takes nothing from a token that works.
"""

from collections.abc import Iterable, Mapping

import msgspec

from authwright.protocol.exchange import TOKEN_EXCHANGE
from authwright.protocol.http import Json
from authwright.protocol.scopes import OFFLINE_ACCESS
from authwright.provider.service_scopes import (
    CUSTOM_PAYLOAD,
    Decided,
    SplitScopes,
    decided_claims,
    in_namespace,
    split_scopes,
)
from authwright.ticket import NOTHING, Ticket, TokenKind


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request wants of a token that is out already."""

    split: SplitScopes
    merge: bool = False
    """Whether what it does not name stays."""
    allowed: frozenset[str] = frozenset()
    """The services that may be in the token at all."""


def asked_of(
    requested: tuple[str, ...] | None,
    mode: str | None,
    ticket: Ticket,
    base_scope: str,
    allowed: frozenset[str],
) -> Asked:
    """Without `scope` it is what the token has, of services that may still be asked; nothing is dropped then."""
    if requested is not None:
        return Asked(split=split_scopes(requested, base_scope), merge=mode == "merge", allowed=allowed)
    split = split_scopes(ticket.scopes, base_scope)
    services = {name: scopes for name, scopes in split.services.items() if name in allowed}
    return Asked(split=SplitScopes(split.others, services), merge=True, allowed=allowed)


def mutated(
    ticket: Ticket, asked: Asked, answers: Decided, *, offline: bool, base_scope: str, emit_amr: bool
) -> Ticket:
    """`ticket` as it is from now on. It gains what services grant and nothing else.

    `offline`: whether a refresh token of its grant lives; offline_access says that, and is nobody's to ask for.
    """
    named = asked.split.services
    kept = {service for service in answers.unavailable if service in ticket.services}
    if asked.merge:
        kept.update(name for name in ticket.services if name not in named and name in asked.allowed)
    services = tuple(name for name in (*named, *ticket.services) if name in kept or name in answers.services)
    services = tuple(dict.fromkeys(services))
    own = _own_scopes(ticket, asked, base_scope, offline=offline)
    before, now = _by_service(ticket.claims, ticket.services), _by_service(answers.claims, answers.services)
    scopes: list[str] = list(own)
    said: dict[str, Json] = {}
    payloads: dict[str, Json] = {}
    for service in services:
        source = ticket.scopes if service in kept else answers.scopes
        scopes += (scope for scope in source if in_namespace(scope, service, base_scope))
        claims, payload = (before if service in kept else now)[service]
        said |= claims
        if payload is not None:
            payloads[service] = payload
    if payloads:
        said[CUSTOM_PAYLOAD] = payloads
    gone = decided_claims(ticket)
    amr = ticket.amr
    if services and emit_amr and TOKEN_EXCHANGE not in amr:
        amr = (*amr, TOKEN_EXCHANGE)
    return msgspec.structs.replace(
        ticket,
        scopes=tuple(dict.fromkeys(scopes)),
        claims=_or_nothing({**_without(ticket.claims, gone), **said}),
        destinations=_or_nothing(
            {
                **_without(ticket.destinations, gone),
                **dict.fromkeys(said, frozenset((TokenKind.ACCESS_TOKEN,))),
            }
        ),
        services=services,
        amr=amr,
    )


def was_decided(ticket: Ticket, asked: Asked, answers: Decided) -> bool:
    """Whether a service that is in the token was asked and answered, so that what the token loses was taken from it."""
    return any(name in ticket.services and name not in answers.unavailable for name in asked.split.services)


def _own_scopes(ticket: Ticket, asked: Asked, base_scope: str, *, offline: bool) -> tuple[str, ...]:
    """The scopes of no service: those of the token that are named, or all of them."""
    has = split_scopes((*ticket.scopes, OFFLINE_ACCESS), base_scope).others
    wanted = has if asked.merge else asked.split.others
    return tuple(scope for scope in has if (offline if scope == OFFLINE_ACCESS else scope in wanted))


def _by_service(
    claims: Mapping[str, Json], services: Iterable[str]
) -> Mapping[str, tuple[Mapping[str, Json], Json]]:
    """What each said: its claims, by their whole names, and its payload."""
    payloads = claims.get(CUSTOM_PAYLOAD)
    known = payloads if isinstance(payloads, Mapping) else {}
    return {
        service: (
            {name: value for name, value in claims.items() if name.startswith(service + ".")},
            known.get(service),
        )
        for service in services
    }


def _without(members: Mapping[str, Json], gone: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in members.items() if name not in gone}


def _or_nothing(members: dict[str, Json]) -> Mapping[str, Json]:
    return members or NOTHING
