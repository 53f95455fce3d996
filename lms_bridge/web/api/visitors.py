"""Whom requests without a token come from: addresses, as far as they can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_ONE_VISITOR = 64
"""Bits of an IPv6 address that are one visitor's: the rest is theirs to choose (RFC 6177)."""


def networks(text: str) -> tuple[Network, ...]:
    """Networks with spaces between them.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(each) for each in text.split())


@lru_cache(4096)
def visitor(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Who asks: the peer of the connection; or, where that is a trusted proxy, the last address of
    ``X-Forwarded-For`` that is none. Addresses of one IPv6 network are one visitor."""
    found = _address(peer)
    if found is None:
        return peer
    for text in reversed(forwarded.split(",")):
        before = _address(text) if _within(found, trusted) else None
        if before is None:
            break
        found = before
    return _name(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _name(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _ONE_VISITOR), strict=False))
