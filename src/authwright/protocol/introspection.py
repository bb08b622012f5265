"""Token introspection and revocation: the requests and the answer (RFC 7662, RFC 7009)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from authwright.protocol.http import Json
from authwright.protocol.params import Params, encode

INACTIVE: Mapping[str, Json] = {"active": False}
"""The whole answer for any token that is not live for this caller (RFC 7662 §2.2)."""


@dataclass(frozen=True, slots=True)
class TokenReference:
    """A token, presented to be looked up; the hint only orders the search (RFC 7662 §2.1, RFC 7009 §2.1)."""

    token: str = field(repr=False)
    token_type_hint: str | None = None


def parse_token_reference(params: Params) -> TokenReference:
    """Read the request of either endpoint. Raises InvalidRequest."""
    params.refuse_repeated()
    return TokenReference(params.require("token"), params.one("token_type_hint"))


def build_token_reference(reference: TokenReference, *, client: tuple[tuple[str, str], ...] = ()) -> bytes:
    """The form body of either request; `client` are the parameters that authenticate the client, if any."""
    hint = (("token_type_hint", reference.token_type_hint),) if reference.token_type_hint else ()
    return encode((("token", reference.token), *hint, *client)).encode("ascii")


def parse_introspection(content: Json) -> dict[str, Json] | None:
    """The claims of a live token, or None for one that is not. Raises ValueError for anything else (RFC 7662 §2.2)."""
    if not isinstance(content, dict) or not isinstance(content.get("active"), bool):
        raise ValueError("an introspection response is a JSON object with a boolean member active")
    return content if content["active"] else None
