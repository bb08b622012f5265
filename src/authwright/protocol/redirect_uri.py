"""Redirect URIs: compared byte for byte, with one exception for native apps (RFC 9700 §2.1, RFC 8252 §7.3)."""

import re
from collections.abc import Iterable

from authwright.protocol.errors import InvalidRedirectUri

MAX_REDIRECT_URI = 2048

# RFC 8252 §7.3: the port of a loopback IP literal may be any; "localhost" is not one (§8.3).
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(/[^#]*)?")
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):")
_WEB = re.compile(r"https?://(?:[a-z0-9\-._~]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?][\x21-\x7E]*)?")
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
    if len(uri) > MAX_REDIRECT_URI or not uri.isascii() or not uri.isprintable() or " " in uri or "\\" in uri:
        raise InvalidRedirectUri("A redirect URI is too long or has characters that are not allowed.")
    if "#" in uri:
        # RFC 6749 §3.1.2: the endpoint URI must not include a fragment.
        raise InvalidRedirectUri("A redirect URI must not have a fragment.")
    scheme = _SCHEME.match(uri)
    if scheme is None or scheme[1] in _FORBIDDEN_SCHEMES:
        raise InvalidRedirectUri("A redirect URI must be absolute and of a scheme that is allowed.")
    if scheme[1] in ("http", "https"):
        authority = uri.split("/", 3)[2].split("?")[0]
        if "@" in authority or "%" in authority or not _WEB.fullmatch(uri):
            raise InvalidRedirectUri("A redirect URI must have a plain host.")
        if scheme[1] == "http" and not is_loopback_host(authority):
            raise InvalidRedirectUri("A redirect URI must use https, except on loopback.")
        return uri
    # RFC 8252 §7.1: private-use schemes are for native apps and contain a dot (a reversed domain name).
    if not native or "." not in scheme[1]:
        raise InvalidRedirectUri(
            "A redirect URI of a private scheme needs a native client and a reversed domain name."
        )
    return uri


def is_loopback_host(authority: str) -> bool:
    """Whether `host[:port]` is localhost or a loopback literal."""
    host = authority if authority.endswith("]") else authority.rsplit(":", 1)[0]
    return host in ("localhost", "127.0.0.1", "[::1]")
