"""Sign-out: the session here first, then the one at the provider (OpenID Connect RP-Initiated Logout 1.0, RFC 7009)."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from authwright.protocol.authorization import add_to_url
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest, HttpResponse, Json, Pass, see_other
from authwright.protocol.logout import LogoutRequest, build_logout_request
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.params import parse_params
from authwright.relying_party.errors import Denied
from authwright.relying_party.events import (
    Answered,
    Properties,
    RedirectToIdentityProviderForSignOut,
    SignedOutCallbackRedirect,
)
from authwright.relying_party.pages import refused_page, signed_out_page
from authwright.relying_party.sessions import SignedIn
from authwright.remote.documents import RemoteFault

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")

SIGN_OUT_TTL = timedelta(hours=1)
MAX_STATE = 2000
_CONTEXT = "rp_sign_out"


class SignOutState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sealed into the `state` of the logout request: only we can have written where it leads."""

    return_to: str
    iat: datetime
    properties: Mapping[str, Json] = {}


async def sign_out(
    party: "RelyingParty",
    request: HttpRequest,
    *,
    return_to: str | None,
    items: Mapping[str, Json] | None,
) -> HttpResponse:
    """End the session here, then send the browser to the provider to end it there."""
    # 1. Here, first: whatever the provider does, this browser is signed out.
    signed_in = await party.sessions.find(request)
    if signed_in is not None:
        await party.sessions.end(signed_in)
    forget = party.sessions.forget_cookie()
    landing = party.signed_out_redirect if return_to is None else party.site.return_to(return_to)

    # 2. What the provider offers. Without an answer the local sign-out stands.
    try:
        metadata = await party.metadata.get()
    except RemoteFault as fault:
        _LOG.warning("sign-out stayed local", extra={"event": "rp.signed_out", "reason": fault.reason})
        return see_other(_absolute(party, landing), forget)
    await _revoke(party, metadata, signed_in)

    # 3. The message, and the application's word on it.
    properties: Properties = items or {}
    message = LogoutRequest(
        id_token_hint=signed_in.data.id_token if signed_in else None,
        client_id=party.client.client_id,
        post_logout_redirect_uri=party.site.url(party.site.paths.logout_callback),
    )
    context = await party.line.ask_or_answer(
        RedirectToIdentityProviderForSignOut(
            request=request,
            message=message,
            properties=properties,
            end_session_endpoint=metadata.end_session_endpoint,
        )
    )
    if isinstance(context, HttpResponse):
        return context.with_headers(forget)
    _LOG.info("signed out", extra={"event": "rp.signed_out", "client_id": party.client.client_id})
    if context.end_session_endpoint is None:
        return see_other(_absolute(party, landing), forget)

    # 4. There. A state that an event chose stays as it is.
    state = context.message.state or _sealed_state(party, landing, context.properties)
    parameters = build_logout_request(replace(context.message, state=state))
    return see_other(add_to_url(context.end_session_endpoint, parameters), forget)


async def signed_out_callback(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    """Back from the provider: on to where the sign-out was to lead, if the state says so."""
    try:
        state = parse_params(request.query.encode("latin-1", "replace")).one("state")
    except InvalidRequest:
        return refused_page(400, "The request is malformed.")
    opened = _opened_state(party, state)
    try:
        context = await party.line.ask(
            SignedOutCallbackRedirect(
                request=request,
                state=state,
                properties=opened.properties if opened else None,
                return_to=opened.return_to if opened else None,
            )
        )
    except Answered as answered:
        return answered.answer
    except Denied:
        return refused_page(403, "The application refused this.")
    if context.return_to is None:
        # Nothing we wrote says where to go, and nobody else may.
        return signed_out_page(party.site.origin + party.site.home)
    return see_other(_absolute(party, context.return_to))


async def _revoke(party: "RelyingParty", metadata: ProviderMetadata, signed_in: SignedIn | None) -> None:
    """RFC 7009: best effort; the refresh token is worthless without the session, and better still revoked."""
    token = signed_in.data.refresh_token if signed_in else None
    if token is None or metadata.revocation_endpoint is None:
        return
    try:
        await party.revoke_refresh_token(metadata.revocation_endpoint, token)
    except RemoteFault as fault:
        _LOG.warning("revocation failed", extra={"event": "rp.revocation_failed", "reason": fault.reason})


def _sealed_state(party: "RelyingParty", return_to: str, properties: Properties) -> str:
    state = SignOutState(return_to=return_to, iat=party.clock(), properties=properties)
    sealed = party.seal.seal(msgspec.json.encode(state), context=_CONTEXT)
    if len(sealed) > MAX_STATE:
        raise ValueError("the items of the sign-out are too large for a URL")
    return sealed


def _opened_state(party: "RelyingParty", state: str | None) -> SignOutState | None:
    opened = party.seal.open(state, context=_CONTEXT) if state and len(state) <= MAX_STATE else None
    if opened is None:
        return None
    try:
        written = msgspec.json.decode(opened, type=SignOutState)
    except msgspec.MsgspecError:
        return None
    return written if party.clock() < written.iat + SIGN_OUT_TTL else None


def _absolute(party: "RelyingParty", landing: str) -> str:
    """A landing is a path of ours, or the URL an operator or an event chose."""
    return party.site.origin + landing if landing.startswith("/") else landing
