"""A site's data as one JSON document, so that a demo finds its sites as it left them.

What belongs to a process is not kept: address, pace, faults, counts of calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import orjson

from lms_bridge.devtools.moodle.records import (
    Completion,
    Criterion,
    CustomField,
    GradeItem,
    MoodleCategory,
    MoodleCourse,
    MoodleEnrolment,
    MoodleGroup,
    MoodleUser,
)
from lms_bridge.devtools.moodle.state import CallerAccount, MoodleState, ServiceToken

_SITE = ("context_offset", "theme_revision", "service_user_id", "max_input_vars")
_PARTS: Mapping[str, Mapping[str, Any]] = {
    "people": {
        "languages": set[str],
        "allow_shared_emails": bool,
        "_users": dict[int, MoodleUser],
        "_next_id": int,
    },
    "catalogue": {
        "categories": dict[int, MoodleCategory],
        "custom_fields": dict[str, CustomField],
        "_courses": dict[int, MoodleCourse],
        "_shortnames": set[str],
        "_next_id": int,
        "_next_serial": dict[int, int],
    },
    "enrolments": {"_by_course": dict[int, dict[int, MoodleEnrolment]]},
    "groups": {"_groups": dict[int, MoodleGroup]},
    "gradebook": {
        "_items": dict[int, list[GradeItem]],
        "_total_ids": dict[int, int],
        "_hidden_totals": dict[int, int],
        "_next_id": int,
    },
    "completions": {
        "_criteria": dict[int, list[Criterion]],
        "_any": set[int],
        "_progress": dict[tuple[int, int], Completion],
    },
    "access": {"accounts": dict[int, CallerAccount], "tokens": dict[str, ServiceToken]},
}
"""{part of the site: {attribute: its type}}."""


def save(site: MoodleState) -> bytes:
    with site.lock:
        document: dict[str, Any] = {
            "name": site.name,
            "site": {name: getattr(site, name) for name in _SITE},
        }
        for part, kept in _PARTS.items():
            held = getattr(site, part)
            document[part] = {name: _encoded(getattr(held, name)) for name in kept}
        return orjson.dumps(document)


def restore(saved: bytes) -> MoodleState:
    """The site as it was saved. Raises ValueError, KeyError or TypeError for anything else."""
    document = orjson.loads(saved)
    site = MoodleState(document["name"], service_account=False)
    for name in _SITE:
        setattr(site, name, document["site"][name])
    for part, kept in _PARTS.items():
        held = getattr(site, part)
        for name, kind in kept.items():
            setattr(held, name, _decoded(kind, document[part][name]))
    site.people.index_all()
    site.enrolments.index_all()
    return site


def _encoded(value: Any) -> Any:
    """In the types of JSON. Dicts become lists of pairs, for JSON's names are texts only."""
    if is_dataclass(value):
        return {each.name: _encoded(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return [[_encoded(key), _encoded(held)] for key, held in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_encoded(each) for each in value]
    return value


def _decoded(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if value is None or (origin is UnionType and value.__class__ in inner):
        return value
    if origin is UnionType:
        return _decoded(inner[0], value)
    if isinstance(kind, type) and is_dataclass(kind):
        types = get_type_hints(kind)
        return kind(**{name: _decoded(types[name], held) for name, held in value.items()})
    if origin is dict:
        return {_decoded(inner[0], key): _decoded(inner[1], held) for key, held in value}
    if origin in (list, set, frozenset, tuple):
        return origin(_decoded(inner[0], each) for each in value)
    return value
