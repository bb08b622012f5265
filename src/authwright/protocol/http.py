"""HTTP as values: what a request and a response are, with no server, socket or framework behind them.

The same two types serve both directions. The provider is a function from `HttpRequest` to `HttpResponse`,
and `Fetch`, with which the relying party reaches a provider, is that very type: `fetch=provider.handle`
runs a whole sign-in inside one process.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

Json: TypeAlias = Any
"""A value JSON can express: None, bool, int, float, str, list or dict with string keys."""


# RFC 9110 §5.1: a field name is a token.
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)


class Headers:
    """Header fields in the order they came; names are compared in lower case (RFC 9110 §5.1)."""

    __slots__ = ("lines",)

    lines: tuple[tuple[bytes, bytes], ...]
    """Name and value of each field line, the name in lower case, as ASGI has them."""

    def __init__(self, lines: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.lines = tuple(lines)

    @classmethod
    def of(cls, fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> "Headers":
        """Headers from text. Raises ValueError for a name that is no token and for a value that would end its line."""
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        return cls([(_field_name(name), _field_value(name, value)) for name, value in pairs])

    def get(self, name: str) -> str | None:
        """The first value of `name` (given in lower case), or None."""
        wanted = name.encode("ascii")
        for line_name, value in self.lines:
            if line_name == wanted:
                return value.decode("latin-1")
        return None

    def many(self, name: str) -> tuple[str, ...]:
        """Every value of `name` (given in lower case), in order."""
        wanted = name.encode("ascii")
        found = [value for line_name, value in self.lines if line_name == wanted]
        return tuple([value.decode("latin-1") for value in found]) if found else ()

    def plus(self, other: "Headers") -> "Headers":
        """These fields followed by those of `other`."""
        return Headers(self.lines + other.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.lines == other.lines

    def __hash__(self) -> int:
        return hash(self.lines)

    def __repr__(self) -> str:
        # Values may be credentials or cookies, so only the names are shown.
        return f"Headers({', '.join(name.decode('latin-1') for name, _ in self.lines)})"


# Field names are written in programs, the same few for every message.
@lru_cache(maxsize=256)
def _field_name(name: str) -> bytes:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError("the name of a header is not a token")
    return name.lower().encode("ascii")


def _field_value(name: str, value: str) -> bytes:
    # RFC 9110 §5.5: CR, LF and NUL would end the field line and start another.
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"the value for header {name} contains a line break or NUL")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        # The codec's own error would carry the value along.
        raise ValueError(f"the value for header {name} contains a character beyond Latin-1") from None


NO_HEADERS = Headers()


class HttpRequest(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One request, whole.

    `path` is as it was sent, percent-encoding and all, and starts with "/". `query` is the raw text after "?",
    empty when there is none. `origin` is set on requests that go out ("https://op.example") and empty on those
    that came in: a server never learns who it is from the request. `peer` is the address of the caller, after
    trusted proxies were taken into account; `client_certificate` is DER, from a trusted proxy only.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = NO_HEADERS
    body: bytes = b""
    origin: str = ""
    peer: str | None = None
    client_certificate: bytes | None = None

    @classmethod
    def to(
        cls,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Headers = NO_HEADERS,
        body: bytes = b"",
    ) -> "HttpRequest":
        """A request for an absolute URL. Raises ValueError when `url` is not http or https with a host."""
        # urlsplit drops line breaks and keeps backslashes, which other readers of a URL do not.
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            raise ValueError("the URL of a request has characters that are not allowed")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("the URL of a request must be http or https with a host and no user name")
        fields = headers if isinstance(headers, Headers) else Headers.of(headers)
        origin = f"{parts.scheme}://{parts.netloc}"
        return cls(method, parts.path or "/", parts.query, fields, body, origin)

    @property
    def url(self) -> str:
        """Origin, path and query in one text."""
        return f"{self.origin}{self.path}?{self.query}" if self.query else self.origin + self.path

    def __repr__(self) -> str:
        # The query and the body may hold codes, tokens and passwords.
        return f"HttpRequest({self.method} {self.origin}{self.path})"


class HttpResponse(msgspec.Struct, frozen=True):
    """One response, whole."""

    status: int
    headers: Headers = NO_HEADERS
    body: bytes = b""

    def __repr__(self) -> str:
        # The body may hold tokens.
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"

    def json(self) -> Json:
        """The body as JSON. Raises ValueError when it is not."""
        return msgspec.json.decode(self.body)

    def with_headers(self, *fields: tuple[str, str]) -> "HttpResponse":
        """The same response with more header fields."""
        return HttpResponse(self.status, self.headers.plus(Headers.of(fields)), self.body)


class Pass:
    """ "Not mine": the request goes on to whatever application stands behind us. Used as the one value `PASS`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PASS"


PASS = Pass()

Fetch: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""Sends a request and awaits its answer. Raises OSError when no answer came."""

# RFC 6749 §5.1: whatever carries tokens or credentials must not be kept by any cache.
NO_STORE = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))
_JSON_NO_STORE = Headers(((b"content-type", b"application/json"), *NO_STORE))


def json_response(status: int, content: Json, headers: Headers = NO_HEADERS) -> HttpResponse:
    """`content` as JSON that no cache keeps; None members are written as they are, so leave out what is absent."""
    fields = _JSON_NO_STORE.plus(headers) if headers.lines else _JSON_NO_STORE
    return HttpResponse(status, fields, msgspec.json.encode(content))


def see_other(location: str, *fields: tuple[str, str]) -> HttpResponse:
    """A redirect that always becomes a GET, so that no password is posted again (RFC 9700 §4.12)."""
    return HttpResponse(
        303,
        Headers.of(
            (
                ("location", location),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
                *fields,
            )
        ),
    )


def html_response(status: int, page: str, *fields: tuple[str, str]) -> HttpResponse:
    """A page that no cache keeps."""
    named = (("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"), *fields)
    return HttpResponse(status, Headers.of(named), page.encode())
