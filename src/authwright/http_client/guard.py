"""What may be called: the rules against server-side request forgery (OWASP SSRF; RFC 9700 §4, OIDC Core §6)."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from authwright.http_client.addresses import Address, is_loopback, is_public

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name, as text. Raises OSError when there are none."""

_ORIGIN = re.compile(r"[!-~]+", re.ASCII)
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PORTS = {"https": 443, "http": 80}


class OutboundRefused(OSError):
    """The guard refuses: what was to be called may not be, or answered what may not be taken."""


class OutboundFailed(OSError):
    """The network refused, or was too slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes. `host` is a name or an address in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host field (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(origin: str) -> Target:
    """The target of "https://host:port". Raises OutboundRefused for whatever is not plainly that."""
    # urlsplit drops line breaks and tabs without a word, so what it would repair is refused first.
    if not _ORIGIN.fullmatch(origin):
        raise OutboundRefused("the address of an outbound request is malformed")
    try:
        parts = urlsplit(origin)
        scheme, host, port = parts.scheme, (parts.hostname or ""), parts.port
    except ValueError:
        raise OutboundRefused("the address of an outbound request is malformed") from None
    if scheme not in _PORTS:
        raise OutboundRefused("an outbound request must be https")
    if parts.username is not None or parts.path or parts.query or parts.fragment or port == 0:
        raise OutboundRefused("the address of an outbound request is malformed")
    if parse_address(host) is None:
        check_name(host)
    return Target(scheme=scheme, host=host, port=port or _PORTS[scheme])


def check_name(host: str) -> None:
    """Raise OutboundRefused unless `host` is a DNS name in its ASCII form."""
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise OutboundRefused("the host of an outbound request is not a name or an address")
    # WHATWG URL §3.5: a name that ends in a number is some resolver's 0177.0.0.1, 2130706433 or 0x7f.1.
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise OutboundRefused(f"{host} is not an address in its usual form")


def parse_address(text: str) -> Address | None:
    """An address in its usual form, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`allow` are hosts ("host" or "host:port") exempt from the rules on scheme and address."""

    allow: frozenset[str]
    allow_loopback: bool

    def check_scheme(self, target: Target) -> None:
        """Raise OutboundRefused for http, but to a host that is allowed it."""
        if target.scheme != "https" and not self._exempt(target.host, target.port):
            if self.allow_loopback and names_loopback(target.host):
                return
            raise OutboundRefused(f"{target.host} may be called by https only")

    def check_addresses(self, host: str, port: int, addresses: Sequence[str]) -> tuple[str, ...]:
        """All of `addresses`, each vetted. Raises OutboundRefused when one of them may not be reached."""
        vetted: list[str] = []
        for text in addresses:
            address = parse_address(text)
            if address is None:
                raise OutboundRefused(f"{host} resolves to something that is not an address")
            if not self._may_reach(host, port, address):
                # One bad address spoils the name: which of several is used would be the attacker's luck.
                raise OutboundRefused(f"{host} is at an address that is not public")
            vetted.append(str(address))
        return tuple(vetted)

    def _may_reach(self, host: str, port: int, address: Address) -> bool:
        if self._exempt(host, port):
            return True
        # Only a name that says loopback may lead there; any other that does is rebinding.
        if self.allow_loopback and names_loopback(host):
            return is_loopback(address)
        return is_public(address)

    def _exempt(self, host: str, port: int) -> bool:
        shown = f"[{host}]" if ":" in host else host
        return host in self.allow or f"{shown}:{port}" in self.allow


def names_loopback(host: str) -> bool:
    """Whether `host` itself says that it is this machine (RFC 6761 §6.3)."""
    address = parse_address(host)
    if address is not None:
        return is_loopback(address)
    return host == "localhost" or host.endswith(".localhost")


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The system's own resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
