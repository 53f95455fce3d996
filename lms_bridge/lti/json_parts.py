"""Parts of outside messages, read strictly: a wrong kind is refused, never guessed.

A part's content never gets into a message: it may be personal data, or somebody's attack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from lms_bridge.http import foreign_json
from lms_bridge.http.origins import is_address
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.schemas.characters import visible

MOST = Decimal(1_000_000)
MOST_DECIMALS = 10
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|z|[+-]\d\d:?\d\d)"
)


def json_object(body: bytes, code: str) -> dict[str, Any]:
    """The JSON object that a body is. Recursion and sizes are the parser's and the server's."""
    try:
        value = foreign_json.loads(body)
    except ValueError:
        raise LtiRefused(code, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise LtiRefused(code, "The body is not a JSON object.")
    return value


def text(
    given: Mapping[str, Any], name: str, code: str, *, longest: int = 500, required: bool = False
) -> str:
    """A text; absent and null are empty."""
    value = visible(_text(given, name, code, longest)).strip()
    if required and not value:
        raise wrong(code, name, "is missing")
    return value


def label(given: Mapping[str, Any], name: str, code: str, *, longest: int = 255) -> str:
    """A text that a program chose, such as an id of its own, exactly as it is. A whole number
    counts as its digits (Moodle sends ``"resourceId": 2``)."""
    value = given.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    found = _text({name: value}, name, code, longest)
    if not foreign_json.is_whole(found):
        raise wrong(code, name, "is too long, or not printable")
    return found


def address(given: Mapping[str, Any], name: str, code: str) -> str:
    """An http or https address, exactly as given; empty where it is missing."""
    value = label(given, name, code, longest=4000)
    if value and not is_address(value):
        raise wrong(code, name, "is not a web address")
    return value


def flag(given: Mapping[str, Any], name: str, *, missing: bool) -> bool:
    """A yes or no, which some platforms send as a text."""
    value = given.get(name, missing)
    return value.lower() == "true" if isinstance(value, str) else value is True


def number(given: Mapping[str, Any], name: str, code: str) -> Decimal | None:
    """A number, also as a text ("15.50000", as Moodle sends it). Absent, null and "" are None; zero
    is a number."""
    value = given.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise wrong(code, name, "is not a number")
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise wrong(code, name, "is not a number") from None
    if not found.is_finite() or abs(found) > MOST:
        raise wrong(code, name, "is out of range")
    return round(found, MOST_DECIMALS).normalize() + 0


def moment(given: Mapping[str, Any], name: str, code: str) -> datetime | None:
    """An ISO 8601 moment with a time zone, ``+0000`` without its colon included."""
    value = text(given, name, code, longest=60)
    if not value:
        return None
    match = _MOMENT.fullmatch(value)
    if match is None:
        raise wrong(code, name, "is not a moment with a time zone")
    day, clock, fraction, zone = match.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
        at = local + timedelta(microseconds=int((fraction or "0").ljust(6, "0")[:6]))
        return at - _offset(zone)
    except (ValueError, OverflowError):
        raise wrong(code, name, "is not a moment") from None


def _offset(zone: str) -> timedelta:
    if zone in "Zz":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 14 or minutes > 59:
        raise ValueError
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset


def texts(given: Mapping[str, Any], name: str, code: str, *, most: int = 20) -> tuple[str, ...]:
    """Several texts, none of them empty."""
    value = given.get(name, [])
    if not isinstance(value, list) or len(value) > most:
        raise wrong(code, name, "is not a list, or too long")
    return tuple(text({name: each}, name, code, longest=2000, required=True) for each in value)


def section(given: Mapping[str, Any], name: str, code: str) -> dict[str, Any]:
    """An object; PHP writes an empty one as ``[]``."""
    value = given.get(name)
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise wrong(code, name, "is not an object")
    return value


def custom(given: Mapping[str, Any], name: str, code: str, longest: int = 4000) -> dict[str, str]:
    """Custom parameters: texts by names. Numbers and flags become texts, and nulls are left out."""
    found: dict[str, str] = {}
    for key, value in section(given, name, code).items():
        if value is None:
            continue
        if isinstance(value, (dict, list)) or len(found) >= 200 or not 0 < len(key) <= 255:
            raise wrong(code, name, "is not a list of names and texts")
        plain = value if isinstance(value, str) else json.dumps(value)
        found[key] = _text({name: plain}, name, code, longest)
    return found


def _text(given: Mapping[str, Any], name: str, code: str, longest: int) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(code, name, "is not a text")
    if len(value) > longest or "\x00" in value:
        raise wrong(code, name, "is too long, or not printable")
    return value


def wrong(code: str, name: str, problem: str) -> LtiRefused:
    """The problem goes on from the name: "is not a number"."""
    short = name.rpartition("/")[2]  # LTI names claims by whole addresses
    return LtiRefused(code, f"{short} {problem}.", detail=short)


def json_number(value: Decimal) -> int | float:
    """A number as messages of the bridge's own hold it."""
    return int(value) if value == value.to_integral_value() else float(value)
