"""Completions: what a centre says of an offering whose source leaves fields empty.

A resource that was chosen by deep linking may have a title and nothing else. The source's own word
always wins: a completion fills only what it leaves empty, also when the source is read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import difference, document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Centre, Kind, Offering
from lms_bridge.domain.ports import Action
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema
from lms_bridge.store import completions, enrolments, offerings, source_links
from lms_bridge.sync.context import API, Asked, RunContext
from lms_bridge.sync.desired_state import desire_enrolments, desire_offerings
from lms_bridge.sync.diff import refuse_other_owner
from lms_bridge.sync.offering_actions import find_offering

_NOT_THEIRS = frozenset({"title", "status", "course_code"})
"""The status changes by acts, and the title is the source's: every source has one."""
COMPLETABLE = frozenset(OfferingSchema().fields) - _NOT_THEIRS
_EMPTY: tuple[object, ...] = (None, "", [], (), {})
_DEFAULTS = {f.name: f.default for f in fields(Offering)}


def complete(
    tx: Connection, context: RunContext, code: str, given: Mapping[str, Any], by: str
) -> tuple[int, Offering]:
    """Fills fields of an offering that its source leaves empty; an empty value takes an earlier
    completion back. Returns the offering's id, and the offering as it is now.

    Raises:
        NotFound: the centre has no such offering.
        RecordRefused: a field is unknown, unusable, or given by the source.
    """
    context.asked = Asked(Kind.OFFERING, "complete", code)
    record_id, before = find_offering(tx, context.centre.code, code)
    earlier = completions.of_offerings(tx, [record_id]).get(record_id, {})
    _check_names(tx, context, record_id, before, given, earlier)
    filled = {k: v for k, v in {**earlier, **given}.items() if v not in _EMPTY}
    said = {k: v for k, v in document(before).items() if k not in earlier and k in _FIELDS}
    schema = OfferingSchema(default_zone=context.centre.time_zone)
    after = replace(before, **{**load(schema, {**said, **filled}), "status": before.status})
    if after == before and filled == earlier:
        return record_id, before
    completions.keep(tx, record_id, filled, by, context.now())
    offerings.change_offerings(tx, {record_id: after})
    desire_offerings(tx, {record_id: after})
    if after.starts_at != before.starts_at:
        stored = enrolments.enrolments_in(tx, [record_id]).values()
        desire_enrolments(tx, context.centre.code, stored, {record_id: after})
    changed = difference(document(before), document(after))
    context.note(
        *(Kind.OFFERING, API, Action.UPDATE),
        record_id=record_id,
        external_id=code,
        fields=changed,
    )
    return record_id, after


_FIELDS = frozenset(OfferingSchema().fields)


def open_fields(centre: Centre, record: Offering, earlier: Collection[str]) -> frozenset[str]:
    """The fields that the centre may fill, because its LMS leaves them empty. ``earlier`` are
    those that it filled before."""
    return frozenset(
        name for name in COMPLETABLE if name in earlier or _is_empty(centre, record, name)
    )


def _check_names(
    tx: Connection,
    context: RunContext,
    record_id: int,
    before: Offering,
    given: Mapping[str, Any],
    earlier: Mapping[str, Any],
) -> None:
    centre = context.centre
    system, is_open = centre.system, open_fields(centre, before, earlier)
    if source_links.sources(tx, Kind.OFFERING, [record_id]).get(record_id) != system:
        raise RecordRefused(
            "owned-elsewhere",
            "This offering does not come from the centre's LMS: its fields are all the centre's.",
            "Push it again with the fields.",
        )
    for name in given:
        if name in _NOT_THEIRS:
            error = refuse_other_owner(Kind.OFFERING, system)
            message = f"{name} is not for the centre to complete: its LMS gives it."
            raise RecordRefused("owned-elsewhere", message, error.remedy, field=name)
        if name not in COMPLETABLE:
            raise RecordRefused(
                "unknown-field",
                f'"{name[:40]}" cannot be completed.',
                f"There are: {', '.join(sorted(COMPLETABLE))}.",
                field=name[:40],
            )
        if name not in is_open:
            error = refuse_other_owner(Kind.OFFERING, system)
            message = f"{name} is given by the centre's LMS."
            raise RecordRefused("owned-elsewhere", message, error.remedy, field=name)


def _is_empty(centre: Centre, before: Offering, name: str) -> bool:
    """Whether the source left the field empty. A source that names no zone gets the centre's, and
    one that names no registration gets the direct one."""
    value = getattr(before, name)
    if name == "time_zone":
        return bool(value == centre.time_zone)
    return value in _EMPTY or (name == "registration" and value == _DEFAULTS[name])
