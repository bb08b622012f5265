"""The token request as sent by a client and the token response as both sides know it (RFC 6749 §4, §5)."""

from collections.abc import Mapping, Sequence

import msgspec

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import Json
from authwright.protocol.params import REPEATABLE, Params, encode
from authwright.protocol.scopes import format_scope, parse_scope

AUTHORIZATION_CODE = "authorization_code"
REFRESH_TOKEN = "refresh_token"
CLIENT_CREDENTIALS = "client_credentials"
PASSWORD = "password"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

SUBJECT_TYPE = "sub_type"
"""A claim of ours, in access tokens and introspection: "client" when `sub` is a client's id; absent for a user's."""
CLIENT_SUBJECT = "client"

REGISTERED_MEMBERS = frozenset(
    {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "id_token",
        "scope",
        "error",
        "error_description",
        "error_uri",
    }
)


class TokenRequestParameters(msgspec.Struct, frozen=True):
    """The parameters every grant shares."""

    grant_type: str
    scope: tuple[str, ...] | None
    """None when none was sent."""
    resource: tuple[str, ...]
    params: Params
    """All parameters, for the grant's own."""


def parse_token_request(params: Params, repeatable: frozenset[str] = REPEATABLE) -> TokenRequestParameters:
    """Read what every grant shares. Raises InvalidRequest or InvalidScope.

    `repeatable` are the parameters that may be given more than once; `grant_type` never may.
    """
    grant_type = params.one("grant_type")
    params.refuse_repeated(repeatable)
    if grant_type is None:
        raise InvalidRequest("The mandatory 'grant_type' parameter is missing.")
    scope = params.one("scope")
    return TokenRequestParameters(
        grant_type, None if scope is None else parse_scope(scope), params.many("resource"), params
    )


def build_token_request(
    grant_type: str,
    members: Mapping[str, str],
    *,
    scope: Sequence[str] | None = None,
    resource: Sequence[str] = (),
    client: Sequence[tuple[str, str]] = (),
) -> bytes:
    """The form body of a token request; `client` are the parameters that authenticate the client, if any."""
    pairs = [("grant_type", grant_type), *members.items()]
    if scope is not None:
        pairs.append(("scope", format_scope(scope)))
    return encode((*pairs, *(("resource", value) for value in resource), *client)).encode("ascii")


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A successful answer. The provider writes it, the relying party reads it; what is None is absent from the JSON."""

    access_token: str | None = None
    token_type: str | None = None
    expires_in: int | None = None
    """Seconds."""
    refresh_token: str | None = None
    id_token: str | None = None
    scope: tuple[str, ...] | None = None
    custom: Mapping[str, Json] = {}

    def __repr__(self) -> str:
        return f"TokenResponse(token_type={self.token_type!r}, expires_in={self.expires_in!r}, scope={self.scope!r})"


def build_token_response(response: TokenResponse) -> dict[str, Json]:
    """The JSON object. Raises ValueError when a custom member would stand over a registered one."""
    members: dict[str, Json] = {}
    if response.access_token is not None:
        members["access_token"] = response.access_token
    if response.token_type is not None:
        members["token_type"] = response.token_type
    if response.expires_in is not None:
        members["expires_in"] = response.expires_in
    if response.refresh_token is not None:
        members["refresh_token"] = response.refresh_token
    if response.id_token is not None:
        members["id_token"] = response.id_token
    if response.scope is not None:
        members["scope"] = format_scope(response.scope)
    if response.custom:
        clash = REGISTERED_MEMBERS.intersection(response.custom)
        if clash:
            raise ValueError(
                f"a custom member of the token response is named like a registered one: {sorted(clash)[0]}"
            )
        members.update(response.custom)
    return members


def parse_token_response(content: Json) -> TokenResponse:
    """Read a successful answer. Raises ValueError for anything that is not one.

    `expires_in` is accepted as a number or as digits, since some servers send text; `token_type` keeps its spelling
    and compares without case (RFC 6749 §5.1).
    """
    if not isinstance(content, dict):
        raise ValueError("a token response is a JSON object")
    texts = {}
    for name in ("access_token", "token_type", "refresh_token", "id_token", "scope"):
        value = content.get(name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"the member {name} of a token response is text")
        texts[name] = value or None
    scope = texts.pop("scope")
    return TokenResponse(
        **texts,
        expires_in=_seconds(content.get("expires_in")),
        scope=None if scope is None else tuple(scope.split()),
        custom={name: value for name, value in content.items() if name not in REGISTERED_MEMBERS},
    )


def _seconds(value: Json) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**12:
        raise ValueError("the member expires_in of a token response is a number of seconds")
    return int(value)
