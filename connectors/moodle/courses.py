"""Courses as Moodle shows them, and the offerings that they are.

Only fields that a person edits are taken: an answer also holds counters, cache versions and image
addresses that change for reasons of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lms_bridge.domain.errors import AccessDenied
from lms_bridge.domain.ports import Raw

SITE_COURSE = 1
"""The front page, which Moodle keeps as a course."""

_EMBEDDED_FILE = re.compile(
    r"<(?:img|source|video|audio)\b[^>]*@@PLUGINFILE@@[^>]*>", re.IGNORECASE
)


def is_course(row: Mapping[str, Any]) -> bool:
    return row.get("id") != SITE_COURSE and row.get("format") != "site"


def check_visible(rows: list[dict[str, Any]]) -> None:
    """Raises ``AccessDenied`` when Moodle shows courses only as the public sees them: dates and
    visibility would then seem to have been taken away."""
    if any("startdate" not in row for row in rows):
        raise AccessDenied(
            "errorcoursecontextnotvalid",
            "Moodle shows some courses without their dates.",
            "Allow moodle/course:view to the service account's role.",
        )


def custom_fields(row: Mapping[str, Any]) -> dict[str, object]:
    """Short name -> value of every custom field that has one."""
    found: dict[str, object] = {}
    for field in row.get("customfields") or ():
        value = _custom_value(field)
        if value not in (None, ""):
            found[str(field.get("shortname"))] = value
    return found


def _custom_value(field: Mapping[str, Any]) -> object:
    kind, raw = field.get("type"), field.get("valueraw")
    if kind == "select":
        return field.get("value")  # the text; valueraw is its place in the list
    if kind == "date":
        return raw or None  # 0 means no date
    if kind == "checkbox":
        return bool(raw)
    return raw if raw is not None else field.get("value")


def ticked(row: Mapping[str, Any], shortname: str) -> bool:
    """Whether a checkbox field is ticked.

    Raises:
        AccessDenied: the field is not shown at all, which must not pass for "not ticked".
    """
    for field in row.get("customfields") or ():
        if field.get("shortname") == shortname:
            return bool(field.get("valueraw"))
    raise AccessDenied(
        "publish-field-unseen",
        f"Moodle shows no course field named {shortname}.",
        "Create the field, or make it visible to everyone.",
    )


def offering(row: Mapping[str, Any], names: Mapping[str, str], site: str) -> Raw:
    """The offering that a course is. ``names`` maps offering fields to custom fields' names."""
    fields: dict[str, object] = {
        "title": row.get("fullname"),
        "course_code": row.get("idnumber") or row.get("shortname") or "",
        "description": _EMBEDDED_FILE.sub("", row.get("summary") or ""),
        "address": f"{site}/course/view.php?id={row['id']}",
    }
    for name, source in (("starts_at", "startdate"), ("ends_at", "enddate")):
        if row.get(source):
            fields[name] = row[source]
    custom = custom_fields(row)
    for name, shortname in names.items():
        if shortname in custom:
            fields[name] = custom[shortname]
    if not row.get("visible", 1):
        fields["status"] = "planned"
    return Raw(str(row["id"]), fields)
