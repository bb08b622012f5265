"""What a token exchange decided beside its ticket, and what an operator decides about exchanges (RFC 8693)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from authwright.protocol.exchange import RESERVED, TOKEN_EXCHANGE
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.subject_tokens import SubjectTokenValidator, ValidatedToken
from authwright.ticket import TokenKind

EXCHANGED = "token_exchange"
"""Where a ticket carries its `Exchanged`."""

ORIGIN_GRANT = "origin_grant"
"""The claim of an ID token that came of an exchange: it is for signing in, and is not exchanged again."""


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """From the grant to the generator."""

    kind: TokenKind = TokenKind.ACCESS_TOKEN
    """What was asked for: it goes out as `access_token`, whatever it is (RFC 8693 §2.2.1)."""
    refresh_until: datetime | None = None
    """When a refresh token beside it ends at the latest; None = no such limit."""


SubjectMapper: TypeAlias = Callable[[ValidatedToken], Awaitable[str | None]]
"""The subject of our account for a token of another issuer; None = nobody here. It may create the account."""

ActorRule: TypeAlias = Callable[
    [AuthenticatedTokenRequest[Any], ValidatedToken, ValidatedToken], Awaitable[bool]
]
"""May the actor (last) act for the subject (before it), whose token has no `may_act`?"""

RecordedClient = Literal["never", "cross_client", "always"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePolicy:
    """What token exchange allows, for the whole issuer. The defaults only ever narrow. Raises ValueError."""

    base_scope: str = ""
    """A scope that begins with it belongs to a service: base_scope + name, or base_scope + name + "." + permission."""
    validators: tuple[SubjectTokenValidator, ...] = ()
    """For token types of the application's own."""
    subject_mapper: SubjectMapper | None = None
    """None: other issuers name users as we do."""
    actor_without_may_act: ActorRule | None = None
    """None: nobody acts for a subject whose token does not name them."""
    record_client_as_actor: RecordedClient = "never"
    """Without an actor token: is the client put into `act`? "cross_client": when the token was issued to another."""
    allow_public_exchange: bool = False
    """Whether public clients may exchange tokens."""
    outlive_subject: bool = False
    """Whether what is issued may live longer than the subject token."""
    exchange_refresh: bool = True
    """Whether a refresh token may be issued, to a client that asks for offline_access and may have it."""
    emit_grant_amr: bool = True
    """Whether tokens whose scopes a service decided say so in `amr`."""
    mutate_grant_types: tuple[str, ...] = ()
    """The names under which a client may have an exchanged token decided again; empty = no client may."""

    def __post_init__(self) -> None:
        if self.base_scope and not _is_scope_text(self.base_scope):
            raise ValueError(f"token_exchange: base_scope {self.base_scope!r} cannot stand in a scope")
        for name in self.mutate_grant_types:
            if ":" not in name or name == TOKEN_EXCHANGE:
                raise ValueError(
                    f"token_exchange: {name!r} in mutate_grant_types is no URI of a grant of its own"
                )
        seen: set[str] = set()
        for validator in self.validators:
            name = validator.token_type
            # RFC 8693 §3: what is registered keeps its meaning.
            if name.startswith(RESERVED) or ":" not in name:
                raise ValueError(
                    f"token_exchange: {name!r} is not a token type of your own; it is a URI of yours"
                )
            if name in seen:
                raise ValueError(f"token_exchange: two validators for {name!r}")
            seen.add(name)


def _is_scope_text(text: str) -> bool:
    return text.isascii() and text.isprintable() and not any(character in text for character in ' "\\')
