"""The password grant: a client that is trusted with the password itself (RFC 6749 §4.3).

RFC 9700 §2.4 says it must not be used and OAuth 2.1 leaves it out: the client sees the password, and no second factor
can be asked for. It is here for those who must move off it. Only a client whose `grant_types` name it may use it.
"""

import logging
from functools import lru_cache
from typing import ClassVar

import msgspec

from authwright.crypto.handles import ordered_id
from authwright.crypto.passwords import Overloaded
from authwright.protocol.errors import InvalidGrant, InvalidRequest, InvalidTarget, TemporarilyUnavailable
from authwright.protocol.params import Params
from authwright.protocol.token import PASSWORD
from authwright.provider.accounts import Accounts
from authwright.provider.audit import Audit, LoginFailed
from authwright.provider.grants.base import Grant, check_user_scopes
from authwright.provider.limits import Limits
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.settings import Settings
from authwright.records import Client
from authwright.ticket import StoredTicket, Ticket

MAX_USERNAME = 256
MAX_PASSWORD = 1024

logger: logging.Logger = logging.getLogger("authwright")


class PasswordParameters(msgspec.Struct, frozen=True):
    username: str
    password: str

    def __repr__(self) -> str:
        return "PasswordParameters(…)"


class PasswordGrant(Grant[PasswordParameters]):
    grant_type: ClassVar[str] = PASSWORD

    def __init__(self, *, settings: Settings, accounts: Accounts, limits: Limits, audit: Audit) -> None:
        self._acr = settings.acr_values[0] if settings.acr_values else None
        self._issuer = settings.issuer
        self._resources = frozenset(resource.uri for resource in settings.resources)
        self._accounts = accounts
        self._limits = limits
        self._audit = audit

    def parse(self, params: Params) -> PasswordParameters:
        username, password = params.one("username"), params.one("password")
        if username is None or password is None:
            raise InvalidRequest("The mandatory 'username' and/or 'password' parameters are missing.")
        if len(username) > MAX_USERNAME or len(password) > MAX_PASSWORD:
            raise InvalidRequest("The username or the password is too long.", detail="dos.limit")
        return PasswordParameters(username, password)

    def check(self, request: AuthenticatedTokenRequest[PasswordParameters]) -> None:
        check_user_scopes(request.client, request.request.scope)
        if any(resource not in self._resources for resource in request.request.resource):
            raise InvalidTarget("The specified 'resource' parameter is invalid.", detail="resource.unknown")

    async def authorize(
        self, request: AuthenticatedTokenRequest[PasswordParameters], found: StoredTicket | None
    ) -> Ticket:
        warn_of_password_grant(self._issuer, request.client.client_id)
        credentials, peer = request.request.grant, request.request.http.peer
        # Counted before the password is looked at, as at the login page, and with it: one guess is one guess.
        await self._limits.login_attempt(credentials.username, peer, request.now)
        try:
            account = await self._accounts.authenticate(credentials.username, credentials.password)
        except Overloaded:
            raise TemporarilyUnavailable("Try again.", detail="password.overloaded") from None
        if account is None:
            self._audit.record(LoginFailed(client_id=request.client.client_id, reason="credentials"))
            # The same words for an unknown name as for a wrong password.
            raise InvalidGrant("The username or the password is wrong.", detail="password.credentials")
        await self._limits.login_succeeded(credentials.username, peer)
        return Ticket(
            grant_id=ordered_id(request.now),
            client_id=request.client.client_id,
            subject=account.subject,
            scopes=check_user_scopes(request.client, request.request.scope),
            resources=tuple(dict.fromkeys(request.request.resource)),
            presenters=frozenset((request.client.client_id,)),
            auth_time=request.now,
            acr=self._acr,
            amr=("pwd",),
            confidential=request.authentication.confidential,
        )


def uses_password_grant(client: Client) -> bool:
    """Whether the client may send passwords."""
    return PASSWORD in client.grant_types


@lru_cache(maxsize=1024)
def warn_of_password_grant(issuer: str, client_id: str) -> None:
    """Tell the operator, once in each process."""
    logger.warning(
        "client.password_grant: the client may use the password grant, which RFC 9700 §2.4 says must not be used",
        extra={"issuer": issuer, "client_id": client_id},
    )
