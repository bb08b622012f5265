"""A browser for tests: no JavaScript, no sockets, but the rules for cookies, redirects and forms that matter here.

RFC 6265bis §5 (cookies, SameSite, prefixes), Fetch §3 (Origin, Sec-Fetch-Site), HTML §4.10.21 (form submission).
It talks to any `Fetch`; an address nobody serves ends the journey there, as when it leaves for the client.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

from authwright.clock import Clock, utcnow
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.protocol.redirect_uri import is_loopback_host
from authwright.testing.page import Button, HtmlForm, Page, read_page

__all__ = ["Browser", "Button", "Cookie", "HtmlForm", "Page"]

MAX_REDIRECTS = 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    name: str
    value: str = field(repr=False)
    host: str
    path: str
    secure: bool
    http_only: bool
    same_site: str
    expires_at: datetime | None


class Browser:
    """One browser profile: a cookie jar and a current page."""

    def __init__(self, sites: Mapping[str, Fetch], *, clock: Clock = utcnow) -> None:
        """`sites`: origin ("https://op.example") to what serves it."""
        self._sites = dict(sites)
        self._clock = clock
        self.cookies: tuple[Cookie, ...] = ()
        self.page: Page = Page(url="about:blank", response=None)

    async def get(self, url: str, *, initiator: str | None = None) -> Page:
        """Go to `url`: typed in, or by a link on a page of the origin `initiator`."""
        return await self._go("GET", urljoin(self.page.url, url), b"", initiator, initiator)

    async def post(
        self, url: str, fields: Mapping[str, str] | Iterable[tuple[str, str]], *, initiator: str | None = None
    ) -> Page:
        """Post a form that stands on a page of the origin `initiator`; without one, as a plain client would."""
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        return await self._go(
            "POST", urljoin(self.page.url, url), encode(pairs).encode(), initiator, initiator
        )

    async def fetch(
        self, url: str, *, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """What a script on the current page gets from its own origin: no page is left, and no redirect followed."""
        target = urljoin(self.page.url, url)
        origin = _origin(self.page.url)
        fields = {
            "accept": "application/json",
            "sec-fetch-site": "same-origin",
            "sec-fetch-mode": "cors",
            "sec-fetch-dest": "empty",
            **({} if method in ("GET", "HEAD") else {"origin": origin}),
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        cookies = self._cookies_for(method, target, origin)
        if cookies:
            fields["cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)
        response = await self._sites[_origin(target)](
            HttpRequest.to(method, target, headers=fields, body=body)
        )
        self._keep_cookies(target, response)
        return response

    async def click(self, element_id: str, **fields: str) -> Page:
        """Press a button, with `fields` filled into its form, or follow a link.

        Raises LookupError for an element or a field that is not there.
        """
        origin = _origin(self.page.url)
        if element_id in self.page.links:
            return await self._go(
                "GET", urljoin(self.page.url, self.page.links[element_id]), b"", origin, None
            )
        form, button = self.page.form_of(element_id)
        return await self.submit(form, button, **fields)

    async def submit(self, form: HtmlForm, button: Button | None = None, **fields: str) -> Page:
        """Submit `form` of the current page with `fields` filled in, by `button` or without one."""
        for name in fields.keys() - {name for name, _ in form.fields}:
            raise LookupError(f"the form has no field {name!r}")
        pairs = [(name, fields.get(name, value)) for name, value in form.fields]
        if button is not None and button.name:
            pairs.append((button.name, button.value))
        target = urljoin(self.page.url, form.action)
        origin = _origin(self.page.url)
        if form.method == "get":
            return await self._go("GET", f"{target.partition('?')[0]}?{encode(pairs)}", b"", origin, None)
        # Fetch §3.2: a page that hides its address hides its origin too.
        hidden = self.page.header("referrer-policy") == "no-referrer"
        return await self._go("POST", target, encode(pairs).encode(), origin, "null" if hidden else origin)

    def cookie(self, name: str) -> Cookie | None:
        """The live cookie of that name, whichever host set it."""
        now = self._clock()
        return next((c for c in self.cookies if c.name == name and not _expired(c, now)), None)

    def forget_cookies(self) -> None:
        self.cookies = ()

    async def _go(self, method: str, url: str, body: bytes, initiator: str | None, shown: str | None) -> Page:
        visited: list[str] = []
        relation = "none"
        for _ in range(MAX_REDIRECTS):
            url, _, fragment = url.partition("#")
            visited.append(url)
            fetch = self._sites.get(_origin(url))
            if fetch is None:
                self.page = Page(
                    url=f"{url}#{fragment}" if fragment else url, response=None, visited=tuple(visited)
                )
                return self.page
            relation = _further(relation, initiator, url)
            response = await fetch(self._request(method, url, body, initiator, shown, relation))
            self._keep_cookies(url, response)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None:
                self.page = replace(read_page(url, response), visited=tuple(visited))
                return self.page
            url = urljoin(url, location)
            if response.status not in (307, 308):
                method, body = "GET", b""
        raise RuntimeError(f"more than {MAX_REDIRECTS} redirects")

    def _request(
        self, method: str, url: str, body: bytes, initiator: str | None, shown: str | None, relation: str
    ) -> HttpRequest:
        headers = {"sec-fetch-site": relation, "accept": "text/html"}
        cookies = self._cookies_for(method, url, initiator)
        if cookies:
            headers["cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)
        if method == "POST":
            headers["content-type"] = "application/x-www-form-urlencoded"
            if shown is not None:
                headers["origin"] = shown
        return HttpRequest.to(method, url, headers=headers, body=body)

    def _cookies_for(self, method: str, url: str, initiator: str | None) -> list[Cookie]:
        parts = urlsplit(url)
        now = self._clock()
        cross_site = initiator is not None and _site(initiator) != _site(url)
        sent = []
        for cookie in self.cookies:
            if cookie.host != parts.hostname or _expired(cookie, now):
                continue
            if cookie.secure and not _keeps_secrets(url):
                continue
            if not _path_matches(parts.path or "/", cookie.path):
                continue
            # RFC 6265bis §5.6.3: Lax goes along when the person navigates, by a safe method only.
            if cross_site and (
                cookie.same_site == "strict" or (cookie.same_site == "lax" and method != "GET")
            ):
                continue
            sent.append(cookie)
        return sorted(sent, key=lambda cookie: -len(cookie.path))

    def _keep_cookies(self, url: str, response: HttpResponse) -> None:
        for line in response.headers.many("set-cookie"):
            cookie = _read_set_cookie(line, url, self._clock())
            if cookie is None:
                continue
            key = (cookie.name, cookie.host, cookie.path)
            others = tuple(c for c in self.cookies if (c.name, c.host, c.path) != key)
            self.cookies = others if _expired(cookie, self._clock()) else (*others, cookie)


def _read_set_cookie(line: str, url: str, now: datetime) -> Cookie | None:
    """The cookie, or None where a browser would drop it."""
    pair, *attributes = line.split(";")
    name, _, value = pair.strip().partition("=")
    named: dict[str, str] = {}
    for attribute in attributes:
        key, _, text = attribute.strip().partition("=")
        named[key.lower()] = text
    parts = urlsplit(url)
    secure = "secure" in named
    same_site = named.get("samesite", "lax").lower()
    path = named.get("path", "/")
    if secure and not _keeps_secrets(url):
        return None
    if name.startswith("__Host-") and not (secure and path == "/" and "domain" not in named):
        return None
    if same_site == "none" and not secure:
        return None
    expires_at = now + timedelta(seconds=int(named["max-age"])) if "max-age" in named else None
    return Cookie(
        name=name,
        value=value,
        host=parts.hostname or "",
        path=path,
        secure=secure,
        http_only="httponly" in named,
        same_site=same_site,
        expires_at=expires_at,
    )


def _keeps_secrets(url: str) -> bool:
    """Whether a browser keeps Secure cookies for it: https, and loopback, where nobody listens (Secure Contexts §3.1)."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback_host(parts.netloc)


def _expired(cookie: Cookie, now: datetime) -> bool:
    return cookie.expires_at is not None and cookie.expires_at <= now


def _path_matches(path: str, cookie_path: str) -> bool:
    if path == cookie_path:
        return True
    return path.startswith(cookie_path) and (cookie_path.endswith("/") or path[len(cookie_path)] == "/")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else parts.scheme + ":"


def _site(url: str) -> str:
    """Scheme and the last two labels of the host: near enough to a registrable domain for tests."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    numeric = host.replace(".", "").isdigit()
    return f"{parts.scheme}://{host if numeric else '.'.join(host.split('.')[-2:])}"


def _further(relation: str, initiator: str | None, url: str) -> str:
    """The value of Sec-Fetch-Site: the furthest of all hops (Fetch Metadata §2.3)."""
    if initiator is None:
        return "none"
    order = ("none", "same-origin", "same-site", "cross-site")
    if initiator == _origin(url):
        hop = "same-origin"
    else:
        hop = "same-site" if _site(initiator) == _site(url) else "cross-site"
    return max(relation, hop, key=order.index)
