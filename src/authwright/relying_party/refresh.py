"""Refreshing a session's tokens: once, however many tasks and processes want it (RFC 6749 §6, OpenID Connect Core §12).

A rotating provider takes the second use of a refresh token for theft, so two processes must not send the same one.
Who may send it is decided by the session store: the one whose compare-and-swap marks the session as refreshing.
The others wait, reload, and use what it got; for half a minute also those who come late with the old refresh token,
however short the new access token lives.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from authwright.clock import Clock
from authwright.crypto.jwt import unverified_claims
from authwright.protocol.metadata import ProviderMetadata
from authwright.relying_party.audit import SignedOutHere
from authwright.relying_party.errors import NoAccessToken, ProviderRefused, ResponseRejected, SessionEnded
from authwright.relying_party.id_tokens import decrypted, expected_id_token, is_unsigned, verify_id_token
from authwright.relying_party.sessions import SessionData, SignedIn, access_times, dpop_key
from authwright.remote.documents import RemoteFault
from authwright.stores.protocols import StoreUnavailable

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")

LEASE = timedelta(seconds=30)
"""How long one process may take: two token requests and two for newer keys, of five seconds each, and three writes."""
RESULT_WINDOW = timedelta(seconds=30)
"""How long what a refresh token brought is the answer to whoever still holds it."""
JUST_NOW = timedelta(seconds=10)
"""How long after a sign-in another one would bring the same."""
_WAIT = 0.1
_MAX_WAITS = 350
_MAX_WRITES = 3

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One piece of work at a time for each key: whoever comes while it is under way gets its result."""

    __slots__ = ("_under_way",)

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[T]] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, or of the one under way. A caller that is cancelled leaves it to the others."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(self._finish(key, work))
            task.add_done_callback(_observe)
            self._under_way[key] = task
        return await asyncio.shield(task)

    async def _finish(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            del self._under_way[key]


class UnwrittenResults:
    """What refreshes brought that the session store did not take: kept here for `RESULT_WINDOW`, to be written later.

    The refresh token they were got with is spent. Sent again it would look stolen, and the provider would end it all.
    """

    __slots__ = ("_clock", "_held")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[tuple[str, str], tuple[datetime, SessionData]] = {}

    def put(self, before: SignedIn, data: SessionData) -> None:
        """Hold `data`, the result of refreshing `before`."""
        now = self._clock()
        self._held = {key: kept for key, kept in self._held.items() if now < kept[0] + RESULT_WINDOW}
        self._held[_key(before)] = (now, data)

    def of(self, found: SignedIn) -> SessionData | None:
        """The result that is still to be written to the session as it was found, or None."""
        kept = self._held.get(_key(found)) if self._held else None
        return kept[1] if kept is not None and self._clock() < kept[0] + RESULT_WINDOW else None

    def written(self, before: SignedIn) -> None:
        self._held.pop(_key(before), None)


def _key(signed_in: SignedIn) -> tuple[str, str]:
    # The session is part of it: one user's result is never another's, whatever a provider hands out.
    return signed_in.record.digest, _digest(signed_in.data.refresh_token)


def _digest(refresh_token: str | None) -> str:
    return hashlib.sha256((refresh_token or "").encode("utf-8", "surrogatepass")).hexdigest()


def _observe(task: "asyncio.Task[T]") -> None:
    if not task.cancelled():
        task.exception()


def is_fresh(party: "RelyingParty", data: SessionData) -> bool:
    """Whether there is an access token that need not be refreshed yet."""
    return data.access_token is not None and (data.refresh_at is None or party.clock() < data.refresh_at)


def is_usable(party: "RelyingParty", data: SessionData) -> bool:
    """Whether there is an access token that has not expired yet."""
    return data.access_token is not None and (
        data.access_expires_at is None or party.clock() < data.access_expires_at
    )


async def fresh_access_token(party: "RelyingParty", signed_in: SignedIn) -> str:
    """An access token that is fresh now, refreshed when its end is near. Raises as `refresh_session` does."""
    data = signed_in.data
    if data.access_token is not None and is_fresh(party, data):
        return data.access_token
    usable = data.access_token if is_usable(party, data) else None
    if data.refresh_token is None:
        if usable is None:
            age = party.clock() - signed_in.record.created_at
            raise NoAccessToken(
                "the access token has expired and there is no refresh token", just_signed_in=age < JUST_NOW
            )
        return usable
    try:
        renewed = await party.refresh(signed_in)
    except RemoteFault:
        # It was only going to expire: while it lasts, the provider's trouble need not be ours.
        if usable is None:
            raise
        return usable
    if renewed.data.access_token is None:
        raise NoAccessToken("the session has no access token")
    return renewed.data.access_token


async def refresh_session(party: "RelyingParty", signed_in: SignedIn) -> SignedIn:
    """The session with tokens newer than those of `signed_in`.

    Raises SessionEnded, NoAccessToken (nothing to refresh with), RemoteFault, ProviderRefused or ResponseRejected;
    after the last four the session is as it was.
    """
    # 1. What the answer is checked with, while there is time: what could not be checked then would be lost.
    metadata = await party.metadata.get()
    if metadata.token_endpoint is None:
        raise RemoteFault("no_token_endpoint")
    id_token = signed_in.data.id_token
    if id_token is not None and not is_unsigned(id_token):
        await party.keys.get()

    # 2. The right to use the refresh token, unless somebody has newer tokens for us.
    claimed = await _claim(party, signed_in)
    if is_newer(party, claimed, signed_in):
        return claimed

    # 3. Use it.
    try:
        data = await _renewed(party, claimed, metadata, metadata.token_endpoint)
    except ProviderRefused as refused:
        if refused.error != "invalid_grant":
            await _release(party, claimed)
            raise
        # RFC 6749 §5.2: expired, revoked or used: the session has no future. Any other fault says nothing of it.
        await party.sessions.end(claimed)
        _LOG.info("session ended", extra={"event": "rp.session_ended", "reason": "invalid_grant"})
        party.audit.record(
            SignedOutHere(
                issuer=claimed.iss,
                client_id=party.client.client_id,
                subject=claimed.sub,
                session_id=claimed.sid,
                reason="invalid_grant",
            )
        )
        raise SessionEnded("invalid_grant") from None
    except (RemoteFault, ResponseRejected) as fault:
        _LOG.warning(
            "refresh failed: %s", fault.reason, extra={"event": "rp.refresh_failed", "reason": fault.reason}
        )
        await _release(party, claimed)
        raise

    # 4. Keep what it brought, unless the user signed out meanwhile.
    renewed = await _keep(party, claimed, data)
    if renewed is None:
        raise SessionEnded("signed_out")
    return renewed


def is_newer(party: "RelyingParty", found: SignedIn, known: SignedIn) -> bool:
    """Whether somebody else refreshed since `known` was read."""
    changed = (found.data.access_token, found.data.refresh_token) != (
        known.data.access_token,
        known.data.refresh_token,
    )
    return changed and (is_fresh(party, found.data) or _is_result_for(party, found.data, known.data))


def _is_result_for(party: "RelyingParty", found: SessionData, known: SessionData) -> bool:
    """Whether `found` was got with the refresh token of `known` a moment ago, and can still be used."""
    return (
        known.refresh_token is not None
        and found.renewed_from == _digest(known.refresh_token)
        and found.renewed_at is not None
        and party.clock() < found.renewed_at + RESULT_WINDOW
        and is_usable(party, found)
    )


async def _claim(party: "RelyingParty", signed_in: SignedIn) -> SignedIn:
    """The session, marked as being refreshed by us, or with the newer tokens somebody else got."""
    for _ in range(_MAX_WAITS):
        found = await party.sessions.load(signed_in.record.digest)
        if found is None:
            raise SessionEnded("gone")
        unwritten = party.unwritten.of(found)
        if unwritten is not None:
            written = await party.sessions.rewrite(found, unwritten)
            if written is None:
                continue
            party.unwritten.written(found)
            found = written
        if is_newer(party, found, signed_in):
            return found
        if found.data.refresh_token is None:
            raise NoAccessToken("the session has no refresh token")
        now = party.clock()
        if found.data.refreshing_until is None or found.data.refreshing_until <= now:
            marked = msgspec.structs.replace(found.data, refreshing_until=now + LEASE)
            claimed = await party.sessions.rewrite(found, marked)
            if claimed is not None:
                return claimed
            continue
        await asyncio.sleep(_WAIT)
    raise RemoteFault("refresh_pending")


async def _keep(party: "RelyingParty", claimed: SignedIn, data: SessionData) -> SignedIn | None:
    """The session with `data`, or as somebody else left it; None when it is gone."""
    for attempt in range(_MAX_WRITES):
        try:
            return await party.sessions.rewrite(claimed, data) or await party.sessions.load(
                claimed.record.digest
            )
        except StoreUnavailable:
            # The old refresh token is spent: without the new one the session would be lost.
            if attempt == _MAX_WRITES - 1:
                party.unwritten.put(claimed, data)
                raise
            await asyncio.sleep(_WAIT)
    return None


async def _release(party: "RelyingParty", claimed: SignedIn) -> None:
    await party.sessions.rewrite(claimed, msgspec.structs.replace(claimed.data, refreshing_until=None))


async def _renewed(
    party: "RelyingParty", claimed: SignedIn, metadata: ProviderMetadata, token_endpoint: str
) -> SessionData:
    data, now = claimed.data, party.clock()
    if data.refresh_token is None:
        raise NoAccessToken("the session has no refresh token")
    response = await party.use_refresh_token(token_endpoint, data.refresh_token, dpop_key(data.dpop_key))
    if response.access_token is None:
        raise ResponseRejected("access_token_missing")
    id_token = data.id_token
    if response.id_token is not None:
        # Core §12.2: same issuer, same subject, our client, and a nonce only if it is the first one.
        id_token = decrypted(party.client, response.id_token)
        issuer, subject = _known_as(claimed)
        claims = await verify_id_token(
            id_token,
            keys=party.keys,
            metadata=metadata,
            client=party.client,
            expected=expected_id_token(
                issuer=issuer,
                client=party.client,
                now=now,
                nonce=data.nonce,
                subject=subject,
                check_nonce=False,
            ),
            access_token=response.access_token,
        )
        if claims.get("nonce") not in (None, data.nonce):
            raise ResponseRejected("id_token_nonce")
        if data.auth_time is not None and claims.get("auth_time") not in (None, data.auth_time):
            raise ResponseRejected("id_token_auth_time")
    refresh_at, expires_at = access_times(now, response)
    return msgspec.structs.replace(
        data,
        id_token=id_token,
        access_token=response.access_token,
        token_type=response.token_type,
        # RFC 6749 §6: a server that issues no new refresh token lets the old one stand.
        refresh_token=response.refresh_token or data.refresh_token,
        scope=data.scope if response.scope is None else response.scope,
        access_expires_at=expires_at,
        refresh_at=refresh_at,
        refreshing_until=None,
        renewed_from=_digest(data.refresh_token),
        renewed_at=now,
    )


def _known_as(signed_in: SignedIn) -> tuple[str, str]:
    """Issuer and subject as the provider knows them; the application may have put a user of its own in their place."""
    # The session's ID token was verified before it was sealed in, so its claims can be relied on.
    claims = unverified_claims(signed_in.data.id_token or "") or {}
    return str(claims.get("iss", signed_in.iss)), str(claims.get("sub", signed_in.sub))
