"""Which addresses are the public internet's, by the IANA special-purpose registries (RFC 6890 and its updates).

The table is our own: `ipaddress.is_global` changed its mind between Python 3.11 patch releases.
"""

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds keep their metadata service
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; Teredo, ORCHID and benchmarking among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: the address of some IPv4 host, deprecated
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether `address` is an ordinary host's on the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    embedded = _embedded_v4(address)
    if embedded is not None:
        return is_public(embedded)
    # RFC 4291 §2.4 with the IANA registry: global unicast is handed out of 2000::/3 alone.
    return address in _GLOBAL_V6 and not any(address in network for network in _SPECIAL_V6)


def is_loopback(address: Address) -> bool:
    """Whether `address` is this very machine."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_loopback
    return address.is_loopback or (address.ipv4_mapped is not None and address.ipv4_mapped.is_loopback)


def _embedded_v4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    # RFC 4291 §2.5.5.2 and RFC 6052 §2.1: both reach the IPv4 host in the last 32 bits.
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
