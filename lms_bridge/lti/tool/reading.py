"""Reading one claim at a time: each reader gives the type that it names, or refuses.

A claim's content never gets into a message: it may be personal data, or somebody's attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from lms_bridge.lti.errors import LtiRefused

LONGEST_TEXT = 2_000
LONGEST_ADDRESS = 4_000
MOST_ENTRIES = 200

Claims = Mapping[str, object]


def part(claims: Claims, name: str, called: str) -> Claims | None:
    """A claim that holds others; None where it is missing."""
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _wrong(called, f"The {called.replace('-', ' ')} of the launch is not an object.")
    return value


def text(claims: Claims, name: str, called: str, longest: int = LONGEST_TEXT) -> str:
    """A text, empty where it is missing. Numbers are taken for what they look like."""
    value = claims.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _wrong(called, f"The {called.replace('-', ' ')} of the launch is not a text.")
    if len(value) > longest or "\x00" in value:
        raise _wrong(called, f"The {called.replace('-', ' ')} of the launch is not usable.")
    return value


def loose_text(claims: Claims, name: str) -> str:
    """A text that is only for show: whatever is not one counts as missing, and it is cut."""
    value = claims.get(name)
    if not isinstance(value, str):
        return ""
    return value.replace("\x00", "")[:LONGEST_TEXT]


def texts(claims: Claims, name: str, called: str) -> tuple[str, ...] | None:
    """Several texts; a single one counts as a list of one. None where they are missing."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise _wrong(called, f"The {called.replace('-', ' ')} of the launch are not a short list.")
    for each in value:
        if not isinstance(each, str) or len(each) > LONGEST_TEXT or "\x00" in each:
            raise _wrong(called, f"The {called.replace('-', ' ')} of the launch are not texts.")
    return tuple(value)


def address(claims: Claims, name: str, called: str) -> str:
    """An http or https address, exactly as given; empty where it is missing."""
    value = text(claims, name, called, LONGEST_ADDRESS)
    if value and not is_address(value):
        raise _wrong(called, f"The {called.replace('-', ' ')} of the launch is no web address.")
    return value


@lru_cache(2048)
def is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = value.isprintable() and not any(mark in value for mark in " \\\"'<>")
    return plain and parts.scheme in ("http", "https") and bool(host) and "@" not in parts.netloc


@lru_cache(2048)
def origin(value: str) -> str:
    """Scheme, host and port of an address, as browsers compare them; empty if it has none."""
    if not is_address(value):
        return ""
    parts = urlsplit(value)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def flag(claims: Claims, name: str, missing: bool) -> bool:
    """A yes or no, which some platforms send as a text."""
    value = claims.get(name, missing)
    return value.lower() == "true" if isinstance(value, str) else value is True


def settings(claims: Claims, name: str, called: str) -> dict[str, str]:
    """Names with texts. Numbers and flags become texts; what is nested is refused."""
    found = part(claims, name, called) or {}
    if len(found) > MOST_ENTRIES:
        raise _wrong(called, "The launch has too many custom parameters.")
    read: dict[str, str] = {}
    for key, value in found.items():
        if value is None:
            continue
        if not isinstance(value, (str, int, float)):
            raise _wrong(called, "A custom parameter of the launch is not a text.")
        given = str(value).lower() if isinstance(value, bool) else str(value)
        if len(given) > LONGEST_TEXT or "\x00" in given:
            raise _wrong(called, "A custom parameter of the launch is not usable.")
        read[str(key)[:LONGEST_TEXT]] = given
    return read


def _wrong(called: str, message: str) -> LtiRefused:
    return LtiRefused(f"{called}-invalid", message)
