"""Where the login page and the consent page are posted (RFC 6749 §3.1; RFC 9700 §4.7, §4.12, §4.16).

Neither issues anything. Each notes in the interaction what was done and sends the browser back to the authorization
endpoint, always by 303, so that a password is posted once only.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import msgspec

from authwright.clock import Clock, utcnow
from authwright.protocol.errors import AccessDenied, InvalidRequest, OAuthError
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, see_other
from authwright.protocol.params import Params
from authwright.provider.authorization_request import AuthorizationRequests
from authwright.provider.browser_answers import OURS, BrowserAnswers, read_form
from authwright.provider.browser_binding import BrowserBinding, ForgedRequest, check_same_origin
from authwright.provider.interaction import Interaction, Interactions
from authwright.provider.interaction_pages import InteractionPages
from authwright.provider.sessions import ProviderSessions
from authwright.provider.settings import Settings
from authwright.provider.sign_in import NotSignedIn, SignIn
from authwright.records import Consent
from authwright.stores.protocols import ConsentStore, OnceStore


@dataclass(frozen=True, slots=True)
class _Returned:
    """A form of ours that came back to where it was shown."""

    form: Params
    interaction: Interaction
    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionForms:
    """What both posts have in common: being from the right browser, and going back."""

    settings: Settings
    interactions: Interactions
    binding: BrowserBinding

    def read(self, request: HttpRequest) -> _Returned:
        """The form. Raises ForgedRequest when another site or another browser sent it, InvalidRequest when it is malformed."""
        form = read_form(request)
        form.refuse_repeated(frozenset())
        check_same_origin(request, self.settings)
        browser = self.binding.read(request)
        interaction = self.interactions.open(form.one("interaction"), browser)
        if browser is None:
            raise AssertionError("an interaction opened without a browser")
        return _Returned(form, interaction, browser)

    def back(self, interaction: Interaction, browser: str, *fields: tuple[str, str]) -> HttpResponse:
        """To the authorization endpoint, which decides what comes next."""
        sealed = quote(self.interactions.seal(interaction, browser))
        return see_other(f"{self.settings.base_path}/authorize?interaction={sealed}", *fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginEndpoint:
    """Serves the login page's form (POST)."""

    forms: InteractionForms
    requests: AuthorizationRequests
    sessions: ProviderSessions
    sign_in: SignIn
    steps: InteractionPages
    answers: BrowserAnswers
    clock: Clock = utcnow

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """Answers with a redirect, the login page once more, or an error page."""
        try:
            return await self._answer(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("login", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("login", fault, request)

    async def _answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it our page, from the browser we gave it to, about a client that is still there?
        returned = self.forms.read(request)
        form, interaction, browser = returned.form, returned.interaction, returned.browser
        self.steps.check_login(form.one("csrf"), interaction, browser)
        target = await self.requests.target(interaction.params)
        action = form.one("action")

        # 2. What did the person choose?
        if action == "cancel":
            refusal = AccessDenied("The user cancelled the sign-in.", detail="login.cancelled")
            return await self.answers.refusal_to_client(target, refusal, request)
        if self.forms.interactions.expired(interaction, now):
            return self.forms.back(interaction, browser)
        before = await self.sessions.current(request, now)
        if action == "continue":
            if before is None:
                return self.forms.back(interaction, browser)
            self.steps.check_account_choice(form.one("account"), interaction, browser, before)
            return self.forms.back(msgspec.structs.replace(interaction, chosen=before.digest), browser)

        # 3. Who is it?
        outcome = await self.sign_in.attempt(
            form, request, before=before, client_id=target.client.client_id, now=now
        )
        if isinstance(outcome, NotSignedIn):
            return await self.steps.login(
                target,
                interaction,
                browser,
                username=outcome.username,
                problem=outcome.problem,
                status=outcome.status,
                retry_after=outcome.retry_after,
            )

        # 4. A new session, and back to the request.
        return self.forms.back(
            msgspec.structs.replace(interaction, signed_in=outcome.session.digest), browser, outcome.cookie
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEndpoint:
    """Serves the consent page's form (POST)."""

    forms: InteractionForms
    requests: AuthorizationRequests
    sessions: ProviderSessions
    consents: ConsentStore
    once: OnceStore
    steps: InteractionPages
    answers: BrowserAnswers
    clock: Clock = utcnow

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """Answers with a redirect or an error page."""
        try:
            return await self._answer(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("consent", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("consent", fault, request)

    async def _answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it our page, from the browser we gave it to, and is the person still signed in?
        returned = self.forms.read(request)
        form, interaction, browser = returned.form, returned.interaction, returned.browser
        session = await self.sessions.current(request, now)
        if session is None or self.forms.interactions.expired(interaction, now):
            return self.forms.back(interaction, browser)

        # 2. Is it about exactly what was shown, to exactly this session?
        target = await self.requests.target(interaction.params)
        try:
            validated = await self.requests.validate(interaction.params, target)
        except OAuthError as refusal:
            return await self.answers.refusal_to_client(target, refusal, request)
        self.steps.check_consent(form.one("csrf"), validated, interaction, browser, session)
        action = form.one("action")
        if action not in ("allow", "deny"):
            raise InvalidRequest("Choose whether to allow or to deny.", detail="consent.action")

        # 3. Once only: a second post of the same page finds it answered.
        if not await self.once.claim(
            f"consent|{interaction.id}", self.forms.interactions.ends_at(interaction)
        ):
            raise ForgedRequest(
                "This page was answered already. Go back to the application and start again.",
                detail="csrf.replayed",
            )
        if action == "deny":
            denied = AccessDenied("The user denied the request.", detail="consent.denied")
            return await self.answers.refusal_to_client(target, denied, request)

        # 4. Remember it, and back to the request.
        client_id = target.client.client_id
        known = await self.consents.get(session.subject, client_id)
        scopes = frozenset(validated.scopes) | (known.scopes if known is not None else frozenset())
        await self.consents.put(
            Consent(subject=session.subject, client_id=client_id, scopes=scopes, granted_at=now)
        )
        return self.forms.back(msgspec.structs.replace(interaction, consented=session.digest), browser)
