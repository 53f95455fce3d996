"""Registrations: from the Academy into the canonical learners and enrolments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Kind, Learner
from lms_bridge.domain.ports import Action
from lms_bridge.schemas.enrolment import RegistrationSchema
from lms_bridge.schemas.load import load
from lms_bridge.store import enrolments, learners, links, offerings
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.links import Known
from lms_bridge.sync.read import Changed, Snapshot
from lms_bridge.sync.take import make_plan, refuse, taken_in
from lms_bridge.sync.wants import want_changed_learners, want_enrolments
from lms_bridge.sync.work import FILES, Work, changed_fields

ENDED = frozenset({EnrolmentStatus.REJECTED, EnrolmentStatus.WITHDRAWN, EnrolmentStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class _Registration:
    changed: Changed
    learner: Learner
    offering_id: int
    offering: str
    fields: dict[str, Any]

    @property
    def record(self) -> Enrolment:
        return Enrolment(
            self.learner.academy_id,
            self.offering,
            self.fields["status"],
            self.fields["starts_at"],
            self.fields["ends_at"],
        )


def take_in_registrations(tx: Connection, work: Work, snapshot: Snapshot) -> None:
    """Applies the Academy's registrations for one centre: people, enrolments, withdrawals of
    those that a whole snapshot no longer holds, and of places that a registration left for another
    offering; or holds the plan."""
    loaded, refused = _load(tx, work, snapshot)
    people = _people(tx, loaded)
    ids = _enrolment_ids(tx, loaded, people)
    left = _left(loaded, ids)
    before = enrolments.enrolments(
        tx, [*ids.values(), *(known.record_id for known in (snapshot.vanished | left).values())]
    )
    loaded, doubles = _one_each(tx, snapshot, loaded, ids, before)
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


def _load(
    tx: Connection, work: Work, snapshot: Snapshot
) -> tuple[dict[str, _Registration], list[tuple[Changed, RecordRefused]]]:
    schema = RegistrationSchema(default_zone=work.centre.time_zone)
    parsed: list[tuple[Changed, dict[str, Any]]] = []
    refused: list[tuple[Changed, RecordRefused]] = []
    for changed in snapshot.changed:
        try:
            parsed.append((changed, load(schema, changed.raw.fields)))
        except RecordRefused as error:
            refused.append((changed, error))
    names = {fields["offering"] for _, fields in parsed}
    by_code = offerings.offerings_by_code(tx, names)
    linked = named_offerings(tx, work, snapshot.feed.system, names)
    by_id = offerings.offerings(tx, [known.record_id for known in linked.values()])
    loaded: dict[str, _Registration] = {}
    for changed, fields in parsed:
        name = fields.pop("offering")
        found = by_code.get(name)
        if found is None and name in linked:
            record_id = linked[name].record_id
            found = (record_id, by_id[record_id])
        if found is None or found[1].centre != work.centre.code:
            refused.append((changed, _unknown_offering()))
            continue
        loaded[changed.raw.external_id] = _Registration(
            changed, fields.pop("learner"), found[0], found[1].code, fields
        )
    return loaded, refused


def named_offerings(
    tx: Connection, work: Work, system: str, names: Iterable[str]
) -> dict[str, Known]:
    """{external id: the offering that it stands for at a system}. In files, each centre has names
    of its own."""
    if system == FILES:
        return links.of_centre(tx, system, Kind.OFFERING, work.centre.code, names)
    return links.by_external_id(tx, system, Kind.OFFERING, names)


def _unknown_offering() -> RecordRefused:
    return RecordRefused(
        "unknown-offering",
        "The registration is for an offering that this centre does not have (yet).",
        "It is taken in as soon as the offering is.",
        field="offering",
    )


def _people(tx: Connection, loaded: dict[str, _Registration]) -> dict[str, tuple[int, Learner]]:
    return learners.learners_by_academy_id(
        tx, {each.learner.academy_id for each in loaded.values()}
    )


def _enrolment_ids(
    tx: Connection, loaded: dict[str, _Registration], people: dict[str, tuple[int, Learner]]
) -> dict[str, int]:
    """{external id: enrolment id} of the registrations whose enrolment exists."""
    pairs = {
        key: (each.offering_id, people[each.learner.academy_id][0])
        for key, each in loaded.items()
        if each.learner.academy_id in people
    }
    found = enrolments.enrolment_ids(tx, pairs.values())
    return {key: found[pair] for key, pair in pairs.items() if pair in found}


def _left(loaded: dict[str, _Registration], ids: dict[str, int]) -> dict[str, Known]:
    """{external id: its old enrolment} of the registrations that are now for another offering, or
    of another learner."""
    return {
        key: each.changed.known
        for key, each in loaded.items()
        if each.changed.known and each.changed.known.record_id != ids.get(key)
    }


def _one_each(
    tx: Connection,
    snapshot: Snapshot,
    loaded: dict[str, _Registration],
    ids: dict[str, int],
    before: dict[int, StoredEnrolment],
) -> tuple[dict[str, _Registration], list[tuple[Changed, RecordRefused]]]:
    """A learner has one enrolment in an offering. Of several registrations the one that has not
    ended counts; two that have not ended are an error of the source."""
    holders = links.of_records(tx, snapshot.feed.system, Kind.ENROLMENT, ids.values())
    ending = {key for key, each in loaded.items() if each.fields["status"] in ENDED}
    free = ending | _left(loaded, ids).keys() | snapshot.vanished.keys()
    taken = {
        (before[record_id].record.learner, before[record_id].record.offering): holder.external_id
        for record_id, holder in holders.items()
        if before[record_id].record.status not in ENDED
        and holder.source_hash
        and holder.external_id not in free
    }
    kept: dict[str, _Registration] = {}
    doubles: list[tuple[Changed, RecordRefused]] = []
    live_first = sorted(loaded.items(), key=lambda pair: pair[1].fields["status"] in ENDED)
    for key, each in live_first:
        pair = (each.learner.academy_id, each.offering)
        holder = taken.get(pair)
        if holder is None or holder == key:
            taken[pair] = key
            kept[key] = each
        elif each.fields["status"] not in ENDED:
            error = RecordRefused(
                "double-registration",
                "The learner has another registration in this offering that has not ended.",
                "End one of the two at the Academy.",
            )
            doubles.append((each.changed, error))
    return kept, doubles


def _keep_people(
    tx: Connection,
    work: Work,
    loaded: dict[str, _Registration],
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
    loaded: dict[str, _Registration],
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
