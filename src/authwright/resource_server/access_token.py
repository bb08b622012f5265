"""An access token that was accepted, and the two ways to find out (RFC 9068 §4, RFC 7662 §2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from authwright.crypto.jwt import JwtRejected, check_claims
from authwright.protocol.http import Json
from authwright.resource_server.refusals import invalid_token

JWT_TYPES = ("at+jwt",)
"""RFC 9068 §4: an ID token, or any other JWT of the same issuer, is refused by its `typ`."""
_REQUIRED = ("sub", "client_id", "iat", "jti", "aud")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """Whom it stands for and what it allows."""

    iss: str
    sub: str | None
    """None for a token without a subject."""
    client_id: str | None
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    expires_at: datetime | None
    claims: Mapping[str, Json] = field(repr=False)
    """Everything the token, or its introspection, says."""
    value: str = field(repr=False)
    """The token itself, for exchange or for calls on the user's behalf."""

    def allows(self, *scopes: str) -> bool:
        """Whether all of `scopes` were granted."""
        return set(scopes).issubset(self.scopes)


def from_jwt(
    token: str, claims: Mapping[str, Json], *, issuer: str, audience: str, now: datetime
) -> AccessToken:
    """The token of verified claims. Raises BearerRefused."""
    try:
        check_claims(claims, issuer=issuer, audience=audience, now=now, required=_REQUIRED)
    except JwtRejected as rejected:
        raise invalid_token(rejected.reason) from None
    return _read(token, claims, issuer)


def from_introspection(
    token: str, claims: Mapping[str, Json], *, issuer: str, audience: str, now: datetime
) -> AccessToken:
    """The token of an introspection answer that said "active". Raises BearerRefused."""
    if claims.get("iss", issuer) != issuer:
        raise invalid_token("iss")
    # RFC 9700 §2.3: a token for another resource server is not for us, however alive it is.
    if audience not in _texts(claims.get("aud")):
        raise invalid_token("aud")
    found = _read(token, claims, issuer)
    if found.expires_at is not None and found.expires_at <= now:
        raise invalid_token("exp")
    return found


def _read(token: str, claims: Mapping[str, Json], issuer: str) -> AccessToken:
    # RFC 9449 §7.2, RFC 8705 §3: a token bound to a key is worth nothing without the proof, which Bearer has not.
    if claims.get("cnf") is not None:
        raise invalid_token("bound")
    scope = claims.get("scope")
    if scope is not None and not isinstance(scope, str):
        raise invalid_token("scope")
    subject, client_id = claims.get("sub"), claims.get("client_id")
    return AccessToken(
        iss=issuer,
        sub=subject if isinstance(subject, str) else None,
        client_id=client_id if isinstance(client_id, str) else None,
        scopes=tuple(dict.fromkeys((scope or "").split())),
        audience=_texts(claims.get("aud")),
        expires_at=_moment(claims.get("exp")),
        claims=claims,
        value=token,
    )


def _texts(value: Json) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _moment(value: Json) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 253_402_300_799:
        raise invalid_token("exp")
    return datetime.fromtimestamp(value, UTC)
