"""Signing out at the provider (OpenID Connect RP-Initiated Logout 1.0).

What ends is the person's session in this browser: its cookie is worth nothing afterwards, and `prompt=none` finds
nobody. Tokens are not revoked. Access tokens run out within minutes; refresh tokens were given for use while the
person is away (OpenID Connect Core §11) and outlive a sign-out by design. To take those back, revoke the grant.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from authwright.clock import Clock, utcnow
from authwright.crypto.seal import Seal
from authwright.protocol.authorization import add_to_url
from authwright.protocol.errors import InvalidRequest, OAuthError, ServerError
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, see_other
from authwright.protocol.logout import LogoutRequest, build_logout_request, parse_logout_request
from authwright.protocol.params import MAX_VALUE, Params
from authwright.provider.accounts import Accounts
from authwright.provider.audit import Audit, SignedOut
from authwright.provider.backchannel_logout import BackchannelLogout
from authwright.provider.browser_answers import OURS, BrowserAnswers, read_form, read_params
from authwright.provider.browser_binding import BrowserBinding, ForgedRequest, check_same_origin
from authwright.provider.clients import Clients
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.id_token_hint import IdTokenHint, IdTokenHints
from authwright.provider.pages import (
    ConfirmLogoutPage,
    Form,
    SignedOutPage,
    account_name,
    display_name,
    form_targets,
    with_page_headers,
)
from authwright.provider.sessions import ProviderSessions
from authwright.provider.settings import Settings
from authwright.records import Client, Session

CONFIRM_PATH = "/end_session/confirm"


class _Asked(msgspec.Struct, frozen=True, array_like=True):
    """A logout request that waits for the person's word."""

    parameters: tuple[tuple[str, str], ...]
    session: str
    """Digest of the session it would end; empty for none."""
    asked_at: datetime


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logout:
    """A logout request whose every part was checked."""

    request: LogoutRequest
    client: Client | None
    hint: IdTokenHint | None

    @property
    def destination(self) -> str | None:
        """Where the browser goes afterwards: registered for the client, with `state`."""
        uri = self.request.post_logout_redirect_uri
        if uri is None or self.request.state is None:
            return uri
        return add_to_url(uri, Params.of({"state": self.request.state}))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessionEndpoint:
    """Serves `/end_session` (GET, POST) with `handle`, and the form of its question (POST) with `confirm`."""

    settings: Settings
    clients: Clients
    hints: IdTokenHints
    sessions: ProviderSessions
    accounts: Accounts
    binding: BrowserBinding
    seal: Seal
    answers: BrowserAnswers
    events: ProviderEvents
    audit: Audit
    notices: BackchannelLogout
    clock: Clock = utcnow
    patience: timedelta = timedelta(minutes=10)
    """How long the question may stand unanswered."""

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """Answers with a redirect, the question, the signed-out page, or an error page."""
        try:
            return await self._answer(request, self.clock())
        except AnsweredByEvent as answered:
            return answered.answer
        except OAuthError as refusal:
            return await self.answers.refusal_page("end_session", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("end_session", fault, request)

    async def confirm(self, request: HttpRequest) -> HttpResponse | Pass:
        """The person said yes."""
        try:
            return await self._confirmed(request, self.clock())
        except AnsweredByEvent as answered:
            return answered.answer
        except OAuthError as refusal:
            return await self.answers.refusal_page("end_session", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("end_session", fault, request)

    async def _answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is everything it says true and registered?
        logout = await self._check(read_params(request))
        if request.method == "POST":
            # As at the authorization endpoint: a POST from another site comes without the session's cookie.
            return self._by_get(logout.request)

        # 2. Whose session is it?
        session = await self.sessions.current(request, now)
        if "validate_logout_request" in self.events.wanted:
            await self.events.ask(
                "validate_logout_request", InvalidRequest, logout.request, logout.client, session
            )

        # 3. A token of this very session is the person's own word; anything less asks them first (§2, §6).
        if logout.hint is not None and (session is None or _speaks_for(logout.hint, session)):
            return await self._end(logout, session)
        if session is None and logout.destination is None:
            return await self._end(logout, None)
        return await self._ask(request, logout, session, now)

    async def _confirmed(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it our question, from the browser it was put to, and not too old?
        form = read_form(request)
        form.refuse_repeated(frozenset())
        check_same_origin(request, self.settings)
        browser = self.binding.read(request)
        asked = self._open(form.one("logout"), browser)
        if browser is None or asked is None or asked.asked_at + self.patience < now:
            raise ForgedRequest(
                "This page is no longer valid. Sign out again from the application.", detail="csrf.browser"
            )
        self.binding.check_token(
            form.one("csrf"), "logout", browser, asked.session, asked.asked_at.isoformat()
        )

        # 2. Is it about the session that was shown?
        session = await self.sessions.current(request, now)
        if session is not None and session.digest != asked.session:
            raise ForgedRequest(
                "Somebody else has signed in meanwhile. Sign out again from the application.",
                detail="csrf.session",
            )

        # 3. Is everything still true and registered?
        return await self._end(await self._check(Params.of(asked.parameters)), session)

    async def _check(self, params: Params) -> _Logout:
        """Raises InvalidRequest, shown as a page, for a hint, a client or a URI that is not what it must be."""
        asked = parse_logout_request(params)
        hint = await self.hints.read(asked.id_token_hint) if asked.id_token_hint is not None else None
        client_id = asked.client_id
        if hint is not None:
            if client_id is not None and client_id not in hint.audiences:
                # RP-Initiated Logout 1.0 §2: client_id must be the one the ID token was issued to.
                raise InvalidRequest(
                    "The id_token_hint was not issued to this client_id.", detail="logout.audience"
                )
            client_id = client_id or hint.audiences[0]
        client = await self.clients.get(client_id) if client_id is not None else None
        if client_id is not None and client is None:
            raise InvalidRequest("The client_id is not registered.", detail="logout.client_unknown")
        uri = asked.post_logout_redirect_uri
        taken = uri is not None and await self._taken_by_event(client, uri)
        if uri is not None and client is None and not taken:
            raise InvalidRequest(
                "The post_logout_redirect_uri needs an id_token_hint or a client_id.", detail="logout.no_hint"
            )
        # RP-Initiated Logout 1.0 §3: exactly as registered, as text.
        if (
            uri is not None
            and client is not None
            and not taken
            and uri not in client.post_logout_redirect_uris
        ):
            raise InvalidRequest(
                "The post_logout_redirect_uri is not registered for this client.",
                detail="logout.redirect_mismatch",
            )
        return _Logout(request=asked, client=client, hint=hint)

    async def _taken_by_event(self, client: Client | None, uri: str) -> bool:
        """Whether an event takes the URI without comparison."""
        event = "validate_client_logout_redirect_uri"
        if event not in self.events.wanted:
            return False
        taken: str | None = await self.events.ask(event, InvalidRequest, client, uri)
        if taken is not None and taken != uri:
            raise ServerError(detail=f"event.redirect_uri: {event} answered another URI")
        return taken is not None

    async def _end(self, logout: _Logout, session: Session | None) -> HttpResponse:
        client_id = logout.client.client_id if logout.client is not None else None
        if session is not None:
            await self.sessions.end(session)
            self.notices.tell(session)
            self.audit.record(
                SignedOut(subject=session.subject, session_id=session.session_id, client_id=client_id)
            )
        if "logout_endpoint" in self.events.wanted:
            await self.events.ask("logout_endpoint", InvalidRequest, logout.request, logout.client, session)
        if logout.destination is not None:
            response = see_other(logout.destination, self.sessions.no_cookie())
        else:
            name = display_name(logout.client) if logout.client is not None else ""
            page = with_page_headers(await self.answers.pages.signed_out(SignedOutPage(client_name=name)))
            response = page.with_headers(self.sessions.no_cookie())
        if "logout_endpoint_response" in self.events.wanted:
            await self.events.ask(
                "logout_endpoint_response", InvalidRequest, logout.request, logout.client, response
            )
        return response

    async def _ask(
        self, request: HttpRequest, logout: _Logout, session: Session | None, now: datetime
    ) -> HttpResponse:
        known = self.binding.read(request)
        browser = known or self.binding.fresh()
        digest = session.digest if session is not None else ""
        asked = _Asked(build_logout_request(logout.request).pairs(), digest, now)
        sealed = self.seal.seal(_encoder.encode(asked), context=browser)
        if len(sealed) > MAX_VALUE:
            raise InvalidRequest("The request is too large.", detail="dos.limit")
        account = await self.accounts.get(session.subject) if session is not None else None
        uri = logout.request.post_logout_redirect_uri
        page = ConfirmLogoutPage(
            form=Form(
                action=self.settings.base_path + CONFIRM_PATH,
                hidden=(
                    ("logout", sealed),
                    ("csrf", self.binding.token("logout", browser, digest, now.isoformat())),
                ),
                targets=form_targets(logout.client, uri)
                if uri is not None and logout.client is not None
                else (),
            ),
            client_name=display_name(logout.client) if logout.client is not None else "",
            account=account_name(account) if account is not None else "",
        )
        response = with_page_headers(await self.answers.pages.confirm_logout(page))
        return response if known else response.with_headers(self.binding.cookie(browser))

    def _by_get(self, asked: LogoutRequest) -> HttpResponse:
        encoded = build_logout_request(asked).encoded()
        if len(encoded) > 2 * MAX_VALUE:
            raise InvalidRequest("The request is too large.", detail="dos.limit")
        path = f"{self.settings.base_path}/end_session"
        return see_other(f"{path}?{encoded}" if encoded else path)

    def _open(self, sealed: str | None, browser: str | None) -> _Asked | None:
        if sealed is None or browser is None:
            return None
        data = self.seal.open(sealed, context=browser)
        try:
            return _decoder.decode(data) if data is not None else None
        except msgspec.DecodeError:
            return None


def _speaks_for(hint: IdTokenHint, session: Session) -> bool:
    """Whether the ID token came out of `session`: by `sid`, or by subject where it has none."""
    if hint.session_id is not None:
        return hint.session_id == session.session_id
    return hint.subject == session.subject
