"""The few pages a relying party has of its own: plain HTML, no script, nothing from elsewhere."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from authwright.protocol.http import HttpResponse, html_response

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color:#1d1d1f;"
    "background:#fff}a,button{font:inherit}a{color:#0b57d0}code{color:#5f6368}"
    "button{padding:.5rem 1.25rem;border:0;border-radius:.4rem;color:#fff;background:#0b57d0;cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{color:#e8eaed;background:#202124}a{color:#a8c7fa}code{color:#bdc1c6}}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
# No form-action: Chromium applies it to the redirect that follows the form, which goes to the provider.
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
_SECURITY = (
    ("content-security-policy", _POLICY),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


def _page(title: str, content: str, *, again: str | None = None) -> str:
    refresh = f'<meta http-equiv="refresh" content="0; url={escape(again)}">' if again else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{refresh}<style>{_STYLE}</style>'
        f"</head><body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )


def failure_page(
    status: int,
    *,
    code: str,
    text: str,
    start_again: str,
    again: str | None = None,
    retry_after: int | None = None,
) -> HttpResponse:
    """A sign-in that did not work: a kind sentence, the code for whoever helps, and a link to start again.

    `again`: where a browser goes by itself at once; the status stays what it is.
    """
    content = (
        f'<p id="error-description">{escape(text)}</p>'
        f'<p><a id="start-again" href="{escape(start_again)}">Start again</a></p>'
        f'<p><code id="error-code">{escape(code)}</code></p>'
    )
    retry = (("retry-after", str(retry_after)),) if retry_after is not None else ()
    page = _page("Sign-in did not finish", content, again=again)
    return html_response(status, page, *_SECURITY, *retry)


_SUBMIT = "HTMLFormElement.prototype.submit.call(document.forms[0])"
_SUBMIT_HASH = b64encode(sha256(_SUBMIT.encode()).digest()).decode()


def self_posting_page(action: str, fields: tuple[tuple[str, str], ...]) -> HttpResponse:
    """A form that sends itself to the provider; without scripts a button does it."""
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields
    )
    content = (
        f'<form method="post" action="{escape(action)}">{inputs}'
        "<noscript><p>Your browser runs no scripts here. Please go on by hand.</p>"
        '<p><button id="go-on">Go on</button></p></noscript></form>'
        f"<script>{_SUBMIT}</script>"
    )
    policy = f"{_POLICY}; script-src 'sha256-{_SUBMIT_HASH}'"
    fields_of_head = (("content-security-policy", policy), *_SECURITY[1:])
    return html_response(200, _page("One moment", content), *fields_of_head)


def choice_page(choices: Sequence[tuple[str, str]]) -> HttpResponse:
    """Where to sign in: a name and a link for each provider."""
    links = "".join(
        f'<li><a class="provider" href="{escape(url)}">{escape(name)}</a></li>' for name, url in choices
    )
    return html_response(200, _page("Sign in with", f"<ul>{links}</ul>"), *_SECURITY)


def sign_out_page(action: str, return_to: str) -> HttpResponse:
    """Asks before signing out, since a link alone must not do it."""
    content = (
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="return_to" value="{escape(return_to)}">'
        '<p><button id="logout-confirm">Sign out</button></p></form>'
        f'<p><a href="{escape(return_to)}">Stay signed in</a></p>'
    )
    # Fetch §3.2: under no-referrer the form would come back with Origin "null", as if from another site.
    fields = (
        *(field for field in _SECURITY if field[0] != "referrer-policy"),
        ("referrer-policy", "same-origin"),
    )
    return html_response(200, _page("Sign out?", content), *fields)


def signed_out_page(home: str) -> HttpResponse:
    """Back from the provider without a word of where the user wanted to go."""
    content = f'<p>You can close this page or <a id="signed-out-home" href="{escape(home)}">go on</a>.</p>'
    return html_response(200, _page("You are signed out", content), *_SECURITY)


def refused_page(status: int, text: str) -> HttpResponse:
    """A request to one of our endpoints that cannot be served."""
    return html_response(status, _page("That did not work", f"<p>{escape(text)}</p>"), *_SECURITY)
