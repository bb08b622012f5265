"""Scopes that services decide: told apart from the others, asked for, and turned into scopes and claims of a token.

A service's scopes are `base_scope` + its name, alone or followed by "." and a permission. Any grant may use these
functions; what a service answers counts in that namespace only, whoever asked it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from authwright.protocol.errors import InvalidScope, ServerError, TemporarilyUnavailable
from authwright.protocol.http import Json
from authwright.protocol.scopes import OFFLINE_ACCESS
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import (
    Decision,
    Declined,
    Granted,
    NotAllowed,
    ScopeAuthority,
    Unavailable,
    Unknown,
)
from authwright.ticket import NOTHING, Ticket, TokenKind

CUSTOM_PAYLOAD = "custom_payload"
RETRY_AFTER = 5
"""Seconds until a service that did not answer may be worth asking again."""


class SplitScopes(msgspec.Struct, frozen=True):
    """Requested scopes, by who decides about them."""

    others: tuple[str, ...]
    services: Mapping[str, tuple[str, ...]]
    """By the service's name, in the order they were asked for."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What the services' answers come to."""

    scopes: tuple[str, ...] = ()
    claims: Mapping[str, Json] = {}
    """As they enter a token: `service.name`, and `custom_payload`."""
    services: tuple[str, ...] = ()
    """Those that granted."""
    unavailable: tuple[str, ...] = ()
    """Those of which nothing is known."""


NOTHING_DECIDED = Decided()


def service_of(scope: str, base_scope: str) -> str | None:
    """The name of the service a scope belongs to; None for any other scope. Empty for one that names none."""
    if not base_scope or not scope.startswith(base_scope):
        return None
    return scope[len(base_scope) :].partition(".")[0]


def in_namespace(scope: str, service: str, base_scope: str) -> bool:
    """Whether the scope is the service's own: its root, or a permission below it, and not of one named like it."""
    root = base_scope + service
    return scope == root or scope.startswith(root + ".")


def split_scopes(scopes: Iterable[str], base_scope: str) -> SplitScopes:
    """Without repeats, in their order. A scope that names no service is left out, as one of an unknown service is."""
    others: list[str] = []
    services: dict[str, list[str]] = {}
    for scope in dict.fromkeys(scopes):
        service = service_of(scope, base_scope)
        if service is None:
            others.append(scope)
        elif service:
            services.setdefault(service, []).append(scope)
    return SplitScopes(tuple(others), {name: tuple(asked) for name, asked in services.items()})


def check_services(asked: Iterable[str], allowed: Collection[str]) -> None:
    """Raise InvalidScope for a service the client may not ask for."""
    for service in asked:
        if service not in allowed:
            raise _not_allowed(service)


async def ask_services(
    authority: ScopeAuthority | None,
    request: AuthenticatedTokenRequest[Any],
    subject: str,
    services: Mapping[str, tuple[str, ...]],
) -> Mapping[str, Decision]:
    """One decision for each service. Raises ServerError when the authority leaves one out.

    Without an authority no service is known.
    """
    if authority is None or not services:
        return dict.fromkeys(services, Unknown())
    decisions = await authority.authorize(request, subject, services)
    if any(service not in decisions for service in services):
        raise ServerError(detail="exchange.service_undecided")
    return {service: decisions[service] for service in services}


def decided(decisions: Mapping[str, Decision], base_scope: str) -> Decided:
    """What the decisions come to.

    Raises InvalidScope for a service the client may not ask for, and TemporarilyUnavailable for one that did not
    answer and must.
    """
    scopes: list[str] = []
    claims: dict[str, Json] = {}
    payloads: dict[str, Json] = {}
    services: list[str] = []
    unavailable: list[str] = []
    for service, decision in decisions.items():
        match decision:
            case Granted():
                services.append(service)
                # Whatever an authority answers, a service speaks for its own namespace only.
                scopes += (scope for scope in decision.scopes if in_namespace(scope, service, base_scope))
                claims |= {f"{service}.{name}": value for name, value in decision.claims.items() if name}
                if decision.payload is not None:
                    payloads[service] = decision.payload
            case NotAllowed():
                raise _not_allowed(service)
            case Unavailable(reason=reason, required=True):
                raise _try_again(f"exchange.service_{reason}")
            case Unavailable():
                unavailable.append(service)
            case Declined() | Unknown():
                pass
    if payloads:
        claims[CUSTOM_PAYLOAD] = payloads
    return Decided(
        scopes=tuple(dict.fromkeys(scopes)),
        claims=claims,
        services=tuple(services),
        unavailable=tuple(unavailable),
    )


def check_something_granted(scopes: Iterable[str], answers: Decided) -> None:
    """Raise for a token that nothing could be done with: InvalidScope, or TemporarilyUnavailable after a failure."""
    # offline_access alone prolongs nothing.
    if any(scope != OFFLINE_ACCESS for scope in scopes):
        return
    if answers.unavailable:
        # An outage must not look like a denial: nobody said no.
        raise _try_again("exchange.services_unavailable")
    raise InvalidScope("None of the requested scopes was granted.", detail="exchange.nothing_granted")


def with_decisions(ticket: Ticket, answers: Decided) -> Ticket:
    """The ticket with the services' scopes after its own, and their claims in its access tokens."""
    return msgspec.structs.replace(
        ticket,
        scopes=tuple(dict.fromkeys((*ticket.scopes, *answers.scopes))),
        claims={**ticket.claims, **answers.claims},
        destinations={
            **ticket.destinations,
            **dict.fromkeys(answers.claims, frozenset((TokenKind.ACCESS_TOKEN,))),
        },
        services=answers.services,
    )


def is_decided_scope(scope: str, ticket: Ticket, base_scope: str) -> bool:
    """Whether a service decided that scope of the ticket."""
    return bool(base_scope) and any(in_namespace(scope, service, base_scope) for service in ticket.services)


def decided_claims(ticket: Ticket) -> Mapping[str, Json]:
    """The claims of the ticket that services put there."""
    if not ticket.services:
        return NOTHING
    return {
        name: value
        for name, value in ticket.claims.items()
        if name == CUSTOM_PAYLOAD or name.partition(".")[0] in ticket.services
    }


def _not_allowed(service: str) -> InvalidScope:
    return InvalidScope(
        f"external service {service} is not allowed for this client", detail="exchange.service_not_allowed"
    )


def _try_again(reason: str) -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "A service that decides about the requested scopes did not answer.",
        retry_after=RETRY_AFTER,
        detail=reason,
    )
