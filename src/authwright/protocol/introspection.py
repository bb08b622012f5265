"""Token introspection and revocation: the requests and the answer (RFC 7662, RFC 9701, RFC 7009)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from authwright.protocol.http import Json
from authwright.protocol.params import Params, encode

INACTIVE: Mapping[str, Json] = {"active": False}
"""The whole answer for any token that is not live for this caller (RFC 7662 §2.2)."""

SIGNED_TYPE = "token-introspection+jwt"
SIGNED_MEDIA_TYPE = f"application/{SIGNED_TYPE}"


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


def accepts_signed(accept: str | None) -> bool:
    """Whether an Accept header names the signed answer (RFC 9701 §4); a wildcard does not, nor a weight of zero."""
    for offer in (accept or "").split(","):
        media_type, *parameters = (part.strip().lower().replace(" ", "") for part in offer.split(";"))
        weights = [part[2:] for part in parameters if part.startswith("q=")]
        if media_type == SIGNED_MEDIA_TYPE and not any(weight.strip("0.") == "" for weight in weights):
            return True
    return False


def build_signed_introspection(
    *, issuer: str, audience: str, now: datetime, members: Mapping[str, Json]
) -> dict[str, Json]:
    """The claims of a signed answer (RFC 9701 §5): what the token says stays inside, so that nobody takes it for one."""
    return {
        "iss": issuer,
        "aud": audience,
        "iat": int(now.timestamp()),
        "token_introspection": dict(members),
    }


def parse_signed_introspection(
    claims: Mapping[str, Json], *, issuer: str, audience: str
) -> dict[str, Json] | None:
    """The reverse, for claims whose signature and `typ` were verified; None for a token that is not live.

    Raises ValueError for anything that is not `issuer`'s answer to `audience`.
    """
    if claims.get("iss") != issuer:
        raise ValueError("the signed introspection response is of another issuer")
    if claims.get("aud") not in (audience, [audience]):
        raise ValueError("the signed introspection response is for somebody else")
    return parse_introspection(claims.get("token_introspection"))
