"""Web addresses, and their origins as browsers compare them."""

from __future__ import annotations

import string
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

_HOST_CHARACTERS = frozenset(string.ascii_letters + string.digits + ".-_:")


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
    """Scheme, host and port of an address, as headers have them; empty if it is not an address."""
    if not is_address(value):
        return ""
    parts = urlsplit(value)
    host = _ascii_host(parts.hostname or "")
    if not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _ascii_host(host: str) -> str:
    """Names in other scripts as the DNS has them; "" for a name with marks of another meaning."""
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""
    return name if _HOST_CHARACTERS.issuperset(name) else ""


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
