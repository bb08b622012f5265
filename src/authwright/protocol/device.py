"""Device authorization: the messages between a device and the provider, and the code a person types (RFC 8628)."""

from collections.abc import Mapping, Sequence

import msgspec

from authwright.protocol.http import Json
from authwright.protocol.params import Params, encode
from authwright.protocol.scopes import format_scope, parse_scope

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

# RFC 8628 §6.1: no vowels, so that no words arise, and no digits, so that nothing is read as something else.
USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_SIZE = 8
MAX_TYPED = 64

DEFAULT_INTERVAL = 5
"""RFC 8628 §3.2: seconds between polls when the provider names none; §3.5: what each slow_down adds."""


class DeviceAuthorizationRequest(msgspec.Struct, frozen=True):
    """What a device asks for; who it is stands in its credentials."""

    scope: tuple[str, ...] | None
    """None when none was sent."""
    resource: tuple[str, ...]


def parse_device_authorization_request(params: Params) -> DeviceAuthorizationRequest:
    """Read RFC 8628 §3.1. Raises InvalidRequest or InvalidScope."""
    params.refuse_repeated()
    scope = params.one("scope")
    return DeviceAuthorizationRequest(None if scope is None else parse_scope(scope), params.many("resource"))


def build_device_authorization_request(
    *,
    scope: Sequence[str] = (),
    resource: Sequence[str] = (),
    client: Sequence[tuple[str, str]] = (),
) -> bytes:
    """The form body; `client` are the parameters that authenticate or name the client."""
    pairs = [("scope", format_scope(scope))] if scope else []
    return encode((*pairs, *(("resource", uri) for uri in resource), *client)).encode("ascii")


class DeviceAuthorizationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What the device polls with, and what it shows to its user (RFC 8628 §3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    """Seconds."""
    verification_uri_complete: str | None = None
    interval: int = DEFAULT_INTERVAL
    """Seconds between polls."""

    def __repr__(self) -> str:
        return f"DeviceAuthorizationResponse(verification_uri={self.verification_uri!r})"


def build_device_authorization_response(response: DeviceAuthorizationResponse) -> dict[str, Json]:
    """The JSON object."""
    members: dict[str, Json] = {
        "device_code": response.device_code,
        "user_code": response.user_code,
        "verification_uri": response.verification_uri,
    }
    if response.verification_uri_complete is not None:
        members["verification_uri_complete"] = response.verification_uri_complete
    members["expires_in"] = response.expires_in
    members["interval"] = response.interval
    return members


def parse_device_authorization_response(content: Json) -> DeviceAuthorizationResponse:
    """Read the answer. Raises ValueError for anything that is not one."""
    if not isinstance(content, Mapping):
        raise ValueError("a device authorization response is a JSON object")
    try:
        return msgspec.convert(
            {name: value for name, value in content.items() if value is not None}, DeviceAuthorizationResponse
        )
    except msgspec.ValidationError:
        raise ValueError("a member of the device authorization response is missing or malformed") from None


def shown_user_code(canonical: str) -> str:
    """A canonical code the way people read it: two groups of four."""
    return f"{canonical[:4]}-{canonical[4:]}"


def canonical_user_code(typed: str) -> str | None:
    """What was typed without separators and in capitals (RFC 8628 §6.1), or None when it can be no code."""
    if len(typed) > MAX_TYPED or not typed.isascii():
        return None
    letters = "".join(character for character in typed if character.isalnum()).upper()
    if len(letters) != USER_CODE_SIZE or any(letter not in USER_CODE_ALPHABET for letter in letters):
        return None
    return letters
