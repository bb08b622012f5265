"""The bearer token of a request to a protected resource, and the UserInfo answer (RFC 6750 §2, Core §5.3)."""

import re
from collections.abc import Mapping

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest, Json
from authwright.protocol.params import parse_form

MAX_TOKEN = 16 * 1024

# RFC 6750 §2.1: b64token.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]++=*", re.ASCII)

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip
"""OpenID Connect Core §5.4: which claims a scope asks for."""


def parse_bearer_token(request: HttpRequest) -> tuple[str, str] | None:
    """Scheme (lower case: "bearer" or "dpop") and token of a request, or None when it carries none.

    Raises InvalidRequest for a token in the query, two tokens, or one that is malformed (RFC 6750 §2, §3.1).
    """
    # RFC 9700 §4.3.2: a token in the query ends up in logs and histories.
    query = request.query
    if query and any(field.startswith("access_token=") for field in query.split("&")):
        raise InvalidRequest("An access token must not be sent in the query.", detail="bearer.in_query")
    authorization = request.headers.many("authorization")
    if len(authorization) > 1:
        raise InvalidRequest("Only one access token can be sent.", detail="bearer.two_tokens")
    in_body = _token_in_body(request)
    if not authorization:
        return None if in_body is None else ("bearer", _checked(in_body))
    scheme, _, token = authorization[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        return None if in_body is None else ("bearer", _checked(in_body))
    if in_body is not None:
        raise InvalidRequest("Only one access token can be sent.", detail="bearer.two_tokens")
    return scheme.lower(), _checked(token)


def _checked(token: str) -> str:
    if len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise InvalidRequest("The access token is malformed.", detail="bearer.malformed")
    return token


def _token_in_body(request: HttpRequest) -> str | None:
    if request.method != "POST" or not request.body:
        return None
    content_type = request.headers.get("content-type") or ""
    if not content_type.lower().startswith("application/x-www-form"):
        return None
    return parse_form(content_type, request.body).one("access_token")


def build_userinfo(subject: str, scopes: tuple[str, ...], claims: Mapping[str, Json]) -> dict[str, Json]:
    """`sub` and those of `claims` that `scopes` ask for (Core §5.3.2)."""
    answer: dict[str, Json] = {"sub": subject}
    for scope in scopes:
        for name in SCOPE_CLAIMS.get(scope, ()):
            if claims.get(name) is not None:
                answer[name] = claims[name]
    return answer


def parse_userinfo(content: Json, *, subject: str) -> dict[str, Json]:
    """The claims of an answer. Raises ValueError unless its `sub` is that of the ID token (Core §5.3.2)."""
    if not isinstance(content, dict) or content.get("sub") != subject:
        raise ValueError("the sub of the UserInfo response is not that of the ID token")
    return content
