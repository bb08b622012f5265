"""What a provider and a consent service say to each other, as both write and read it: three JSON documents.

The names are those of the wire: the members of `requester` in camel case, all others in snake case. A member without
a value is sent as null. Names in a request or an answer are read whatever their case.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from authwright.crypto.strict_json import parse_object
from authwright.protocol.errors import OAuthError
from authwright.protocol.http import HttpRequest, Json
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.protocol.scopes import parse_scope

WELL_KNOWN = "/.well-known/consent-configuration"
"""Where a service says how it is asked, below its authority."""
IMPLICIT: Final = "implicit"
"""A service that is not asked: it grants what is asked of it."""
SUBJECT_AND_SCOPES: Final = "subject_and_scopes"
"""A service that is told who and what, and answers with the scopes it grants."""
AuthorizationType: TypeAlias = Literal["implicit", "subject_and_scopes"]

MAX_MESSAGE = 64 * 1024
MAX_PAYLOAD = 8 * 1024
"""Bytes of `custom_payload`, and of `claims`, as JSON: they travel in tokens."""
MAX_CLAIM_NAME = 128

_encode = msgspec.json.Encoder().encode


class MessageRejected(ValueError):
    """It is not such a message. `reason` is a short code for the log; it holds nothing of the message."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConsentConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What a service publishes: where it is asked, and about what."""

    authorization_endpoint: str | None
    """None with `implicit` only."""
    scopes_supported: tuple[str, ...] | None = None
    """None = it does not say."""
    authorization_type: AuthorizationType = SUBJECT_AND_SCOPES


class Requester(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The client that wants the scopes. What it was registered without is None."""

    client_id: str
    client_name: str | None = None
    client_description: str | None = None
    namespace: str | None = None
    tenant: str | None = None


class ConsentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """May this client have these scopes for this subject?"""

    requester: Requester
    authorization_type: str = SUBJECT_AND_SCOPES
    subject: str
    scopes: tuple[str, ...] | None
    """Full names, in the order they were asked for."""

    def allow(
        self,
        scopes: Sequence[str] | None = None,
        *,
        claims: Mapping[str, Json] | None = None,
        payload: Json = None,
    ) -> "ConsentAnswer":
        """Yes, to these scopes, or to all that were asked for.

        `claims` by the service's own names, each a text, a number, a boolean or a list of these; `payload` is any JSON.
        """
        return ConsentAnswer(
            authorized=True,
            subject=self.subject,
            scopes=tuple(scopes) if scopes is not None else self.scopes or (),
            claims=tuple(ConsentClaim(*claim) for claim in claims.items()) if claims else None,
            custom_payload=payload,
        )

    def deny(self, message: str = "", *, status: int = 403) -> "ConsentAnswer":
        """No. `message` is for logs, and `status` the one of the HTTP answer: 400 to 499."""
        return ConsentAnswer(authorized=False, subject="", error=ConsentError(status, message))


class ConsentClaim(msgspec.Struct, frozen=True):
    """One statement about the subject; it enters a token as `service.type`."""

    type: str
    value: Json


class ConsentError(msgspec.Struct, frozen=True, rename={"status_code": "statusCode"}):
    """Why a service says no. The text is for the service's own log and ours; no client sees it."""

    status_code: int
    message: str


class ConsentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a service decided."""

    authorized: bool
    subject: str | None = None
    scopes: tuple[str, ...] | None = None
    claims: tuple[ConsentClaim, ...] | None = None
    custom_payload: Json = None
    error: ConsentError | None = None


Decide: TypeAlias = Callable[[ConsentRequest], Awaitable[ConsentAnswer]]
"""Answers a question, with `request.allow(…)` or `request.deny(…)`: behind an endpoint, or in the provider's process."""


def configuration_url(authority: str) -> str:
    """Where the configuration of the service at `authority` is; it may be named itself."""
    base = authority.rstrip("/")
    return base if base.endswith(WELL_KNOWN) else base + WELL_KNOWN


def is_callable_url(url: str) -> bool:
    """Whether it may be called at all: https, or http on loopback, and nothing but a host and a path."""
    try:
        HttpRequest.to("GET", url)
        parts = urlsplit(url)
        return "#" not in url and (parts.scheme == "https" or is_loopback_host(parts.netloc))
    except ValueError:
        return False


def build_configuration(configuration: ConsentConfiguration) -> bytes:
    return _encode(configuration)


def build_request(request: ConsentRequest) -> bytes:
    return _encode(request)


def build_answer(answer: ConsentAnswer) -> bytes:
    return _encode(answer)


def parse_configuration(content: Json) -> ConsentConfiguration:
    """The configuration in a decoded JSON document. Raises MessageRejected; where the endpoint may be is not checked."""
    if not isinstance(content, dict):
        raise MessageRejected("configuration_malformed")
    kind = content.get("authorization_type")
    if kind not in (None, IMPLICIT, SUBJECT_AND_SCOPES):
        # A type we do not know may mean to ask for less than we would take: it is no default.
        raise MessageRejected("authorization_type")
    supported = content.get("scopes_supported")
    endpoint = content.get("authorization_endpoint")
    if not (endpoint is None or isinstance(endpoint, str)):
        raise MessageRejected("configuration_malformed")
    if endpoint is None and kind != IMPLICIT:
        raise MessageRejected("no_authorization_endpoint")
    return ConsentConfiguration(
        authorization_endpoint=endpoint,
        scopes_supported=None if supported is None else _scopes(supported, "configuration_malformed"),
        authorization_type=IMPLICIT if kind == IMPLICIT else SUBJECT_AND_SCOPES,
    )


def parse_request(body: bytes) -> ConsentRequest:
    """The question in a body. Raises MessageRejected."""
    content = _named(_object(body, "request_malformed"), "request_malformed")
    requester = _named(content.get("requester"), "request_malformed")
    kind = content.get("authorization_type")
    scopes = content.get("scopes")
    return ConsentRequest(
        requester=Requester(
            client_id=_text(requester.get("clientid"), "request_malformed"),
            client_name=_text_or_none(requester.get("clientname"), "request_malformed"),
            client_description=_text_or_none(requester.get("clientdescription"), "request_malformed"),
            namespace=_text_or_none(requester.get("namespace"), "request_malformed"),
            tenant=_text_or_none(requester.get("tenant"), "request_malformed"),
        ),
        authorization_type=SUBJECT_AND_SCOPES if kind is None else _text(kind, "request_malformed"),
        subject=_text(content.get("subject"), "request_malformed"),
        scopes=None if scopes is None else _scopes(scopes, "request_malformed"),
    )


def parse_answer(body: bytes) -> ConsentAnswer:
    """The decision in a body. Raises MessageRejected.

    A yes has a list of scopes, and claims of the kinds `ConsentRequest.allow` takes; of a no only `authorized` is looked at.
    """
    content = _named(_object(body, "answer_malformed"), "answer_malformed")
    authorized = content.get("authorized")
    if authorized is False:
        return ConsentAnswer(authorized=False)
    if authorized is not True:
        raise MessageRejected("answer_malformed")
    claims = content.get("claims")
    payload = content.get("custom_payload")
    if payload is not None and len(_encode(payload)) > MAX_PAYLOAD:
        raise MessageRejected("payload_too_large")
    if claims is not None and len(_encode(claims)) > MAX_PAYLOAD:
        raise MessageRejected("claims_too_large")
    _check_numbers((claims, payload))
    return ConsentAnswer(
        authorized=True,
        subject=_text_or_none(content.get("subject"), "answer_malformed"),
        scopes=_scopes(content.get("scopes"), "answer_malformed"),
        claims=None if claims is None else _claims(claims),
        custom_payload=payload,
    )


def _check_numbers(said: Json) -> None:
    """Raise MessageRejected for a number that is kept nowhere: tickets hold integers of 64 bits."""
    try:
        msgspec.msgpack.encode(said)
    except OverflowError:
        raise MessageRejected("number_too_large") from None


def _object(body: bytes, reason: str) -> dict[str, Json]:
    if len(body) > MAX_MESSAGE:
        raise MessageRejected("too_large")
    try:
        return parse_object(body)
    except ValueError:
        raise MessageRejected(reason) from None


def _named(value: Json, reason: str) -> dict[str, Json]:
    """An object's members by their names in lower case."""
    if not isinstance(value, dict):
        raise MessageRejected(reason)
    named = {name.lower(): member for name, member in value.items()}
    if len(named) != len(value):
        # "authorized" and "Authorized" in one object: whichever counted, another reader would take the other.
        raise MessageRejected(reason)
    return named


def _scopes(value: Json, reason: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise MessageRejected(reason)
    return tuple(dict.fromkeys(_scope(item, reason) for item in value))


def _scope(value: Json, reason: str) -> str:
    # One text with a space in it would be two scopes in a token, the second of them never checked.
    try:
        if isinstance(value, str) and parse_scope(value) == (value,):
            return value
    except OAuthError:
        pass
    raise MessageRejected(reason)


def _claims(value: Json) -> tuple[ConsentClaim, ...]:
    if not isinstance(value, list):
        raise MessageRejected("answer_malformed")
    return tuple(_claim(_named(item, "answer_malformed")) for item in value)


def _claim(members: Mapping[str, Json]) -> ConsentClaim:
    name, value = members.get("type"), members.get("value")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_CLAIM_NAME:
        raise MessageRejected("answer_malformed")
    if not (_is_plain(value) or (isinstance(value, list) and all(map(_is_plain, value)))):
        raise MessageRejected("answer_malformed")
    return ConsentClaim(name, value)


def _is_plain(value: Json) -> bool:
    return isinstance(value, str | int | float | bool)


def _text(value: Json, reason: str) -> str:
    if not isinstance(value, str) or not value:
        raise MessageRejected(reason)
    return value


def _text_or_none(value: Json, reason: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise MessageRejected(reason)
