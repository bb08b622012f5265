"""What ties a page to the browser it was shown in: a cookie, a token in each form, and the origin of the post.

RFC 6749 §10.12 and RFC 9700 §4.7 (cross-site request forgery), RFC 6265bis §4.1.3 (cookie prefixes).
"""

import hmac

from authwright.crypto.handles import Handles
from authwright.protocol.cookies import cookie_header, read_cookies
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest
from authwright.provider.settings import Settings

BROWSER_COOKIE = "authwright_browser"


class ForgedRequest(InvalidRequest):
    """The page was shown in another browser, by another site, or was used before."""

    status = 403


def cookie_name(name: str, settings: Settings) -> str:
    """`name`, with the prefix that keeps sibling hosts from setting it where the issuer is https."""
    return f"__Host-{name}" if settings.secure_cookies else name


def check_same_origin(request: HttpRequest, settings: Settings) -> None:
    """Raise ForgedRequest when the browser says that another site posts. A client that says nothing is let through."""
    origin = request.headers.get("origin")
    # Our pages have Referrer-Policy: no-referrer, for which browsers send "null" (Fetch §3.2): as good as no Origin.
    # The cookie and the token of the form decide then.
    if origin is not None and origin != "null" and origin != settings.origin:
        raise ForgedRequest("This form was sent from another site.", detail="csrf.origin")
    if request.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
        raise ForgedRequest("This form was sent from another site.", detail="csrf.fetch_site")


class BrowserBinding:
    """A random value in a cookie of the browser, and tokens for forms that only this browser can send back."""

    __slots__ = ("_handles", "_name", "_settings")

    def __init__(self, handles: Handles, settings: Settings) -> None:
        self._handles = handles
        self._settings = settings
        self._name = cookie_name(BROWSER_COOKIE, settings)

    def read(self, request: HttpRequest) -> str | None:
        """The browser's value, or None when it has none or one that we never made."""
        value = read_cookies(request.headers).get(self._name)
        return value if value is not None and self._handles.digests("interaction", value) else None

    def fresh(self) -> str:
        """A value for a browser that has none."""
        return self._handles.mint("interaction")[0]

    def cookie(self, value: str) -> tuple[str, str]:
        """The header that gives it to the browser, until the browser is closed."""
        return cookie_header(self._name, value, secure=self._settings.secure_cookies)

    def token(self, step: str, browser: str, *facts: str) -> str:
        """The token of a form: proof that this browser was shown this step with exactly these facts."""
        return self._handles.digest_of(f"csrf.{step}", _joined(browser, facts))

    def check_token(self, token: str | None, step: str, browser: str, *facts: str) -> None:
        """Raise ForgedRequest unless `token` is the one of that form."""
        expected = self._handles.digests_of(f"csrf.{step}", _joined(browser, facts))
        offered = (token or "").encode("utf-8", "surrogatepass")
        matches = [hmac.compare_digest(offered, digest.encode("ascii")) for digest in expected]
        if not any(matches):
            raise ForgedRequest(
                "This page is no longer valid. Go back to the application and start again.",
                detail="csrf.reject",
            )


def _joined(browser: str, facts: tuple[str, ...]) -> str:
    # Each part with its length, so that no two lists of facts read the same.
    return "".join(f"{len(part)}:{part}" for part in (browser, *facts))
