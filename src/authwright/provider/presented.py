"""What a refused request showed, for the operator's log: whose it says it is, and a fingerprint of its credential.

It is looked at once a request is refused, so an answered one pays nothing. Nothing of a value is kept: a fingerprint
is eight digits of a keyed digest, by which two lines of the log can be told to be about one token.
"""

from collections.abc import Callable
from typing import NamedTuple

from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.errors import OAuthError
from authwright.protocol.http import HttpRequest
from authwright.protocol.params import NO_PARAMS, Params, parse_form
from authwright.protocol.userinfo import parse_bearer_token

_CREDENTIALS = (
    "code",
    "refresh_token",
    "device_code",
    "auth_req_id",
    "subject_token",
    "assertion",
    "token",
    "client_assertion",
)
"""The parameters that a request stands or falls with; the first that is there is meant."""


class Presented(NamedTuple):
    client_id: str | None
    """Who the request says it is from; not believed."""
    fingerprint: str
    """Empty when no code, token or assertion was shown, or it could not be read."""


def presented(request: HttpRequest, fingerprint: Callable[[str], str]) -> Presented:
    """What the request showed. `fingerprint` digests a value; never raises."""
    params = _params(request)
    value = _credential(request, params)
    return Presented(_client_id(request, params), fingerprint(value) if value else "")


def _params(request: HttpRequest) -> Params:
    if request.method != "POST":
        return NO_PARAMS
    try:
        return parse_form(request.headers.get("content-type"), request.body)
    except OAuthError:
        return NO_PARAMS


def _client_id(request: HttpRequest, params: Params) -> str | None:
    try:
        return parse_client_credentials(request.headers, params).client_id
    except OAuthError:
        return None


def _credential(request: HttpRequest, params: Params) -> str | None:
    for name in _CREDENTIALS:
        if values := params.many(name):
            return values[0]
    try:
        bearer = parse_bearer_token(request)
    except OAuthError:
        return None
    return None if bearer is None else bearer[1]
