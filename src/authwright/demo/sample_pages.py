"""The sample app's pages. Any template engine would do; there is little enough here for none."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path

from authwright.protocol.http import Json

STYLE = Path(__file__).with_name("style.css").read_text("utf-8")


def signed_out_page() -> str:
    """For a visitor who is not signed in."""
    return _page(
        "<p>You are not signed in.</p>"
        '<nav><a class="button" id="app-sign-in" href="/auth/login">Sign in</a></nav>'
    )


def signed_in_page(claims: Mapping[str, Json], result: str = "") -> str:
    """For a user, with what the last button brought."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(_text(value))}</td></tr>"
        for name, value in sorted(claims.items())
    )
    shown = f'<h2>Answer</h2><pre id="app-result" role="status">{escape(result)}</pre>' if result else ""
    return _page(
        f"<p>Signed in as <strong>{escape(str(claims.get('name', claims['sub'])))}</strong>.</p>"
        "<nav>"
        + _button("app-call-api", "/call-api", "Call the API")
        + _button("app-refresh", "/refresh", "Refresh the tokens")
        + _button("app-sign-out", "/auth/logout", "Sign out", "quiet")
        + f'</nav>{shown}<h2>Claims</h2><table id="app-claims"><tbody>{rows}</tbody></table>'
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _button(element_id: str, action: str, text: str, look: str = "") -> str:
    button = f'<button id="{element_id}" class="{look}">{text}</button>'
    return f'<form method="post" action="{action}">{button}</form>'


def _page(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sample app</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/style.css"></head>'
        f"<body><main><h1>Sample app</h1>{body}</main></body></html>"
    )
