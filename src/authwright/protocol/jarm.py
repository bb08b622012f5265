"""The authorization response as the claims of a JWT, written and read (JWT Secured Authorization Response Mode, JARM).

Signing, encrypting and verifying are the two roles' own; here is what stands in between.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta

from authwright.protocol.authorization import AuthorizationResponse
from authwright.protocol.http import Json

JWT = "jwt"
QUERY_JWT = "query.jwt"
FRAGMENT_JWT = "fragment.jwt"
FORM_POST_JWT = "form_post.jwt"
RESPONSE_MODES = (JWT, QUERY_JWT, FRAGMENT_JWT, FORM_POST_JWT)

LIFETIME = timedelta(minutes=10)
"""JARM §2.1 recommends that a response lives ten minutes at most."""

# `response` is the JWT itself, and `iss` is one of its own claims.
_MEMBERS = tuple(one.name for one in fields(AuthorizationResponse) if one.name not in ("response", "iss"))


class ResponseClaimsRejected(Exception):
    """The claims are no response to this client, now; `reason` is a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def build_response_claims(
    response: AuthorizationResponse,
    *,
    issuer: str,
    client_id: str,
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> dict[str, Json]:
    """The claims of the JWT (JARM §2.1); absent members left out."""
    members = {name: value for name in _MEMBERS if (value := getattr(response, name))}
    return {"iss": issuer, "aud": client_id, "exp": int((now + lifetime).timestamp()), **members}


def parse_response_claims(
    claims: Mapping[str, Json],
    *,
    issuer: str,
    client_id: str,
    now: datetime,
    leeway: timedelta = timedelta(0),
) -> AuthorizationResponse:
    """The response in the claims of a JWT whose signature was verified. Raises ResponseClaimsRejected (JARM §2.4).

    Reasons: iss, aud, exp, members.
    """
    if claims.get("iss") != issuer:
        raise ResponseClaimsRejected("iss")
    # JARM §2.4: the client is in `aud`; an audience beside it would be somebody who could use the response too.
    if claims.get("aud") not in (client_id, [client_id]):
        raise ResponseClaimsRejected("aud")
    expires = claims.get("exp")
    # bool is an int in Python, and no time.
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        raise ResponseClaimsRejected("exp")
    if expires + leeway.total_seconds() <= now.timestamp():
        raise ResponseClaimsRejected("exp")
    members = {name: _text(claims.get(name)) for name in _MEMBERS}
    return AuthorizationResponse(iss=issuer, **members)


def _text(value: Json) -> str | None:
    # `expires_in` is a number in some servers' responses, and text in a form: one type for whoever reads it.
    if type(value) is int:
        return str(value)
    if value is not None and not isinstance(value, str):
        raise ResponseClaimsRejected("members")
    return value or None
