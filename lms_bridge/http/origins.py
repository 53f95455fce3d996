"""Web addresses, and their origins as browsers compare them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit


@lru_cache(2048)
def is_address(value: str) -> bool:
    """Whether this is an http or https address with a host and without a user's name."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = value.isprintable() and not any(mark in value for mark in " \\\"'<>")
    return plain and parts.scheme in ("http", "https") and bool(host) and "@" not in parts.netloc


@lru_cache(2048)
def origin(value: str) -> str:
    """Scheme, host and port of an address; empty if it is not an address."""
    if not is_address(value):
        return ""
    parts = urlsplit(value)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def is_loopback(host: str) -> bool:
    """Whether this name or IP address is always this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_trustworthy(address: str) -> bool:
    """W3C Secure Contexts, section 3.1: https, or an address of this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "https" or is_loopback(host) or host.endswith(".localhost")
