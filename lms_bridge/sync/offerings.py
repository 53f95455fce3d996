"""Offerings: from a centre's LMS into the canonical records."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import PUBLIC
from lms_bridge.domain.document import Document, document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.lifecycle import by_clock, comes_unreviewed
from lms_bridge.domain.model import Kind, Offering, OfferingStatus
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import OfferingSchema
from lms_bridge.store import (
    completions,
    enrolments,
    offering_links,
    offerings,
    status_history,
    target_links,
)
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.desired_state import desire_enrolments, desire_offerings
from lms_bridge.sync.diff import (
    Plan,
    Refusals,
    note_changes,
    plan_changes,
    quarantine,
    remember_applied,
)
from lms_bridge.sync.pull import Snapshot
from lms_bridge.sync.spool import ChangedRecord


def offering_code(centre: str, external_id: str) -> str:
    """The bridge's own code of an offering of a centre's LMS. The same course always gets the same
    code, even after the database was lost."""
    hashed = hashlib.blake2b(external_id.encode(), digest_size=5, person=b"offering").digest()
    return f"{centre}-{base64.b32encode(hashed).decode().lower()}"


@dataclass(frozen=True, slots=True)
class LoadedOfferings:
    """The records of a snapshot after the schema.

    ``before`` is {record id: stored offering}. ``records`` is {external id: (changes, new
    offering)}. ``unreviewed`` are the external ids of offerings published without a review, and
    ``hidden`` those of offerings that the source hides, although people published them here.
    """

    before: dict[int, Offering]
    records: dict[str, tuple[ChangedRecord, Offering]] = field(default_factory=dict)
    refused: Refusals = field(default_factory=list)
    unreviewed: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class AppliedOfferings:
    """The plan that was applied. ``ids`` is {external id: record id}."""

    plan: Plan
    ids: dict[str, int]


def apply_offerings_snapshot(tx: Connection, context: RunContext, snapshot: Snapshot) -> None:
    """Applies a centre's catalogue: creates, updates, and unlists what it no longer holds; or
    holds the plan."""
    schema = OfferingSchema(default_zone=context.centre.time_zone)
    loaded = read_offerings(tx, context, snapshot, schema)
    quarantine(tx, context, snapshot, loaded.refused)
    apply_offerings(tx, context, snapshot, loaded)


def read_offerings(
    tx: Connection, context: RunContext, snapshot: Snapshot, schema: OfferingSchema
) -> LoadedOfferings:
    """Loads the records of a snapshot through the schema."""
    centre = context.centre.code
    known_ids = [changed.known.record_id for changed in snapshot.changed if changed.known]
    vanished_ids = [known.record_id for known in snapshot.vanished.values()]
    loaded = LoadedOfferings(offerings.offerings(tx, known_ids + vanished_ids))
    # A file may use the bridge's own codes.
    by_code = offerings.offerings_by_code(
        tx, [changed.raw.external_id for changed in snapshot.changed if not changed.known]
    )
    kept_status = _kept_status(tx, loaded.before | dict(by_code.values()))
    filled = completions.of_offerings(tx, known_ids)
    for changed in snapshot.changed:
        external_id = changed.raw.external_id
        known = loaded.before.get(changed.known.record_id) if changed.known else None
        if known is None and external_id in by_code:
            known = by_code[external_id][1]
        if known is not None and known.centre != centre:
            loaded.refused.append((changed, another_centres()))
            continue
        code = known.code if known else offering_code(centre, external_id)
        try:
            own = filled.get(changed.known.record_id, {}) if changed.known else {}
            fields = load(
                schema,
                completions.completed(changed.raw.fields, own) if own else changed.raw.fields,
            )
        except RecordRefused as error:
            loaded.refused.append((changed, error))
            continue
        # An LMS that does not show a course's code any more leaves a known one as it was.
        kept = known.course_code if known and snapshot.feed.system != FILES else code
        fields["course_code"] = fields["course_code"] or kept
        if code in kept_status:
            if fields["status"] is OfferingStatus.PLANNED and kept_status[code] in PUBLIC:
                loaded.hidden.add(external_id)
            fields["status"] = _kept(kept_status[code], known, fields)
        elif comes_unreviewed(fields["status"], known.status if known else None):
            loaded.unreviewed.add(external_id)
            if context.policy.unreviewed is OnUnreviewed.REVIEW:
                fields["status"] = OfferingStatus.PLANNED
        record = Offering(code=code, centre=centre, **fields)
        # What the source says as it is today: time goes on for every offering.
        record = replace(record, status=by_clock(record, None, context.now()))
        loaded.records[external_id] = (changed, record)
    return loaded


def _kept(status: OfferingStatus, known: Offering | None, fields: dict[str, Any]) -> OfferingStatus:
    """The status that people keep here. New dates begin anew what time alone had brought."""
    moved = known is not None and any(
        getattr(known, name) != fields[name] for name in ("starts_at", "ends_at")
    )
    by_time = status in (OfferingStatus.RUNNING, OfferingStatus.DELIVERED)
    return OfferingStatus.PUBLISHED if moved and by_time else status


def _kept_status(tx: Connection, known: dict[int, Offering]) -> dict[str, OfferingStatus]:
    """{code: status} of offerings whose status people changed here. From then on the bridge keeps
    it, whatever the source shows."""
    ids = status_history.kept_statuses(tx, known)
    return {known[record_id].code: known[record_id].status for record_id in ids}


def another_centres() -> RecordRefused:
    return RecordRefused("another-centre", "This offering belongs to another centre.", field="id")


def apply_offerings(
    tx: Connection, context: RunContext, snapshot: Snapshot, loaded: LoadedOfferings
) -> AppliedOfferings | None:
    """Plans the changes of a snapshot, and carries them out. None if the plan is held: then nothing
    was changed."""
    compared = compare_offerings(snapshot, loaded)
    plan = plan_changes(tx, context, snapshot, compared.documents, compared.known, compared.listed)
    if plan.held:
        return None
    return carry_out(tx, context, snapshot, loaded, compared, plan)


@dataclass(frozen=True, slots=True)
class ComparedOfferings:
    """{external id: document} of what the snapshot shows, and of what is known of the same.
    ``listed`` is {external id: record id} of offerings that the snapshot no longer holds."""

    documents: dict[str, Document]
    known: dict[str, Document]
    listed: dict[str, int]


def compare_offerings(snapshot: Snapshot, loaded: LoadedOfferings) -> ComparedOfferings:
    """What a plan is made of."""
    before = loaded.before
    return ComparedOfferings(
        {key: document(record) for key, (_, record) in loaded.records.items()},
        {
            key: document(before[changed.known.record_id])
            for key, (changed, _) in loaded.records.items()
            if changed.known
        },
        {
            key: link.record_id
            for key, link in snapshot.vanished.items()
            if before[link.record_id].listed
        },
    )


def carry_out(
    tx: Connection,
    context: RunContext,
    snapshot: Snapshot,
    loaded: LoadedOfferings,
    compared: ComparedOfferings,
    plan: Plan,
) -> AppliedOfferings:
    """Carries out a plan that is not held."""
    before, listed = loaded.before, compared.listed
    records = {key: record for key, (_, record) in loaded.records.items()}
    ids = _write(tx, context, loaded, records)
    removed_ids = [listed[change.key] for change in plan.removals]
    removed = {id_: replace(before[id_], listed=False) for id_ in removed_ids}
    offerings.change_offerings(tx, removed)
    if snapshot.feed.system == context.centre.system:
        context.left |= removed.keys()
        context.left |= {
            ids[key]
            for key, record in records.items()
            if record.status is OfferingStatus.PLANNED
            and ids[key] in before
            and before[ids[key]].status is not OfferingStatus.PLANNED
        }
    note_changes(context, snapshot, plan, ids, listed)
    for key in loaded.hidden & ids.keys():
        _note_hidden(context, snapshot.feed.system, ids[key], key, records[key])
    desire_offerings(
        tx,
        {ids[key]: record for key, record in records.items()} | removed,
        {ids[key]: each for key, each in compared.documents.items()},
    )
    applied = [(changed, ids[key]) for key, (changed, _) in loaded.records.items()]
    remember_applied(tx, context, snapshot, applied, snapshot.vanished.values(), records.keys())
    return AppliedOfferings(plan, ids)


def _note_hidden(
    context: RunContext, system: str, record_id: int, external_id: str, record: Offering
) -> None:
    """People published the offering here, and that stays; its source shows it as planned."""
    error = RecordRefused(
        "hidden-there",
        f"Offering {record.code} is published here, and its source hides it or says that it is "
        "planned. Its learners may not be able to enter.",
        "Show the course in the LMS, or postpone or cancel the offering here.",
    )
    context.note(
        *(Kind.OFFERING, system, "read", "hidden there"),
        record_id=record_id,
        external_id=external_id,
        error=error,
    )


def _placed(record: Offering) -> tuple[object, ...]:
    """What the enrolments in an offering depend on."""
    return record.starts_at, record.lms_course, record.listed


def _names_another(before: Offering, now: Offering) -> bool:
    """Whether the edition is to be looked up in another course."""
    return bool(before.lms_course) and before.lms_course != now.lms_course


def _write(
    tx: Connection, context: RunContext, loaded: LoadedOfferings, records: dict[str, Offering]
) -> dict[str, int]:
    """Writes the records and returns {external id: record id}."""
    before = loaded.before
    ids = {
        key: changed.known.record_id
        for key, (changed, _) in loaded.records.items()
        if changed.known
    }
    # After a partial restore of the database the code may exist without its link.
    by_code = offerings.offerings_by_code(
        tx, [record.code for key, record in records.items() if key not in ids]
    )
    for key, record in records.items():
        if key not in ids and record.code in by_code:
            ids[key], existing = by_code[record.code]
            before[ids[key]] = existing
    changes = {
        ids[key]: record
        for key, record in records.items()
        if key in ids and before[ids[key]] != record
    }
    offerings.change_offerings(tx, changes)
    new = {key: record for key, record in records.items() if key not in ids}
    ids.update(zip(new, offerings.add_offerings(tx, list(new.values())), strict=True))
    rescheduled = {
        id_: record for id_, record in changes.items() if _placed(record) != _placed(before[id_])
    }
    renamed = {id_ for id_, record in changes.items() if _names_another(before[id_], record)}
    offering_links.forget_courses(tx, context.centre.system, renamed)
    stored = enrolments.enrolments_in(tx, rescheduled)
    desire_enrolments(tx, context.centre.code, stored.values(), rescheduled)
    moved = [each.id for each in stored.values() if each.offering_id in renamed]
    target_links.send_again(tx, context.centre.system, Kind.ENROLMENT, moved)
    return ids
