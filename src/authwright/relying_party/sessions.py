"""Sessions of signed-in users: a random id in the cookie, everything else on the server, tokens and claims sealed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from authwright.clock import Clock
from authwright.crypto.dpop import unpack_proof_key
from authwright.crypto.handles import Handles
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import Seal
from authwright.protocol.cookies import cookie_header, read_cookies
from authwright.protocol.http import HttpRequest, HttpResponse, Json
from authwright.protocol.token import TokenResponse
from authwright.records import RelyingPartySession
from authwright.relying_party.client import Site
from authwright.stores.protocols import RelyingPartySessionStore

SESSION_LIFETIME = timedelta(days=14)
EARLY = timedelta(seconds=30)
_COOKIE = "authwright_rp_session"


class SessionData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sealed in a session."""

    claims: Mapping[str, Json] = {}
    properties: Mapping[str, Json] = {}
    id_token: str | None = None
    nonce: str | None = None
    acr: str | None = None
    auth_time: int | None = None
    access_token: str | None = None
    token_type: str | None = None
    refresh_token: str | None = None
    scope: tuple[str, ...] = ()
    access_expires_at: datetime | None = None
    """None when the provider did not say."""
    refresh_at: datetime | None = None
    """From then on a new access token is fetched before this one is used."""
    dpop_key: str | None = None
    """The key the tokens are bound to, packed (RFC 9449)."""
    refreshing_until: datetime | None = None
    """Until then one of the processes is refreshing, and the others wait for it."""
    renewed_from: str | None = None
    """Digest of the refresh token these tokens were got with, and since when; see `refresh`."""
    renewed_at: datetime | None = None

    def __repr__(self) -> str:
        return f"SessionData(scope={self.scope!r}, access_expires_at={self.access_expires_at!r})"


def dpop_key(packed: str | None) -> SigningKey | None:
    """The key a flow or a session keeps, None where it keeps none."""
    return unpack_proof_key(packed) if packed else None


def access_times(now: datetime, response: TokenResponse) -> tuple[datetime | None, datetime | None]:
    """When to refresh the access token of `response`, and when it expires, as far as the provider said."""
    if response.expires_in is None:
        return None, None
    # A number of seconds can be larger than a date.
    lifetime = min(timedelta(seconds=response.expires_in), timedelta(days=365))
    # A little early, so that it does not expire on its way; a short-lived one is not refreshed with every use.
    return now + lifetime - min(EARLY, lifetime / 4), now + lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session, opened."""

    record: RelyingPartySession = field(repr=False)
    data: SessionData = field(repr=False)
    return_to: str = "/"
    response: HttpResponse | None = None
    """On what `callback` returns: the answer that gives the browser its session and sends it on."""

    @property
    def id(self) -> str:
        """Tells it from others, on a page or for an operator; it is not what the cookie holds."""
        return self.record.digest

    @property
    def iss(self) -> str:
        return self.record.issuer

    @property
    def sub(self) -> str:
        return self.record.subject

    @property
    def sid(self) -> str | None:
        """The provider's id of its own session."""
        return self.record.session_id

    @property
    def claims(self) -> Mapping[str, Json]:
        return self.data.claims

    @property
    def properties(self) -> Mapping[str, Json]:
        """The items given at the challenge."""
        return self.data.properties

    @property
    def expires_at(self) -> datetime:
        return self.record.expires_at


class Sessions:
    """Begins, finds, rewrites and ends sessions in a `RelyingPartySessionStore`."""

    __slots__ = (
        "_accepts",
        "_client_id",
        "_clock",
        "_cookie",
        "_handles",
        "_issuer",
        "_lifetime",
        "_seal",
        "_site",
        "_store",
    )

    def __init__(
        self,
        store: RelyingPartySessionStore,
        *,
        issuer: str,
        client_id: str,
        site: Site,
        seal: Seal,
        handles: Handles,
        clock: Clock,
        lifetime: timedelta = SESSION_LIFETIME,
        accepts: Callable[[str], bool] | None = None,
    ) -> None:
        """`accepts`: whose sessions are ours, where that is more than one issuer."""
        self._store = store
        self._issuer = issuer
        self._client_id = client_id
        self._accepts = accepts or issuer.__eq__
        self._site = site
        self._seal = seal
        self._handles = handles
        self._clock = clock
        self._lifetime = lifetime
        self._cookie = site.cookie_name(_COOKIE)

    async def begin(
        self, *, subject: str, session_id: str | None, data: SessionData, issuer: str | None = None
    ) -> tuple[SignedIn, tuple[str, str]]:
        """A new session under a new id, and the header field that gives its id to the browser.

        `issuer`: whose user it is, where the relying party takes several.
        """
        now = self._clock()
        value, digest = self._handles.mint("rp_session")
        record = RelyingPartySession(
            digest=digest,
            issuer=issuer or self._issuer,
            subject=subject,
            session_id=session_id,
            client_id=self._client_id,
            sealed=self._sealed(digest, data),
            created_at=now,
            expires_at=now + self._lifetime,
        )
        await self._store.create(record)
        cookie = cookie_header(
            self._cookie, value, secure=self._site.secure, max_age=int(self._lifetime.total_seconds())
        )
        return SignedIn(record=record, data=data), cookie

    async def find(self, request: HttpRequest) -> SignedIn | None:
        """The live session of the browser, or None. Raises StoreUnavailable."""
        value = read_cookies(request.headers).get(self._cookie)
        if value is None:
            return None
        for digest in self._handles.digests("rp_session", value):
            found = await self.load(digest)
            if found is not None:
                return found
        return None

    async def load(self, digest: str) -> SignedIn | None:
        """The live session under that digest, or None."""
        record = await self._store.load(digest)
        if record is None or not self._is_ours(record) or self._clock() >= record.expires_at:
            return None
        return self._opened(record)

    def _is_ours(self, record: RelyingPartySession) -> bool:
        # Another issuer's, or another client's, is another relying party's that shares the store, perhaps the cookie.
        return self._accepts(record.issuer) and record.client_id == self._client_id

    def _opened(self, record: RelyingPartySession) -> SignedIn | None:
        opened = self._seal.open(record.sealed, context=f"rp_session:{record.digest}")
        if opened is None:
            return None
        try:
            return SignedIn(record=record, data=msgspec.json.decode(opened, type=SessionData))
        except msgspec.MsgspecError:
            return None

    async def rewrite(self, signed_in: SignedIn, data: SessionData) -> SignedIn | None:
        """The session with other data, or None when somebody else wrote it, or ended it, in between."""
        before = signed_in.record
        after = msgspec.structs.replace(before, sealed=self._sealed(before.digest, data))
        if not await self._store.replace(before, after):
            return None
        return SignedIn(record=msgspec.structs.replace(after, version=before.version + 1), data=data)

    async def end(self, signed_in: SignedIn) -> None:
        await self._store.delete(signed_in.record.digest)

    async def end_held(self, request: HttpRequest) -> None:
        """End the session of the browser, whichever provider's it is: its cookie is being replaced."""
        value = read_cookies(request.headers).get(self._cookie)
        for digest in self._handles.digests("rp_session", value) if value else ():
            await self._store.delete(digest)

    async def of(self, issuer: str, subject: str) -> tuple[SignedIn, ...]:
        """The live sessions of a user, oldest first."""
        now = self._clock()
        found = await self.matching(issuer, subject=subject)
        opened = [self._opened(record) for record in found if now < record.expires_at]
        return tuple(signed_in for signed_in in opened if signed_in is not None)

    async def matching(
        self, issuer: str, *, session_id: str | None = None, subject: str | None = None
    ) -> Sequence[RelyingPartySession]:
        """The sessions with that `sid`, of that user, or both; expired or not."""
        found = await self._store.list(issuer=issuer, session_id=session_id, subject=subject)
        return [record for record in found if self._is_ours(record)]

    async def end_matching(
        self, issuer: str, *, session_id: str | None = None, subject: str | None = None
    ) -> int:
        """End those sessions; how many there were."""
        found = await self.matching(issuer, session_id=session_id, subject=subject)
        return sum([await self._store.delete(record.digest) for record in found])

    def has_cookie(self, request: HttpRequest) -> bool:
        return self._cookie in read_cookies(request.headers)

    def forget_cookie(self) -> tuple[str, str]:
        """The header field that deletes the browser's cookie."""
        return cookie_header(self._cookie, "", secure=self._site.secure, max_age=0)

    def _sealed(self, digest: str, data: SessionData) -> str:
        return self._seal.seal(msgspec.json.encode(data), context=f"rp_session:{digest}")
