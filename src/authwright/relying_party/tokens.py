"""The token endpoint as a client sees it: code redeemed, refresh token used, refresh token revoked (RFC 6749 §4.1.3, §6)."""

import logging
from collections.abc import Mapping

from authwright.crypto.keys import SigningKey
from authwright.protocol.http import HttpResponse, Json
from authwright.protocol.token import AUTHORIZATION_CODE, REFRESH_TOKEN, TokenResponse, parse_token_response
from authwright.relying_party.back_channel import BEARER, DPOP, BackChannel
from authwright.relying_party.errors import ProviderRefused, ResponseRejected
from authwright.relying_party.events import CodeRedemption
from authwright.remote.documents import RemoteFault, read_json

_LOG = logging.getLogger("authwright.relying_party")


async def redeem_code(channel: BackChannel, redemption: CodeRedemption) -> TokenResponse:
    """Redeem a code. Raises ProviderRefused, ResponseRejected or RemoteFault."""
    pairs = [
        ("grant_type", AUTHORIZATION_CODE),
        ("code", redemption.code),
        ("redirect_uri", redemption.redirect_uri),
    ]
    if redemption.code_verifier is not None:
        pairs.append(("code_verifier", redemption.code_verifier))
    pairs += [("resource", resource) for resource in redemption.resource]
    pairs += redemption.parameters.items()
    key = redemption.dpop_key
    return read_token_response(
        await channel.post(redemption.token_endpoint, pairs, dpop_key=key), token_type=_type_for(key)
    )


async def use_refresh_token(
    channel: BackChannel, token_endpoint: str, refresh_token: str, dpop_key: SigningKey | None = None
) -> TokenResponse:
    """Refresh. Raises ProviderRefused, ResponseRejected or RemoteFault."""
    pairs = (("grant_type", REFRESH_TOKEN), ("refresh_token", refresh_token))
    return read_token_response(
        await channel.post(token_endpoint, pairs, dpop_key=dpop_key), token_type=_type_for(dpop_key)
    )


async def revoke_refresh_token(channel: BackChannel, revocation_endpoint: str, refresh_token: str) -> None:
    """Ask for revocation (RFC 7009 §2.1). Raises RemoteFault when no answer came; the answer itself changes nothing."""
    pairs = (("token", refresh_token), ("token_type_hint", "refresh_token"))
    await channel.post(revocation_endpoint, pairs)


def _type_for(dpop_key: SigningKey | None) -> str:
    # RFC 9449 §5: to a server that answers Bearer, the proof was nothing, and the token is not bound.
    return BEARER if dpop_key is None else DPOP


def read_token_response(response: HttpResponse, *, token_type: str = BEARER) -> TokenResponse:
    """The answer of a token endpoint. Raises ProviderRefused, ResponseRejected or RemoteFault."""
    # A busy or broken server has decided nothing, whatever error it names.
    if response.status >= 500 or response.status == 429:
        raise RemoteFault("token_endpoint_unavailable")
    media_type = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        _LOG.warning(
            "a token response of another type", extra={"event": "rp.token_type", "reason": "not_json"}
        )
    try:
        content = read_json(response)
    except RemoteFault:
        raise ResponseRejected("token_response_not_json") from None
    if response.status != 200:
        raise refusal(content, response.status)
    try:
        parsed = parse_token_response(content)
    except ValueError:
        raise ResponseRejected("token_response_malformed") from None
    # RFC 6749 Appendix A.12, A.17: tokens are visible ASCII; anything else could not be sent on in a header.
    for token in (parsed.access_token, parsed.refresh_token, parsed.id_token):
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ResponseRejected("token_response_malformed")
    # RFC 6749 §7.1: a token type that is not understood must not be used.
    if parsed.access_token is not None and (parsed.token_type or "").lower() != token_type.lower():
        raise ResponseRejected("token_type")
    return parsed


def refusal(content: Json, status: int) -> ProviderRefused | ResponseRejected:
    """The error a server answered with (RFC 6749 §5.2), as far as it has the form of one."""
    if not isinstance(content, Mapping) or not isinstance(content.get("error"), str) or not content["error"]:
        return ResponseRejected("token_response_status", status=status)
    return ProviderRefused(
        content["error"][:64],
        _text(content.get("error_description")),
        _text(content.get("error_uri")),
        status=status,
    )


def _text(value: Json) -> str | None:
    return value[:1024] if isinstance(value, str) else None
