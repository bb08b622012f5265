"""The page on which a signed-in user answers backchannel requests, one at a time (CIBA Core 1.0 §8)."""

from dataclasses import dataclass
from datetime import datetime

from authwright.clock import Clock, utcnow
from authwright.protocol.errors import InvalidRequest, MethodNotAllowed, OAuthError
from authwright.protocol.http import HttpRequest, HttpResponse, Pass
from authwright.provider.backchannel import Backchannel
from authwright.provider.backchannel_requests import PendingRequest
from authwright.provider.browser_answers import OURS, BrowserAnswers
from authwright.provider.clients import Clients
from authwright.provider.page_sign_in import PageSignIn
from authwright.provider.pages import (
    BackchannelPage,
    Form,
    NothingPendingPage,
    account_name,
    display_name,
    web_link,
    with_page_headers,
)
from authwright.provider.provider import Endpoint
from authwright.provider.visits import Visits
from authwright.records import Account, Client, Session

REQUESTS_PATH = "/backchannel_authentication/requests"
REQUESTS_LOGIN_PATH = "/backchannel_authentication/login"
REQUESTS_ANSWER_PATH = "/backchannel_authentication/answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelPages:
    """Serves the page (GET) and the forms behind it (POST)."""

    visits: Visits
    backchannel: Backchannel
    clients: Clients
    who: PageSignIn
    answers: BrowserAnswers
    clock: Clock = utcnow

    def routes(self) -> dict[str, Endpoint]:
        """Full path to what answers there."""
        base = self.visits.settings.base_path
        return {
            base + REQUESTS_PATH: self.handle,
            base + REQUESTS_LOGIN_PATH: self.login,
            base + REQUESTS_ANSWER_PATH: self.answer,
        }

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """The page: the oldest request that waits."""
        try:
            return await self._show(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("backchannel", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("backchannel", fault, request)

    async def login(self, request: HttpRequest) -> HttpResponse | Pass:
        """The login page's form (POST)."""
        try:
            return await self._login(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("backchannel", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("backchannel", fault, request)

    async def answer(self, request: HttpRequest) -> HttpResponse | Pass:
        """The page's form (POST)."""
        try:
            return await self._answer(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("backchannel", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("backchannel", fault, request)

    async def _show(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Who is the person?
        if request.method != "GET":
            raise MethodNotAllowed("GET")
        known = self.visits.binding.read(request)
        browser = known or self.visits.binding.fresh()
        session, account = await self.who.signed_in(request, now)
        if session is None or account is None:
            page = await self.who.page(self.visits.begin("", now), browser, None)
        else:
            # 2. What waits for them?
            page = await self._pending_page(browser, session, account)
        return page if known else page.with_headers(self.visits.binding.cookie(browser))

    async def _login(self, request: HttpRequest, now: datetime) -> HttpResponse:
        returned = self.visits.read(request)
        fields, browser = returned.fields, returned.browser
        visit = self.visits.open(fields.one("visit"), browser, now)
        if visit is None or fields.one("action") == "cancel":
            return self.visits.back(None, browser)
        return await self.who.attempt(fields, request, visit, browser, None, now)

    async def _answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it our page, and is the person still signed in?
        returned = self.visits.read(request)
        fields, browser = returned.fields, returned.browser
        session, account = await self.who.signed_in(request, now)
        if session is None or account is None:
            return self.visits.back(None, browser)

        # 2. Is it about exactly what was shown, to exactly this session, and about its own user?
        waiting = {item.id: item for item in await self.backchannel.pending(session.subject)}
        pending = waiting.get(fields.one("request") or "")
        if pending is None:
            return self.visits.back(None, browser)
        self.visits.binding.check_token(
            fields.one("csrf"), "backchannel", browser, *_shown_facts(pending, session)
        )
        action = fields.one("action")
        if action not in ("allow", "deny"):
            raise InvalidRequest("Choose whether to allow or to deny.", detail="ciba.action")

        # 3. The answer; then what waits next. A sign-out that was faster wins.
        if action == "deny":
            await self.backchannel.deny(pending.id)
        elif await self.who.sessions.note_client(session, pending.client_id):
            await self.backchannel.approve(pending.id, session=session)
        return self.visits.back(None, browser)

    async def _pending_page(self, browser: str, session: Session, account: Account) -> HttpResponse:
        waiting: list[tuple[PendingRequest, Client]] = []
        for item in await self.backchannel.pending(session.subject):
            client = await self.clients.get(item.client_id)
            if client is not None:
                waiting.append((item, client))
        if not waiting:
            nothing = NothingPendingPage(account=account_name(account))
            return with_page_headers(await self.answers.pages.backchannel(nothing))
        pending, client = waiting[0]
        token = self.visits.binding.token("backchannel", browser, *_shown_facts(pending, session))
        page = BackchannelPage(
            form=Form(
                action=self.visits.settings.base_path + REQUESTS_ANSWER_PATH,
                hidden=(("request", pending.id), ("csrf", token)),
            ),
            client_name=display_name(client),
            client_uri=web_link(client.client_uri),
            policy_uri=web_link(client.policy_uri),
            tos_uri=web_link(client.tos_uri),
            account=account_name(account),
            binding_message=pending.binding_message,
            scopes=pending.scopes,
            resources=pending.resources,
            further=len(waiting) - 1,
        )
        return with_page_headers(await self.answers.pages.backchannel(page))


def _shown_facts(pending: PendingRequest, session: Session) -> tuple[str, ...]:
    """What the person agrees to."""
    return (
        session.digest,
        pending.id,
        pending.client_id,
        pending.binding_message,
        " ".join(pending.scopes),
        " ".join(pending.resources),
    )
