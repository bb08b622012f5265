"""The authorization endpoint (RFC 6749 §3.1, §4.1.1; OpenID Connect Core §3.1.2; RFC 7636, RFC 8707, RFC 9207).

The browser comes here first with the client's request, and comes back with an `interaction` after each page. Every
visit runs the same phases from the top, so nothing that was checked once is ever taken for granted.
"""

from dataclasses import dataclass
from datetime import datetime

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import ordered_id, random_id
from authwright.protocol.authorization import AuthorizationResponse
from authwright.protocol.errors import (
    AccessDenied,
    InvalidRequest,
    LoginRequired,
    OAuthError,
    TemporarilyUnavailable,
)
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, see_other
from authwright.protocol.params import MAX_VALUE, Params
from authwright.provider.accounts import Accounts
from authwright.provider.authorization_request import (
    AuthorizationRequests,
    ValidatedAuthorizationRequest,
)
from authwright.provider.browser_answers import OURS, BrowserAnswers, read_params
from authwright.provider.browser_binding import BrowserBinding
from authwright.provider.events import AnsweredByEvent, ProviderEvents
from authwright.provider.interaction import (
    Interaction,
    Interactions,
    Issue,
    NeedAccountChoice,
    NeedConsent,
    NeedLogin,
    NextStep,
    Refuse,
    next_step,
)
from authwright.provider.interaction_pages import InteractionPages
from authwright.provider.minting import Minting
from authwright.provider.sessions import ProviderSessions
from authwright.provider.settings import Settings
from authwright.records import Account, Session
from authwright.stores.protocols import Committed, ConsentStore, TicketStore
from authwright.ticket import CodeBinding, Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeEndpoint:
    """Serves `/authorize` (GET, POST)."""

    settings: Settings
    requests: AuthorizationRequests
    interactions: Interactions
    binding: BrowserBinding
    sessions: ProviderSessions
    accounts: Accounts
    consents: ConsentStore
    tickets: TicketStore
    minting: Minting
    steps: InteractionPages
    answers: BrowserAnswers
    events: ProviderEvents
    clock: Clock = utcnow

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """Answers with a redirect to the client, or with a page. Nothing leaves as an exception but bugs."""
        try:
            return await self._answer(request, self.clock())
        except AnsweredByEvent as answered:
            return answered.answer
        except OAuthError as refusal:
            # RFC 9700 §4.11: no redirect was proven to be the client's, so the person reads what is wrong.
            return await self.answers.refusal_page("authorize", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("authorize", fault, request)

    async def _answer(self, request: HttpRequest, now: datetime) -> HttpResponse | Pass:
        # 1. Where may an answer go? Client and redirect URI alone decide.
        params = read_params(request)
        interaction = self._resumed(request, params)
        if interaction is not None:
            params = interaction.params
            if self.interactions.expired(interaction, now):
                return self._start_over(params)
        target = await self.requests.target(params)
        try:
            # 2. May this client ask for this?
            validated = await self.requests.validate(params, target)
            if "validate_authorization_request" in self.events.wanted:
                await self.events.ask(
                    "validate_authorization_request", InvalidRequest, validated.asked, target.client, request
                )
            if request.method == "POST":
                return self._start_over(params)

            # 3. What must the person still do?
            session, account = await self._signed_in(request, now)
            consent = None
            if session is not None:
                consent = await self.consents.get(session.subject, target.client.client_id)
            step = next_step(validated, session, consent, now, interaction)

            # 4. A page, or a code.
            if isinstance(step, Issue):
                return await self._issue(validated, step.session, now)
            if isinstance(step, Refuse):
                raise step.error
            if interaction is None:
                interaction = self.interactions.begin(params, now)
            return await self._page(request, validated, step, interaction, account)
        except OAuthError as refusal:
            return await self.answers.refusal_to_client(target, refusal, request)

    def _resumed(self, request: HttpRequest, params: Params) -> Interaction | None:
        """The interaction the browser comes back with; None for a request that is new."""
        sealed = params.one("interaction")
        return None if sealed is None else self.interactions.open(sealed, self.binding.read(request))

    def _start_over(self, params: Params) -> HttpResponse:
        """The same request by GET and from the start.

        A POST from the client's site comes without our SameSite=Lax cookies (RFC 6265bis §5.2), and would find nobody
        signed in; the GET that follows the redirect has them.
        """
        encoded = params.encoded()
        if len(encoded) > 2 * MAX_VALUE:
            raise InvalidRequest("The request is too large.", detail="dos.limit")
        return see_other(f"{self.settings.base_path}/authorize?{encoded}")

    async def _signed_in(self, request: HttpRequest, now: datetime) -> tuple[Session | None, Account | None]:
        """The browser's session with its account; neither when the account is gone or disabled."""
        session = await self.sessions.current(request, now)
        account = await self.accounts.get(session.subject) if session is not None else None
        return (session, account) if account is not None else (None, None)

    async def _page(
        self,
        request: HttpRequest,
        validated: ValidatedAuthorizationRequest,
        step: NextStep,
        interaction: Interaction,
        account: Account | None,
    ) -> HttpResponse:
        known = self.binding.read(request)
        browser = known or self.binding.fresh()
        if isinstance(step, NeedConsent) and account is not None:
            response = await self.steps.consent(validated, interaction, browser, step.session, account)
        elif isinstance(step, NeedAccountChoice) and account is not None:
            response = await self.steps.account_choice(
                validated.target, interaction, browser, step.session, account
            )
        elif isinstance(step, NeedLogin):
            hint = validated.asked.login_hint or ""
            response = await self.steps.login(validated.target, interaction, browser, username=hint)
        else:
            raise AssertionError("a step without a page")
        return response if known else response.with_headers(self.binding.cookie(browser))

    async def _issue(
        self, validated: ValidatedAuthorizationRequest, session: Session, now: datetime
    ) -> HttpResponse | Pass:
        asked, client = validated.asked, validated.client
        # A sign-out that was faster than this request wins.
        if not await self.sessions.note_client(session, client.client_id):
            raise LoginRequired("The user must sign in.", detail="authz.session_ended")
        ticket = Ticket(
            grant_id=ordered_id(now),
            client_id=client.client_id,
            subject=session.subject,
            session_id=session.session_id,
            scopes=validated.scopes,
            resources=validated.resources,
            presenters=frozenset({client.client_id}),
            auth_time=session.auth_time,
            acr=session.acr,
            amr=session.amr,
            nonce=asked.nonce,
        )
        if "authorization_endpoint" in self.events.wanted:
            ticket = (
                await self.events.ask("authorization_endpoint", AccessDenied, asked, client, ticket) or ticket
            )
        binding = CodeBinding(
            redirect_uri=validated.target.redirect_uri,
            code_challenge=validated.code_challenge,
            dpop_jkt=asked.dpop_jkt,
        )
        minted = await self.minting.authorization_code(ticket, binding, client, now)
        response = AuthorizationResponse(
            code=minted.value, state=validated.target.state, iss=self.settings.issuer
        )
        answer: HttpResponse | Pass | None = None
        if "authorization_endpoint_response" in self.events.wanted:
            try:
                amended = await self.events.ask(
                    "authorization_endpoint_response", AccessDenied, asked, client, response
                )
                response = amended or response
            except AnsweredByEvent as answered:
                answer = answered.answer
        # An application that answered may have sent the code itself; one that passed, or took it out, has not.
        if minted.record is not None and response.code == minted.value and not isinstance(answer, Pass):
            committed = await self.tickets.commit(id=random_id(), now=now, add=[minted.record])
            if not isinstance(committed, Committed):
                raise TemporarilyUnavailable(
                    "The code could not be stored. Try again.", detail="authz.commit"
                )
        return answer if answer is not None else await self.answers.to_client(validated.target, response)
