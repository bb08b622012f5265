"""The pages of an interaction, each with a form that only this browser can send back (RFC 9700 §4.7, §4.16)."""

from authwright.protocol.http import HttpResponse
from authwright.provider.authorization_request import RedirectTarget, ValidatedAuthorizationRequest
from authwright.provider.browser_binding import BrowserBinding
from authwright.provider.interaction import Interaction, Interactions
from authwright.provider.pages import (
    ConsentPage,
    Form,
    LoginPage,
    Pages,
    account_name,
    display_name,
    form_targets,
    redirect_host,
    web_link,
    with_page_headers,
)
from authwright.provider.settings import Settings
from authwright.records import Account, Session

LOGIN_PATH = "/authorize/login"
CONSENT_PATH = "/authorize/consent"
MAX_USERNAME = 256


class InteractionPages:
    """Fills the pages in, and makes and checks the tokens of their forms."""

    __slots__ = ("_binding", "_interactions", "_pages", "_settings")

    def __init__(
        self, pages: Pages, interactions: Interactions, binding: BrowserBinding, settings: Settings
    ) -> None:
        self._pages = pages
        self._interactions = interactions
        self._binding = binding
        self._settings = settings

    async def login(
        self,
        target: RedirectTarget,
        interaction: Interaction,
        browser: str,
        *,
        username: str = "",
        problem: str = "",
        status: int = 200,
        retry_after: int | None = None,
        account: str = "",
        session: str = "",
    ) -> HttpResponse:
        """The login page; `account` and the digest `session` make it an account choice."""
        form = Form(
            action=self._settings.base_path + LOGIN_PATH,
            hidden=(
                ("interaction", self._interactions.seal(interaction, browser)),
                ("csrf", self._binding.token("login", browser, interaction.id)),
                *(
                    (("account", self._binding.token("account", browser, interaction.id, session)),)
                    if session
                    else ()
                ),
            ),
            targets=form_targets(target.client, target.redirect_uri),
        )
        page = LoginPage(
            form=form,
            client_name=display_name(target.client),
            redirect_host=redirect_host(target.redirect_uri),
            username=username[:MAX_USERNAME],
            problem=problem,
            account=account,
            status=status,
            retry_after=retry_after,
            ui_locales=_ui_locales(interaction),
        )
        return with_page_headers(await self._pages.login(page), retry_after=retry_after)

    async def account_choice(
        self,
        target: RedirectTarget,
        interaction: Interaction,
        browser: str,
        session: Session,
        account: Account,
    ) -> HttpResponse:
        """The login page, with the account that is signed in to go on with."""
        return await self.login(
            target, interaction, browser, account=account_name(account), session=session.digest
        )

    def check_login(self, token: str | None, interaction: Interaction, browser: str) -> None:
        """Raise ForgedRequest unless `token` was in the login page of this interaction in this browser."""
        self._binding.check_token(token, "login", browser, interaction.id)

    def check_account_choice(
        self, token: str | None, interaction: Interaction, browser: str, session: Session
    ) -> None:
        """Raise ForgedRequest unless that page showed the account of `session`."""
        self._binding.check_token(token, "account", browser, interaction.id, session.digest)

    async def consent(
        self,
        request: ValidatedAuthorizationRequest,
        interaction: Interaction,
        browser: str,
        session: Session,
        account: Account,
    ) -> HttpResponse:
        """The consent page: who asks, where the answer goes, and for what."""
        client, target = request.client, request.target
        form = Form(
            action=self._settings.base_path + CONSENT_PATH,
            hidden=(
                ("interaction", self._interactions.seal(interaction, browser)),
                (
                    "csrf",
                    self._binding.token("consent", browser, *_shown_facts(request, interaction, session)),
                ),
            ),
            targets=form_targets(target.client, target.redirect_uri),
        )
        page = ConsentPage(
            form=form,
            client_name=display_name(client),
            client_uri=web_link(client.client_uri),
            policy_uri=web_link(client.policy_uri),
            tos_uri=web_link(client.tos_uri),
            redirect_host=redirect_host(target.redirect_uri),
            account=account_name(account),
            scopes=request.scopes,
            resources=request.resources,
            ui_locales=request.asked.ui_locales,
        )
        return with_page_headers(await self._pages.consent(page))

    def check_consent(
        self,
        token: str | None,
        request: ValidatedAuthorizationRequest,
        interaction: Interaction,
        browser: str,
        session: Session,
    ) -> None:
        """Raise ForgedRequest unless exactly this was shown, to this session in this browser."""
        self._binding.check_token(token, "consent", browser, *_shown_facts(request, interaction, session))


def _shown_facts(
    request: ValidatedAuthorizationRequest, interaction: Interaction, session: Session
) -> tuple[str, ...]:
    """What the person agrees to: a client's scopes may have changed since the page was made."""
    return (
        interaction.id,
        session.digest,
        request.client.client_id,
        request.target.redirect_uri,
        " ".join(request.scopes),
        " ".join(request.resources),
        interaction.params.encoded(),
    )


def _ui_locales(interaction: Interaction) -> tuple[str, ...]:
    return tuple((interaction.params.one("ui_locales") or "").split())
