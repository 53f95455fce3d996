"""Offerings: from a centre's LMS into the canonical records."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from lms_bridge.domain.document import document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.lifecycle import comes_unreviewed
from lms_bridge.domain.model import Offering, OfferingStatus
from lms_bridge.domain.plan import Plan
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.ports import Action
from lms_bridge.schemas.load import load
from lms_bridge.schemas.offering import OfferingSchema
from lms_bridge.store import lives, offerings
from lms_bridge.sync.read import Changed, Snapshot
from lms_bridge.sync.take import make_plan, refuse, taken_in
from lms_bridge.sync.wants import want_enrolments_of, want_offerings
from lms_bridge.sync.work import Work


def offering_code(centre: str, external_id: str) -> str:
    """The bridge's own name for an offering of a centre's LMS: the same for the same course for
    ever, even after the database was lost."""
    hashed = hashlib.blake2b(external_id.encode(), digest_size=5, person=b"offering").digest()
    return f"{centre}-{base64.b32encode(hashed).decode().lower()}"


@dataclass(frozen=True, slots=True)
class Read:
    """What a snapshot's records are once read. ``before`` {record id: offering as it is known},
    ``records`` {external id: (what changed, the offering it is to be)}, ``unreviewed`` ids of those
    that their source published without a review."""

    before: dict[int, Offering]
    records: dict[str, tuple[Changed, Offering]]
    refused: list[tuple[Changed, RecordRefused]]
    unreviewed: set[str]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of them. ``ids`` {external id: record id}."""

    plan: Plan
    ids: dict[str, int]


def take_in_offerings(tx: Connection, work: Work, snapshot: Snapshot) -> None:
    """Applies what a centre's catalogue shows: creates, updates, and takes off the list what it
    no longer holds; or holds the plan."""
    found = read_offerings(tx, work, snapshot, OfferingSchema(default_zone=work.centre.time_zone))
    refuse(tx, work, snapshot, found.refused)
    apply_offerings(tx, work, snapshot, found)


def read_offerings(tx: Connection, work: Work, snapshot: Snapshot, schema: OfferingSchema) -> Read:
    """The records of a snapshot, through the schema."""
    before = offerings.offerings(
        tx,
        [changed.known.record_id for changed in snapshot.changed if changed.known]
        + [known.record_id for known in snapshot.vanished.values()],
    )
    found = Read(before, {}, [], set())
    _load(tx, work, snapshot, found, schema)
    return found


def apply_offerings(tx: Connection, work: Work, snapshot: Snapshot, found: Read) -> Applied | None:
    """Carries the plan out; None when it is held, and nothing was changed."""
    loaded, before = found.records, found.before
    listed = {
        key: known.record_id
        for key, known in snapshot.vanished.items()
        if before[known.record_id].listed
    }
    documents = {key: document(record) for key, (_, record) in loaded.items()}
    made = make_plan(
        tx,
        work,
        snapshot,
        documents,
        {
            key: document(before[changed.known.record_id])
            for key, (changed, _) in loaded.items()
            if changed.known
        },
        listed,
    )
    if made is None:
        return None
    ids = _apply(tx, work, snapshot, loaded, before)
    removed = {
        listed[change.key]: replace(before[listed[change.key]], listed=False)
        for change in made.removals
    }
    offerings.change_offerings(tx, removed)
    for change in made.changes:
        work.note(
            snapshot.feed.kind,
            snapshot.feed.system,
            change.action,
            "taken in",
            record_id=ids.get(change.key) or listed.get(change.key),
            external_id=change.key,
            fields=change.fields if change.action is Action.UPDATE else None,
        )
    want_offerings(
        tx,
        {ids[key]: record for key, (_, record) in loaded.items()} | removed,
        {ids[key]: each for key, each in documents.items()},
    )
    taken_in(
        tx,
        work,
        snapshot,
        [(changed, ids[key]) for key, (changed, _) in loaded.items()],
        list(snapshot.vanished.values()),
        loaded.keys(),
    )
    return Applied(made, ids)


def _load(
    tx: Connection,
    work: Work,
    snapshot: Snapshot,
    found: Read,
    schema: OfferingSchema,
) -> None:
    before, refused = found.before, found.refused
    named = offerings.offerings_by_code(
        tx, [changed.raw.external_id for changed in snapshot.changed if not changed.known]
    )
    acted_on = _acted_on(tx, before, named)
    for changed in snapshot.changed:
        external_id = changed.raw.external_id
        known = before.get(changed.known.record_id) if changed.known else None
        if known is None and external_id in named:  # a file may use the bridge's own codes
            known = named[external_id][1]
        if known is not None and known.centre != work.centre.code:
            refused.append((changed, another_centres()))
            continue
        code = known.code if known else offering_code(work.centre.code, external_id)
        try:
            fields = load(schema, changed.raw.fields)
        except RecordRefused as error:
            refused.append((changed, error))
            continue
        fields["course_code"] = fields["course_code"] or code
        if code in acted_on:
            fields["status"] = acted_on[code]
        elif comes_unreviewed(fields["status"], known.status if known else None):
            found.unreviewed.add(external_id)
            if work.policy.unreviewed is OnUnreviewed.REVIEW:
                fields["status"] = OfferingStatus.PLANNED
        offering = Offering(code=code, centre=work.centre.code, **fields)
        found.records[external_id] = (changed, offering)


def _acted_on(
    tx: Connection, before: Mapping[int, Offering], named: Mapping[str, tuple[int, Offering]]
) -> dict[str, OfferingStatus]:
    """{code: status} of the offerings that people have taken through their life here: whatever
    their source says, it is the bridge that keeps their status."""
    known = dict(before) | dict(named.values())
    return {known[record_id].code: known[record_id].status for record_id in lives.lives(tx, known)}


def another_centres() -> RecordRefused:
    return RecordRefused("another-centre", "This offering belongs to another centre.", field="id")


def _apply(
    tx: Connection,
    work: Work,
    snapshot: Snapshot,
    loaded: dict[str, tuple[Changed, Offering]],
    before: dict[int, Offering],
) -> dict[str, int]:
    """Writes the records and gives {external id: record id}."""
    ids = {key: changed.known.record_id for key, (changed, _) in loaded.items() if changed.known}
    new = {key: record for key, (_, record) in loaded.items() if key not in ids}
    # The code may exist although the link does not: a database that was restored in part.
    known_codes = offerings.offerings_by_code(tx, [record.code for record in new.values()])
    for key, record in list(new.items()):
        if record.code in known_codes:
            ids[key] = known_codes[record.code][0]
            before[ids[key]] = known_codes[record.code][1]
            del new[key]
    changes = {
        ids[key]: record
        for key, (_, record) in loaded.items()
        if key in ids and before[ids[key]] != record
    }
    offerings.change_offerings(tx, changes)
    ids.update(zip(new, offerings.add_offerings(tx, list(new.values())), strict=True))
    moved = {
        record_id: record
        for record_id, record in changes.items()
        if (record.starts_at, record.lms_course)
        != (before[record_id].starts_at, before[record_id].lms_course)
    }
    want_enrolments_of(tx, work.centre.code, moved)
    return ids
