"""The JWT bearer grant: a signed statement about a user, by an issuer we were told to trust or by the client itself.

RFC 7521 §4.1, RFC 7523 §2.1 and §3. A client whose own keys sign such statements can act for any of our users, so the
grant is only for clients whose `grant_types` name it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import msgspec

from authwright.crypto.handles import ordered_id
from authwright.crypto.jwt import JwtRejected, check_claims, unverified_claims
from authwright.protocol.errors import InvalidGrant, InvalidRequest, InvalidTarget
from authwright.protocol.http import Json
from authwright.protocol.params import Params
from authwright.protocol.token import JWT_BEARER
from authwright.provider.accounts import Accounts
from authwright.provider.client_assertions import LEEWAY, accepted_audiences, check_audience, single_use
from authwright.provider.client_keys import ClientKeys, accepted_algorithms, has_keys
from authwright.provider.grants.base import Grant, check_user_scopes
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.settings import Settings, TrustedIssuer
from authwright.records import Client
from authwright.ticket import StoredTicket, Ticket

MAX_ASSERTION = 16_384
MAX_LIFETIME = timedelta(hours=1)
"""How far ahead `exp` may lie: the statement is kept until then, so that it is used once."""

# The typ of the update of RFC 7523, and what issuers send today.
ASSERTION_TYPES = ("", "jwt", "authorization-grant+jwt")


class JwtBearerParameters(msgspec.Struct, frozen=True):
    assertion: str

    def __repr__(self) -> str:
        return "JwtBearerParameters(…)"


class JwtBearerGrant(Grant[JwtBearerParameters]):
    grant_type: ClassVar[str] = JWT_BEARER

    def __init__(
        self,
        *,
        settings: Settings,
        keys: ClientKeys,
        accounts: Accounts,
        trusted_issuers: Sequence[TrustedIssuer] = (),
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._accounts = accounts
        self._trusted = {trusted.issuer: trusted for trusted in trusted_issuers}
        self._resources = frozenset(resource.uri for resource in settings.resources)

    def parse(self, params: Params) -> JwtBearerParameters:
        assertion = params.require("assertion")
        if len(assertion) > MAX_ASSERTION:
            raise InvalidRequest("The assertion is too long.", detail="dos.limit")
        return JwtBearerParameters(assertion)

    def check(self, request: AuthenticatedTokenRequest[JwtBearerParameters]) -> None:
        check_user_scopes(request.client, request.request.scope)
        if any(resource not in self._resources for resource in request.request.resource):
            raise InvalidTarget("The specified 'resource' parameter is invalid.", detail="resource.unknown")

    async def authorize(
        self, request: AuthenticatedTokenRequest[JwtBearerParameters], found: StoredTicket | None
    ) -> Ticket:
        try:
            # 1. Whose statement is it, and did they sign it for us?
            claims = await self._stated(request)
            # 2. It counts once: the endpoint claims its id before anything is given.
            once = single_use("jwt_bearer", claims["iss"], claims, request.now, MAX_LIFETIME)
        except JwtRejected as rejected:
            raise _refusal(rejected.reason) from None
        # 3. Its user is one of ours.
        account = await self._accounts.get(claims["sub"])
        if account is None:
            raise _refusal("subject_unknown")
        # 4. What it grants. Nobody signed in here, so there is no auth_time and no session.
        return Ticket(
            grant_id=ordered_id(request.now),
            client_id=request.client.client_id,
            subject=account.subject,
            scopes=check_user_scopes(request.client, request.request.scope),
            resources=tuple(dict.fromkeys(request.request.resource)),
            presenters=frozenset((request.client.client_id,)),
            confidential=request.authentication.confidential,
            single_use=once,
        )

    async def _stated(self, request: AuthenticatedTokenRequest[JwtBearerParameters]) -> Mapping[str, Json]:
        """The verified claims. Raises JwtRejected, or TemporarilyUnavailable when keys cannot be had."""
        assertion, client = request.request.grant.assertion, request.client
        # Only to choose whose keys must have signed it.
        claimed = unverified_claims(assertion)
        issuer = claimed.get("iss") if claimed is not None else None
        profile = client.profile or self._settings.profile
        algorithms = accepted_algorithms(profile)
        if not isinstance(issuer, str):
            raise JwtRejected("iss")
        trusted = self._trusted.get(issuer)
        if trusted is not None:
            audiences = frozenset((trusted.audience or self._settings.issuer,))
            verified = await self._keys.verify_at(
                trusted.jwks_uri, assertion, algorithms=algorithms, types=ASSERTION_TYPES
            )
        elif issuer == client.client_id and has_keys(client):
            audiences = accepted_audiences(self._settings, client)
            verified = await self._keys.verify(
                client, assertion, algorithms=algorithms, types=ASSERTION_TYPES
            )
        else:
            raise JwtRejected("issuer_unknown")
        claims = verified.claims
        check_claims(
            claims,
            issuer=issuer,
            audience=None,
            now=request.now,
            leeway=LEEWAY,
            required=("sub", "aud", "exp", "jti"),
        )
        check_audience(claims, audiences, list_allowed=profile == "oidc")
        return claims


def uses_jwt_bearer(clients: Sequence[Client], trusted_issuers: Sequence[TrustedIssuer]) -> bool:
    """Whether there is anybody whose statements would be believed."""
    return bool(trusted_issuers) or any(map(has_keys, clients))


def _refusal(reason: str) -> InvalidGrant:
    # RFC 7521 §4.1.1: whatever is wrong with the assertion is an invalid_grant.
    return InvalidGrant("The specified assertion is invalid.", detail=f"assertion.{reason}")
