"""Documents: records as plain JSON values, and their hashes and differences.

What is compared, hashed, stored as *acknowledged* and shown as a difference is always the same
document, so that two sides agree exactly when their hashes do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any

import orjson

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Document = Mapping[str, Json]
Difference = dict[str, tuple[Json, Json]]

DIGEST_SIZE = 16
"""Bytes in a hash: 128 bits, far from any accidental collision among a few million records."""


def plain(value: object) -> Json:
    """The JSON value of a field: times as UTC with ``Z``, decimals as normalised text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value.value) if isinstance(value, Enum) else value
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value):
        names = _names(type(value))  # type: ignore[arg-type]  # types are hashable
        return {name: plain(getattr(value, name)) for name in names}
    raise TypeError(f"{type(value).__name__} has no place in a document")


def decimal_of(value: object) -> Decimal | None:
    """The number that a JSON value states, also as a text such as ``15.50000``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def document(record: object) -> dict[str, Json]:
    """The document of one of the model's dataclasses, field by field."""
    as_json = plain(record)
    if not isinstance(as_json, dict):
        raise TypeError("a document is made of a record with fields")
    return as_json


def digest(value: object) -> bytes:
    """The hash of a JSON value, whatever the order of its keys."""
    return hashlib.blake2b(
        orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=DIGEST_SIZE
    ).digest()


def difference(old: Document, new: Document) -> Difference:
    """``{field: (old, new)}`` of every field whose value differs, in the order of ``new``."""
    if not old:
        return {name: (None, value) for name, value in new.items() if value is not None}
    names = [*new, *(name for name in old if name not in new)]
    return {
        name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    }


ITU_FIELDS: dict[str, str] = {
    "modality": "itu_modality",
    "level": "itu_level",
    "status": "itu_status",
    "hours": "itu_hours",
    "registration": "itu_registration",
    "registration_opens": "itu_regopen",
    "registration_closes": "itu_regclose",
    "seats": "itu_seats",
    "price": "itu_price",
    "currency": "itu_currency",
    "payment_methods": "itu_payment",
    "languages": "itu_languages",
    "topics": "itu_topics",
    "coordinators": "itu_coordinators",
    "organisers": "itu_organisers",
    "location": "itu_location",
    "audience": "itu_audience",
    "requirements": "itu_requirements",
    "objectives": "itu_objectives",
    "time_zone": "itu_timezone",
}
"""Field of an offering -> the name of the custom field or parameter that holds it."""
