"""A login attempt between challenge and callback: one sealed cookie each, few at a time, of limited age.

The URL carries only `state`, a random handle. The cookie binds it to this browser (RFC 9700 §4.7.1) and to the
issuer it was sent to (§4.4.2); opening it needs the very name it was set under.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from authwright.crypto.handles import Handles
from authwright.crypto.seal import Seal
from authwright.protocol.cookies import cookie_header, read_cookies
from authwright.protocol.http import HttpRequest, Json
from authwright.relying_party.client import Site

FLOW_TTL = timedelta(minutes=15)
MAX_FLOWS = 5
MAX_FLOW_BYTES = 3500
"""Of all flow cookies of a browser together, names included."""
MAX_USED = 10_000
_AGAIN = "~"
_COOKIE = "authwright_rp_flow_"
_EARLY = timedelta(minutes=1)


class Flow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a callback needs to know of its challenge. Written without names, since five have to fit a header."""

    state: str
    issuer: str
    client_id: str
    code_verifier: str
    nonce: str
    redirect_uri: str
    return_to: str
    iat: datetime
    max_age: int | None = None
    scopes: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    properties: Mapping[str, Json] = {}
    user_state: str | None = None
    """The `state` an event chose; it comes back in the message."""
    response_type: str = "code"
    party: str = ""
    """The name of the relying party that began it, where an application has several."""
    dpop_key: str = ""
    """The key the tokens are to be bound to, packed (RFC 9449)."""

    def __repr__(self) -> str:
        return f"Flow(issuer={self.issuer!r}, return_to={self.return_to!r})"


class FlowLost(Exception):
    """No flow belongs to the callback; `reason` as in ResponseRejected. `flow`: the one that came too late, if any."""

    def __init__(self, reason: str, flow: Flow | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.flow = flow


class FlowCookies:
    """Writes, finds and deletes flow cookies. Also remembers which states this process has used."""

    __slots__ = ("_cross_site", "_handles", "_lifetime", "_prefix", "_seal", "_site", "_used")

    def __init__(
        self,
        site: Site,
        seal: Seal,
        handles: Handles,
        *,
        lifetime: timedelta = FLOW_TTL,
        cross_site: bool = False,
    ) -> None:
        """`cross_site`: the answer is posted by the provider's page, so the cookie has to come along from there."""
        self._site = site
        self._seal = seal
        self._handles = handles
        self._lifetime = lifetime
        self._cross_site = cross_site
        self._prefix = site.cookie_name(_COOKIE)
        self._used: dict[str, datetime] = {}

    def mint_state(self, *, again: bool) -> str:
        """A new `state`; `again` marks an attempt that was started automatically, so that it is not repeated."""
        return self._handles.mint("flow")[0] + (_AGAIN if again else "")

    def is_again(self, state: str | None) -> bool:
        """Whether `state` is of an attempt that was started automatically."""
        return state is not None and state.endswith(_AGAIN)

    def is_state(self, state: str | None) -> bool:
        """Whether `state` has the form of one of ours."""
        return state is not None and self._handles.has_form("flow", state.removesuffix(_AGAIN))

    def start(self, request: HttpRequest, flow: Flow) -> tuple[tuple[str, str], ...]:
        """The header fields that set the cookie of `flow` and delete those there is no room for.

        Raises ValueError when the flow's properties are too large for a cookie.
        """
        name = self._name(flow.state)
        sealed = self._seal.seal(msgspec.json.encode(flow), context=name)
        size = len(name) + len(sealed)
        if size > MAX_FLOW_BYTES:
            raise ValueError("the items of the challenge are too large for a cookie")
        cookies = [self._set(name, sealed, max_age=int(self._lifetime.total_seconds()))]
        kept = 1
        for other, held_size, held in self._held(request):
            # Newest first: the oldest attempts are the abandoned ones.
            live = held is not None and self._is_live(held, flow.iat)
            if live and kept < MAX_FLOWS and size + held_size <= MAX_FLOW_BYTES:
                kept, size = kept + 1, size + held_size
            else:
                cookies.append(self._set(other, "", max_age=0))
        return tuple(cookies)

    def find(self, request: HttpRequest, state: str, now: datetime) -> Flow:
        """The flow `state` belongs to, in this browser. Raises FlowLost."""
        name = self._name(state)
        sealed = read_cookies(request.headers).get(name)
        if sealed is None:
            raise FlowLost("flow_missing")
        flow = self._open(name, sealed)
        if flow is None or not hmac.compare_digest(flow.state, state):
            raise FlowLost("flow_unreadable")
        if not self._is_live(flow, now):
            raise FlowLost("flow_expired", flow)
        if name in self._used:
            raise FlowLost("flow_used", flow)
        return flow

    def use(self, state: str, now: datetime) -> None:
        """Remember that `state` is spent: the cookie's deletion reaches the browser only with our answer."""
        # All are kept equally long, so the first one in is the first one out.
        while self._used:
            oldest = next(iter(self._used))
            if self._used[oldest] > now and len(self._used) < MAX_USED:
                break
            del self._used[oldest]
        self._used[self._name(state)] = now + self._lifetime

    def end(self, state: str) -> tuple[str, str]:
        """The header field that deletes the cookie of that state."""
        return self._set(self._name(state), "", max_age=0)

    def _name(self, state: str) -> str:
        # A digest, so that the name tells nothing of the state and fits a cookie's alphabet whatever was sent.
        return self._prefix + sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _set(self, name: str, value: str, *, max_age: int) -> tuple[str, str]:
        if not self._cross_site:
            return cookie_header(name, value, secure=self._site.secure, max_age=max_age)
        # RFC 6265bis §5.7: None needs Secure. Browsers take it from loopback too, where http is as safe as https.
        return cookie_header(name, value, secure=True, max_age=max_age, same_site="None")

    def _held(self, request: HttpRequest) -> list[tuple[str, int, Flow | None]]:
        """The flow cookies of a request, newest first, those that do not open last."""
        held = [
            (name, len(name) + len(value), self._open(name, value))
            for name, value in read_cookies(request.headers).items()
            if name.startswith(self._prefix)
        ]
        return sorted(held, key=lambda item: item[2].iat.timestamp() if item[2] else 0.0, reverse=True)

    def _open(self, name: str, sealed: str) -> Flow | None:
        opened = self._seal.open(sealed, context=name)
        if opened is None:
            return None
        try:
            return msgspec.json.decode(opened, type=Flow)
        except msgspec.MsgspecError:
            # A flow of another release: the user starts again.
            return None

    def _is_live(self, flow: Flow, now: datetime) -> bool:
        # The age counts on the server's clock, whatever the browser does with Max-Age.
        return flow.iat - _EARLY <= now < flow.iat + self._lifetime
