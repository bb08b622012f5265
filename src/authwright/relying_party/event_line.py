"""Who listens to which event, what each may give, and what becomes of it."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from authwright.protocol.http import HttpResponse, Pass
from authwright.protocol.token import TokenResponse
from authwright.relying_party.errors import Denied
from authwright.relying_party.events import (
    Accept,
    Accepted,
    AccessDenied,
    Answered,
    AuthenticationFailed,
    AuthorizationCodeReceived,
    MessageReceived,
    PushAuthorization,
    Pushed,
    RedirectToIdentityProvider,
    RedirectToIdentityProviderForSignOut,
    RelyingPartyEvents,
    RemoteFailure,
    RemoteSignOut,
    SignedOutCallbackRedirect,
    TicketReceived,
    TokenResponseReceived,
    TokenValidated,
    UserInformationReceived,
)

_LOG = logging.getLogger("authwright.relying_party")

C = TypeVar("C")

_FULL: tuple[type, ...] = (HttpResponse, Pass, Accept, Denied)

ALLOWED: Mapping[type, tuple[str, tuple[type, ...]]] = {
    RedirectToIdentityProvider: ("redirect_to_identity_provider", (HttpResponse,)),
    PushAuthorization: ("push_authorization", (Pass, Pushed)),
    MessageReceived: ("message_received", _FULL),
    AccessDenied: ("access_denied", (HttpResponse, Pass)),
    AuthorizationCodeReceived: ("authorization_code_received", (*_FULL, TokenResponse)),
    TokenResponseReceived: ("token_response_received", _FULL),
    TokenValidated: ("token_validated", _FULL),
    UserInformationReceived: ("user_information_received", _FULL),
    AuthenticationFailed: ("authentication_failed", _FULL),
    RemoteFailure: ("remote_failure", (HttpResponse, Pass)),
    TicketReceived: ("ticket_received", (HttpResponse, Pass)),
    RedirectToIdentityProviderForSignOut: ("redirect_to_identity_provider_for_sign_out", (HttpResponse,)),
    RemoteSignOut: ("remote_sign_out", (HttpResponse, Pass, Denied)),
    SignedOutCallbackRedirect: ("signed_out_callback_redirect", (HttpResponse, Pass, Denied)),
}
"""Context to the name of its event and what it may give besides None and the changed context."""


Listener: TypeAlias = Callable[[Any], Any] | Callable[[Any], Awaitable[Any]]


class EventLine:
    """Who listens to what: the overridden methods of one `RelyingPartyEvents`, then functions added one by one."""

    __slots__ = ("_listeners",)

    def __init__(self, events: RelyingPartyEvents | None) -> None:
        self._listeners: dict[type, tuple[Listener, ...]] = {}
        for context_type, (name, _) in ALLOWED.items():
            if events is not None and getattr(type(events), name) is not getattr(RelyingPartyEvents, name):
                self._listeners[context_type] = (getattr(events, name),)

    def add(self, context_type: type, listener: Listener) -> None:
        """Have `listener` called too, after those before it. Raises TypeError for a type that is no event."""
        if context_type not in ALLOWED:
            raise TypeError(f"{context_type!r} is not an event of the relying party")
        self._listeners[context_type] = (*self._listeners.get(context_type, ()), listener)

    def has_listener(self, context_type: type) -> bool:
        """Whether anybody listens to that event."""
        return context_type in self._listeners

    async def ask(self, context: C) -> C:
        """The context after all listeners. Raises Answered, Accepted or Denied when one of them decided.

        Only for events whose outcomes are these; see `ask_code` for the one that has another.
        """
        if type(context) not in self._listeners:
            return context
        outcome = await self._ask(context)
        if isinstance(outcome, TokenResponse | Pushed):
            raise TypeError(f"{ALLOWED[type(context)][0]} is asked by another name")
        return outcome

    async def ask_or_answer(self, context: C) -> C | HttpResponse:
        """As `ask`, for the events before a redirect: what a listener answered in its place is returned."""
        try:
            return await self.ask(context)
        except Answered as answered:
            if isinstance(answered.answer, HttpResponse):
                return answered.answer
            raise

    async def ask_code(self, context: AuthorizationCodeReceived) -> AuthorizationCodeReceived | TokenResponse:
        """As `ask`; a TokenResponse means that a listener redeemed the code itself."""
        outcome = await self._ask(context)
        assert not isinstance(outcome, Pushed)  # noqa: S101 - the table does not allow it
        return outcome

    async def ask_push(self, context: PushAuthorization) -> PushAuthorization | Pushed | Pass:
        """As `ask`; Pushed: a listener pushed the request itself; PASS: it is not to be pushed."""
        try:
            outcome = await self._ask(context)
        except Answered as answered:
            if isinstance(answered.answer, Pass):
                return answered.answer
            raise
        assert not isinstance(outcome, TokenResponse)  # noqa: S101 - the table does not allow it
        return outcome

    async def _ask(self, context: C) -> C | TokenResponse | Pushed:
        listeners = self._listeners.get(type(context))
        if listeners is None:
            return context
        name, allowed = ALLOWED[type(context)]
        for listener in listeners:
            try:
                given = listener(context)
                outcome = await given if inspect.isawaitable(given) else given
            except Denied as denied:
                if Denied not in allowed:
                    raise TypeError(f"{name} cannot deny") from denied
                _tell(name, denied)
                raise
            if outcome is None:
                continue
            if isinstance(outcome, type(context)):
                context = outcome
                continue
            if isinstance(outcome, allowed):
                _tell(name, outcome)
                if isinstance(outcome, TokenResponse | Pushed):
                    return outcome
                if isinstance(outcome, Accept):
                    raise Accepted(outcome)
                if isinstance(outcome, HttpResponse | Pass):
                    raise Answered(outcome)
            raise TypeError(f"{name} cannot return {type(outcome).__name__}")
        return context


_OUTCOMES: tuple[tuple[type, str], ...] = (
    (HttpResponse, "handled"),
    (Pass, "skipped"),
    (Accept, "accepted"),
    (Denied, "denied"),
    (TokenResponse, "redeemed"),
    (Pushed, "pushed"),
)


def _tell(name: str, outcome: object) -> None:
    """What an application decides is not in our code, so it is in the log; what it says is not."""
    reason = next(reason for kind, reason in _OUTCOMES if isinstance(outcome, kind))
    _LOG.info("an event decided", extra={"event": "rp.event_decided", "decided_by": name, "reason": reason})
