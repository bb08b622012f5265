"""JWTs and ID tokens of other issuers that the operator trusts, as subject and actor tokens (RFC 8693 §3, RFC 8725)."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from authwright.crypto.jwt import JwtRejected, check_claims, unverified_claims
from authwright.protocol.exchange import ID_TOKEN, JWT
from authwright.provider.client_assertions import LEEWAY, check_audience, single_use
from authwright.provider.client_keys import ClientKeys, accepted_algorithms
from authwright.provider.local_tokens import LocalIdTokens, said_by
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.settings import Settings, TrustedIssuer
from authwright.provider.subject_tokens import SubjectTokenRejected, ValidatedToken

Request = AuthenticatedTokenRequest[Any]

MAX_LIFETIME = timedelta(hours=1)
"""How far ahead `exp` may lie."""
MAX_AGE = timedelta(hours=1)
"""How long ago it may have been issued."""

_JWT_TYPES = ("", "jwt", "at+jwt", "authorization-grant+jwt")
_ID_TOKEN_TYPES = ("", "jwt")


class ForeignTokens:
    """Believes what trusted issuers signed for us."""

    def __init__(
        self, *, settings: Settings, keys: ClientKeys, trusted_issuers: Sequence[TrustedIssuer] = ()
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._trusted = {trusted.issuer: trusted for trusted in trusted_issuers}

    async def jwt(self, request: Request, token: str) -> ValidatedToken:
        """A JWT that says something of a user, good once. Raises SubjectTokenRejected or TemporarilyUnavailable."""
        return await self._validate(request, token, types=_JWT_TYPES, once=True)

    async def id_token(self, request: Request, token: str) -> ValidatedToken:
        """An ID token that names us; a client may show its own again. Raises as `jwt`."""
        return await self._validate(request, token, types=_ID_TOKEN_TYPES, once=False)

    async def _validate(
        self, request: Request, token: str, *, types: Collection[str], once: bool
    ) -> ValidatedToken:
        profile = request.client.profile or self._settings.profile
        # 1. Only to choose whose keys must have signed it.
        trusted = self._trusted.get(issuer_of(token) or "")
        if trusted is None:
            raise SubjectTokenRejected("issuer_unknown")
        try:
            # 2. The signature, under an algorithm of ours to choose (RFC 8725 §3.1).
            verified = await self._keys.verify_at(
                trusted.jwks_uri, token, algorithms=accepted_algorithms(profile), types=types
            )
            # 3. The claims. RFC 8725 §3.9: a token that names somebody else was not meant for us.
            claims = verified.claims
            check_claims(
                claims,
                issuer=trusted.issuer,
                audience=None,
                now=request.now,
                leeway=LEEWAY,
                required=("sub", "aud", "exp", "iat", *(("jti",) if once else ())),
            )
            accepted = frozenset((trusted.audience or self._settings.issuer,))
            check_audience(claims, accepted, list_allowed=profile == "oidc")
            if claims["iat"] < (request.now - MAX_AGE - LEEWAY).timestamp():
                raise JwtRejected("too_old")
            if "events" in claims:
                # RFC 8417 §2.2, RFC 8725 §2.8: news of a user, such as a logout token, whatever its typ.
                raise JwtRejected("events")
            used = single_use("exchange", trusted.issuer, {"jti": token, **claims}, request.now, MAX_LIFETIME)
        except JwtRejected as rejected:
            raise SubjectTokenRejected(rejected.reason) from None
        # 4. Its names are its issuer's: none of them is a client of ours.
        said = said_by(claims)
        return msgspec.structs.replace(
            said,
            # RFC 9068 §5: what a client got for itself speaks of no user, whatever the client is called.
            of_client=claims.get("client_id") == claims["sub"],
            issued_to=None,
            audiences=(),
            single_use=used if once else None,
        )


class ForeignJwts:
    """`jwt`: of a trusted issuer only; our own tokens have types that say what they are."""

    token_type: ClassVar[str] = JWT

    def __init__(self, foreign: ForeignTokens) -> None:
        self._foreign = foreign

    async def validate(self, request: Request, token: str) -> ValidatedToken:
        return await self._foreign.jwt(request, token)


class IdTokens:
    """`id_token`: ours, or of a trusted issuer."""

    token_type: ClassVar[str] = ID_TOKEN

    def __init__(self, local: LocalIdTokens, foreign: ForeignTokens) -> None:
        self._local = local
        self._foreign = foreign

    async def validate(self, request: Request, token: str) -> ValidatedToken:
        if issuer_of(token) == request.issuer:
            return await self._local.validate(request, token)
        return await self._foreign.id_token(request, token)


def issuer_of(token: str) -> str | None:
    """Whose token it says it is, unproven."""
    issuer = (unverified_claims(token) or {}).get("iss")
    return issuer if isinstance(issuer, str) else None
