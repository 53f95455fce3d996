"""The database as good nights would have left it, put in by bulk insertion.

Offerings go through real runs. Registrations and rosters are read by the real reader, which gives
the hashes; only the rows that follow from them are inserted in bulk. ``verify`` holds the outcome
against what real runs leave, row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.answers import write_answers
from benchmarks.bridge import READ, MeasuredBridge, Sources, measured_bridge
from benchmarks.world import World, account, centre_of
from lms_bridge.domain.desired_state import enrolment_document, learner_document
from lms_bridge.domain.document import Json, digest
from lms_bridge.domain.model import ACADEMY, Centre, Enrolment, EnrolmentStatus, Flow, Kind, Learner
from lms_bridge.domain.policy import Policy
from lms_bridge.store import (
    centres,
    enrolments,
    learners,
    links,
    migrate,
    offerings,
)
from lms_bridge.store.database import Database
from lms_bridge.sync.context import Lease, RunContext
from lms_bridge.sync.diff import remember_pages
from lms_bridge.sync.flows import enrolment_steps
from lms_bridge.sync.pull import Snapshot, pull
from lms_bridge.sync.spool import ChangedRecord
from lms_bridge.sync.steps import Step


@dataclass(frozen=True, slots=True)
class _Person:
    record_id: int
    account: str


def seed(address: str, folder: Path, world: World, numbers: Iterable[int]) -> None:
    """Writes the sources of these centres and puts their records into the database."""
    bridge = measured_bridge(address, Sources(folder, READ))
    migrate.upgrade(bridge.database)
    for number in numbers:
        centre = centre_of(number)
        write_answers(folder, world, number)
        with bridge.database.writing() as tx:
            centres.add(tx, centre, b"")
        (report,) = bridge.run_all([bridge.request(centre, (Flow.OFFERINGS,))])
        if report.status != "done":
            raise RuntimeError(f"seeding: {report.status} {report.errors}")
        _seed_people(bridge, centre)
    if not bridge.database.embedded:
        with bridge.database.writing() as tx:
            tx.execute(text("ANALYZE"))  # as its autovacuum would have
    bridge.close()


def _seed_people(bridge: MeasuredBridge, centre: Centre) -> None:
    context = RunContext(bridge.database, centre, Policy(), Lease("", "", 0.0))
    peers = bridge.open_peers(centre)
    registrations, rosters = enrolment_steps(context, peers)[:2]
    snapshot = _read(registrations, bridge.database)
    with bridge.database.writing() as tx:
        _insert(tx, centre, snapshot)
    shown = _read(rosters, bridge.database)
    with bridge.database.writing() as tx:
        for found in (snapshot, shown):
            remember_pages(tx, found, found.digests)


def _read(step: Step, database: Database) -> Snapshot:
    if step.feed is None or step.read is None:
        raise RuntimeError(f"{step.name} reads nothing")
    return pull(step.feed, step.read(), database)


def _insert(tx: Connection, centre: Centre, snapshot: Snapshot) -> None:
    """Learners with the accounts that they were found to have; enrolments at the centre."""
    records = [(changed, _learner(changed), _enrolment(changed)) for changed in snapshot.changed]
    taught = {
        record.code: (id_, record)
        for id_, record in offerings.offerings_of(tx, centre.code).items()
    }
    courses = links.external_ids(tx, centre.system, Kind.OFFERING, (i for i, _ in taught.values()))
    people = _add_people(tx, centre, (learner for _, learner, _ in records))
    ids = enrolments.add_enrolments(
        tx, [(people[e.learner].record_id, taught[e.offering][0], e) for _, _, e in records]
    )
    held = []
    for id_, (_, _, record) in zip(ids, records, strict=True):
        offering_id, offering = taught[record.offering]
        place = f"{courses[offering_id]}/{people[record.learner].account}"
        document = enrolment_document(record, offering)
        held.append(_held(centre, Kind.ENROLMENT, id_, document, place, created_by_us=True))
    links.insert_links(tx, held)
    links.insert_links(
        tx,
        [_source(centre, id_, changed) for id_, (changed, _, _) in zip(ids, records, strict=True)],
    )


def _learner(changed: ChangedRecord) -> Learner:
    """As the schema makes it of these clean records, but quicker."""
    fields: Any = changed.raw.fields["learner"]
    return Learner(academy_id=fields["id"], **{k: v for k, v in fields.items() if k != "id"})


def _enrolment(changed: ChangedRecord) -> Enrolment:
    fields: Any = changed.raw.fields
    return Enrolment(
        fields["learner"]["id"],
        fields["offering"],
        EnrolmentStatus(fields["status"]),
        None,
        datetime.fromisoformat(fields["ends_at"]),
    )


def _add_people(
    tx: Connection, centre: Centre, records: Iterable[Learner]
) -> Mapping[str, _Person]:
    unique = {record.academy_id: record for record in records}
    ids = learners.add_learners(tx, list(unique.values()))
    people = {
        key: _Person(id_, str(account(int(key[-5:])))) for key, id_ in zip(unique, ids, strict=True)
    }
    links.insert_links(
        tx,
        [
            _held(
                centre,
                Kind.LEARNER,
                people[key].record_id,
                learner_document(record),
                people[key].account,
                created_by_us=False,
            )
            for key, record in unique.items()
        ],
    )
    return people


def _source(centre: Centre, record_id: int, changed: ChangedRecord) -> dict[str, Any]:
    return {
        "system": ACADEMY,
        "kind": Kind.ENROLMENT,
        "centre": centre.code,
        "record_id": record_id,
        "external_id": changed.raw.external_id,
        "scope": changed.scope,
        "source_hash": changed.source_hash,
    }


def _held(
    centre: Centre,
    kind: Kind,
    record_id: int,
    document: Mapping[str, Json],
    external_id: str,
    *,
    created_by_us: bool,
) -> dict[str, Any]:
    hashed = digest(document)
    return {
        "system": centre.system,
        "kind": kind,
        "centre": centre.code,
        "record_id": record_id,
        "external_id": external_id,
        "scope": external_id.rpartition("/")[0],
        "desired": hashed,
        "acknowledged": hashed,
        "held_document": dict(document),
        "created_by_us": created_by_us,
    }
