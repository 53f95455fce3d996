"""Offerings as courses of an Academy that is itself a Moodle, in both directions.

A field goes into the custom course field that the option ``fields`` names, if the site has it. A
choice (modality, level, ...) may be a text field, or a menu with the choices in the bridge's order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from connectors.moodle.courses import custom_fields
from connectors.moodle.enrolling import epoch
from connectors.moodle.form import Parameter, without_tags
from lms_bridge.domain.document import Json, plain
from lms_bridge.domain.model import Level, Modality, OfferingStatus, RegistrationType

LONGEST_TITLE = 254
LONGEST_CODE = 100

CHOICES: dict[str, type[StrEnum]] = {
    "modality": Modality,
    "level": Level,
    "registration": RegistrationType,
    "status": OfferingStatus,
}
AMOUNTS = frozenset({"hours", "price"})
MOMENTS = frozenset({"registration_opens", "registration_closes"})
LISTS = frozenset({"languages", "topics", "coordinators", "organisers", "payment_methods"})


def course_row(
    wanted: Mapping[str, Any],
    names: Iterable[str],
    fields: Mapping[str, str],
    kinds: Mapping[str, str],
) -> dict[str, Parameter]:
    """The part of a course's row that holds the named fields of an offering's document.

    ``fields`` maps offering fields to custom fields, ``kinds`` custom fields to Moodle's types.
    """
    row: dict[str, Parameter] = {}
    custom: list[Parameter] = []
    for name in names:
        value = wanted.get(name)
        if name == "title":
            row["fullname"] = without_tags(str(value or ""))[:LONGEST_TITLE]
        elif name == "description":
            row["summary"] = str(value or "")
        elif fields.get(name) in kinds:
            kind = kinds[fields[name]]
            custom.append({"shortname": fields[name], "value": _sent(name, value, kind)})
    if "starts_at" in names or "ends_at" in names:
        row.update(_dates(wanted))
    if custom:
        row["customfields"] = custom
    return row


def _dates(wanted: Mapping[str, Any]) -> dict[str, Parameter]:
    """Moodle refuses an end without a start, and an end that is not later."""
    starts = epoch(str(wanted["starts_at"])) if wanted.get("starts_at") else 0
    ends = epoch(str(wanted["ends_at"])) if wanted.get("ends_at") else 0
    return {"startdate": starts, "enddate": ends if starts and ends > starts else 0}


def _sent(name: str, value: Any, kind: str) -> str:
    if kind == "checkbox":
        return "1" if value else "0"
    if kind == "date":
        return str(epoch(str(value))) if value else "0"
    if kind == "select":
        return str(_place(CHOICES[name], value)) if name in CHOICES else "0"
    if isinstance(value, (list, tuple)):
        return "; ".join(str(item) for item in value)
    return "" if value is None else str(value)


def _place(choices: type[StrEnum], value: Any) -> int:
    """The place of a choice in a menu, from 1; 0 for none."""
    return next((place for place, one in enumerate(choices, 1) if one == value), 0)


def shown(
    row: Mapping[str, Any], fields: Mapping[str, str], kinds: Mapping[str, str], *, state: bool
) -> dict[str, Json]:
    """What a course shows of an offering, in the form of ``domain.wanted.offering_document``."""
    if state and not row.get("visible", 1):
        return {"state": "removed"}
    document: dict[str, Json] = {"state": "active"} if state else {}
    document |= {
        "code": row.get("idnumber") or "",
        "title": row.get("fullname") or "",
        "description": row.get("summary") or "",
        "starts_at": _moment(row.get("startdate")),
        "ends_at": _moment(row.get("enddate")),
    }
    custom = custom_fields(row)
    for name, shortname in fields.items():
        if shortname in kinds:
            document[name] = _read(name, custom.get(shortname))
    return document


def _moment(seconds: Any) -> Json:
    return plain(datetime.fromtimestamp(int(seconds), UTC)) if seconds else None


def _read(name: str, value: Any) -> Json:
    if name in CHOICES:
        key = re.sub(r"[^a-z]+", "_", str(value or "").casefold()).strip("_")
        return key or None
    if name in LISTS:
        return [item.strip() for item in str(value or "").split(";") if item.strip()]
    if name in MOMENTS:
        return _moment(value) if isinstance(value, int) else (value or None)
    if name in AMOUNTS:
        return _amount(value)
    if name == "seats":
        return int(value) if str(value or "").isdecimal() else None
    return "" if value is None else str(value)


def _amount(value: Any) -> Json:
    try:
        return None if value in (None, "") else plain(Decimal(str(value).strip()))
    except InvalidOperation:
        return str(value)
