"""Sign-out: the session here first, then the one at the provider (OpenID Connect RP-Initiated Logout 1.0, RFC 7009)."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from authwright.protocol.authorization import add_to_url
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest, HttpResponse, Json, Pass, see_other
from authwright.protocol.logout import LogoutRequest, build_logout_request
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.params import parse_params
from authwright.relying_party.audit import SignedOutHere
from authwright.relying_party.errors import Denied
from authwright.relying_party.events import (
    Answered,
    Properties,
    RedirectToIdentityProviderForSignOut,
    SignedOutCallbackRedirect,
)
from authwright.relying_party.pages import refused_page, self_posting_page, signed_out_page
from authwright.relying_party.sessions import SignedIn
from authwright.remote.documents import RemoteFault

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")

SIGN_OUT_TTL = timedelta(hours=1)
MAX_STATE = 2000
_CONTEXT = "rp_sign_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutPolicy:
    """How far a sign-out reaches, and on whose word a session ends."""

    rp_initiated: bool = True
    """Send the browser on to the provider, to end its session too. False: a sign-out is local."""
    revoke: bool = True
    """Revoke the refresh token of a session that its user ends (RFC 7009)."""
    backchannel: bool = True
    """Take the provider's logout tokens (OpenID Connect Back-Channel Logout)."""
    frontchannel: bool = False
    """Let a page of the provider end sessions through the browser (OpenID Connect Front-Channel Logout)."""
    untyped_tokens: bool = False
    """Take logout tokens without the type `logout+jwt`, from a provider that does not name it."""


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
    everywhere: bool = False,
) -> HttpResponse:
    """End the session here, then send the browser to the provider to end it there.

    `everywhere`: the user's sessions in other browsers end as well.
    """
    # 1. Here, first: whatever the provider does, this browser is signed out.
    signed_in = await party.sessions.find(request)
    ended: tuple[SignedIn, ...] = () if signed_in is None else (signed_in,)
    if signed_in is not None and everywhere:
        ended = await _end_all(party, signed_in.iss, signed_in.sub)
    elif signed_in is not None:
        await party.sessions.end(signed_in)
        _record(party, signed_in.iss, signed_in.sub, signed_in.sid, "sign_out", 1)
    forget = party.sessions.forget_cookie()
    landing = party.signed_out_redirect if return_to is None else party.site.return_to(return_to)

    # 2. What the provider offers. Without an answer the local sign-out stands.
    try:
        metadata = await party.metadata.get()
    except RemoteFault as fault:
        _LOG.warning("sign-out stayed local", extra={"event": "rp.signed_out", "reason": fault.reason})
        return see_other(_absolute(party, landing), forget)
    if party.logout.revoke:
        await _revoke(party, metadata, ended)

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
            end_session_endpoint=metadata.end_session_endpoint if party.logout.rp_initiated else None,
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
    if party.client.authentication_method == "form_post":
        return self_posting_page(context.end_session_endpoint, parameters.pairs()).with_headers(forget)
    return see_other(add_to_url(context.end_session_endpoint, parameters), forget)


async def end_sessions(party: "RelyingParty", issuer: str, subject: str) -> int:
    """End all sessions of a user, as an operator or the user asks; how many there were."""
    # 1. Here. 2. Their refresh tokens, as far as the provider can be reached.
    ended = await _end_all(party, issuer, subject)
    await _revoke_as_far_as_possible(party, ended)
    return len(ended)


async def end_session(party: "RelyingParty", issuer: str, subject: str, session_id: str) -> bool:
    """End one session of a user, in whatever browser; whether the user had it."""
    # Looked for among the user's own: an id from a form must not end somebody else's.
    for signed_in in await party.sessions.of(issuer, subject):
        if signed_in.id == session_id:
            await party.sessions.end(signed_in)
            _record(party, issuer, subject, signed_in.sid, "ended", 1)
            await _revoke_as_far_as_possible(party, (signed_in,))
            return True
    return False


async def _end_all(party: "RelyingParty", issuer: str, subject: str) -> tuple[SignedIn, ...]:
    ended = await party.sessions.of(issuer, subject)
    await party.sessions.end_matching(issuer, subject=subject)
    _record(party, issuer, subject, None, "everywhere", len(ended))
    return ended


def _record(
    party: "RelyingParty", issuer: str, subject: str, session_id: str | None, reason: str, sessions: int
) -> None:
    party.audit.record(
        SignedOutHere(
            issuer=issuer,
            client_id=party.client.client_id,
            subject=subject,
            session_id=session_id,
            reason=reason,
            sessions=sessions,
        )
    )


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


async def _revoke_as_far_as_possible(party: "RelyingParty", ended: tuple[SignedIn, ...]) -> None:
    if not party.logout.revoke or not any(signed_in.data.refresh_token for signed_in in ended):
        return
    try:
        await _revoke(party, await party.metadata.get(), ended)
    except RemoteFault as fault:
        _LOG.warning("revocation failed", extra={"event": "rp.revocation_failed", "reason": fault.reason})


async def _revoke(party: "RelyingParty", metadata: ProviderMetadata, ended: Iterable[SignedIn]) -> None:
    """RFC 7009: best effort; the refresh token is worthless without the session, and better still revoked."""
    tokens = [token for signed_in in ended if (token := signed_in.data.refresh_token) is not None]
    if metadata.revocation_endpoint is None:
        return
    for token in tokens:
        try:
            await party.revoke_refresh_token(metadata.revocation_endpoint, token)
        except RemoteFault as fault:
            # One that did not come through says enough of the others: the user waits for this.
            _LOG.warning("revocation failed", extra={"event": "rp.revocation_failed", "reason": fault.reason})
            return


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
