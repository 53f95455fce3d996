"""Registrations as they were read, and the enrolments that they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.identity import email_key
from lms_bridge.domain.model import ACADEMY, Enrolment, EnrolmentStatus, Kind, Learner
from lms_bridge.schemas.enrolment import RegistrationSchema
from lms_bridge.schemas.load import load
from lms_bridge.store import enrolments, learners, links, offerings, source_links
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.links import Known
from lms_bridge.sync.read import Changed, Snapshot
from lms_bridge.sync.take import owned_elsewhere
from lms_bridge.sync.work import FILES, Work

ENDED = frozenset({EnrolmentStatus.REJECTED, EnrolmentStatus.WITHDRAWN, EnrolmentStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Registration:
    """One registration. ``fields``: the rest of what ``RegistrationSchema`` loads."""

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


def load_registrations(
    tx: Connection, work: Work, snapshot: Snapshot
) -> tuple[dict[str, Registration], list[tuple[Changed, RecordRefused]]]:
    """{external id: registration} of what is usable, and what is not, with the reasons."""
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
    loaded: dict[str, Registration] = {}
    for changed, fields in parsed:
        name = fields.pop("offering")
        found = by_code.get(name)
        if found is None and name in linked:
            record_id = linked[name].record_id
            found = (record_id, by_id[record_id])
        if found is None or found[1].centre != work.centre.code:
            refused.append((changed, _unknown_offering()))
            continue
        loaded[changed.raw.external_id] = Registration(
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


def people_of(tx: Connection, loaded: dict[str, Registration]) -> dict[str, tuple[int, Learner]]:
    """{Academy id: (record id, learner)} of the people who are known."""
    return learners.learners_by_academy_id(
        tx, {each.learner.academy_id for each in loaded.values()}
    )


def enrolment_ids_of(
    tx: Connection, loaded: dict[str, Registration], people: dict[str, tuple[int, Learner]]
) -> dict[str, int]:
    """{external id: enrolment id} of the registrations whose enrolment exists."""
    pairs = {
        key: (each.offering_id, people[each.learner.academy_id][0])
        for key, each in loaded.items()
        if each.learner.academy_id in people
    }
    found = enrolments.enrolment_ids(tx, pairs.values())
    return {key: found[pair] for key, pair in pairs.items() if pair in found}


def leave_to_owners(
    tx: Connection,
    loaded: dict[str, Registration],
    ids: dict[str, int],
    people: dict[str, tuple[int, Learner]],
) -> list[tuple[Changed, RecordRefused]]:
    """Takes out what a file says of another system's enrolments, and of its people under another
    address; what it says otherwise of its people is not looked at."""
    owners = source_links.sources(tx, Kind.ENROLMENT, ids.values(), besides=FILES)
    theirs = source_links.learners_of(tx, ACADEMY, [id_ for id_, _ in people.values()])
    refused = []
    for key, each in list(loaded.items()):
        learner_id, known = people.get(each.learner.academy_id, (0, each.learner))
        if ids.get(key) in owners:
            refused.append((each.changed, owned_elsewhere(Kind.ENROLMENT, owners[ids[key]])))
        elif learner_id in theirs and email_key(known.email) != email_key(each.learner.email):
            refused.append((each.changed, _learner_differs()))
        else:
            if learner_id in theirs:
                loaded[key] = replace(each, learner=known)
            continue
        del loaded[key]
        ids.pop(key, None)
    return refused


def _learner_differs() -> RecordRefused:
    return RecordRefused(
        "learner-differs",
        "The Academy knows the learner of this id with another e-mail address.",
        "Check the id; a changed address is changed at the Academy.",
        field="learner.email",
    )


def left_places(loaded: dict[str, Registration], ids: dict[str, int]) -> dict[str, Known]:
    """{external id: its old enrolment} of the registrations that are now for another offering, or
    of another learner."""
    return {
        key: each.changed.known
        for key, each in loaded.items()
        if each.changed.known and each.changed.known.record_id != ids.get(key)
    }


def one_each(
    tx: Connection,
    snapshot: Snapshot,
    loaded: dict[str, Registration],
    ids: dict[str, int],
    before: dict[int, StoredEnrolment],
) -> tuple[dict[str, Registration], list[tuple[Changed, RecordRefused]]]:
    """A learner has one enrolment in an offering. Of several registrations the one that has not
    ended counts; two that have not ended are an error of the source."""
    holders = links.of_records(tx, snapshot.feed.system, Kind.ENROLMENT, ids.values())
    ending = {key for key, each in loaded.items() if each.fields["status"] in ENDED}
    free = ending | left_places(loaded, ids).keys() | snapshot.vanished.keys()
    taken = {
        (before[record_id].record.learner, before[record_id].record.offering): holder.external_id
        for record_id, holder in holders.items()
        if before[record_id].record.status not in ENDED
        and holder.source_hash
        and holder.external_id not in free
    }
    kept: dict[str, Registration] = {}
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
