"""RP-initiated logout, built and parsed (OpenID Connect RP-Initiated Logout 1.0 §2)."""

from dataclasses import dataclass, field

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.params import Params

MAX_STATE = 2048


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
