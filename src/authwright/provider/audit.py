"""What happened, for those who only watch: audit events and the operator's reason for every refusal.

An audit never changes or fails a request. Nothing here holds a token, a code or a secret; a value that must be told
apart from another is a fingerprint.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from authwright.protocol.errors import OAuthError
from authwright.protocol.http import HttpRequest
from authwright.ticket import Ticket, TokenKind

logger: logging.Logger = logging.getLogger("authwright")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued:
    name: ClassVar[str] = "token.issued"
    client_id: str
    grant_type: str
    grant_id: str
    subject: str | None
    kinds: tuple[TokenKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMutated:
    """What an access token allows was decided again, and changed behind the value its holder has."""

    name: ClassVar[str] = "token.mutated"
    client_id: str
    """Who asked; not always the client that the token was issued to."""
    grant_type: str
    grant_id: str
    subject: str | None
    before: tuple[str, ...]
    """Scopes, as `after`."""
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused:
    name: ClassVar[str] = "token.refused"
    client_id: str | None
    grant_type: str | None
    error: str
    reason: str
    fingerprint: str = ""
    """Of the code, token or assertion that was shown: tells two of them apart, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReplayed:
    """A spent code came back from its own client; its grant was revoked."""

    name: ClassVar[str] = "code.replayed"
    client_id: str
    grant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReplayed:
    """A spent refresh token came back from its own client; its family was revoked."""

    name: ClassVar[str] = "refresh.replayed"
    client_id: str
    grant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginCompleted:
    name: ClassVar[str] = "login.completed"
    subject: str
    session_id: str
    client_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailed:
    name: ClassVar[str] = "login.failed"
    client_id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut:
    name: ClassVar[str] = "logout"
    subject: str
    session_id: str
    client_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered:
    """A person allowed or denied what a client polls for: a device code or a backchannel request."""

    name: ClassVar[str] = "request.answered"
    client_id: str
    subject: str
    grant_type: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentServiceAnswered:
    """A consent service decided; `ms` is how long it took."""

    name: ClassVar[str] = "consent_service.answered"
    tenant: str
    service: str
    authorized: bool
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentServiceFailed:
    """A consent service could not be asked, or gave no answer that can be used."""

    name: ClassVar[str] = "consent_service.failed"
    tenant: str
    service: str
    reason: str
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFailed:
    """A request was answered 503, because the store did not answer; nothing was decided."""

    name: ClassVar[str] = "storage.unavailable"
    endpoint: str


AuditEvent: TypeAlias = (
    TokenIssued
    | TokenMutated
    | TokenRefused
    | CodeReplayed
    | RefreshReplayed
    | LoginCompleted
    | LoginFailed
    | SignedOut
    | RequestAnswered
    | ConsentServiceAnswered
    | ConsentServiceFailed
    | StoreFailed
)
AuditSink: TypeAlias = Callable[[AuditEvent], None]


def outcome_of(
    client_id: str, grant_type: str, ticket: Ticket, kinds: tuple[TokenKind, ...]
) -> TokenIssued | TokenMutated:
    """What a token request that succeeded came to."""
    if ticket.rewrites is None:
        return TokenIssued(
            client_id=client_id,
            grant_type=grant_type,
            grant_id=ticket.grant_id,
            subject=ticket.subject,
            kinds=kinds,
        )
    return TokenMutated(
        client_id=client_id,
        grant_type=grant_type,
        grant_id=ticket.grant_id,
        subject=ticket.subject,
        before=ticket.rewrites.ticket.scopes,
        after=ticket.scopes,
    )


class Audit:
    """Hands events to the sink it was given; without one it costs nothing."""

    __slots__ = ("_sink",)

    def __init__(self, sink: AuditSink | None = None) -> None:
        self._sink = sink

    @property
    def watched(self) -> bool:
        """Whether anybody listens, so that a caller need not build what nobody reads."""
        return self._sink is not None

    def record(self, event: AuditEvent) -> None:
        """Hand over `event`. A sink that raises is logged and otherwise ignored."""
        if self._sink is None:
            return
        try:
            self._sink(event)
        except Exception as failure:
            logger.error(
                "audit.sink_failed", extra={"event_name": event.name, "failure": type(failure).__name__}
            )


def log_refusal(
    endpoint: str,
    error: OAuthError,
    request: HttpRequest,
    client_id: str | None = None,
    fingerprint: str = "",
) -> None:
    """Tell the operator why a request was refused: a reason code and who asked, never a value that was sent."""
    level = logging.ERROR if error.http_status >= 500 else logging.INFO
    if not logger.isEnabledFor(level):
        return
    logger.log(
        level,
        "request.refused: %s: %s",
        error.code,
        error.detail or error.code,
        extra={
            "event": "request.refused",
            "endpoint": endpoint,
            "error": error.code,
            "reason": error.detail or error.code,
            "client_id": client_id,
            **({"fingerprint": fingerprint} if fingerprint else {}),
            "peer": request.peer,
        },
    )
