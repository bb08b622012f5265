"""JSON documents of other servers: fetched within bounds, cached, one fetch at a time, kept while their source is down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from authwright.clock import Clock, utcnow
from authwright.protocol.http import NO_HEADERS, Fetch, Headers, HttpRequest, HttpResponse, Json

_LOG = logging.getLogger("authwright.remote")

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

MAX_DOCUMENT = 64 * 1024
"""Bytes of a metadata document, a key set or a token response."""

_PASSING = (408, 503)
_ACCEPT_JSON = Headers(((b"accept", b"application/json"),))


class RemoteFault(Exception):
    """Another server gave no usable answer: nothing was decided, and trying again later is right.

    `reason` is a short code for the log ("unreachable", "status", "too_large", "not_json", "issuer_mismatch", …);
    it never holds text of the other server.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def send(fetch: Fetch, request: HttpRequest, *, max_size: int = MAX_DOCUMENT) -> HttpResponse:
    """The answer to `request`. Raises RemoteFault when none came or it is larger than `max_size` bytes."""
    try:
        response = await fetch(request)
    except OSError:
        # The text of the error may name addresses inside our network, so it goes no further.
        raise RemoteFault("unreachable") from None
    if len(response.body) > max_size:
        raise RemoteFault("too_large")
    return response


def request_to(method: str, url: str, headers: Headers = NO_HEADERS, body: bytes = b"") -> HttpRequest:
    """A request to an address another server published. Raises RemoteFault when it is none that can be called."""
    try:
        return HttpRequest.to(method, url, headers=headers, body=body)
    except ValueError:
        raise RemoteFault("endpoint_malformed") from None


async def fetch_json(fetch: Fetch, url: str, *, max_size: int = MAX_DOCUMENT) -> Json:
    """The JSON document at `url`. Raises RemoteFault."""
    # A query may name a user (RFC 7033 §4.1), who has no place in a log.
    where = url.partition("?")[0]
    try:
        content = await _fetch_json(fetch, url, max_size)
    except RemoteFault as fault:
        # A copy that is held may stand in for it, and then nobody else would say why.
        _LOG.warning(
            "not fetched: %s: %s",
            where,
            fault.reason,
            extra={"event": "remote.not_fetched", "url": where, "reason": fault.reason},
        )
        raise
    _LOG.info("fetched", extra={"event": "remote.fetched", "url": where})
    return content


async def _fetch_json(fetch: Fetch, url: str, max_size: int) -> Json:
    response = await send(fetch, request_to("GET", url, _ACCEPT_JSON), max_size=max_size)
    # RFC 9110 §15.5.9, §15.6.4: it was the moment, not the document, so it is worth one more try.
    if response.status in _PASSING:
        response = await send(fetch, request_to("GET", url, _ACCEPT_JSON), max_size=max_size)
    # A redirect is an answer like any other that is not the document: it is never followed.
    if response.status != 200:
        raise RemoteFault("not_found" if response.status == 404 else "status")
    return read_json(response)


def read_json(response: HttpResponse) -> Json:
    """The body as JSON. Raises RemoteFault("not_json")."""
    try:
        return response.json()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise RemoteFault("not_json") from None


class CachedDocument(Generic[T]):
    """One document, held for `ttl` and, while its source is down, for `stale` longer.

    For `background` after `ttl` the copy is still given while a newer one is fetched, so that nobody waits for it.
    Callers that need it at the same time share one fetch, and one that is cancelled does not take it from the others.
    After a failure the source is left alone: for `pause` when a copy is held, for `first_pause` when there is none.
    """

    __slots__ = (
        "_background", "_clock", "_failed_at", "_fault", "_fetched_at", "_first_pause", "_held", "_load", "_loading", "_pause",
        "_refetched_at", "_stale", "_ttl",
    )  # fmt: skip

    def __init__(
        self,
        load: Callable[[], Awaitable[T]],
        *,
        ttl: timedelta,
        clock: Clock = utcnow,
        stale: timedelta = timedelta(hours=24),
        background: timedelta = timedelta(0),
        pause: timedelta = timedelta(seconds=60),
        first_pause: timedelta = timedelta(seconds=2),
    ) -> None:
        self._load = load
        self._ttl = ttl
        self._clock = clock
        self._stale = stale
        self._background = background
        self._pause = pause
        self._first_pause = first_pause
        self._held: T | None = None
        self._fetched_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._refetched_at: datetime | None = None
        self._fault = RemoteFault("unreachable")
        self._loading: asyncio.Task[T] | None = None

    @property
    def fresh(self) -> bool:
        """Whether `get` answers from the copy it holds, without asking the source."""
        return self._held is not None and _within(self._fetched_at, self._clock(), self._ttl)

    async def get(self) -> T:
        """The document. Raises RemoteFault when it cannot be had and no copy is young enough."""
        now = self._clock()
        if self._held is not None and _within(self._fetched_at, now, self._ttl):
            return self._held
        paused = _within(self._failed_at, now, self._first_pause if self._held is None else self._pause)
        if self._held is not None and _within(self._fetched_at, now, self._ttl + self._background):
            if not paused:
                self._start_load()
            return self._held
        if self._loading is None and paused:
            return self._stale_copy(now)
        try:
            return await self._share_load()
        except RemoteFault:
            return self._stale_copy(now)

    async def refetch(self) -> T | None:
        """A copy fetched now, or None when one was asked for within the last `pause` or the fetch failed."""
        now = self._clock()
        if self._loading is None:
            # Whatever made the caller want a newer copy may be forged, so the source is asked once per pause.
            if _within(self._refetched_at, now, self._pause):
                return None
            self._refetched_at = now
        try:
            return await self._share_load()
        except RemoteFault:
            return None

    def _stale_copy(self, now: datetime) -> T:
        if self._held is not None and _within(self._fetched_at, now, self._ttl + self._stale):
            return self._held
        raise RemoteFault(self._fault.reason)

    async def _share_load(self) -> T:
        return await asyncio.shield(self._start_load())

    def _start_load(self) -> "asyncio.Task[T]":
        """The load that is under way, or a new one."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load_once())
            # All callers may be cancelled before it ends; its failure is then nobody's and must not be reported.
            self._loading.add_done_callback(_observe)
        return self._loading

    async def _load_once(self) -> T:
        try:
            loaded = await self._load()
        except RemoteFault as fault:
            self._failed_at, self._fault = self._clock(), fault
            raise
        else:
            self._held, self._fetched_at, self._failed_at = loaded, self._clock(), None
            return loaded
        finally:
            self._loading = None


class CachedDocuments(Generic[K, T]):
    """A `CachedDocument` for each key, at most `most` of them: the one not asked for longest goes."""

    __slots__ = ("_documents", "_make", "_most")

    def __init__(self, make: Callable[[K], CachedDocument[T]], *, most: int = 1_000) -> None:
        self._make = make
        self._most = most
        self._documents: dict[K, CachedDocument[T]] = {}

    def of(self, key: K) -> CachedDocument[T]:
        """The document under `key`, made when it is first asked for."""
        document = self._documents.pop(key, None) or self._make(key)
        # Whoever chooses keys could make it grow without end.
        while len(self._documents) >= self._most:
            del self._documents[next(iter(self._documents))]
        self._documents[key] = document
        return document

    def forget(self, key: K) -> None:
        """Ask the source anew when `key` is next asked for."""
        self._documents.pop(key, None)


def _within(start: datetime | None, now: datetime, span: timedelta) -> bool:
    # A clock that was set back must not make a moment in the future last: then it counts as not within.
    return start is not None and start <= now < start + span


def _observe(task: "asyncio.Task[T]") -> None:
    if not task.cancelled():
        task.exception()
