"""The client's IP address behind trusted proxies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_SITE_BITS = 64
"""An IPv6 site has this prefix, and chooses the rest of its addresses freely (RFC 6177)."""


def networks(text: str) -> tuple[Network, ...]:
    """The networks of a text with spaces between them.

    Raises:
        ValueError: one of them is not a network.
    """
    return tuple(ip_network(each) for each in text.split())


@lru_cache(4096)
def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The client's address; of an IPv6 address, its network of 64 bits.

    It is the peer of the connection. Where the peer is a trusted proxy, it is the last address in
    ``X-Forwarded-For`` that is not one.
    """
    found = _address(peer)
    if found is None:
        return peer
    for text in reversed(forwarded.split(",")):
        before = _address(text) if _within(found, trusted) else None
        if before is None:
            break
        found = before
    return _name(found)


def is_within(address: str, trusted: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    found = _address(address) if trusted else None
    return found is not None and _within(found, trusted)


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
    return str(IPv6Network((int(address), _SITE_BITS), strict=False))
