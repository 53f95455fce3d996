"""The desired state: what each target is to hold after canonical records changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import (
    GONE,
    GONE_HASH,
    REMOVED,
    enrolment_document,
    learner_document,
    offering_document,
    result_document,
)
from lms_bridge.domain.document import Document, digest
from lms_bridge.domain.model import (
    ACADEMY,
    Kind,
    Learner,
    Offering,
    OfferingStatus,
    Result,
    centre_system,
    gradebook_system,
)
from lms_bridge.store import (
    account_links,
    holds,
    launch_origins,
    learners,
    offering_links,
    results,
    target_links,
)
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import RunContext


def desire_offerings(
    tx: Connection,
    records: Mapping[int, Offering],
    documents: Mapping[int, Document] = MappingProxyType({}),
) -> None:
    """The Academy's catalogue is to show these offerings. ``documents`` saves computing those that
    the caller has."""
    unknown = _postponed_before_publication(tx, records)
    rows = []
    for record_id, record in records.items():
        shown = offering_document(record, documents.get(record_id))
        desired = GONE if record_id in unknown else shown
        rows.append(_row(ACADEMY, Kind.OFFERING, record.centre, record_id, desired))
    _set_desired(tx, ACADEMY, Kind.OFFERING, rows)


def _postponed_before_publication(tx: Connection, records: Mapping[int, Offering]) -> set[int]:
    """Those that no reader knows of: only what was published is shown as postponed."""
    postponed = [
        record_id
        for record_id, record in records.items()
        if record.status is OfferingStatus.POSTPONED
    ]
    known = target_links.desired_hashes(tx, ACADEMY, Kind.OFFERING, postponed)
    never = (EMPTY, GONE_HASH)
    return {each for each in postponed if each not in known or known[each][0] in never}


def desire_enrolments(
    tx: Connection,
    centre: str,
    records: Iterable[StoredEnrolment],
    offerings: Mapping[int, Offering],
) -> None:
    """The centre's LMS is to hold these enrolments, and the accounts of their learners."""
    system = centre_system(centre)
    rows: list[dict[str, Any]] = []
    learner_ids: set[int] = set()
    leaving: set[int] = set()
    unlisted = [id_ for id_, offering in offerings.items() if not offering.listed]
    ended = offering_links.without_their_course(tx, system, unlisted)
    for stored in records:
        document = enrolment_document(stored.record, offerings[stored.offering_id])
        if stored.offering_id in ended:
            document = GONE
        (leaving if document["state"] == REMOVED else learner_ids).add(stored.learner_id)
        rows.append(_row(system, Kind.ENROLMENT, centre, stored.id, document))
    _set_desired(tx, system, Kind.ENROLMENT, rows)
    there = target_links.desired_hashes(tx, system, Kind.LEARNER, learner_ids)
    never = (EMPTY, GONE_HASH)
    missing = [id_ for id_ in learner_ids if id_ not in there or there[id_][0] in never]
    target_links.set_desired(
        tx,
        [
            _row(system, Kind.LEARNER, centre, id_, learner_document(record))
            for id_, record in learners.learners(tx, missing).items()
        ],
    )
    _end_waits(tx, centre, leaving - learner_ids)


def _end_waits(tx: Connection, centre: str, leaving: Collection[int]) -> None:
    """Learners who left before they had an account need none any more, and wait for no match."""
    system, never = centre_system(centre), (EMPTY, GONE_HASH)
    there = target_links.desired_hashes(tx, system, Kind.LEARNER, leaving)
    without = {
        id_
        for id_, (desired, acknowledged, sending) in there.items()
        if desired not in never and acknowledged == EMPTY and not sending
    }
    needless = without - account_links.with_enrolments(tx, system, without) if without else set()
    rows = [
        {
            "system": system,
            "kind": Kind.LEARNER,
            "centre": centre,
            "record_id": id_,
            "desired": EMPTY,
        }
        for id_ in needless
    ]
    target_links.set_desired(tx, rows)
    holds.unqueue_people(tx, centre, needless)


def desire_changed_learners(tx: Connection, records: Mapping[int, Learner]) -> None:
    """Every target that holds these learners is to get their new data. An account that nothing
    needs stays as it is."""
    targets = target_links.systems_with_desired(tx, Kind.LEARNER, list(records), besides=GONE_HASH)
    target_links.set_desired(
        tx,
        [
            _row(system, Kind.LEARNER, centre, id_, learner_document(records[id_]))
            for id_, system, centre in targets
        ],
    )
    for system, centre in {(system, centre) for _, system, centre in targets}:
        ids = [id_ for id_, of_system, _ in targets if of_system == system]
        there = target_links.desired_hashes(tx, system, Kind.LEARNER, ids).items()
        # A change that was refused and taken back again waits for nobody.
        holds.unqueue_people(tx, centre, [id_ for id_, each in there if each[0] == each[1]])


def desire_results(tx: Connection, centre: str, records: Mapping[int, Result]) -> None:
    """The Academy is to hold these results, and so is every gradebook of a platform from which
    their learners came.

    A result for the Academy's own platform goes to its gradebook alone. If the Academy got it the
    other way before, that copy is kept up to date.
    """
    gradebooks = launch_origins.gradebooks_of(tx, records)
    at_academy = [id_ for id_, found in gradebooks.items() if any(not code for _, code in found)]
    there = target_links.desired_hashes(tx, ACADEMY, Kind.RESULT, at_academy)
    gradebook_only = {
        id_
        for id_ in at_academy
        if id_ not in there or not (there[id_][1] != EMPTY or there[id_][2])
    }
    rows = [
        _row(ACADEMY, Kind.RESULT, centre, record_id, result_document(record))
        for record_id, record in records.items()
        if record_id not in gradebook_only
    ]
    target_links.set_desired(tx, rows + _gradebook_rows(centre, records, gradebooks))


def desire_in_gradebooks(tx: Connection, context: RunContext) -> None:
    """Results that are older than their learner's launch go to the platform's gradebook, too."""
    ids = launch_origins.results_without_link(tx, context.centre.code)
    records = {id_: record for id_, (_, record) in results.results(tx, ids).items()}
    gradebooks = launch_origins.gradebooks_of(tx, records)
    target_links.set_desired(tx, _gradebook_rows(context.centre.code, records, gradebooks))


def _gradebook_rows(
    centre: str, records: Mapping[int, Result], gradebooks: Mapping[int, list[tuple[int, str]]]
) -> list[dict[str, Any]]:
    return [
        _row(gradebook_system(platform), Kind.RESULT, centre, id_, result_document(records[id_]))
        for id_, found in gradebooks.items()
        for platform, _ in found
    ]


def _row(
    system: str, kind: Kind, centre: str, record_id: int, document: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "system": system,
        "kind": kind,
        "centre": centre,
        "record_id": record_id,
        "desired": digest(document),
    }


def _set_desired(tx: Connection, system: str, kind: Kind, rows: list[dict[str, Any]]) -> None:
    """Sets the rows. A record that is to be gone and never was there needs no removal."""
    gone = [row["record_id"] for row in rows if row["desired"] == GONE_HASH]
    there = target_links.desired_hashes(tx, system, kind, gone)
    kept = []
    for row in rows:
        if row["desired"] == GONE_HASH:
            if row["record_id"] not in there:
                continue
            _, acknowledged, sending = there[row["record_id"]]
            if acknowledged == EMPTY and not sending:
                row = {**row, "desired": EMPTY}
        kept.append(row)
    target_links.set_desired(tx, kept)
