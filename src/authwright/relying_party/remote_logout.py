"""The provider says that a session is over: by a logout token to our server, or through the browser.

OpenID Connect Back-Channel Logout 1.0 and Front-Channel Logout 1.0. A logout token is believed because it is signed; what
the browser brings is believed as far as it names, by `iss` and `sid`, a session that only provider and client know of.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from authwright.crypto.jwt import JwtRejected
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import (
    PASS,
    Headers,
    HttpRequest,
    HttpResponse,
    Pass,
    html_response,
    json_response,
)
from authwright.protocol.logout import (
    LOGOUT_TOKEN_TYPE,
    MAX_AGE,
    LogoutToken,
    LogoutTokenRejected,
    parse_backchannel_logout,
    parse_frontchannel_logout,
    parse_logout_token,
)
from authwright.protocol.params import parse_form, parse_params
from authwright.records import RelyingPartySession
from authwright.relying_party.audit import SignedOutByProvider
from authwright.relying_party.client import SIGNING_ALGORITHMS
from authwright.relying_party.errors import Denied, ResponseRejected
from authwright.relying_party.events import Answered, RemoteSignOut, SignOutNotice
from authwright.relying_party.id_tokens import accepted_algorithms, decrypted
from authwright.remote.documents import RemoteFault
from authwright.stores.protocols import StoreUnavailable

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")

Channel = Literal["front", "back"]


class LogoutRejected(Exception):
    """A logout token we do not believe. `reason` is a short code, never a value of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A logout token that was verified, and the sessions here that it ends."""

    token: LogoutToken
    notice: SignOutNotice
    sessions: Sequence[RelyingPartySession] = field(repr=False)


async def backchannel_logout(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    """The back-channel logout endpoint: 200 when the sessions are over, 400 for a token that is not good.

    A fault of ours, or keys that cannot be had, is 503: the provider may send the token again.
    """
    try:
        # 1. Whose sessions, and on whose word?
        told = await check_logout_token(party, request)
        # 2. Once. What could fail has been asked for before, so that a token is not burnt by a fault of ours.
        await _claim(party, told.token)
        # 3. The application's word on it.
        context = await party.line.ask(RemoteSignOut(request=request, channel="back", notice=told.notice))
        # 4. The sessions end. Back-Channel Logout §2.7: their refresh tokens are the provider's to judge.
        await _end(party, "back", context.notice)
    except Answered as answered:
        return answered.answer
    except LogoutRejected as rejected:
        return _refused(party, rejected.reason)
    except Denied:
        return _refused(party, "denied")
    except RemoteFault as fault:
        return _later(fault.reason)
    except StoreUnavailable:
        return _later("sessions_unavailable")
    return HttpResponse(200, Headers.of({"cache-control": "no-store"}))


async def check_logout_token(party: "RelyingParty", request: HttpRequest) -> Notice:
    """The token of a request, verified, and what it is about. Raises LogoutRejected, RemoteFault, StoreUnavailable."""
    # 1. A form with one token.
    try:
        token = parse_backchannel_logout(parse_form(request.headers.get("content-type"), request.body))
        # Back-Channel Logout §2.6: encrypted where ID tokens are registered to be.
        token = decrypted(party.client, token)
    except InvalidRequest:
        raise LogoutRejected("logout_request_malformed") from None
    except ResponseRejected:
        raise LogoutRejected("logout_token_encryption") from None

    # 2. The provider's own, said of us, now. Back-Channel Logout §2.6: never unsigned, never another kind of token.
    types = (LOGOUT_TOKEN_TYPE, "") if party.logout.untyped_tokens else (LOGOUT_TOKEN_TYPE,)
    metadata = await party.metadata.get()
    try:
        # An ID token may be unsigned where that is registered; what ends sessions may not.
        signed = [
            algorithm
            for algorithm in accepted_algorithms(party.client, metadata)
            if algorithm in SIGNING_ALGORITHMS
        ]
        verified = await party.keys.verify(token, algorithms=signed, types=types)
        # Where the issuer is a template, the token names one of the tenants that are allowed.
        issuer = party.issuers.named_in(verified.claims)
        if issuer is None:
            raise LogoutTokenRejected("iss")
        read = parse_logout_token(
            verified.claims,
            issuer=issuer,
            client_id=party.client.client_id,
            now=party.clock(),
            leeway=party.client.leeway,
        )
    except (JwtRejected, LogoutTokenRejected) as rejected:
        raise LogoutRejected(f"logout_token_{rejected.reason}") from None

    # 3. Back-Channel Logout §2.6: a `sid` together with a `sub` must be a session of that subject.
    sessions = await party.sessions.matching(read.issuer, session_id=read.session_id, subject=read.subject)
    if read.session_id is not None and read.subject is not None and not sessions:
        others = await party.sessions.matching(read.issuer, session_id=read.session_id)
        if others:
            raise LogoutRejected("logout_token_sid_of_another")
    notice = SignOutNotice(
        iss=read.issuer, sid=read.session_id, sub=read.subject, claims=dict(verified.claims)
    )
    return Notice(token=read, notice=notice, sessions=sessions)


async def frontchannel_logout(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    """The front-channel logout endpoint: a page of the provider loads it in a frame.

    It answers 200 whether or not something ended. The session is found by what the provider calls it: browsers keep
    our cookie from a frame in another site's page.
    """
    # 1. What it says; a request without any message is the application's.
    try:
        query = request.query.encode("latin-1", "replace")
        params = (
            parse_form(request.headers.get("content-type"), request.body)
            if request.method == "POST"
            else parse_params(query)
        )
        message = parse_frontchannel_logout(params)
    except InvalidRequest:
        return _ignored(party, "logout_request_malformed", status=400)
    named = message.issuer is not None or message.session_id is not None
    notice = SignOutNotice(iss=message.issuer, sid=message.session_id) if named else None

    # 2. The application's word on it, always.
    try:
        context = await party.line.ask(RemoteSignOut(request=request, channel="front", notice=notice))
    except Answered as answered:
        return answered.answer
    except Denied:
        return _ignored(party, "denied", status=403)
    notice = context.notice
    if notice is None:
        return PASS

    # 3. Front-Channel Logout §2: both, and ours. Anything less, and any page could sign our users out.
    if notice.iss is None or notice.sid is None:
        return _ignored(party, "iss_or_sid_missing")
    if not party.issuers.accepts(notice.iss):
        return _ignored(party, "iss_mismatch")
    # 4. The session ends; no token is revoked on the word of a browser.
    if not await _end(party, "front", notice):
        return _ignored(party, "sid_unknown")
    return _framed(200)


async def _claim(party: "RelyingParty", token: LogoutToken) -> None:
    """Back-Channel Logout §2.6: the same `jti` a second time is a replay."""
    text = "\0".join((token.issuer, party.client.client_id, token.jti))
    key = f"logout|{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
    # No longer than it could come back: a provider may let its tokens end in a hundred years.
    until = min(token.expires_at, token.issued_at + MAX_AGE) + party.client.leeway
    if not await party.once.claim(key, until):
        raise LogoutRejected("logout_token_replayed")


async def _end(party: "RelyingParty", channel: Channel, notice: SignOutNotice | None) -> int:
    if notice is None or notice.iss is None or (notice.sid is None and notice.sub is None):
        return 0
    ended = await party.sessions.end_matching(notice.iss, session_id=notice.sid, subject=notice.sub)
    _LOG.info(
        "signed out by the provider",
        extra={
            "event": "rp.signed_out_remotely",
            "channel": channel,
            "client_id": party.client.client_id,
            "sessions": ended,
        },
    )
    party.audit.record(
        SignedOutByProvider(
            issuer=notice.iss,
            client_id=party.client.client_id,
            subject=notice.sub,
            session_id=notice.sid,
            channel=channel,
            sessions=ended,
        )
    )
    return ended


def _refused(party: "RelyingParty", reason: str) -> HttpResponse:
    _log_ignored(party, "back", reason)
    # Back-Channel Logout §2.8: 400, no cache, and at most what OAuth errors say.
    return json_response(
        400, {"error": "invalid_request", "error_description": "The logout token is refused."}
    )


def _later(reason: str) -> HttpResponse:
    _LOG.warning("remote sign-out failed: %s", reason, extra={"event": "rp.unavailable", "reason": reason})
    return json_response(503, {"error": "temporarily_unavailable"}, Headers.of({"retry-after": "5"}))


def _ignored(party: "RelyingParty", reason: str, *, status: int = 200) -> HttpResponse:
    _log_ignored(party, "front", reason)
    return _framed(status)


def _framed(status: int) -> HttpResponse:
    """Nothing to see, in a frame of whoever loads it."""
    return html_response(
        status,
        "<!doctype html><title>Signed out</title>",
        ("content-security-policy", "default-src 'none'"),
        ("referrer-policy", "no-referrer"),
    )


def _log_ignored(party: "RelyingParty", channel: Channel, reason: str) -> None:
    _LOG.warning(
        "remote sign-out ignored: %s",
        reason,
        extra={
            "event": "rp.remote_sign_out_ignored",
            "channel": channel,
            "reason": reason,
            "client_id": party.client.client_id,
        },
    )
