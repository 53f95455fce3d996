"""Enrolments: registrations of the Academy become canonical learners and enrolments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.document import Document, difference, document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.lifecycle import with_end
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.model import (
    ACADEMY,
    Enrolment,
    EnrolmentStatus,
    Kind,
    Learner,
    Offering,
    realm_of,
)
from lms_bridge.domain.ports import Action
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import RegistrationSchema
from lms_bridge.store import (
    enrolments,
    learners,
    links,
    offering_links,
    offerings,
    open_imports,
    source_links,
)
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.links import SourceLink
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.desired_state import desire_changed_learners, desire_enrolments
from lms_bridge.sync.diff import (
    Plan,
    Refusals,
    note_changes,
    plan_changes,
    quarantine,
    refuse_other_owner,
    remember_applied,
)
from lms_bridge.sync.pull import Snapshot
from lms_bridge.sync.spool import ChangedRecord

ENDED = frozenset({EnrolmentStatus.REJECTED, EnrolmentStatus.WITHDRAWN, EnrolmentStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Registration:
    """One registration, after the schema."""

    changed: ChangedRecord
    learner: Learner
    offering_id: int
    offering: Offering
    record: Enrolment
    without_place: EnrolmentStatus | None = None
    """The status that counts for somebody who never had a place in the offering."""

    def with_status(self, before: EnrolmentStatus | None) -> Registration:
        """The registration of somebody whose status is known, if there is one."""
        had_place = before in IN_COURSE | ENDED
        if self.without_place is None or had_place:
            return self
        return replace(self, record=replace(self.record, status=self.without_place))

    @property
    def has_ended(self) -> bool:
        return self.record.status in ENDED


Registrations = dict[str, Registration]
"""{external id: registration}"""
People = dict[str, tuple[int, Learner]]
"""{Academy id: (record id, learner)} of those who are known"""


@dataclass(frozen=True, slots=True)
class ComparedSnapshot:
    """A snapshot of registrations, compared with what is stored.

    ``ids`` {external id: enrolment id} of those whose enrolment exists; ``before`` the enrolments
    as they are; ``gone`` links that the source shows no more; ``live`` {external id: enrolment id}
    of enrolments to withdraw.
    """

    loaded: Registrations
    refused: Refusals
    people: People
    ids: dict[str, int]
    before: dict[int, StoredEnrolment]
    gone: dict[str, SourceLink]
    live: dict[str, int]

    @property
    def documents(self) -> tuple[dict[str, Document], dict[str, Document]]:
        """{external id: document}, as it is to be and as it is."""
        after: dict[str, Document] = {}
        before: dict[str, Document] = {}
        for key, each in self.loaded.items():
            after[key] = document(each.record)
            if key in self.ids:
                before[key] = document(self.before[self.ids[key]].record)
        return after, before


def apply_registrations(tx: Connection, context: RunContext, snapshot: Snapshot) -> None:
    """Applies the Academy's registrations for one centre. Held removals wait; the rest is applied.

    It withdraws enrolments that a whole snapshot no longer holds, and those that a registration
    left for another offering.
    """
    prepared = prepare(tx, context, snapshot)
    quarantine(tx, context, snapshot, prepared.refused)
    plan = plan_changes(tx, context, snapshot, *prepared.documents, prepared.live)
    if plan.held:
        plan, prepared = without_removals(plan, snapshot, prepared)
    applied = write(tx, context, snapshot, prepared, plan)
    remember_applied(tx, context, snapshot, applied, prepared.gone.values(), prepared.loaded)
    open_imports.show(tx, context.centre.code, snapshot.feed.system)


def prepare(tx: Connection, context: RunContext, snapshot: Snapshot) -> ComparedSnapshot:
    """Compares a snapshot with what is stored, and changes nothing."""
    loaded, refused = _load(tx, context, snapshot)
    people = learners.learners_by_academy_id(
        tx, {each.learner.academy_id for each in loaded.values()}
    )
    ids = _enrolment_ids(tx, loaded, people)
    if snapshot.feed.system == FILES:
        refused += _leave_to_owners(tx, loaded, ids, people)
    left = _left_enrolments(loaded, ids)
    gone_ids = [known.record_id for known in (snapshot.vanished | left).values()]
    before = enrolments.enrolments(tx, [*ids.values(), *gone_ids])
    for key, each in loaded.items():
        known = before[ids[key]].record if key in ids else None
        each = each.with_status(known.status if known else None)
        days = context.policy.self_paced_days
        record = with_end(each.record, known, each.offering, days, context.now())
        loaded[key] = replace(each, record=record)
    loaded, doubles = _one_per_offering(tx, snapshot, loaded, ids, before)
    snapshot.vanished.update((key, known) for key, known in left.items() if key in loaded)
    # An enrolment that another registration of the same learner took over is not gone.
    taken_over = {ids[key] for key in loaded if key in ids}
    gone = {
        key: known for key, known in snapshot.vanished.items() if known.record_id not in taken_over
    }
    live = {
        key: known.record_id
        for key, known in gone.items()
        if before[known.record_id].record.status not in ENDED
    }
    return ComparedSnapshot(loaded, [*refused, *doubles], people, ids, before, gone, live)


def write(
    tx: Connection,
    context: RunContext,
    snapshot: Snapshot,
    prepared: ComparedSnapshot,
    plan: Plan,
    import_id: int = 0,
) -> list[tuple[ChangedRecord, int]]:
    """Carries a plan out. Returns what was applied, with the ids of the enrolments."""
    loaded, ids = prepared.loaded, prepared.ids
    learner_ids = _write_learners(tx, context, loaded, prepared.people)
    _write_enrolments(tx, prepared, learner_ids, import_id)
    withdrawn = _withdraw(tx, plan, prepared.live, prepared.before)
    written = enrolments.enrolments(tx, [ids[key] for key in loaded])
    stored = [*written.values(), *withdrawn]
    records = offerings.offerings(tx, {each.offering_id for each in stored})
    desire_enrolments(tx, context.centre.code, stored, records)
    note_changes(context, snapshot, plan, ids, prepared.live)
    return [(each.changed, ids[key]) for key, each in loaded.items()]


def without_removals(
    plan: Plan, snapshot: Snapshot, prepared: ComparedSnapshot
) -> tuple[Plan, ComparedSnapshot]:
    """The rest of a plan whose removals wait. Pages that they left are read again in the next run,
    which finds them again."""
    loaded = prepared.loaded
    waiting = {change.key for change in plan.removals}
    scopes = {known.scope for known in prepared.gone.values()}
    scopes |= {loaded[key].changed.scope for key in waiting if key in loaded}
    for scope in scopes:
        snapshot.forget(scope)
    snapshot.ended_scopes -= scopes
    rest = {key: each for key, each in loaded.items() if key not in waiting}
    return plan.without(waiting), replace(prepared, loaded=rest, gone={}, live={})


def _load(
    tx: Connection, context: RunContext, snapshot: Snapshot
) -> tuple[Registrations, Refusals]:
    schema = RegistrationSchema(default_zone=context.centre.time_zone)
    parsed: list[tuple[ChangedRecord, dict[str, Any]]] = []
    refused: Refusals = []
    for changed in snapshot.changed:
        try:
            parsed.append((changed, load(schema, changed.raw.fields)))
        except RecordRefused as error:
            refused.append((changed, error))
    found = _find_offerings(
        tx, context, snapshot.feed.system, {fields["offering"] for _, fields in parsed}
    )
    unlisted = [id_ for id_, offering in found.values() if not offering.listed]
    ended = offering_links.without_their_course(tx, context.centre.system, unlisted)
    loaded: Registrations = {}
    for changed, fields in parsed:
        named = fields.pop("offering")
        offering_id, offering = found.get(named, (0, None))
        learner: Learner = fields.pop("learner")
        if offering is None or offering.centre != context.centre.code:
            refused.append((changed, _unknown_offering(named, learner)))
            continue
        if changed.known is None and offering_id in ended:
            refused.append((changed, _course_gone(offering, learner)))
            continue
        realm = realm_of(learner.academy_id)
        if realm and (snapshot.feed.system == ACADEMY or realm != context.centre.code):
            refused.append((changed, _learner_of_centre(learner)))
            continue
        without_place = fields.pop("status_without_place")
        record = Enrolment(learner.academy_id, offering.code, **fields)
        loaded[changed.raw.external_id] = Registration(
            changed, learner, offering_id, offering, record, without_place
        )
    return loaded, refused


def _find_offerings(
    tx: Connection, context: RunContext, system: str, names: set[str]
) -> dict[str, tuple[int, Offering]]:
    """{name: (record id, offering)}, by the bridge's code, else by the id at the system."""
    found = offerings.offerings_by_code(tx, names)
    linked = named_offerings(tx, context, system, names - found.keys())
    by_id = offerings.offerings(tx, [known.record_id for known in linked.values()])
    return found | {
        name: (known.record_id, by_id[known.record_id]) for name, known in linked.items()
    }


def named_offerings(
    tx: Connection, context: RunContext, system: str, names: Iterable[str]
) -> dict[str, SourceLink]:
    """{external id: the offering that it names at a system}. In files, each centre has names of
    its own; a centre of files has them in its folder, too."""
    if system == FILES:
        names, centre = list(names), context.centre
        found = links.of_centre(tx, FILES, Kind.OFFERING, centre.code, names)
        if centre.connector == FILES:
            found = links.by_external_id(tx, centre.system, Kind.OFFERING, names) | found
        return found
    return links.by_external_id(tx, system, Kind.OFFERING, names)


def _unknown_offering(named: str, learner: Learner) -> RecordRefused:
    return RecordRefused(
        "unknown-offering",
        f'The registration of learner {learner.academy_id} is for the offering "{named}", which '
        "this centre does not have (yet).",
        "The bridge imports it as soon as it has the offering.",
        field="offering",
    )


def _course_gone(offering: Offering, learner: Learner) -> RecordRefused:
    return RecordRefused(
        "course-gone",
        f"The centre's LMS does not have the course of offering {offering.code} "
        f'"{offering.title}" any more, for which learner {learner.academy_id} is registered.',
        "Register the learner for another offering, or have the centre restore the course.",
        field="offering",
    )


def _learner_of_centre(learner: Learner) -> RecordRefused:
    return RecordRefused(
        "learner-of-centre",
        f"{learner.academy_id} is an id that a centre made for one of its own learners.",
        "Use the Academy's id of the person.",
        field="learner.id",
    )


def _enrolment_ids(tx: Connection, loaded: Registrations, people: People) -> dict[str, int]:
    """{external id: enrolment id} of the registrations whose enrolment exists."""
    pairs = {
        key: (each.offering_id, people[each.learner.academy_id][0])
        for key, each in loaded.items()
        if each.learner.academy_id in people
    }
    found = enrolments.enrolment_ids(tx, pairs.values())
    return {key: found[pair] for key, pair in pairs.items() if pair in found}


def _leave_to_owners(
    tx: Connection, loaded: Registrations, ids: dict[str, int], people: People
) -> Refusals:
    """Removes from ``loaded`` and ``ids`` a file's rows about other systems' enrolments, and about
    the Academy's learners under another address. Other data of the Academy's learners in the file
    are ignored."""
    owners = source_links.sources(tx, Kind.ENROLMENT, ids.values(), besides=FILES)
    theirs = source_links.learners_of(tx, ACADEMY, [id_ for id_, _ in people.values()])
    refused: Refusals = []
    for key, each in list(loaded.items()):
        learner_id, known = people.get(each.learner.academy_id, (0, each.learner))
        error = None
        if ids.get(key) in owners:
            error = refuse_other_owner(Kind.ENROLMENT, owners[ids[key]])
        elif learner_id in theirs and email_key(known.email) != email_key(each.learner.email):
            error = _learner_differs()
        elif learner_id in theirs:
            loaded[key] = replace(each, learner=known)
        if error is not None:
            refused.append((each.changed, error))
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


def _left_enrolments(loaded: Registrations, ids: dict[str, int]) -> dict[str, SourceLink]:
    """{external id: the old enrolment} of registrations that now name another offering or another
    learner."""
    return {
        key: each.changed.known
        for key, each in loaded.items()
        if each.changed.known and each.changed.known.record_id != ids.get(key)
    }


def _one_per_offering(
    tx: Connection,
    snapshot: Snapshot,
    loaded: Registrations,
    ids: dict[str, int],
    before: dict[int, StoredEnrolment],
) -> tuple[Registrations, Refusals]:
    """A learner has one enrolment in an offering. Of several registrations the one that has not
    ended counts. Two that have not ended are an error of the source."""
    holders = links.of_records(tx, snapshot.feed.system, Kind.ENROLMENT, ids.values())
    ending = {key for key, each in loaded.items() if each.has_ended}
    free = ending | _left_enrolments(loaded, ids).keys() | snapshot.vanished.keys()
    taken = {
        (before[record_id].record.learner, before[record_id].record.offering): holder.external_id
        for record_id, holder in holders.items()
        if before[record_id].record.status not in ENDED
        and holder.source_hash
        and holder.external_id not in free
    }
    kept: Registrations = {}
    doubles: Refusals = []
    for key, each in sorted(loaded.items(), key=lambda pair: pair[1].has_ended):
        if taken.setdefault((each.record.learner, each.record.offering), key) == key:
            kept[key] = each
        elif not each.has_ended:
            error = RecordRefused(
                "double-registration",
                "The learner has another registration in this offering that has not ended.",
                "End one of the two at the Academy.",
            )
            doubles.append((each.changed, error))
    return kept, doubles


def _write_learners(
    tx: Connection, context: RunContext, loaded: Registrations, people: People
) -> dict[str, int]:
    """Adds and updates learners. Returns {Academy id: learner id}."""
    latest = {
        each.learner.academy_id: _with_known_names(each.learner, people) for each in loaded.values()
    }
    changed = {
        people[key][0]: record
        for key, record in latest.items()
        if key in people and people[key][1] != record
    }
    learners.change_learners(tx, changed)
    desire_changed_learners(tx, changed)
    for record_id, record in changed.items():
        fields = difference(document(people[record.academy_id][1]), document(record))
        context.note(Kind.LEARNER, ACADEMY, Action.UPDATE, record_id=record_id, fields=fields)
    new = [record for key, record in latest.items() if key not in people]
    new_ids = learners.add_learners(tx, new)
    for record_id in new_ids:
        context.note(Kind.LEARNER, ACADEMY, Action.CREATE, record_id=record_id)
    ids = {key: record_id for key, (record_id, _) in people.items()}
    ids.update((record.academy_id, id_) for record, id_ in zip(new, new_ids, strict=True))
    return ids


def _with_known_names(learner: Learner, people: People) -> Learner:
    """An empty name wipes no known one, because a source may not see names. It does if the other
    name holds it now."""
    _, known = people.get(learner.academy_id, (0, learner))
    given, family = learner.given_name, learner.family_name
    if not given and known.given_name.casefold() not in family.casefold():
        given = known.given_name
    if not family and known.family_name.casefold() not in given.casefold():
        family = known.family_name
    return replace(learner, given_name=given, family_name=family)


def _write_enrolments(
    tx: Connection, prepared: ComparedSnapshot, learner_ids: dict[str, int], import_id: int
) -> None:
    """Writes the enrolments, and adds the new ones to the ids. Those of an import are hidden until
    its end, but somebody of whom more changes is shown at once: as before, then as after."""
    loaded, ids, before = prepared.loaded, prepared.ids, prepared.before
    changes = {
        ids[key]: each.record
        for key, each in loaded.items()
        if key in ids and before[ids[key]].record != each.record
    }
    enrolments.change_enrolments(tx, changes)
    changing = {each.record.learner for each in before.values()}
    new = {key: each for key, each in loaded.items() if key not in ids}
    at_once = {key: each for key, each in new.items() if each.learner.academy_id in changing}
    later = {key: each for key, each in new.items() if key not in at_once}
    for those, hidden in ((at_once, 0), (later, import_id)):
        rows = [
            (learner_ids[each.learner.academy_id], each.offering_id, each.record)
            for each in those.values()
        ]
        ids.update(zip(those, enrolments.add_enrolments(tx, rows, hidden), strict=True))


def _withdraw(
    tx: Connection, plan: Plan, live: dict[str, int], before: dict[int, StoredEnrolment]
) -> list[StoredEnrolment]:
    withdrawn = []
    for change in plan.removals:
        stored = before[live[change.key]]
        record = replace(stored.record, status=EnrolmentStatus.WITHDRAWN)
        withdrawn.append(stored.with_record(record))
    enrolments.change_enrolments(tx, {stored.id: stored.record for stored in withdrawn})
    return withdrawn
