"""The client credentials grant: a client acts for itself (RFC 6749 §4.4)."""

from typing import ClassVar

from authwright.crypto.handles import ordered_id
from authwright.protocol.errors import InvalidClient, InvalidScope, InvalidTarget
from authwright.protocol.params import Params
from authwright.protocol.scopes import OFFLINE_ACCESS, OPENID
from authwright.protocol.token import CLIENT_CREDENTIALS
from authwright.protocol.userinfo import SCOPE_CLAIMS
from authwright.provider.grants.base import Grant, check_scope
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.settings import Settings
from authwright.ticket import StoredTicket, Ticket

# There is no user, so nothing that speaks of one is granted.
USER_SCOPES = frozenset({OPENID, OFFLINE_ACCESS, *SCOPE_CLAIMS})


class ClientCredentialsGrant(Grant[None]):
    grant_type: ClassVar[str] = CLIENT_CREDENTIALS

    def __init__(self, settings: Settings) -> None:
        self._resources = frozenset(resource.uri for resource in settings.resources)

    def parse(self, params: Params) -> None:
        return None

    def check(self, request: AuthenticatedTokenRequest[None]) -> None:
        # RFC 6749 §4.4: only confidential clients may use it.
        if not request.authentication.confidential:
            raise InvalidClient(
                "Client authentication is required when using the client credentials grant.",
                detail="client.public",
            )
        if request.request.scope and not _granted(request):
            raise InvalidScope("The specified 'scope' parameter is invalid.", detail="scope.user_only")
        if any(resource not in self._resources for resource in request.request.resource):
            raise InvalidTarget("The specified 'resource' parameter is invalid.", detail="resource.unknown")

    async def authorize(self, request: AuthenticatedTokenRequest[None], found: StoredTicket | None) -> Ticket:
        return Ticket(
            grant_id=ordered_id(request.now),
            client_id=request.client.client_id,
            scopes=_granted(request),
            resources=tuple(dict.fromkeys(request.request.resource)),
            presenters=frozenset((request.client.client_id,)),
            confidential=True,
        )


def _granted(request: AuthenticatedTokenRequest[None]) -> tuple[str, ...]:
    """What was asked for, or all the client is registered for, without what speaks of a user."""
    requested = request.request.scope
    scopes = check_scope(request.client, request.client.scopes if requested is None else requested)
    return tuple([scope for scope in scopes if scope not in USER_SCOPES])
