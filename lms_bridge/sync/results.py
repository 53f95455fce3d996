"""Results: from a centre's LMS into the canonical records."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Kind, Result
from lms_bridge.domain.ports import Action
from lms_bridge.schemas.enrolment import ResultSchema
from lms_bridge.schemas.load import load
from lms_bridge.store import enrolments, learners, links, offerings, results, source_links
from lms_bridge.sync.read import Changed, Snapshot
from lms_bridge.sync.registered import named_offerings
from lms_bridge.sync.take import owned_elsewhere, refuse, taken_in
from lms_bridge.sync.wants import want_results
from lms_bridge.sync.work import FILES, Work, changed_fields

_NOTHING = {f.name: f.default for f in fields_of(Result) if f.name in {"score", "completed"}}


def take_in_results(tx: Connection, work: Work, snapshot: Snapshot) -> None:
    """Applies grades and completions. A result that a source no longer shows is kept: a grade is
    not taken back by silence. People whom the bridge did not enrol are nobody's business here."""
    loaded, refused = _load(work, snapshot)
    ours = _enrolments(tx, work, snapshot, loaded)
    known = results.results_of(tx, ours.values())
    if snapshot.feed.system == FILES:
        refused += _leave_to_owners(tx, loaded, ours, known)
    refuse(tx, work, snapshot, refused)
    stored = enrolments.enrolments(tx, ours.values())
    new: dict[str, tuple[int, Result]] = {}
    changed: dict[int, Result] = {}
    ids: dict[str, int] = {}
    for key, enrolment_id in ours.items():
        parsed = loaded[key][1]
        enrolment = stored[enrolment_id].record
        record = Result(enrolment.learner, enrolment.offering, **parsed)
        if enrolment_id not in known:
            if any(parsed[name] != empty for name, empty in _NOTHING.items()):
                new[key] = (enrolment_id, record)
            continue
        ids[key], before = known[enrolment_id]
        if before != record:
            changed[ids[key]] = record
            difference = changed_fields(document(before), document(record))
            _note(work, snapshot, Action.UPDATE, ids[key], key, difference)
    results.change_results(tx, changed)
    new_ids = dict(zip(new, results.add_results(tx, list(new.values())), strict=True))
    for key, record_id in new_ids.items():
        _note(work, snapshot, Action.CREATE, record_id, key, None)
    ids.update(new_ids)
    want_results(
        tx,
        work.centre.code,
        changed | {new_ids[key]: record for key, (_, record) in new.items()},
    )
    taken_in(
        tx,
        work,
        snapshot,
        [(loaded[key][0], record_id) for key, record_id in ids.items()],
        [],
        loaded.keys(),
    )


def _leave_to_owners(
    tx: Connection,
    loaded: dict[str, tuple[Changed, dict[str, Any]]],
    ours: dict[str, int],
    known: dict[int, tuple[int, Result]],
) -> list[tuple[Changed, RecordRefused]]:
    """Takes out what a file says of results that another system shows."""
    owners = source_links.sources(
        tx, Kind.RESULT, [result_id for result_id, _ in known.values()], besides=FILES
    )
    refused = []
    for key, enrolment_id in list(ours.items()):
        owner = owners.get(known[enrolment_id][0]) if enrolment_id in known else None
        if owner is not None:
            refused.append((loaded.pop(key)[0], owned_elsewhere(Kind.RESULT, owner)))
            del ours[key]
    return refused


def _note(
    work: Work, snapshot: Snapshot, action: Action, record_id: int, key: str, fields: Any
) -> None:
    work.note(
        Kind.RESULT,
        snapshot.feed.system,
        action,
        "taken in",
        record_id=record_id,
        external_id=key,
        fields=fields,
    )


def _load(
    work: Work, snapshot: Snapshot
) -> tuple[dict[str, tuple[Changed, dict[str, Any]]], list[tuple[Changed, RecordRefused]]]:
    schema = ResultSchema(default_zone=work.centre.time_zone)
    loaded: dict[str, tuple[Changed, dict[str, Any]]] = {}
    refused: list[tuple[Changed, RecordRefused]] = []
    for changed in snapshot.changed:
        try:
            loaded[changed.raw.external_id] = (changed, load(schema, changed.raw.fields))
        except RecordRefused as error:
            refused.append((changed, error))
    return loaded, refused


def _enrolments(
    tx: Connection,
    work: Work,
    snapshot: Snapshot,
    loaded: dict[str, tuple[Changed, dict[str, Any]]],
) -> dict[str, int]:
    """{result's external id: enrolment id}, by the links of the course and of the account. Files
    name both by the bridge's code and the Academy's id; an LMS never does, for its accounts'
    numbers may look like somebody else's id."""
    centre, system = work.centre, snapshot.feed.system
    parts = {key: key.rpartition("/") for key in loaded}
    courses = {part[0] for part in parts.values()}
    accounts = {part[2] for part in parts.values()}
    by_link = named_offerings(tx, work, system, courses)
    people_by_link = links.by_external_id(tx, system, Kind.LEARNER, accounts)
    offering_ids = {key: known.record_id for key, known in by_link.items()}
    learner_ids = {key: known.record_id for key, known in people_by_link.items()}
    if system == FILES:
        by_code = offerings.offerings_by_code(tx, courses)
        offering_ids.update(
            (key, id_) for key, (id_, record) in by_code.items() if record.centre == centre.code
        )
        by_academy_id = learners.learners_by_academy_id(tx, accounts)
        learner_ids = {key: id_ for key, (id_, _) in by_academy_id.items()}
    pairs = {
        key: (offering_ids[course], learner_ids[account])
        for key, (course, _, account) in parts.items()
        if course in offering_ids and account in learner_ids
    }
    found = enrolments.enrolment_ids(tx, pairs.values())
    return {key: found[pair] for key, pair in pairs.items() if pair in found}
