"""What a client offers as proof of who it is: parsed and bounded, not yet believed (RFC 6749 §2.3, RFC 7521 §4.2).

`parse_client_credentials` reads what a request carries; `basic_authorization`, `post_parameters` and
`assertion_parameters` write it. A certificate of mutual TLS is no part of the message, so a client that shows one
sends its `client_id` alone, like a public client (RFC 8705 §2).
"""

import binascii
import re
from base64 import b64encode, urlsafe_b64decode
from typing import TypeAlias

import msgspec

from authwright.protocol.errors import InvalidClient, InvalidRequest
from authwright.protocol.http import Headers
from authwright.protocol.params import Params, escaped, parse_params

CLIENT_SECRET_BASIC = "client_secret_basic"
CLIENT_SECRET_POST = "client_secret_post"
CLIENT_SECRET_JWT = "client_secret_jwt"
PRIVATE_KEY_JWT = "private_key_jwt"
TLS_CLIENT_AUTH = "tls_client_auth"
SELF_SIGNED_TLS_CLIENT_AUTH = "self_signed_tls_client_auth"
NONE = "none"

JWT_BEARER_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523 §2.2: the one `client_assertion_type` there is."""

MAX_CREDENTIAL = 1024
MAX_ASSERTION = 16_384
_ASSERTION = ("client_assertion", "client_assertion_type")
_UNRESERVED = re.compile(rb"[A-Za-z0-9\-._~]+")


class OfferedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A shared secret, sent by `method` "client_secret_basic" or "client_secret_post"."""

    client_id: str
    method: str
    secret: str

    def __repr__(self) -> str:
        return f"OfferedSecret(client_id={self.client_id!r}, method={self.method!r})"


class OfferedAssertion(msgspec.Struct, frozen=True, kw_only=True):
    """A signed JWT; `client_id` is the parameter, else what the JWT says of itself, in both cases unproven."""

    client_id: str
    assertion: str

    def __repr__(self) -> str:
        return f"OfferedAssertion(client_id={self.client_id!r})"


class OfferedIdentifier(msgspec.Struct, frozen=True, kw_only=True):
    """A name alone: of a public client, or of one whose certificate came with the connection."""

    client_id: str


ClientCredentials: TypeAlias = OfferedSecret | OfferedAssertion | OfferedIdentifier


def parse_client_credentials(headers: Headers, params: Params) -> ClientCredentials:
    """The one credential of a request. Raises InvalidRequest for two at once or none, InvalidClient for a broken one."""
    authorization = headers.many("authorization")
    if len(authorization) > 1:
        raise InvalidRequest("Multiple client credentials cannot be specified.", detail="client.two_methods")
    body_id, body_secret = params.one("client_id"), params.one("client_secret")
    basic = _basic(authorization[0]) if authorization else None
    has_assertion = any(name in params for name in _ASSERTION)
    # RFC 6749 §2.3: a client must not use more than one authentication method in a request.
    if (basic is not None) + (body_secret is not None) + has_assertion > 1:
        raise InvalidRequest("Multiple client credentials cannot be specified.", detail="client.two_methods")
    if has_assertion:
        return _assertion(body_id, params)
    if basic is None:
        return _from_body(body_id, body_secret)
    client_id, secret = basic
    if body_id is not None and body_id != client_id:
        raise InvalidRequest(
            "The 'client_id' parameter contradicts the Authorization header.", detail="client.id_mismatch"
        )
    return OfferedSecret(client_id=client_id, method=CLIENT_SECRET_BASIC, secret=secret)


def _from_body(client_id: str | None, secret: str | None) -> ClientCredentials:
    if client_id is None:
        raise InvalidRequest("The mandatory 'client_id' parameter is missing.", detail="client.missing")
    if len(client_id) > MAX_CREDENTIAL or len(secret or "") > MAX_CREDENTIAL:
        raise InvalidRequest("A client credential is too long.", detail="dos.limit")
    if secret is None:
        return OfferedIdentifier(client_id=client_id)
    return OfferedSecret(client_id=client_id, method=CLIENT_SECRET_POST, secret=secret)


def _assertion(client_id: str | None, params: Params) -> OfferedAssertion:
    assertion, assertion_type = (params.one(name) for name in _ASSERTION)
    if assertion is None or assertion_type is None:
        raise InvalidRequest(
            "The parameters 'client_assertion' and 'client_assertion_type' belong together.",
            detail="client.assertion_incomplete",
        )
    if len(assertion) > MAX_ASSERTION or len(client_id or "") > MAX_CREDENTIAL:
        raise InvalidRequest("A client credential is too long.", detail="dos.limit")
    if assertion_type != JWT_BEARER_ASSERTION:
        # RFC 6749 §5.2: an authentication method that is not supported is an invalid_client.
        raise InvalidClient("Client authentication failed.", detail="client.assertion_type")
    # RFC 7521 §4.2: the parameter is optional, for the subject of the assertion names the client.
    claimed = client_id or _claimed_subject(assertion)
    if not claimed or len(claimed) > MAX_CREDENTIAL:
        raise InvalidClient("Client authentication failed.", detail="client.assertion_malformed")
    return OfferedAssertion(client_id=claimed, assertion=assertion)


class _Claimed(msgspec.Struct):
    sub: str


_read_claimed = msgspec.json.Decoder(_Claimed).decode


def _claimed_subject(assertion: str) -> str | None:
    """Whose assertion it says it is: enough to look the client up, whose key then decides."""
    if assertion.count(".") != 2 or not assertion.isascii():
        return None
    payload = assertion.split(".")[1]
    try:
        return _read_claimed(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).sub
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _basic(authorization: str) -> tuple[str, str] | None:
    """Client id and secret of a Basic header, None for another scheme (RFC 7617, RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    if len(encoded) > 8 * MAX_CREDENTIAL:
        raise _malformed()
    try:
        octets = encoded.encode("ascii")
        decoded = binascii.a2b_base64(octets, strict_mode=True)
        # A second spelling of the same octets is refused, so that one credential has one form.
        if binascii.b2a_base64(decoded, newline=False) != octets:
            raise _malformed()
    except (binascii.Error, UnicodeEncodeError):
        raise _malformed() from None
    raw_id, colon, raw_secret = decoded.partition(b":")
    if not colon or not raw_id:
        raise _malformed()
    client_id, secret = _form_decoded(raw_id), _form_decoded(raw_secret)
    if len(client_id) > MAX_CREDENTIAL or len(secret) > MAX_CREDENTIAL:
        raise _malformed()
    return client_id, secret


def _malformed() -> InvalidClient:
    return InvalidClient("The Authorization header is malformed.", detail="client.basic_malformed")


def _form_decoded(raw: bytes) -> str:
    # RFC 6749 §2.3.1: both halves are form-urlencoded before they are joined and base64-encoded.
    if _UNRESERVED.fullmatch(raw):
        return raw.decode("ascii")  # its encoding is itself
    if b"&" in raw or b"=" in raw:
        raise _malformed()
    try:
        return parse_params(b"v=" + raw).one("v") or ""
    except InvalidRequest:
        raise _malformed() from None


def basic_authorization(client_id: str, secret: str) -> str:
    """The value of an Authorization header for client_secret_basic."""
    return "Basic " + b64encode(f"{escaped(client_id)}:{escaped(secret)}".encode("ascii")).decode("ascii")


def post_parameters(client_id: str, secret: str | None = None) -> tuple[tuple[str, str], ...]:
    """The parameters of client_secret_post, or of the method "none" when there is no secret."""
    return (
        (("client_id", client_id),)
        if secret is None
        else (("client_id", client_id), ("client_secret", secret))
    )


def assertion_parameters(assertion: str, client_id: str | None = None) -> tuple[tuple[str, str], ...]:
    """The parameters of private_key_jwt and client_secret_jwt (RFC 7523 §2.2); `client_id` None leaves it out."""
    named = (("client_id", client_id),) if client_id is not None else ()
    return (*named, ("client_assertion_type", JWT_BEARER_ASSERTION), ("client_assertion", assertion))
