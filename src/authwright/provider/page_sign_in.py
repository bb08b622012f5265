"""Signing in on the way to a page of the provider's own, to which the person comes back (RFC 8628 §3.3)."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import Params
from authwright.provider.accounts import Accounts
from authwright.provider.browser_answers import BrowserAnswers
from authwright.provider.interaction_pages import MAX_USERNAME
from authwright.provider.pages import Form, LoginPage, display_name, with_page_headers
from authwright.provider.sessions import ProviderSessions
from authwright.provider.sign_in import NotSignedIn, SignIn
from authwright.provider.visits import Visit, Visits
from authwright.records import Account, Client, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSignIn:
    """Shows the login page within a visit and takes its form."""

    path: str
    """Where the form is posted, below the issuer."""
    visits: Visits
    accounts: Accounts
    sessions: ProviderSessions
    sign_in: SignIn
    answers: BrowserAnswers

    async def signed_in(self, request: HttpRequest, now: datetime) -> tuple[Session | None, Account | None]:
        """The browser's session with its account; neither when the account is gone or disabled."""
        session = await self.sessions.current(request, now)
        account = await self.accounts.get(session.subject) if session is not None else None
        return (session, account) if account is not None else (None, None)

    async def page(
        self, visit: Visit, browser: str, client: Client | None, failed: NotSignedIn | None = None
    ) -> HttpResponse:
        """The login page; `failed` is why it is shown once more."""
        issuer = urlsplit(self.visits.settings.issuer).netloc
        form = Form(
            action=self.visits.settings.base_path + self.path,
            hidden=(
                ("visit", self.visits.sealed(visit, browser)),
                ("csrf", self._token(visit, browser)),
            ),
        )
        retry_after = failed.retry_after if failed is not None else None
        page = LoginPage(
            form=form,
            client_name=display_name(client) if client is not None else issuer,
            # Nobody is redirected to a client: the person comes back to our own page.
            redirect_host=issuer,
            username=failed.username[:MAX_USERNAME] if failed is not None else "",
            problem=failed.problem if failed is not None else "",
            status=failed.status if failed is not None else 200,
            retry_after=retry_after,
        )
        return with_page_headers(await self.answers.pages.login(page), retry_after=retry_after)

    async def attempt(
        self,
        fields: Params,
        request: HttpRequest,
        visit: Visit,
        browser: str,
        client: Client | None,
        now: datetime,
    ) -> HttpResponse:
        """Take the form: back to the page with a new session, or the login page once more. Raises ForgedRequest."""
        self.visits.binding.check_token(fields.one("csrf"), "page_login", browser, self.visits.path, visit.id)
        before = await self.sessions.current(request, now)
        client_id = client.client_id if client is not None else None
        outcome = await self.sign_in.attempt(fields, request, before=before, client_id=client_id, now=now)
        if isinstance(outcome, NotSignedIn):
            return await self.page(visit, browser, client, outcome)
        return self.visits.back(visit, browser, outcome.cookie)

    def _token(self, visit: Visit, browser: str) -> str:
        return self.visits.binding.token("page_login", browser, self.visits.path, visit.id)
