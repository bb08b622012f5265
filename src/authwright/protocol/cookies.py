"""Cookies: the Cookie field read, the Set-Cookie field written (RFC 6265 §4, §5.4; prefixes of RFC 6265bis §4.1.3)."""

import re
from typing import Literal

from authwright.protocol.http import Headers

MAX_COOKIES = 16 * 1024
"""Bytes of Cookie fields that are read; whatever follows is as if it had not been sent."""

SameSite = Literal["Lax", "Strict", "None"]

# RFC 6265 §4.1.1: cookie-name is a token, cookie-value is made of cookie-octets.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*", re.ASCII)
_PATH = re.compile(r"/[!-:<-~]*", re.ASCII)


def read_cookies(headers: Headers) -> dict[str, str]:
    """The cookies of a request by name. A malformed pair is skipped; of two with one name the first counts."""
    cookies: dict[str, str] = {}
    room = MAX_COOKIES
    for name, value in headers.lines:
        if name != b"cookie" or room <= 0:
            continue
        # A pair that the limit cuts in two must not count with half its value.
        text = value if len(value) <= room else value[:room].rpartition(b";")[0]
        room -= len(value)
        for pair in text.decode("latin-1").split(";"):
            _read_pair(pair.strip(" \t"), cookies)
    return cookies


def _read_pair(pair: str, cookies: dict[str, str]) -> None:
    name, equals, value = pair.partition("=")
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value):
        # RFC 6265 §5.4: the cookie with the longer path comes first, so a sibling's wider one does not replace it.
        cookies.setdefault(name, value)


def cookie_header(
    name: str,
    value: str,
    *,
    secure: bool,
    max_age: int | None = None,
    path: str = "/",
    same_site: SameSite = "Lax",
    http_only: bool = True,
) -> tuple[str, str]:
    """The header field that sets a cookie, as ("set-cookie", text).

    `max_age` is in seconds: None lasts as long as the browser session, 0 deletes. Raises ValueError for what a
    browser would refuse or read differently; the text of the error never holds the value.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a cookie must be a token")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value for cookie {name} contains a character that a cookie cannot hold")
    if not _PATH.fullmatch(path):
        raise ValueError(f"the path of cookie {name} must start with / and hold no ; or space")
    # RFC 6265bis §4.1.3: a browser drops a prefixed cookie that lacks what its prefix promises.
    if name.startswith(("__Host-", "__Secure-")) and not secure:
        raise ValueError(f"cookie {name} must be secure")
    if name.startswith("__Host-") and path != "/":
        raise ValueError(f"cookie {name} must have the path /")
    # RFC 6265bis §5.7: SameSite=None without Secure is dropped.
    if same_site == "None" and not secure:
        raise ValueError(f"cookie {name} must be secure to be sent across sites")
    parts = [f"{name}={value}", f"Path={path}"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    parts.append(f"SameSite={same_site}")
    return "set-cookie", "; ".join(parts)
