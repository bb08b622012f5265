"""The token exchange request and what its answer adds to a token response (RFC 8693 §2)."""

from collections.abc import Sequence

import msgspec

from authwright.protocol.params import Params
from authwright.protocol.scopes import format_scope
from authwright.protocol.token import TokenResponse

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TOKEN_EXCHANGE_MUTATE = "urn:authwright:params:oauth:grant-type:token-exchange-mutate"
"""Not of RFC 8693: what services decided about a token that is out already is decided again."""
SQUATTED_TOKEN_EXCHANGE_MUTATE = "urn:ietf:params:oauth:grant-type:token-exchange-mutate"
"""Another server's name for it, which nobody registered with IANA; for clients that know no other."""

RESERVED = "urn:ietf:params:oauth:token-type:"
"""RFC 8693 §3: only registered types begin with it."""
ACCESS_TOKEN = RESERVED + "access_token"
REFRESH_TOKEN = RESERVED + "refresh_token"
ID_TOKEN = RESERVED + "id_token"
JWT = RESERVED + "jwt"

ISSUED_TOKEN_TYPE = "issued_token_type"
NOT_APPLICABLE = "N_A"
"""RFC 8693 §2.2.1: the `token_type` of what is not an access token."""


class ExchangeParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What a token exchange asks, as it was sent: what is missing is None, so that all faults can be named at once."""

    subject_token: str | None = None
    subject_token_type: str | None = None
    actor_token: str | None = None
    actor_token_type: str | None = None
    requested_token_type: str | None = None
    audience: tuple[str, ...] = ()
    access_token_lifetime: str | None = None
    """Not of RFC 8693: seconds, at most what the client's tokens live."""

    def __repr__(self) -> str:
        return f"ExchangeParameters(subject_token_type={self.subject_token_type!r})"


_NAMES = (
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "access_token_lifetime",
)


def parse_exchange(params: Params) -> ExchangeParameters:
    """The grant's own parameters. Raises InvalidRequest for a repeated one, but for none that is missing."""
    given = {name: params.one(name) for name in _NAMES}
    return ExchangeParameters(**given, audience=tuple(dict.fromkeys(params.many("audience"))))


class MutateParameters(ExchangeParameters, frozen=True, kw_only=True):
    """What is asked when a token that is out already shall be decided again; what is missing is None."""

    mode: str | None = None
    """What becomes of services that `scope` does not name: "replace" (the default) drops them, "merge" keeps them."""


MODES = ("replace", "merge")


def parse_mutate(params: Params) -> MutateParameters:
    """As `parse_exchange`, and the mode. Raises InvalidRequest for a repeated parameter."""
    given = {name: params.one(name) for name in (*_NAMES, "mode")}
    return MutateParameters(**given, audience=params.many("audience"))


def build_exchange(
    exchange: ExchangeParameters, *, scope: Sequence[str] | None = None, resource: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """The parameters of a token exchange, `grant_type` first; the client's authentication is not among them.

    Raises ValueError for a request that RFC 8693 §2.1 does not allow.
    """
    faults = faults_of(exchange)
    if faults:
        raise ValueError(faults[0])
    pairs = [("grant_type", TOKEN_EXCHANGE)]
    for name in _NAMES:
        value = getattr(exchange, name)
        if value:
            pairs.append((name, value))
    pairs += [("resource", value) for value in resource]
    pairs += [("audience", value) for value in exchange.audience]
    if scope is not None:
        pairs.append(("scope", format_scope(scope)))
    return tuple(pairs)


def faults_of(exchange: ExchangeParameters) -> tuple[str, ...]:
    """What RFC 8693 §2.1 finds missing or out of place, in words for the client."""
    faults = []
    if not exchange.subject_token:
        faults.append("subject_token is required")
    if not exchange.subject_token_type:
        faults.append("subject_token_type is required")
    # RFC 8693 §2.1: REQUIRED with actor_token, and MUST NOT be there without it.
    if exchange.actor_token and not exchange.actor_token_type:
        faults.append("actor_token_type is required with actor_token")
    if exchange.actor_token_type and not exchange.actor_token:
        faults.append("actor_token_type must not be sent without actor_token")
    return tuple(faults)


def issued_token_type(response: TokenResponse) -> str:
    """What was issued. Raises ValueError when the answer does not say, though it must (RFC 8693 §2.2.1)."""
    issued = response.custom.get(ISSUED_TOKEN_TYPE)
    if not isinstance(issued, str) or not issued:
        raise ValueError("the answer to a token exchange names the issued_token_type")
    return issued
