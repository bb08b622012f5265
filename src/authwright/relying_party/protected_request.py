"""The authorization request kept from the browser's hands: signed (RFC 9101), and pushed (RFC 9126)."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from authwright.crypto.handles import random_id
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.authorization import AuthorizationRequest, build_authorization_request
from authwright.protocol.http import HttpRequest, HttpResponse, Pass
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.pushed_authorization import parse_pushed_authorization_response, pushed_parameters
from authwright.protocol.request_object import (
    REQUEST_OBJECT_TYPE,
    build_request_object,
    request_object_parameters,
)
from authwright.relying_party.events import Properties, PushAuthorization, Pushed
from authwright.remote.documents import RemoteFault, read_json

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")


async def protect_request(
    party: "RelyingParty",
    request: HttpRequest,
    message: AuthorizationRequest,
    *,
    metadata: ProviderMetadata,
    properties: Properties,
    dpop_key: SigningKey | None,
) -> AuthorizationRequest:
    """What the browser is to carry in place of `message`, or `message` itself. Raises RemoteFault.

    `request` is the browser's, shown to the event.
    """
    # 1. Signed, so that nobody on the way can change it.
    if metadata.require_signed_request_object and party.client.request_object is None:
        raise RemoteFault("request_object_required")
    carried = sign_request(party, message)

    # 2. Pushed, unless an event wants it otherwise: then the browser carries only a reference (RFC 9126 §4).
    endpoint = push_endpoint(party.client.par, metadata)
    if endpoint is None:
        return carried
    outcome = await party.line.ask_push(
        PushAuthorization(
            request=request, message=carried, properties=properties, endpoint=endpoint, fetch=party.fetch
        )
    )
    if isinstance(outcome, Pass):
        return carried
    if isinstance(outcome, Pushed):
        return pushed_parameters(message.client_id, outcome.request_uri)
    return pushed_parameters(message.client_id, await push(party, outcome, dpop_key))


def sign_request(party: "RelyingParty", message: AuthorizationRequest) -> AuthorizationRequest:
    """The request as a signed object, where a key for that is configured."""
    key = party.client.request_object
    if key is None:
        return message
    claims = build_request_object(message, issuer=party.issuer, jti=random_id(), now=party.clock())
    return request_object_parameters(message, sign_jwt(key, claims, typ=REQUEST_OBJECT_TYPE))


def push_endpoint(par: str, metadata: ProviderMetadata) -> str | None:
    """Where to push to, None for not at all. Raises RemoteFault where the two sides cannot agree."""
    endpoint = metadata.pushed_authorization_request_endpoint
    if par == "never":
        if metadata.require_pushed_authorization_requests:
            raise RemoteFault("par_required")
        return None
    if endpoint is None and (par == "require" or metadata.require_pushed_authorization_requests):
        raise RemoteFault("no_par_endpoint")
    return endpoint


async def push(party: "RelyingParty", context: PushAuthorization, dpop_key: SigningKey | None) -> str:
    """Push it; the `request_uri`. Raises RemoteFault."""
    pairs = [*build_authorization_request(context.message).pairs(), *context.parameters.items()]
    # RFC 9449 §10.1: the proof binds the code to the key, as `dpop_jkt` in the request does.
    response = await party.channel.post(
        context.endpoint, pairs, dpop_key=dpop_key, authenticated=not context.authenticated
    )
    if response.status >= 500 or response.status == 429:
        raise RemoteFault("par_unavailable")
    # RFC 9126 §2.2: 201, and JSON.
    media_type = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if response.status not in (200, 201):
        _LOG.warning(
            "the pushed request was refused: %s",
            _error_of(response),
            extra={
                "event": "rp.push_refused",
                "reason": _error_of(response),
                "client_id": party.client.client_id,
            },
        )
        raise RemoteFault("par_refused")
    if media_type != "application/json":
        raise RemoteFault("par_malformed")
    try:
        return parse_pushed_authorization_response(read_json(response)).request_uri
    except ValueError:
        raise RemoteFault("par_malformed") from None


def _error_of(response: HttpResponse) -> str:
    """The OAuth error code of a refusal, as far as it has the form of one (RFC 6749 §5.2)."""
    try:
        content = read_json(response)
    except RemoteFault:
        return str(response.status)
    error = content.get("error") if isinstance(content, Mapping) else None
    if not isinstance(error, str) or not error.isascii() or not error.isprintable():
        return str(response.status)
    return error[:64]
