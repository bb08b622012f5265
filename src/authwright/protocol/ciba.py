"""Client-Initiated Backchannel Authentication: the messages of its three modes (CIBA Core 1.0 §7, §10, §12)."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

from authwright.protocol.errors import InvalidBindingMessage, InvalidRequest, InvalidScope, OAuthError
from authwright.protocol.http import Json
from authwright.protocol.params import Params, encode
from authwright.protocol.scopes import OPENID, format_scope, parse_scope

CIBA = "urn:openid:params:grant-type:ciba"

POLL, PING, PUSH = "poll", "ping", "push"
DELIVERY_MODES = (POLL, PING, PUSH)

AUTH_REQ_ID_CLAIM = "urn:openid:params:jwt:claim:auth_req_id"
RT_HASH_CLAIM = "urn:openid:params:jwt:claim:rt_hash"

MAX_BINDING_MESSAGE = 64
MAX_NOTIFICATION_TOKEN = 1024

# RFC 6750 §2.1: what a bearer token may look like.
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_SECONDS = re.compile(r"[1-9][0-9]{0,8}")
_HINTS = ("login_hint", "id_token_hint", "login_hint_token")


class BackchannelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for about a user who is elsewhere; exactly one of the two hints is there."""

    scope: tuple[str, ...]
    resource: tuple[str, ...] = ()
    login_hint: str | None = None
    id_token_hint: str | None = None
    binding_message: str = ""
    """What both devices show, so that the person can tell what is being confirmed."""
    acr_values: tuple[str, ...] = ()
    client_notification_token: str | None = None
    requested_expiry: int | None = None
    """Seconds."""

    def __repr__(self) -> str:
        # Hints and the notification token are personal or secret.
        return f"BackchannelRequest(scope={self.scope!r})"


def parse_backchannel_request(params: Params) -> BackchannelRequest:
    """Read CIBA Core §7.1. Raises InvalidRequest, InvalidScope or InvalidBindingMessage."""
    params.refuse_repeated()
    for name in ("request", "login_hint_token", "user_code"):
        if name in params:
            raise InvalidRequest(f"The '{name}' parameter is not supported.", detail=f"ciba.{name}")
    # CIBA Core §7.1: one and only one of the hints.
    if sum(name in params for name in _HINTS) != 1:
        raise InvalidRequest("Exactly one hint about the user is needed.", detail="ciba.hints")
    scope = parse_scope(params.require("scope"))
    if OPENID not in scope:
        raise InvalidScope("The scope must contain openid.", detail="ciba.no_openid")
    expiry = params.one("requested_expiry")
    if expiry is not None and not _SECONDS.fullmatch(expiry):
        raise InvalidRequest(
            "The 'requested_expiry' parameter is no number of seconds.", detail="ciba.expiry"
        )
    token = params.one("client_notification_token")
    if token is not None and (len(token) > MAX_NOTIFICATION_TOKEN or not _BEARER.fullmatch(token)):
        raise InvalidRequest(
            "The 'client_notification_token' parameter is malformed.", detail="ciba.notification_token"
        )
    return BackchannelRequest(
        scope=scope,
        resource=params.many("resource"),
        login_hint=params.one("login_hint"),
        id_token_hint=params.one("id_token_hint"),
        binding_message=checked_binding_message(params.one("binding_message") or ""),
        acr_values=tuple((params.one("acr_values") or "").split()),
        client_notification_token=token,
        requested_expiry=None if expiry is None else int(expiry),
    )


def checked_binding_message(text: str) -> str:
    """`text` when it is short and plain, so that it reads the same on any screen. Raises InvalidBindingMessage."""
    if len(text) > MAX_BINDING_MESSAGE:
        raise InvalidBindingMessage("The binding message is too long.", detail="ciba.binding_message")
    # Letters, marks, numbers and punctuation; no controls, changes of direction, pictures or odd spaces.
    if any(character != " " and unicodedata.category(character)[0] not in "LMNP" for character in text):
        raise InvalidBindingMessage("The binding message is not plain text.", detail="ciba.binding_message")
    return text


def build_backchannel_request(
    request: BackchannelRequest, *, client: Sequence[tuple[str, str]] = ()
) -> bytes:
    """The form body; `client` are the parameters that authenticate the client, if any."""
    optional = {
        "login_hint": request.login_hint,
        "id_token_hint": request.id_token_hint,
        "binding_message": request.binding_message or None,
        "acr_values": " ".join(request.acr_values) or None,
        "client_notification_token": request.client_notification_token,
        "requested_expiry": None if request.requested_expiry is None else str(request.requested_expiry),
    }
    pairs = [("scope", format_scope(request.scope)), *(("resource", uri) for uri in request.resource)]
    pairs += [(name, value) for name, value in optional.items() if value is not None]
    return encode((*pairs, *client)).encode("ascii")


class BackchannelResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The request was taken (CIBA Core §7.3)."""

    auth_req_id: str
    expires_in: int
    """Seconds."""
    interval: int | None = None
    """Seconds between polls; None in push mode, where there are none."""

    def __repr__(self) -> str:
        return f"BackchannelResponse(expires_in={self.expires_in!r})"


def build_backchannel_response(response: BackchannelResponse) -> dict[str, Json]:
    """The JSON object."""
    members: dict[str, Json] = msgspec.to_builtins(response)
    return members


def parse_backchannel_response(content: Json) -> BackchannelResponse:
    """Read the answer. Raises ValueError for anything that is not one."""
    if not isinstance(content, Mapping):
        raise ValueError("a backchannel authentication response is a JSON object")
    try:
        return msgspec.convert(
            {name: value for name, value in content.items() if value is not None}, BackchannelResponse
        )
    except msgspec.ValidationError:
        raise ValueError(
            "a member of the backchannel authentication response is missing or malformed"
        ) from None


def build_ping(auth_req_id: str) -> bytes:
    """The body of the ping callback (CIBA Core §10.2)."""
    return msgspec.json.encode({"auth_req_id": auth_req_id})


def build_push(auth_req_id: str, tokens: Mapping[str, Json]) -> bytes:
    """The body of a successful push callback: the token response with the request's id (CIBA Core §10.3.1)."""
    return msgspec.json.encode({"auth_req_id": auth_req_id, **tokens})


def build_push_error(auth_req_id: str, error: OAuthError) -> bytes:
    """The body of a push callback without tokens (CIBA Core §12)."""
    return msgspec.json.encode({"auth_req_id": auth_req_id, **error.members()})
