"""Who is calling: the peer's address and client certificate, from a proxy's headers only when the proxy is trusted.

Serves RFC 7239 (Forwarded), the older X-Forwarded-For and RFC 9440 (Client-Cert). `Host` and `X-Forwarded-Host`
are read nowhere: the issuer comes from the configuration.
"""

import base64
import binascii
import ipaddress
import re
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import unquote

from authwright.asgi.types import Scope

_PAIR = re.compile(r'([^=;\s]+)=("(?:[^"\\]|\\.)*"|[^;"]*)(?:;|$)')
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_MAX_TEXT = 2048


def trusted_by(proxies: Sequence[str]) -> Callable[[str], bool]:
    """A test of "is this address one of `proxies`" (addresses or networks). Raises ValueError for a bad entry."""
    networks = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)

    @lru_cache(maxsize=1024)
    def is_trusted(address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in networks)

    return is_trusted


def peer_behind(scope: Scope, direct: str, is_trusted: Callable[[str], bool]) -> str:
    """The right-most address that is not a trusted proxy's, given that `direct` is one."""
    forwarded = _forwarded_for(_values(scope, b"forwarded"))
    legacy = _split(_values(scope, b"x-forwarded-for"))
    if forwarded and legacy:
        # A proxy writes one of the two and may pass the other on from anyone: where they differ, neither counts.
        one, other = _walk(forwarded, direct, is_trusted), _walk(legacy, direct, is_trusted)
        return one if one == other else direct
    return _walk(forwarded or legacy, direct, is_trusted)


def _walk(hops: Sequence[str], direct: str, is_trusted: Callable[[str], bool]) -> str:
    nearest = direct
    for hop in reversed(hops):
        parsed = _parse(_without_port(hop))
        if parsed is None:
            # RFC 7239 §6.2, §6.3: "unknown" and hidden names; the last address we know stands.
            return nearest
        nearest = str(parsed)
        if not is_trusted(nearest):
            return nearest
    return nearest


def client_certificate(scope: Scope, header: bytes) -> bytes | None:
    """The DER certificate a trusted proxy sent, or None when there is none, more than one or a malformed one."""
    values = [value for name, value in scope["headers"] if name == header]
    if len(values) != 1:
        return None
    value = values[0].strip()
    try:
        # RFC 9440 §2.2: an RFC 8941 byte sequence, base64 between colons.
        if len(value) > 2 and value.startswith(b":") and value.endswith(b":"):
            return base64.b64decode(value[1:-1], validate=True)
        # nginx's $ssl_client_escaped_cert: PEM, percent-encoded.
        if value.startswith(b"-----BEGIN%20CERTIFICATE-----"):
            return ssl.PEM_cert_to_DER_cert(unquote(value.decode("ascii")))
    except (binascii.Error, ValueError):
        return None
    return None


def _values(scope: Scope, header: bytes) -> str:
    values = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == header)
    # The right end is what the proxies wrote; what stands before it may be anyone's, and of any length.
    return values[-_MAX_TEXT:]


def _split(values: str) -> list[str]:
    return [part.strip() for part in values.split(",")] if values else []


def _forwarded_for(values: str) -> list[str]:
    if not values:
        return []
    found: list[str] = []
    for element in _ELEMENT.findall(values):
        pairs = {name.lower(): node for name, node in _PAIR.findall(element)}
        found.append(pairs.get("for", "unknown").strip().strip('"'))
    return found


def _without_port(node: str) -> str:
    if node.startswith("["):
        return node[1:].partition("]")[0]
    return node.partition(":")[0] if node.count(":") == 1 else node


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    # A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
