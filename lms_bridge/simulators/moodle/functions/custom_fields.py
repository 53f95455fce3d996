"""Custom course fields as they are answered and as they are set."""

from datetime import UTC, datetime
from typing import Any

from lms_bridge.simulators.moodle.site.records import Course, CustomField

from .call import Call


def show_all(call: Call, course: Course) -> list[dict[str, Any]]:
    """Every defined field, also those that the course leaves empty."""
    fields = call.site.catalogue.custom_fields.values()
    return [_show(field, course.customfields.get(field.shortname)) for field in fields]


def read(call: Call, rows: list[dict[str, str]]) -> dict[str, str | int]:
    """Raw values by short name from ``[{"shortname", "value"}]``.

    Unknown short names are passed over, as Moodle's form data is.
    """
    values: dict[str, str | int] = {}
    for row in rows:
        field = call.site.catalogue.custom_fields.get(row["shortname"])
        if field is not None:
            text = row["value"]
            is_number = field.type in ("select", "checkbox", "date")
            values[field.shortname] = _number(text) if is_number else text
    return values


def _number(text: str) -> int:
    return int(text) if text.strip().lstrip("-").isdigit() else 0


def _show(field: CustomField, raw: str | int | None) -> dict[str, Any]:
    if raw is None:
        raw = "" if field.type in ("text", "textarea") else 0
    return {
        "name": field.name,
        "shortname": field.shortname,
        "type": field.type,
        "valueraw": raw,
        "value": _value(field, raw),
    }


def _value(field: CustomField, raw: str | int) -> str | None:
    if field.type == "checkbox":
        return "Yes" if raw else "No"
    if not raw:
        return None
    if field.type == "select":
        index = int(raw)
        return field.options[index - 1] if 0 < index <= len(field.options) else None
    if field.type == "date":
        day = datetime.fromtimestamp(int(raw), UTC)
        return f"{day.day} {day:%B %Y}"
    return str(raw)
