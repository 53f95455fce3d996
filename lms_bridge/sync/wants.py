"""After canonical records changed: what each target is to hold from now on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import Document, digest
from lms_bridge.domain.model import (
    ACADEMY,
    Kind,
    Learner,
    Offering,
    Result,
    centre_system,
    gradebook_system,
)
from lms_bridge.domain.wanted import (
    GONE,
    REMOVED,
    enrolment_document,
    learner_document,
    offering_document,
    result_document,
)
from lms_bridge.store import enrolments, learners, lti_visits, results, target_links
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.work import Work

GONE_HASH = digest(GONE)


def want_offerings(
    tx: Connection,
    records: Mapping[int, Offering],
    documents: Mapping[int, Document] = MappingProxyType({}),
) -> None:
    """The Academy's catalogue is to show these offerings as they are now. ``documents`` are those
    of the records, as far as they are there already."""
    rows = [
        _row(
            ACADEMY,
            Kind.OFFERING,
            record.centre,
            record_id,
            offering_document(record, documents.get(record_id)),
        )
        for record_id, record in records.items()
    ]
    _want(tx, ACADEMY, Kind.OFFERING, rows)


def want_enrolments(
    tx: Connection,
    centre: str,
    records: Iterable[StoredEnrolment],
    offerings: Mapping[int, Offering],
) -> None:
    """The centre's LMS is to hold these enrolments, and the accounts of their learners."""
    system = centre_system(centre)
    rows, people = [], set()
    for stored in records:
        document = enrolment_document(stored.record, offerings[stored.offering_id])
        if document["state"] != REMOVED:
            people.add(stored.learner_id)
        rows.append(_row(system, Kind.ENROLMENT, centre, stored.id, document))
    _want(tx, system, Kind.ENROLMENT, rows)
    there = target_links.wanted_hashes(tx, system, Kind.LEARNER, people)
    missing = [id_ for id_ in people if id_ not in there or there[id_][0] == EMPTY]
    target_links.want(
        tx,
        [
            _row(system, Kind.LEARNER, centre, id_, learner_document(record))
            for id_, record in learners.learners(tx, missing).items()
        ],
    )


def want_changed_learners(tx: Connection, records: Mapping[int, Learner]) -> None:
    """Wherever these people have accounts by the bridge's doing, their data are to be renewed."""
    rows = []
    for record_id, system, centre in target_links.systems_that_want(
        tx, Kind.LEARNER, list(records)
    ):
        document = learner_document(records[record_id])
        rows.append(_row(system, Kind.LEARNER, centre, record_id, document))
    target_links.want(tx, rows)


def want_results(tx: Connection, centre: str, records: Mapping[int, Result]) -> None:
    """The Academy is to hold these results, and so is every gradebook of a platform that their
    learners came from. Where that is the Academy's own, the result goes there by its gradebook
    alone, unless it was sent the other way before: what it holds is kept up to date."""
    gradebooks = lti_visits.gradebooks_of(tx, records)
    at_home = [id_ for id_, found in gradebooks.items() if any(not code for _, code in found)]
    there = target_links.wanted_hashes(tx, ACADEMY, Kind.RESULT, at_home)
    climbing = {
        id_ for id_ in at_home if id_ not in there or not (there[id_][1] != EMPTY or there[id_][2])
    }
    rows = [
        _row(ACADEMY, Kind.RESULT, centre, record_id, result_document(record))
        for record_id, record in records.items()
        if record_id not in climbing
    ]
    target_links.want(tx, rows + _in_gradebooks(centre, records, gradebooks))


def want_in_gradebooks(tx: Connection, work: Work) -> None:
    """Results that were there before their learners came from a platform go to its gradebook."""
    ids = lti_visits.unwanted(tx, work.centre.code)
    records = {id_: record for id_, (_, record) in results.results(tx, ids).items()}
    gradebooks = lti_visits.gradebooks_of(tx, records)
    target_links.want(tx, _in_gradebooks(work.centre.code, records, gradebooks))


def _in_gradebooks(
    centre: str, records: Mapping[int, Result], gradebooks: Mapping[int, list[tuple[int, str]]]
) -> list[dict[str, Any]]:
    return [
        _row(gradebook_system(party), Kind.RESULT, centre, id_, result_document(records[id_]))
        for id_, found in gradebooks.items()
        for party, _ in found
    ]


def want_enrolments_of(tx: Connection, centre: str, changed: Mapping[int, Offering]) -> None:
    """After offerings' dates changed, their enrolments' documents follow."""
    stored = enrolments.enrolments_in(tx, changed)
    want_enrolments(tx, centre, stored.values(), changed)


def _row(
    system: str, kind: Kind, centre: str, record_id: int, document: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "system": system,
        "kind": kind,
        "centre": centre,
        "record_id": record_id,
        "wanted": digest(document),
    }


def _want(tx: Connection, system: str, kind: Kind, rows: list[dict[str, Any]]) -> None:
    """Sets what is wanted; a record that is to be gone and never was there asks for nothing."""
    gone = [row["record_id"] for row in rows if row["wanted"] == GONE_HASH]
    there = target_links.wanted_hashes(tx, system, kind, gone)
    kept = []
    for row in rows:
        if row["wanted"] == GONE_HASH:
            if row["record_id"] not in there:
                continue
            _, acknowledged, sending = there[row["record_id"]]
            if acknowledged == EMPTY and not sending:
                row = {**row, "wanted": EMPTY}
        kept.append(row)
    target_links.want(tx, kept)
