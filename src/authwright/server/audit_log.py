"""Audit events in the operator's log: what is worth an alarm as a warning, people's doings as info, the rest at debug.

A token is issued too often for a line each; at debug it has one.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict

from authwright.provider.audit import (
    AuditEvent,
    CodeReplayed,
    LoginCompleted,
    LoginFailed,
    RefreshReplayed,
    RequestAnswered,
    SignedOut,
)

_LOG = logging.getLogger("authwright.audit")
_LEVELS: Mapping[type[AuditEvent], int] = {
    CodeReplayed: logging.WARNING,
    RefreshReplayed: logging.WARNING,
    LoginCompleted: logging.INFO,
    LoginFailed: logging.INFO,
    RequestAnswered: logging.INFO,
    SignedOut: logging.INFO,
}


def log_event(event: AuditEvent) -> None:
    """An `AuditSink`: a line named after the event, with its members."""
    level = _LEVELS.get(type(event), logging.DEBUG)
    if _LOG.isEnabledFor(level):
        _LOG.log(level, event.name, extra={"event": event.name, **asdict(event)})
