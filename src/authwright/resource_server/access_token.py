"""An access token that was accepted, and the two ways to find out (RFC 9068 §4, RFC 7662 §2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from authwright.crypto.jwt import JwtRejected, check_claims
from authwright.protocol.http import Json
from authwright.protocol.token import CLIENT_SUBJECT, SUBJECT_TYPE
from authwright.resource_server.refusals import invalid_token
from authwright.ticket import Confirmation

JWT_TYPES = ("at+jwt",)
"""RFC 9068 §4: an ID token, or any other JWT of the same issuer, is refused by its `typ`."""
CLOCK_DIFFERENCE = timedelta(seconds=30)
"""How far the issuer's clock may be ahead of ours: a token is often used within the second it was issued in."""
BEARER, DPOP = "bearer", "dpop"
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
    confirmation: Confirmation | None
    """What it is bound to; the guard has checked that the caller holds it."""
    claims: Mapping[str, Json] = field(repr=False)
    """Everything the token, or its introspection, says."""
    value: str = field(repr=False)
    """The token itself, for exchange or for calls on the user's behalf."""

    @property
    def acr(self) -> str | None:
        """How the user signed in, as far as the token says (RFC 9470 §6.1)."""
        value = self.claims.get("acr")
        return value if isinstance(value, str) else None

    @property
    def auth_time(self) -> datetime | None:
        """When the user signed in, as far as the token says (RFC 9470 §6.1)."""
        value = self.claims.get("auth_time")
        return _moment(value) if _is_moment(value) else None

    @property
    def acts_for_itself(self) -> bool:
        """Whether a client stands behind it and no user: `sub` is then the client's id (RFC 9700 §4.15)."""
        return self.claims.get(SUBJECT_TYPE) == CLIENT_SUBJECT

    def allows(self, *scopes: str) -> bool:
        """Whether all of `scopes` were granted."""
        return set(scopes).issubset(self.scopes)


def from_jwt(
    token: str, claims: Mapping[str, Json], *, issuer: str, audience: str, now: datetime
) -> AccessToken:
    """The token of verified claims. Raises BearerRefused."""
    try:
        check_claims(
            claims, issuer=issuer, audience=audience, now=now, leeway=CLOCK_DIFFERENCE, required=_REQUIRED
        )
    except JwtRejected as rejected:
        raise invalid_token(rejected.reason) from None
    return _unexpired(_read(token, claims, issuer), now)


def from_introspection(
    token: str, claims: Mapping[str, Json], *, issuer: str, audience: str, now: datetime
) -> AccessToken:
    """The token of an introspection answer that said "active". Raises BearerRefused."""
    if claims.get("iss", issuer) != issuer:
        raise invalid_token("iss")
    # RFC 9700 §2.3: a token for another resource server is not for us, however alive it is.
    if audience not in _texts(claims.get("aud")):
        raise invalid_token("aud")
    # RFC 7662 §2.2: a server may know refresh tokens too, and says so here; one of those lets nobody in.
    token_type = claims.get("token_type", BEARER)
    if not isinstance(token_type, str) or token_type.lower() not in (BEARER, DPOP):
        raise invalid_token("token_type")
    found = _unexpired(_read(token, claims, issuer), now)
    # RFC 9449 §6.2: bound, but to a key the server does not name: nobody could prove to hold it.
    if token_type.lower() == DPOP and (found.confirmation is None or found.confirmation.jkt is None):
        raise invalid_token("bound")
    return found


def _unexpired(token: AccessToken, now: datetime) -> AccessToken:
    # On our clock, without any leeway: what has ended opens nothing.
    if token.expires_at is not None and token.expires_at <= now:
        raise invalid_token("exp")
    return token


def _read(token: str, claims: Mapping[str, Json], issuer: str) -> AccessToken:
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
        confirmation=_confirmation(claims.get("cnf")),
        claims=claims,
        value=token,
    )


def _confirmation(value: Json) -> Confirmation | None:
    if value is None:
        return None
    members = value if isinstance(value, dict) else {}
    jkt, x5t_s256 = members.get("jkt"), members.get("x5t#S256")
    given = [text for text in (jkt, x5t_s256) if text is not None]
    # RFC 7800 §3.1: a binding that is not understood is not one that is kept.
    if not given or len(given) != len(members) or not all(isinstance(t, str) and t.isascii() for t in given):
        raise invalid_token("bound")
    return Confirmation(jkt=jkt, x5t_s256=x5t_s256)


def _texts(value: Json) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _moment(value: Json) -> datetime | None:
    if value is None:
        return None
    if not _is_moment(value):
        raise invalid_token("exp")
    return datetime.fromtimestamp(value, UTC)


def _is_moment(value: Json) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < 253_402_300_799
