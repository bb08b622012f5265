"""Scopes that others decide: a service that owns data says, at that moment, what of it a token may reach.

The provider asks one `ScopeAuthority` for all services at once. `consent_services` has the one that asks over HTTP;
an application's own may be any object with this method.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from authwright.protocol.http import Json
from authwright.provider.requests import AuthenticatedTokenRequest


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """The service lets the subject have these scopes, all of its own namespace."""

    scopes: tuple[str, ...]
    claims: Mapping[str, Json] = {}
    """By the service's own names; they enter a token as `service.name`."""
    payload: Json = None
    """Enters a token under `custom_payload.service`; None = nothing."""


class Declined(msgspec.Struct, frozen=True):
    """The service was asked and says no."""


class Unavailable(msgspec.Struct, frozen=True, kw_only=True):
    """The service did not answer, or not with an answer. Nothing is known about its consent."""

    reason: str
    """A short code for the log, such as "timeout", "discovery" or "malformed"."""
    required: bool = False
    """Whether the whole request fails with it (the service's `on_failure = "fail"`)."""


class NotAllowed(msgspec.Struct, frozen=True):
    """The client may not ask for this service."""


class Unknown(msgspec.Struct, frozen=True):
    """No such service, or it is switched off."""


Decision: TypeAlias = Granted | Declined | Unavailable | NotAllowed | Unknown


class ScopeAuthority(Protocol):
    async def authorize(
        self, request: AuthenticatedTokenRequest[Any], subject: str, services: Mapping[str, tuple[str, ...]]
    ) -> Mapping[str, Decision]:
        """One decision for each of `services` (name → the full scopes asked of it), in their order. Never raises for a
        service that fails: that is `Unavailable`, and the others' answers stand."""
