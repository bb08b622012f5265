"""The UserInfo endpoint (OpenID Connect Core §5.3, RFC 6750, RFC 9449 §7, RFC 8705 §3)."""

from collections.abc import Mapping
from datetime import datetime

from authwright.clock import Clock, utcnow
from authwright.crypto.dpop import PROOF_ALGORITHMS
from authwright.crypto.handles import Handles
from authwright.protocol.challenge import build_challenge
from authwright.protocol.errors import InsufficientScope, InvalidRequest, InvalidToken, MethodNotAllowed
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json, Pass, json_response
from authwright.protocol.scopes import OPENID
from authwright.protocol.userinfo import build_userinfo, parse_bearer_token
from authwright.provider.accounts import Accounts
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.sender_constraint import BEARER, DPOP, SenderConstraint
from authwright.provider.stored_tickets import find_access_token
from authwright.stores.protocols import TicketStore
from authwright.ticket import StoredTicket


class UserInfoEndpoint:
    def __init__(
        self,
        *,
        issuer: str,
        tickets: TicketStore,
        handles: Handles,
        accounts: Accounts,
        sender: SenderConstraint,
        events: ProviderEvents,
        clock: Clock = utcnow,
    ) -> None:
        # RFC 9449 §7.1: both ways to send a token.
        algorithms = " ".join(PROOF_ALGORITHMS)
        self._no_token = Headers.of(
            (
                ("www-authenticate", build_challenge(BEARER, {"realm": issuer})),
                ("www-authenticate", build_challenge(DPOP, {"realm": issuer, "algs": algorithms})),
            )
        )
        self._sender = sender
        self._tickets = tickets
        self._handles = handles
        self._accounts = accounts
        self._events = events
        self._clock = clock

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        """Answer with the claims the token's scopes ask for. Raises OAuthError for every refusal."""
        # 1. Read: one token, not in the URL.
        if http.method not in ("GET", "POST"):
            raise MethodNotAllowed("GET", "POST")
        presented = parse_bearer_token(http)
        if presented is None:
            # RFC 6750 §3.1: a request without a token learns how to send one, and no error code.
            return json_response(401, {}, self._no_token)
        scheme, value = presented
        # 2. Is it live, and may it be used this way?
        now = self._clock()
        token = check_live(await find_access_token(self._tickets, self._handles, value, self._events), now)
        await self._sender.check_use(http, scheme, value, token, now)
        if OPENID not in token.ticket.scopes or token.ticket.subject is None:
            raise InsufficientScope("The access token does not carry the openid scope.", scope=OPENID)
        # 3. Who is it for?
        account = await self._accounts.get(token.ticket.subject)
        if account is None:
            raise InvalidToken("The access token is no longer valid.", detail="token.user_gone")
        # 4. Answer.
        claims: Mapping[str, Json] = (
            {**account.claims, **token.ticket.claims} if token.ticket.claims else account.claims
        )
        answer: Mapping[str, Json] = build_userinfo(token.ticket.subject, token.ticket.scopes, claims)
        if "userinfo_endpoint" in self._events.wanted:
            try:
                answer = await self._events.ask("userinfo_endpoint", InvalidRequest, token, answer) or answer
            except AnsweredByEvent as event:
                return event.answer
        answer = await self._events.amend("userinfo_endpoint_response", InvalidRequest, token, answer)
        return json_response(200, answer)


def check_live(token: StoredTicket | None, now: datetime) -> StoredTicket:
    """`token` if it is live. Raises InvalidToken, with one text for every cause."""
    if token is None:
        raise InvalidToken("The access token is not valid.", detail="token.unknown")
    if token.used_at is not None:
        raise InvalidToken("The access token is not valid.", detail="token.revoked")
    if token.expired(now):
        raise InvalidToken("The access token is not valid.", detail="token.expired")
    return token
