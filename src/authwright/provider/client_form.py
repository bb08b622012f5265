"""The form that a client posts to one of its endpoints: read from the body, and from nowhere else (RFC 6749 §3.2)."""

from authwright.protocol.errors import InvalidRequest, MethodNotAllowed
from authwright.protocol.http import HttpRequest
from authwright.protocol.params import Params, parse_form, parse_params

# RFC 6749 §2.3.1, §3.2: what must never stand in a URL.
NEVER_IN_QUERY = frozenset(
    {
        "client_secret",
        "client_assertion",
        "code",
        "code_verifier",
        "refresh_token",
        "device_code",
        "auth_req_id",
        "password",
        "grant_type",
        "subject_token",
        "actor_token",
    }
)


def read_form(http: HttpRequest) -> Params:
    """The form of a POST. Raises MethodNotAllowed, InvalidRequest or PayloadTooLarge."""
    if http.method != "POST":
        raise MethodNotAllowed("POST")
    params = parse_form(http.headers.get("content-type"), http.body)
    if http.query:
        # Nothing is read from the URL; what would be ambiguous or leak a credential is refused.
        in_query = frozenset(parse_params(http.query.encode("utf-8", "surrogateescape")).names())
        if in_query & (NEVER_IN_QUERY | frozenset(params.names())):
            raise InvalidRequest("Parameters of this request belong in its body.", detail="req.in_query")
    return params
