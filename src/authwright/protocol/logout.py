"""Logout messages, built and parsed: the browser's (OpenID Connect RP-Initiated Logout 1.0 §2) and the logout token.

The logout token is what a provider sends to a client's server (OpenID Connect Back-Channel Logout 1.0 §2.4). Its
signature is the crypto room's work; this is what the signed claims must say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import Json
from authwright.protocol.params import Params

MAX_STATE = 2048
BACKCHANNEL_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_TYPE = "logout+jwt"
MAX_IDENTIFIER = 255
MAX_JTI = 512
MAX_AGE = timedelta(seconds=600)
"""How old the `iat` of a logout token may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest:
    """All members may be absent."""

    id_token_hint: str | None = field(default=None, repr=False)
    logout_hint: str | None = field(default=None, repr=False)
    client_id: str | None = None
    post_logout_redirect_uri: str | None = None
    state: str | None = field(default=None, repr=False)
    ui_locales: str | None = None


_MEMBERS = ("id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")


def parse_logout_request(params: Params) -> LogoutRequest:
    """Read a request. Raises InvalidRequest."""
    params.refuse_repeated()
    members = {name: params.one(name) for name in _MEMBERS}
    if len(members["state"] or "") > MAX_STATE:
        raise InvalidRequest("The 'state' parameter is too long.", detail="dos.limit")
    return LogoutRequest(**members)


def build_logout_request(request: LogoutRequest) -> Params:
    """The parameters of a request, absent members left out."""
    return Params.of([(name, value) for name in _MEMBERS if (value := getattr(request, name))])


class LogoutTokenRejected(Exception):
    """The claims are not acceptable; `reason` is a short code, never a value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutToken:
    """The claims of a logout token that were looked at; at least one of `subject` and `session_id` is there."""

    issuer: str
    audience: str
    jti: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    subject: str | None = None
    session_id: str | None = None


def build_logout_token(token: LogoutToken) -> dict[str, Json]:
    """The claims of a logout token (Back-Channel Logout §2.4)."""
    written: dict[str, Json] = {
        "iss": token.issuer,
        "aud": token.audience,
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "jti": token.jti,
        "events": {BACKCHANNEL_LOGOUT_EVENT: {}},
    }
    if token.subject is not None:
        written["sub"] = token.subject
    if token.session_id is not None:
        written["sid"] = token.session_id
    return written


def parse_logout_token(
    claims: Mapping[str, Json],
    *,
    issuer: str,
    client_id: str,
    now: datetime,
    leeway: timedelta = timedelta(seconds=60),
    max_age: timedelta = MAX_AGE,
) -> LogoutToken:
    """The verified claims of a logout token for `client_id`, no older than `max_age`. Raises LogoutTokenRejected."""
    if claims.get("iss") != issuer:
        raise LogoutTokenRejected("iss")
    # Back-Channel Logout §2.6: as for an ID token; one of several audiences could be somebody who keeps it.
    if claims.get("aud") not in (client_id, [client_id]):
        raise LogoutTokenRejected("aud")
    moment, slack = now.timestamp(), leeway.total_seconds()
    expires = _numeric_date(claims, "exp")
    if expires + slack <= moment:
        raise LogoutTokenRejected("exp")
    issued = _numeric_date(claims, "iat")
    if issued - slack > moment or issued < moment - max_age.total_seconds() - slack:
        raise LogoutTokenRejected("iat")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti or len(jti) > MAX_JTI:
        raise LogoutTokenRejected("jti")
    # Back-Channel Logout §2.4: what makes it a logout token; its value is an object, usually an empty one.
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(BACKCHANNEL_LOGOUT_EVENT), Mapping):
        raise LogoutTokenRejected("events")
    # Back-Channel Logout §2.4: a nonce would make it pass for an ID token.
    if "nonce" in claims:
        raise LogoutTokenRejected("nonce")
    subject, session_id = _identifier(claims, "sub"), _identifier(claims, "sid")
    if subject is None and session_id is None:
        raise LogoutTokenRejected("sub")
    return LogoutToken(
        issuer=issuer,
        audience=client_id,
        jti=jti,
        issued_at=datetime.fromtimestamp(issued, UTC),
        expires_at=datetime.fromtimestamp(expires, UTC),
        subject=subject,
        session_id=session_id,
    )


def _numeric_date(claims: Mapping[str, Json], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**11:
        raise LogoutTokenRejected(name)
    return value


def _identifier(claims: Mapping[str, Json], name: str) -> str | None:
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, str) or not value or len(value) > MAX_IDENTIFIER:
        raise LogoutTokenRejected(name)
    return value


def build_backchannel_logout(logout_token: str) -> Params:
    """The form a provider posts (Back-Channel Logout §2.5)."""
    return Params.of({"logout_token": logout_token})


def parse_backchannel_logout(params: Params) -> str:
    """The logout token in that form. Raises InvalidRequest."""
    params.refuse_repeated()
    token = params.one("logout_token")
    if not token:
        raise InvalidRequest("The 'logout_token' parameter is missing.", detail="logout_token_missing")
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontChannelLogout:
    """What a provider's page tells a client through the browser (OpenID Connect Front-Channel Logout 1.0 §3)."""

    issuer: str | None
    session_id: str | None


def build_frontchannel_logout(message: FrontChannelLogout) -> Params:
    """The query of the address that is loaded."""
    named = {"iss": message.issuer, "sid": message.session_id}
    return Params.of({name: value for name, value in named.items() if value is not None})


def parse_frontchannel_logout(params: Params) -> FrontChannelLogout:
    """Read the query. Raises InvalidRequest."""
    params.refuse_repeated()
    return FrontChannelLogout(issuer=params.one("iss"), session_id=params.one("sid"))
