"""What a client offers as proof of who it is: parsed and bounded, not yet believed (RFC 6749 §2.3).

`parse_client_credentials` reads what a request carries; `basic_authorization` and `post_parameters` write it.
"""

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from urllib.parse import quote_plus

from authwright.protocol.errors import InvalidClient, InvalidRequest
from authwright.protocol.http import Headers
from authwright.protocol.params import Params, parse_params

CLIENT_SECRET_BASIC = "client_secret_basic"
CLIENT_SECRET_POST = "client_secret_post"
NONE = "none"

MAX_CREDENTIAL = 1024
_ASSERTION = ("client_assertion", "client_assertion_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """Offered by the request; `secret` is None for the method "none"."""

    client_id: str
    method: str
    secret: str | None = None

    def __repr__(self) -> str:
        return f"ClientCredentials(client_id={self.client_id!r}, method={self.method!r})"


def parse_client_credentials(headers: Headers, params: Params) -> ClientCredentials:
    """The one credential of a request. Raises InvalidRequest for two at once or none, InvalidClient for a broken one."""
    authorization = headers.many("authorization")
    if len(authorization) > 1:
        raise InvalidRequest("Multiple client credentials cannot be specified.", detail="client.two_methods")
    body_id, body_secret = params.one("client_id"), params.one("client_secret")
    basic = _basic(authorization[0]) if authorization else None
    if basic is None:
        return _from_body(body_id, body_secret)
    # RFC 6749 §2.3: a client must not use more than one authentication method in a request.
    if body_secret is not None or any(name in params for name in _ASSERTION):
        raise InvalidRequest("Multiple client credentials cannot be specified.", detail="client.two_methods")
    client_id, secret = basic
    if body_id is not None and body_id != client_id:
        raise InvalidRequest(
            "The 'client_id' parameter contradicts the Authorization header.", detail="client.id_mismatch"
        )
    return ClientCredentials(client_id=client_id, method=CLIENT_SECRET_BASIC, secret=secret)


def _from_body(client_id: str | None, secret: str | None) -> ClientCredentials:
    if client_id is None:
        raise InvalidRequest("The mandatory 'client_id' parameter is missing.", detail="client.missing")
    if len(client_id) > MAX_CREDENTIAL or len(secret or "") > MAX_CREDENTIAL:
        raise InvalidRequest("A client credential is too long.", detail="dos.limit")
    if secret is None:
        return ClientCredentials(client_id=client_id, method=NONE)
    return ClientCredentials(client_id=client_id, method=CLIENT_SECRET_POST, secret=secret)


def _basic(authorization: str) -> tuple[str, str] | None:
    """Client id and secret of a Basic header, None for another scheme (RFC 7617, RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    malformed = InvalidClient("The Authorization header is malformed.", detail="client.basic_malformed")
    if len(encoded) > 8 * MAX_CREDENTIAL:
        raise malformed
    try:
        decoded = b64decode(encoded.encode("ascii"), validate=True)
        # A second spelling of the same octets is refused, so that one credential has one form.
        if b64encode(decoded) != encoded.encode("ascii"):
            raise malformed
    except (binascii.Error, UnicodeEncodeError):
        raise malformed from None
    raw_id, colon, raw_secret = decoded.partition(b":")
    if not colon or not raw_id:
        raise malformed
    client_id, secret = _form_decoded(raw_id, malformed), _form_decoded(raw_secret, malformed)
    if len(client_id) > MAX_CREDENTIAL or len(secret) > MAX_CREDENTIAL:
        raise malformed
    return client_id, secret


def _form_decoded(raw: bytes, malformed: InvalidClient) -> str:
    # RFC 6749 §2.3.1: both halves are form-urlencoded before they are joined and base64-encoded.
    if b"&" in raw or b"=" in raw:
        raise malformed
    try:
        return parse_params(b"v=" + raw).one("v") or ""
    except InvalidRequest:
        raise malformed from None


def basic_authorization(client_id: str, secret: str) -> str:
    """The value of an Authorization header for client_secret_basic."""
    return "Basic " + b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode("ascii")).decode(
        "ascii"
    )


def post_parameters(client_id: str, secret: str | None = None) -> tuple[tuple[str, str], ...]:
    """The parameters of client_secret_post, or of the method "none" when there is no secret."""
    return (
        (("client_id", client_id),)
        if secret is None
        else (("client_id", client_id), ("client_secret", secret))
    )
