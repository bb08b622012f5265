"""What a request to an API needs of its token: scopes, and how and when the user signed in (RFC 9470)."""

from dataclasses import dataclass
from datetime import datetime

from authwright.resource_server.access_token import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """All of `scopes`, one of `acr_values`, a sign-in no more than `max_age` seconds ago; what is empty is not asked for."""

    scopes: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None

    def __post_init__(self) -> None:
        if self.max_age is not None and self.max_age < 0:
            raise ValueError("max_age is negative")
        if any(not value or len(value.split()) != 1 for value in (*self.acr_values, *self.scopes)):
            raise ValueError("acr values and scopes are single words")

    def is_authenticated(self, token: AccessToken, now: datetime) -> bool:
        """Whether the user signed in as is needed. RFC 9470 §6: a token that does not say is not good enough."""
        if self.acr_values and token.acr not in self.acr_values:
            return False
        if self.max_age is None:
            return True
        if token.auth_time is None:
            return False
        # In whole seconds, as both are written.
        return int(now.timestamp()) - int(token.auth_time.timestamp()) <= self.max_age
