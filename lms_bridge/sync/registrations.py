"""Registrations: from the Academy into the canonical learners and enrolments."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from lms_bridge.domain.document import document
from lms_bridge.domain.model import EnrolmentStatus, Kind, Learner
from lms_bridge.domain.ports import Action
from lms_bridge.store import enrolments, learners, offerings
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.sync.read import Snapshot
from lms_bridge.sync.registered import (
    ENDED,
    Registration,
    enrolment_ids_of,
    leave_to_owners,
    left_places,
    load_registrations,
    one_each,
    people_of,
)
from lms_bridge.sync.take import make_plan, refuse, taken_in
from lms_bridge.sync.wants import want_changed_learners, want_enrolments
from lms_bridge.sync.work import FILES, Work, changed_fields


def take_in_registrations(tx: Connection, work: Work, snapshot: Snapshot) -> None:
    """Applies the Academy's registrations for one centre: people, enrolments, withdrawals of
    those that a whole snapshot no longer holds, and of places that a registration left for another
    offering; or holds the plan."""
    loaded, refused = load_registrations(tx, work, snapshot)
    people = people_of(tx, loaded)
    ids = enrolment_ids_of(tx, loaded, people)
    if snapshot.feed.system == FILES:
        refused += leave_to_owners(tx, loaded, ids, people)
    left = left_places(loaded, ids)
    before = enrolments.enrolments(
        tx, [*ids.values(), *(known.record_id for known in (snapshot.vanished | left).values())]
    )
    loaded, doubles = one_each(tx, snapshot, loaded, ids, before)
    refuse(tx, work, snapshot, [*refused, *doubles])
    snapshot.vanished.update((key, known) for key, known in left.items() if key in loaded)
    # What another registration of the same learner in the same offering took over is not gone.
    inherited = {ids[key] for key in loaded if key in ids}
    gone = {
        key: known for key, known in snapshot.vanished.items() if known.record_id not in inherited
    }
    live = {
        key: known.record_id
        for key, known in gone.items()
        if before[known.record_id].record.status not in ENDED
    }
    made = make_plan(
        tx,
        work,
        snapshot,
        {key: document(each.record) for key, each in loaded.items()},
        {key: document(before[ids[key]].record) for key in loaded if key in ids},
        live,
    )
    if made is None:
        return
    learner_ids = _keep_people(tx, work, loaded, people)
    _apply(tx, work, loaded, ids, learner_ids, before)
    removed = [_withdrawn(before[live[change.key]]) for change in made.removals]
    enrolments.change_enrolments(tx, {stored.id: stored.record for stored in removed})
    touched = enrolments.enrolments(tx, [ids[key] for key in loaded])
    everything = [*touched.values(), *removed]
    want_enrolments(
        tx,
        work.centre.code,
        everything,
        offerings.offerings(tx, {stored.offering_id for stored in everything}),
    )
    for change in made.changes:
        work.note(
            Kind.ENROLMENT,
            snapshot.feed.system,
            change.action,
            "taken in",
            record_id=(live if change.action is Action.REMOVE else ids)[change.key],
            external_id=change.key,
            fields=change.fields if change.action is Action.UPDATE else None,
        )
    taken_in(
        tx,
        work,
        snapshot,
        [(each.changed, ids[key]) for key, each in loaded.items()],
        list(gone.values()),
        loaded.keys(),
    )


def _withdrawn(stored: StoredEnrolment) -> StoredEnrolment:
    return stored.with_record(replace(stored.record, status=EnrolmentStatus.WITHDRAWN))


def _keep_people(
    tx: Connection,
    work: Work,
    loaded: dict[str, Registration],
    people: dict[str, tuple[int, Learner]],
) -> dict[str, int]:
    """Adds and renews learners; gives {academy id: learner id}."""
    latest = {each.learner.academy_id: each.learner for each in loaded.values()}
    changed = {
        people[key][0]: record
        for key, record in latest.items()
        if key in people and people[key][1] != record
    }
    learners.change_learners(tx, changed)
    want_changed_learners(tx, changed)
    for record_id, record in changed.items():
        fields = changed_fields(document(people[record.academy_id][1]), document(record))
        work.note(
            Kind.LEARNER, "academy", Action.UPDATE, "taken in", record_id=record_id, fields=fields
        )
    new = [record for key, record in latest.items() if key not in people]
    new_ids = learners.add_learners(tx, new)
    for record_id in new_ids:
        work.note(Kind.LEARNER, "academy", Action.CREATE, "taken in", record_id=record_id)
    ids = {key: record_id for key, (record_id, _) in people.items()}
    ids.update((record.academy_id, id_) for record, id_ in zip(new, new_ids, strict=True))
    return ids


def _apply(
    tx: Connection,
    work: Work,
    loaded: dict[str, Registration],
    ids: dict[str, int],
    learner_ids: dict[str, int],
    before: dict[int, StoredEnrolment],
) -> None:
    """Writes the enrolments and completes ``ids`` with those of the new ones."""
    changes = {
        ids[key]: each.record
        for key, each in loaded.items()
        if key in ids and before[ids[key]].record != each.record
    }
    enrolments.change_enrolments(tx, changes)
    new = {key: each for key, each in loaded.items() if key not in ids}
    added = enrolments.add_enrolments(
        tx,
        [
            (learner_ids[each.learner.academy_id], each.offering_id, each.record)
            for each in new.values()
        ],
    )
    ids.update(zip(new, added, strict=True))
