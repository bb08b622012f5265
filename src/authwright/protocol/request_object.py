"""The authorization request as the claims of a JWT, written and read (RFC 9101; OpenID Connect Core §6).

Signing and verifying are the two roles' own; here is what stands in between.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from authwright.protocol.authorization import AuthorizationRequest, build_authorization_request
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import Json
from authwright.protocol.params import NO_PARAMS, Params

REQUEST_OBJECT_TYPE = "oauth-authz-req+jwt"
LIFETIME = timedelta(minutes=5)

# RFC 9101 §4: a request object holds no other, and these three are the JWT's own.
_NOT_PARAMETERS = frozenset({"request", "request_uri", "iss", "aud", "exp", "iat", "nbf", "jti"})
_OBJECTS = ("claims", "authorization_details")


def build_request_object(
    request: AuthorizationRequest,
    *,
    issuer: str,
    jti: str,
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> dict[str, Json]:
    """The claims of the request object (RFC 9101 §4); `issuer` is the server it is for."""
    claims: dict[str, Json] = {
        "iss": request.client_id,
        "aud": issuer,
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": jti,
    }
    params = build_authorization_request(request)
    for name in params.names():
        if name in _NOT_PARAMETERS:
            continue
        values = params.many(name)
        claims[name] = values[0] if len(values) == 1 else list(values)
    # OpenID Connect Core §6.1: a number is a number there, and the `claims` parameter an object, not its text.
    if request.max_age is not None:
        claims["max_age"] = request.max_age
    for name in _OBJECTS:
        if isinstance(claims.get(name), str):
            claims[name] = msgspec.json.decode(claims[name])
    return claims


def request_object_parameters(request: AuthorizationRequest, signed: str) -> AuthorizationRequest:
    """What stands beside `signed` in the URL: what OpenID Connect Core §6.1 asks to be repeated, and nothing else."""
    return AuthorizationRequest(
        client_id=request.client_id, response_type=request.response_type, scope=request.scope, request=signed
    )


def parse_request_object(claims: Mapping[str, Json]) -> Params:
    """The parameters in the claims of a verified request object. Raises InvalidRequest for what cannot be one."""
    pairs: list[tuple[str, str]] = []
    for name, value in claims.items():
        if name in ("request", "request_uri"):
            # RFC 9101 §4: MUST NOT be included.
            raise InvalidRequest("A request object cannot contain another.")
        if name in _NOT_PARAMETERS or value is None:
            continue
        if name in _OBJECTS and isinstance(value, dict | list):
            pairs.append((name, msgspec.json.encode(value).decode()))
            continue
        pairs += [(name, _text(name, one)) for one in (value if isinstance(value, list) else [value])]
    return Params.of(pairs) if pairs else NO_PARAMS


def _text(name: str, value: Json) -> str:
    if isinstance(value, str):
        return value
    # bool is an int in Python; no parameter is either of its values.
    if type(value) is int:
        return str(value)
    raise InvalidRequest(
        "A member of the request object has the wrong type.", detail=f"request_object.{name[:32]}"
    )
