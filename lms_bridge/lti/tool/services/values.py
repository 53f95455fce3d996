"""Addresses and values of services: both are taken as they come, and sent as all understand."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

MOST_PAGES = 10_000


def with_ending(address: str, ending: str) -> str:
    """``/scores`` goes before the query, which stays (Moodle's has ``?type_id=1``)."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ending}"))


def with_query(address: str, more: Mapping[str, str]) -> str:
    """The address with these parameters besides its own; one of its own that is named goes."""
    if not more:
        return address
    parts = urlsplit(address)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in more]
    return urlunsplit(parts._replace(query=urlencode([*kept, *more.items()])))


def text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def decimal(value: object) -> Decimal | None:
    """A number, which Moodle sends as a text such as ``15.50000``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
