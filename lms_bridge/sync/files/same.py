"""Rows that say what the bridge holds already, of records that did not come in a file.

Such rows are what an export writes. They are left out of an import, so that a file which was
written and read again changes nothing and no file claims what another system brought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marshmallow import Schema
from sqlalchemy import Connection

from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Centre, Enrolment, Kind, Learner, Offering, Result
from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.enrolment import RegistrationSchema, ResultSchema
from lms_bridge.schemas.load import load
from lms_bridge.schemas.offering import OfferingSchema
from lms_bridge.store import enrolments, learners, links, offerings, results
from lms_bridge.sync.work import FILES

Found = Mapping[str, tuple[int, object]]
"""{external id of a row: (record id, what the bridge holds in the row's own terms)}"""


def differing(tx: Connection, kind: Kind, centre: Centre, raws: Sequence[Raw]) -> list[Raw]:
    """The rows without those that say what is held already and did not come in a file."""
    find, said, schema = _WAYS[kind]
    held = find(tx, [raw.external_id for raw in raws])
    from_files = links.external_ids(tx, FILES, kind, [id_ for id_, _ in held.values()])
    loader = schema(default_zone=centre.time_zone)
    kept = []
    for raw in raws:
        record_id, record = held.get(raw.external_id, (0, None))
        if record is None or record_id in from_files or said(loader, raw, record) != record:
            kept.append(raw)
    return kept


def _offerings(tx: Connection, names: Sequence[str]) -> Found:
    return offerings.offerings_by_code(tx, names)


def _said_offering(schema: Schema, raw: Raw, held: object) -> object:
    fields = _loaded(schema, raw)
    if fields is None or not isinstance(held, Offering):
        return None
    fields["course_code"] = fields["course_code"] or held.code
    return Offering(code=held.code, centre=held.centre, **fields)


def _pairs(tx: Connection, names: Sequence[str]) -> dict[str, int]:
    """{`<offering>/<learner>`: enrolment id}, by the bridge's codes and the Academy's ids."""
    parts = {name: name.rpartition("/") for name in names}
    courses = offerings.offerings_by_code(tx, {part[0] for part in parts.values()})
    people = learners.learners_by_academy_id(tx, {part[2] for part in parts.values()})
    pairs = {
        name: (courses[part[0]][0], people[part[2]][0])
        for name, part in parts.items()
        if part[0] in courses and part[2] in people
    }
    found = enrolments.enrolment_ids(tx, pairs.values())
    return {name: found[pair] for name, pair in pairs.items() if pair in found}


def _enrolments(tx: Connection, names: Sequence[str]) -> Found:
    ids = _pairs(tx, names)
    stored = enrolments.enrolments(tx, ids.values())
    people = learners.learners(tx, {each.learner_id for each in stored.values()})
    return {
        name: (id_, (people[stored[id_].learner_id], stored[id_].record))
        for name, id_ in ids.items()
    }


def _said_enrolment(schema: Schema, raw: Raw, held: object) -> object:
    fields = _loaded(schema, raw)
    if fields is None or not isinstance(held, tuple):
        return None
    learner: Learner = fields.pop("learner")
    return (learner, Enrolment(learner.academy_id, **fields))


def _results(tx: Connection, names: Sequence[str]) -> Found:
    ids = _pairs(tx, names)
    stored = results.results_of(tx, ids.values())
    return {name: stored[id_] for name, id_ in ids.items() if id_ in stored}


def _said_result(schema: Schema, raw: Raw, held: object) -> object:
    fields = _loaded(schema, raw)
    if fields is None or not isinstance(held, Result):
        return None
    return Result(held.learner, held.offering, **fields)


def _loaded(schema: Schema, raw: Raw) -> dict[str, Any] | None:
    try:
        fields: dict[str, Any] = load(schema, raw.fields)
    except RecordRefused:
        return None  # told of when it is taken in
    return fields


_WAYS: Mapping[
    Kind,
    tuple[
        Callable[[Connection, Sequence[str]], Found],
        Callable[[Schema, Raw, object], object],
        Callable[..., Schema],
    ],
] = {
    Kind.OFFERING: (_offerings, _said_offering, OfferingSchema),
    Kind.ENROLMENT: (_enrolments, _said_enrolment, RegistrationSchema),
    Kind.RESULT: (_results, _said_result, ResultSchema),
}
