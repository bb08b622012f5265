"""The ID token's claims, written by the provider and checked by the relying party (OpenID Connect Core §2, §3.1.3.7).

Signatures are the crypto room's work; this is what the signed claims must say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from authwright.protocol.http import Json

PROTOCOL_CLAIMS = frozenset(
    {
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "azp",
        "at_hash",
        "c_hash",
        "s_hash",
        "sid",
        "sub_type",
    }
)
"""Claims that say something of the token or the sign-in, not of the user; no application may set them."""

MAX_SUBJECT = 255


class IdTokenRejected(Exception):
    """The claims are not acceptable; `reason` is a short code, never a value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedIdToken:
    """What a relying party knows before it looks."""

    issuer: str
    client_id: str
    now: datetime
    nonce: str | None = None
    max_age: int | None = None
    subject: str | None = None
    """On refresh and in hybrid flows: the subject of the first ID token."""
    leeway: timedelta = timedelta(seconds=60)
    iat_slack: timedelta = timedelta(seconds=600)
    """How old `iat` may be."""
    trusted_audiences: frozenset[str] = frozenset()
    check_nonce: bool = True
    """False on refresh, where a nonce is not required (Core §12.2)."""


def build_id_token(
    *,
    issuer: str,
    subject: str,
    client_id: str,
    issued_at: datetime,
    expires_at: datetime,
    auth_time: datetime | None = None,
    nonce: str | None = None,
    acr: str | None = None,
    amr: tuple[str, ...] = (),
    session_id: str | None = None,
    at_hash: str | None = None,
    claims: Mapping[str, Json] = {},
) -> dict[str, Json]:
    """The claims of an ID token; `claims` are the user's, and never stand over the protocol's."""
    written: dict[str, Json] = {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "exp": int(expires_at.timestamp()),
        "iat": int(issued_at.timestamp()),
    }
    if auth_time is not None:
        written["auth_time"] = int(auth_time.timestamp())
    for name, value in (("nonce", nonce), ("acr", acr), ("at_hash", at_hash), ("sid", session_id)):
        if value is not None:
            written[name] = value
    if amr:
        written["amr"] = list(amr)
    for name, value in claims.items():
        if name not in PROTOCOL_CLAIMS:
            written[name] = value
    return written


def check_id_token(claims: Mapping[str, Json], expected: ExpectedIdToken) -> None:
    """Raise IdTokenRejected unless the claims are what `expected` asks (OpenID Connect Core §3.1.3.7)."""
    if claims.get("iss") != expected.issuer:
        raise IdTokenRejected("iss")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > MAX_SUBJECT:
        raise IdTokenRejected("sub")
    if expected.subject is not None and subject != expected.subject:
        raise IdTokenRejected("sub_changed")
    _check_audience(claims, expected)
    _check_times(claims, expected)
    if expected.check_nonce and claims.get("nonce") != expected.nonce:
        raise IdTokenRejected("nonce")


def _check_audience(claims: Mapping[str, Json], expected: ExpectedIdToken) -> None:
    audience = claims.get("aud")
    members = [audience] if isinstance(audience, str) else audience
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        raise IdTokenRejected("aud")
    if expected.client_id not in members:
        raise IdTokenRejected("aud")
    # Core §3.1.3.7 step 3: an audience the client does not trust makes the token unacceptable.
    if any(member != expected.client_id and member not in expected.trusted_audiences for member in members):
        raise IdTokenRejected("aud_untrusted")
    azp = claims.get("azp")
    if azp is not None and azp != expected.client_id:
        raise IdTokenRejected("azp")
    if len(members) > 1 and azp is None:
        raise IdTokenRejected("azp")


def _check_times(claims: Mapping[str, Json], expected: ExpectedIdToken) -> None:
    now, leeway = expected.now.timestamp(), expected.leeway.total_seconds()
    if now - leeway >= _numeric_date(claims, "exp"):
        raise IdTokenRejected("exp")
    issued = _numeric_date(claims, "iat")
    if issued - leeway > now or issued < now - expected.iat_slack.total_seconds() - leeway:
        raise IdTokenRejected("iat")
    if "nbf" in claims and _numeric_date(claims, "nbf") - leeway > now:
        raise IdTokenRejected("nbf")
    # Core §3.1.2.1: with max_age the ID token must say when the user signed in.
    if expected.max_age is not None and _numeric_date(claims, "auth_time") + expected.max_age + leeway < now:
        raise IdTokenRejected("auth_time")


def _numeric_date(claims: Mapping[str, Json], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**11:
        raise IdTokenRejected(name)
    return value
