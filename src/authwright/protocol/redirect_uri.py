"""Redirect URIs: compared byte for byte, with one exception for native apps (RFC 9700 §2.1, RFC 8252 §7.3)."""

import re
from collections.abc import Iterable

from authwright.protocol.errors import InvalidRedirectUri

MAX_REDIRECT_URI = 2048

# RFC 8252 §7.3: the port of a loopback IP literal may be any; "localhost" is not one (§8.3).
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(/[^#]*)?")
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):")
_WEB = re.compile(
    r"https?://(?P<host>[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:[/?].*)?"
)
# RFC 3986 Appendix A: every character a URI may have, percent signs only as part of a whole escape.
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+")
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_FORBIDDEN_SCHEMES = frozenset(
    {"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "ws", "wss"}
)


def is_registered(redirect_uri: str, registered: Iterable[str], *, native: bool = False) -> bool:
    """Whether `redirect_uri` is one of `registered`.

    No URL is parsed to decide this: equal text is equal, and for a native client equal text but for the port of a
    loopback address.
    """
    known = tuple(registered)
    if redirect_uri in known:
        return True
    if not native:
        return False
    presented = _without_loopback_port(redirect_uri)
    return presented is not None and any(presented == _without_loopback_port(uri) for uri in known)


def _without_loopback_port(uri: str) -> str | None:
    match = _LOOPBACK.fullmatch(uri)
    return match[1] + (match[2] or "") if match else None


def check_registrable(uri: str, *, native: bool = False) -> str:
    """`uri` if a client may register it. Raises InvalidRedirectUri.

    Refused: fragments, user names, scripts and other active schemes, control and non-ASCII characters, upper case in
    scheme or host, http except on loopback (RFC 9700 §2.1), private schemes for web clients (RFC 8252 §7.1).
    """
    if "#" in uri:
        # RFC 6749 §3.1.2: the endpoint URI must not include a fragment.
        raise InvalidRedirectUri("A redirect URI must not have a fragment.")
    if len(uri) > MAX_REDIRECT_URI or not _URI.fullmatch(uri):
        raise InvalidRedirectUri("A redirect URI is too long or has characters that are not allowed.")
    scheme = _SCHEME.match(uri)
    if scheme is None or scheme[1] in _FORBIDDEN_SCHEMES:
        raise InvalidRedirectUri("A redirect URI must be absolute and of a scheme that is allowed.")
    if scheme[1] in ("http", "https"):
        web = _WEB.fullmatch(uri)
        if web is None or int(web["port"] or 443) not in range(1, 65536):
            raise InvalidRedirectUri("A redirect URI must have a plain host.")
        if scheme[1] == "http" and web["host"] not in _LOOPBACK_HOSTS:
            raise InvalidRedirectUri("A redirect URI must use https, except on loopback.")
        return uri
    # RFC 8252 §7.1: private-use schemes are for native apps and contain a dot (a reversed domain name).
    if not native or "." not in scheme[1]:
        raise InvalidRedirectUri(
            "A redirect URI of a private scheme needs a native client and a reversed domain name."
        )
    if "@" in uri.partition("?")[0]:
        raise InvalidRedirectUri("A redirect URI must not have a user name.")
    return uri


def is_loopback_host(authority: str) -> bool:
    """Whether `host[:port]` is localhost or a loopback literal."""
    host = authority if authority.endswith("]") else authority.rsplit(":", 1)[0]
    return host in _LOOPBACK_HOSTS
