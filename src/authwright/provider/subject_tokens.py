"""Tokens that are exchanged: what each says once it is believed, and who decides that (RFC 8693 §2.1, §3)."""

from datetime import datetime
from typing import Any, Protocol

import msgspec

from authwright.protocol.http import Json
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.ticket import Confirmation, SingleUse, StoredTicket


class SubjectTokenRejected(Exception):
    """The token is not to be believed. `reason` is a short code for the log, never a value of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ValidatedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A subject or actor token that was believed."""

    issuer: str
    subject: str
    """`sub`, as its issuer names it."""
    of_client: bool = False
    """Whether the subject is a client that acts for itself, and no user (RFC 9068 §5)."""
    issued_to: str | None = None
    """The client of its issuer that it was issued to."""
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    """None for a kind of token that has none: it limits no scope."""
    expires_at: datetime | None = None
    """None = does not expire."""
    auth_time: datetime | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    session_id: str | None = None
    act: Json = None
    may_act: Json = None
    confirmation: Confirmation | None = None
    """The key it is bound to: the request must prove the same."""
    record: StoredTicket | None = None
    """A token of our own store: what is made from it is revoked with its grant."""
    resources: tuple[str, ...] = ()
    """The resources that were named when it was issued."""
    single_use: SingleUse | None = None
    """What to claim so that it is exchanged once; None: it may be exchanged as often as its holder likes."""

    def __repr__(self) -> str:
        return f"ValidatedToken(issuer={self.issuer!r}, issued_to={self.issued_to!r})"


class SubjectTokenValidator(Protocol):
    """Believes tokens of one type, or does not. Give one of your own to `ExchangePolicy(validators=[…])`.

    Of a token whose `issuer` is not ours, only the validator can tell whether this client may bring it.
    """

    @property
    def token_type(self) -> str:
        """The URI clients send as `subject_token_type` or `actor_token_type`."""

    async def validate(self, request: AuthenticatedTokenRequest[Any], token: str) -> ValidatedToken:
        """What the token says. Raises SubjectTokenRejected; an OAuthError for what is no fault of the token."""
