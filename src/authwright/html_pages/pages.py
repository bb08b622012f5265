"""The default `Pages`: Jinja2 templates under a strict content security policy (CSP Level 3; RFC 9700 §4.16).

Nothing is fetched: the one style sheet and the one script stand in the page and are allowed by their hash. To change
the look, hand over template directories of your own, which are searched first; to change everything, write a `Pages`.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from authwright.protocol.http import HttpResponse, html_response
from authwright.provider.pages import (
    BackchannelPage,
    ConfirmLogoutPage,
    ConsentPage,
    DeviceCodePage,
    DeviceConfirmPage,
    DeviceDonePage,
    DevicePage,
    ErrorPage,
    FormPostPage,
    LoginPage,
    NothingPendingPage,
    SignedOutPage,
    form_source,
)

_HERE = Path(__file__).parent

SCOPE_TEXTS: Mapping[str, str] = {
    "openid": "Confirm who you are",
    "profile": "See your profile, such as your name and picture",
    "email": "See your email address",
    "address": "See your postal address",
    "phone": "See your phone number",
    "offline_access": "Keep this access while you are away",
}
"""The standard scopes in plain words (OpenID Connect Core §5.4, §11)."""

FORM_POST_SCRIPT = "document.forms[0].submit();"


class HtmlPages:
    """Pages in English, light or dark as the reader's system is."""

    def __init__(
        self,
        *,
        name: str = "Sign-in",
        templates: Sequence[Path | str] = (),
        scope_texts: Mapping[str, str] = {},
        form_targets: Sequence[str] = (),
    ) -> None:
        """`name` stands at the top of each page. `scope_texts` explain further scopes. `form_targets` are origins.

        Chromium applies form-action to every redirect that follows a form, so a client whose redirect URI forwards to
        an origin it did not register needs that origin among `form_targets`.
        """
        self._name = name
        self._scope_texts = {**SCOPE_TEXTS, **scope_texts}
        self._form_targets = tuple(form_targets)
        self._environment = Environment(
            loader=FileSystemLoader([*templates, _HERE / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        style = (_HERE / "static" / "pages.css").read_text(encoding="utf-8")
        self._style = style
        self._style_source = _hash_source(style)
        self._script_source = _hash_source(FORM_POST_SCRIPT)

    async def login(self, page: LoginPage) -> HttpResponse:
        response = self._render("login.html", page.status, targets=page.form.targets, page=page)
        if page.retry_after is not None:
            response = response.with_headers(("retry-after", str(page.retry_after)))
        return response

    async def consent(self, page: ConsentPage) -> HttpResponse:
        known, other = self._scopes(page.scopes)
        return self._render(
            "consent.html", 200, targets=page.form.targets, page=page, known=known, other=other
        )

    async def error(self, page: ErrorPage) -> HttpResponse:
        return self._render("error.html", page.status, page=page)

    async def signed_out(self, page: SignedOutPage) -> HttpResponse:
        return self._render("signed_out.html", 200, page=page)

    async def confirm_logout(self, page: ConfirmLogoutPage) -> HttpResponse:
        return self._render("confirm_logout.html", 200, targets=page.form.targets, page=page)

    async def form_post(self, page: FormPostPage) -> HttpResponse:
        targets = page.targets or (form_source(page.action),)
        return self._render("form_post.html", 200, targets=targets, scripts=(self._script_source,), page=page)

    async def device(self, page: DevicePage) -> HttpResponse:
        match page:
            case DeviceCodePage():
                return self._render("device_code.html", page.status, page=page)
            case DeviceConfirmPage():
                known, other = self._scopes(page.scopes)
                return self._render("device_confirm.html", 200, page=page, known=known, other=other)
            case DeviceDonePage():
                return self._render("device_done.html", 200, page=page)

    async def backchannel(self, page: BackchannelPage | NothingPendingPage) -> HttpResponse:
        if isinstance(page, NothingPendingPage):
            return self._render("nothing_pending.html", 200, page=page)
        known, other = self._scopes(page.scopes)
        return self._render("backchannel.html", 200, page=page, known=known, other=other)

    def _scopes(self, scopes: Sequence[str]) -> tuple[list[str], list[str]]:
        """The texts of the scopes that have one, and the other scopes."""
        known = [self._scope_texts[scope] for scope in scopes if scope in self._scope_texts]
        return known, [scope for scope in scopes if scope not in self._scope_texts]

    def _render(
        self,
        template: str,
        status: int,
        *,
        targets: Sequence[str] = (),
        scripts: Sequence[str] = (),
        **values: Any,
    ) -> HttpResponse:
        text = self._environment.get_template(template).render(
            service=self._name, style=self._style, script=FORM_POST_SCRIPT, **values
        )
        form_action = " ".join(("'self'", *targets, *self._form_targets))
        policy = [
            "default-src 'none'",
            f"style-src {self._style_source}",
            *(f"script-src {source}" for source in scripts),
            f"form-action {form_action}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]
        return html_response(
            status,
            text,
            ("content-security-policy", "; ".join(policy)),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        )


def _hash_source(text: str) -> str:
    """The CSP source of an inline style or script: its hash (CSP Level 3 §2.3.1)."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
