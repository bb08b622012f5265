"""What happened to sign-ins and sessions here, for those who only watch.

A sink never changes or fails a request. Nothing here holds a token, a code or a cookie.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

_LOG = logging.getLogger("authwright.relying_party")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginStarted:
    """A browser was sent to the provider."""

    name: ClassVar[str] = "login.started"
    issuer: str
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginCompleted:
    """A session began; `session_id` is the provider's `sid`."""

    name: ClassVar[str] = "login.completed"
    issuer: str
    client_id: str
    subject: str
    session_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailed:
    """A callback did not end in a session."""

    name: ClassVar[str] = "login.failed"
    issuer: str
    client_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutHere:
    """Sessions ended by our own side: the user, the application, or a refresh token that is dead."""

    name: ClassVar[str] = "logout.local"
    issuer: str
    client_id: str
    subject: str
    session_id: str | None
    """None for several, or where the provider gave no `sid`."""
    reason: str
    """"sign_out", "ended", "everywhere" or "invalid_grant"."""
    sessions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutByProvider:
    """Sessions ended on the provider's word, on its back or front channel; possibly none was left."""

    name: ClassVar[str] = "logout.remote"
    issuer: str
    client_id: str
    subject: str | None
    session_id: str | None
    channel: Literal["front", "back"]
    sessions: int


AuditEvent: TypeAlias = LoginStarted | LoginCompleted | LoginFailed | SignedOutHere | SignedOutByProvider
AuditSink: TypeAlias = Callable[[AuditEvent], None]


class Audit:
    """Hands events to the sink it was given."""

    __slots__ = ("_sink",)

    def __init__(self, sink: AuditSink | None = None) -> None:
        self._sink = sink

    def record(self, event: AuditEvent) -> None:
        """Hand over `event`. A sink that raises is logged and otherwise ignored."""
        if self._sink is None:
            return
        try:
            self._sink(event)
        except Exception as failure:
            _LOG.error(
                "audit.sink_failed", extra={"event_name": event.name, "failure": type(failure).__name__}
            )
