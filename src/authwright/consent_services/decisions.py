"""An answer held against the question: what a service may grant, and what it may not, however it says so."""

from collections.abc import Collection, Mapping
from typing import Any

from authwright.consent_services.messages import ConsentAnswer, ConsentClaim, MessageRejected
from authwright.protocol.http import Json
from authwright.provider.scope_authority import Declined, Granted
from authwright.provider.service_scopes import in_namespace


def decide(
    answer: ConsentAnswer,
    *,
    service: str,
    base_scope: str,
    subject: str,
    requested: tuple[str, ...],
    supported: Collection[str] | None,
    may_add: bool,
) -> Granted | Declined:
    """What of `answer` counts. Raises MessageRejected when it is about somebody else.

    `supported` is what it publishes (None = it does not say). Scopes of others are left out, and
    those that were not requested too, unless the service `may_add` its own.
    """
    if not answer.authorized:
        return Declined()
    if answer.subject not in (None, subject):
        raise MessageRejected("other_subject")
    granted = answer.scopes or ()
    wanted = [scope for scope in requested if scope in granted]
    added = [scope for scope in granted if scope not in requested] if may_add else []
    return Granted(
        scopes=tuple(
            scope
            for scope in (*wanted, *added)
            if in_namespace(scope, service, base_scope) and (supported is None or scope in supported)
        ),
        claims=_merged(answer.claims or ()),
        payload=answer.custom_payload,
    )


def _merged(claims: Collection[ConsentClaim]) -> Mapping[str, Json]:
    """By name; what stands there more than once becomes a list of all its values."""
    values: dict[str, list[Any]] = {}
    for claim in claims:
        values.setdefault(claim.type, []).append(claim.value)
    return {name: given[0] if len(given) == 1 else _flat(given) for name, given in values.items()}


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]
