"""What a grant is: how its parameters are read, what it would spend, and what it decides."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from authwright.protocol.errors import InvalidGrant, InvalidScope, InvalidTarget, OAuthError
from authwright.protocol.params import Params
from authwright.protocol.scopes import OFFLINE_ACCESS, OPENID
from authwright.protocol.token import REFRESH_TOKEN
from authwright.provider.requests import AuthenticatedTokenRequest, TokenRequest
from authwright.records import Client
from authwright.stores.protocols import Change
from authwright.ticket import StoredTicket, Ticket

P = TypeVar("P")


class Grant(ABC, Generic[P]):
    """One `grant_type` at the token endpoint.

    Give an object of a subclass to `standard_provider(extra_grants=[…])`. None of the methods may write: what the
    grant spends is named in the ticket's `redeems`, what it changes in place in `rewrites`, and the endpoint commits
    it together with the tokens.
    """

    grant_type: ClassVar[str]
    repeatable: ClassVar[frozenset[str]] = frozenset()
    """Parameters of its own that may be given more than once, besides `resource` and `audience`."""
    refusal: ClassVar[type[OAuthError]] = InvalidGrant
    """What the request is refused with when what it rests on is used or revoked before it is written."""
    event: ClassVar[str] = ""
    """The event of `ProviderEvents` that may amend what it grants; refusal as above. Empty: `token_endpoint` alone."""

    @abstractmethod
    def parse(self, params: Params) -> P:
        """The grant's own parameters. Pure. Raises InvalidRequest for a missing or repeated one."""

    async def find(self, request: TokenRequest[P]) -> StoredTicket | None:
        """What the request would redeem, read only; the endpoint shows it to `events.validate_token_request`."""
        return None

    @property
    def redeems(self) -> bool:
        """Whether it redeems something that was issued before: what `find` is there for."""
        return type(self).find is not Grant.find

    def check(self, request: AuthenticatedTokenRequest[P]) -> None:
        """Refuse what can be refused before any event, with no look at a store. Raises an OAuthError."""
        return

    @abstractmethod
    async def authorize(self, request: AuthenticatedTokenRequest[P], found: StoredTicket | None) -> Ticket:
        """What is granted. Reads only. Raises an OAuthError."""


AnyGrant = Grant[Any]


class Replayed(InvalidGrant):
    """A spent code or refresh token came back from its own client: the endpoint revokes the whole grant."""

    def __init__(self, description: str, *, stored: StoredTicket, detail: str) -> None:
        super().__init__(description, detail=detail)
        self.stored = stored


class BindingFailed(InvalidGrant):
    """A code's own client presented it with a wrong redirect URI or verifier: counted, and the code is not spent."""

    def __init__(self, description: str, *, stored: StoredTicket, detail: str) -> None:
        super().__init__(description, detail=detail)
        self.stored = stored


class Polled(Exception):
    """The person has not answered yet: `refusal` is what the client is told, `change` what is kept of its asking."""

    def __init__(self, refusal: OAuthError, change: Change) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.change = change


def check_scope(client: Client, requested: tuple[str, ...]) -> tuple[str, ...]:
    """`requested` if the client is registered for all of it. Raises InvalidScope (RFC 6749 §3.3)."""
    if any(scope not in client.scopes for scope in requested):
        raise InvalidScope("The specified 'scope' parameter is invalid.", detail="scope.not_registered")
    return requested


def check_user_scopes(client: Client, requested: tuple[str, ...] | None) -> tuple[str, ...]:
    """The scopes a user would be asked to grant. Raises InvalidScope for one that is not registered for the client."""
    # RFC 6749 §3.3: without `scope` a default applies; these two change what is asked for, so they must be named.
    if requested is None:
        requested = tuple(scope for scope in client.scopes if scope not in (OPENID, OFFLINE_ACCESS))
    scopes = check_scope(client, tuple(dict.fromkeys(requested)))
    if REFRESH_TOKEN in client.grant_types:
        return scopes
    # OpenID Connect Core §11: a request for offline access that cannot be met is ignored.
    return tuple(scope for scope in scopes if scope != OFFLINE_ACCESS)


def narrowed_scope(requested: tuple[str, ...] | None, granted: tuple[str, ...]) -> tuple[str, ...]:
    """What of `granted` a redeeming request asks for. Raises InvalidScope for anything beyond it (RFC 6749 §6)."""
    if requested is None:
        return granted
    if not granted:
        raise InvalidScope("The 'scope' parameter is not valid in this context.", detail="scope.none_granted")
    if any(scope not in granted for scope in requested):
        raise InvalidScope("The specified 'scope' parameter is invalid.", detail="scope.beyond_grant")
    return requested


def narrowed_resource(requested: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """What of `granted` a redeeming request asks for. Raises InvalidTarget for anything beyond it (RFC 8707 §2.2)."""
    if not requested:
        return granted
    if any(resource not in granted for resource in requested):
        raise InvalidTarget("The specified 'resource' parameter is invalid.", detail="resource.beyond_grant")
    return tuple(dict.fromkeys(requested))
