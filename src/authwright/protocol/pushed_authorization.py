"""The answer to a pushed authorization request, written and read (RFC 9126 §2.2), and what then goes by the browser (§4)."""

from dataclasses import dataclass, field

from authwright.protocol.authorization import AuthorizationRequest
from authwright.protocol.http import Json

MAX_REQUEST_URI = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedAuthorizationResponse:
    """Where the request can be referred to, and for how many seconds."""

    request_uri: str = field(repr=False)
    expires_in: int


def build_pushed_authorization_response(response: PushedAuthorizationResponse) -> dict[str, Json]:
    """The JSON object of a 201 answer."""
    return {"request_uri": response.request_uri, "expires_in": response.expires_in}


def parse_pushed_authorization_response(content: Json) -> PushedAuthorizationResponse:
    """Read an answer. Raises ValueError for anything that is not one."""
    if not isinstance(content, dict):
        raise ValueError("an answer to a pushed request is a JSON object")
    uri, expires_in = content.get("request_uri"), content.get("expires_in")
    if not isinstance(uri, str) or not 0 < len(uri) <= MAX_REQUEST_URI or not uri.isascii():
        raise ValueError("the member request_uri is a URI")
    # RFC 9126 §2.2: a positive integer; bool is an int in Python.
    if type(expires_in) is not int or expires_in <= 0:
        raise ValueError("the member expires_in is a positive number of seconds")
    return PushedAuthorizationResponse(request_uri=uri, expires_in=expires_in)


def pushed_parameters(client_id: str, request_uri: str) -> AuthorizationRequest:
    """What the browser carries after a push: `client_id` and `request_uri`, and nothing else (RFC 9126 §4)."""
    return AuthorizationRequest(client_id=client_id, request_uri=request_uri)
