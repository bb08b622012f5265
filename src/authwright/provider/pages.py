"""Pages: what the provider shows to a person, and the door through which an application shows its own instead.

The provider decides, a page shows. Each page type carries everything there is to show; what it must send back is in
its `Form`. RFC 9700 §4.2 and §4.16 say what a browser must be told about such pages.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

from authwright.protocol.http import HttpResponse
from authwright.records import Account, Client

MAX_DISPLAY_NAME = 60

_WEB_ORIGIN = re.compile(r"https?://[a-zA-Z0-9._\-]+(?::[0-9]{1,5})?(?=[/?]|$)")
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Where the page's form is posted, and the fields it carries unseen."""

    action: str
    """An absolute path on the provider."""
    hidden: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    targets: tuple[str, ...] = ()
    """CSP sources, besides 'self', to which the answer to the form may redirect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage:
    """Fields `username` and `password`; buttons named `action`: `sign-in`, `cancel`, and `continue` with an `account`."""

    form: Form
    client_name: str
    redirect_host: str
    username: str = ""
    """What to put into the field: the login_hint, or what was typed before."""
    problem: str = ""
    """Why the last attempt failed, in words for the person; empty at first."""
    account: str = ""
    """The account that is signed in, when the person is to choose between it and another."""
    status: int = 200
    retry_after: int | None = None
    """Seconds, when attempts are limited."""
    ui_locales: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPage:
    """Buttons named `action`: `allow` and `deny`."""

    form: Form
    client_name: str
    client_uri: str
    policy_uri: str
    tos_uri: str
    redirect_host: str
    account: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """A refusal that may not be sent anywhere."""

    status: int
    error: str
    """The OAuth error code."""
    description: str
    retry_after: int | None = None
    """Seconds, when trying again is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutPage:
    """The session is over and there is nowhere to go back to."""

    client_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmLogoutPage:
    """Any submission of the form means yes."""

    form: Form
    client_name: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPostPage:
    """OAuth 2.0 Form Post Response Mode: `fields`, posted to the client, by a script or by hand."""

    action: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    client_name: str
    redirect_host: str
    targets: tuple[str, ...] = ()
    """CSP sources to which the form may go and be redirected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodePage:
    """Field `user_code`; a button. What is typed is compared without case and separators (RFC 8628 §6.1)."""

    form: Form
    user_code: str = ""
    """What to put into the field: what the link brought, or what was typed before."""
    problem: str = ""
    """Why the last code was not accepted, in words for the person; empty at first."""
    status: int = 200
    retry_after: int | None = None
    """Seconds, when tries are limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfirmPage:
    """Buttons named `action`: `allow` and `deny`. Shown even when a link brought the code (RFC 8628 §3.3.1)."""

    form: Form
    user_code: str
    """As the device shows it, for the person to compare."""
    client_name: str
    client_uri: str
    policy_uri: str
    tos_uri: str
    account: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDonePage:
    """The person answered, and may put the browser away."""

    client_name: str
    allowed: bool


DevicePage: TypeAlias = DeviceCodePage | DeviceConfirmPage | DeviceDonePage


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelPage:
    """A request from a client elsewhere (CIBA Core 1.0 §8). Buttons named `action`: `allow` and `deny`."""

    form: Form
    client_name: str
    client_uri: str
    policy_uri: str
    tos_uri: str
    account: str
    binding_message: str
    """What the other device shows too; empty when it shows nothing."""
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()
    further: int = 0
    """How many more wait after this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingPendingPage:
    """No request waits for this person's answer."""

    account: str


class Pages(Protocol):
    """One method for each page. The response's headers are completed by the provider (`with_page_headers`)."""

    async def login(self, page: LoginPage) -> HttpResponse: ...

    async def consent(self, page: ConsentPage) -> HttpResponse: ...

    async def error(self, page: ErrorPage) -> HttpResponse: ...

    async def signed_out(self, page: SignedOutPage) -> HttpResponse: ...

    async def confirm_logout(self, page: ConfirmLogoutPage) -> HttpResponse: ...

    async def form_post(self, page: FormPostPage) -> HttpResponse: ...

    async def device(self, page: DevicePage) -> HttpResponse: ...

    async def backchannel(self, page: BackchannelPage | NothingPendingPage) -> HttpResponse: ...


_ALWAYS = (
    # RFC 9700 §4.16: both, since old browsers know only the first.
    ("x-frame-options", "DENY"),
    ("content-security-policy", "frame-ancestors 'none'; base-uri 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
)


def with_page_headers(response: HttpResponse, *, retry_after: int | None = None) -> HttpResponse:
    """`response` with every header a page must have, and Retry-After where it says to wait; those it has stay."""
    wait = () if retry_after is None else (("retry-after", str(retry_after)),)
    missing = [(name, value) for name, value in (*_ALWAYS, *wait) if response.headers.get(name) is None]
    return response.with_headers(*missing) if missing else response


def display_name(client: Client) -> str:
    """The client's name as it may be shown: no control characters, no change of direction, 60 characters at most."""
    return shown(client.client_name) or shown(client.client_id)


def account_name(account: Account) -> str:
    """How a person is told which account is meant."""
    name = account.claims.get("name")
    return shown(name if isinstance(name, str) and name else account.username)


def shown(text: str) -> str:
    """`text` on one line, without control, format (bidirectional ones among them) and private characters, shortened."""
    # The category C* holds controls, formats, surrogates and private use; Zl and Zp are line breaks.
    kept = "".join(" " if character.isspace() else character for character in text[: 8 * MAX_DISPLAY_NAME])
    kept = "".join(
        c for c in kept if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp")
    )
    kept = " ".join(kept.split())
    return kept if len(kept) <= MAX_DISPLAY_NAME else kept[: MAX_DISPLAY_NAME - 1].rstrip() + "…"


def redirect_host(uri: str) -> str:
    """Where a redirect leads, for a person: host and port, or the scheme of an app."""
    parts = urlsplit(uri)
    return parts.netloc or f"{parts.scheme}:"


def web_link(uri: str) -> str:
    """`uri` if it can be nothing but a web page, else nothing: only then is a link that a client chose shown."""
    return uri if uri.startswith("https://") else ""


def form_source(uri: str) -> str:
    """The CSP source that lets a form's answer redirect to `uri`: its origin, or its scheme where CSP has no other way.

    CSP Level 3 has no notation for IPv6 hosts, and private schemes have no origin.
    """
    web = _WEB_ORIGIN.match(uri)
    if web is not None:
        return web[0]
    scheme = _SCHEME.match(uri)
    return scheme[0] if scheme is not None else "'none'"


def form_targets(client: Client, uri: str) -> tuple[str, ...]:
    """The CSP sources for a form whose answer redirects to `uri` of `client`, and may be forwarded from there.

    Chromium applies form-action to every redirect after a form, also to those of the client, which may lead to
    another of its own origins. Those it registered are let through, and no others.
    """
    registered = (*client.redirect_uris, *client.post_logout_redirect_uris, client.client_uri)
    origins = [form_source(known) for known in registered if _WEB_ORIGIN.match(known)]
    return tuple(dict.fromkeys((form_source(uri), *origins)))
