"""The diff of a snapshot: what to change, what to quarantine, and what to remember afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import Difference, Document, difference
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Action, RawRecord
from lms_bridge.logs import redacted_text
from lms_bridge.store import holds, runs, source_digests, source_links
from lms_bridge.store.links import SourceLink
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import RunContext, kept_text
from lms_bridge.sync.holds import closed_by_source, hold_removals
from lms_bridge.sync.pull import Snapshot
from lms_bridge.sync.spool import ChangedRecord

WAITS = frozenset({"unknown-offering", "unknown-enrolment", "double-registration"})
"""Refusals that another record may cure. Their pages are read again until it does."""

Refusals = list[tuple[ChangedRecord, RecordRefused]]


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One record to change. ``fields`` is {field: (now, then)}."""

    key: str
    action: Action
    fields: Difference


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes of one snapshot. They are applied together or not at all.

    ``held``: the removals need a person's approval. ``kept``: records that a person chose to keep.
    """

    changes: tuple[PlannedChange, ...]
    held: bool = False
    kept: tuple[str, ...] = ()

    @property
    def removals(self) -> tuple[PlannedChange, ...]:
        return tuple(change for change in self.changes if change.action is Action.REMOVE)

    def without(self, keys: Collection[str]) -> Plan:
        """The same plan without these records."""
        return replace(self, changes=tuple(each for each in self.changes if each.key not in keys))


def diff(
    desired: Mapping[str, Document],
    known: Mapping[str, Document],
    vanished: Collection[str],
    policy: Policy,
    *,
    total: int,
    approved: Collection[str] = (),
    rejected: Collection[str] = (),
) -> Plan:
    """Compares what a source shows with what is known, without side effects.

    ``desired`` are the documents that changed at the source, ``known`` the canonical documents of
    the same keys, without those of new records. ``vanished`` are keys that the whole snapshot no
    longer holds, out of ``total`` before. ``approved`` removals do not count against the policy;
    ``rejected`` ones are left out.
    """
    changes = []
    for key, document in desired.items():
        before = known.get(key)
        fields = difference(before or {}, document)
        if before is None:
            changes.append(PlannedChange(key, Action.CREATE, fields))
        elif fields:
            changes.append(PlannedChange(key, Action.UPDATE, fields))
    removals = [key for key in vanished if key not in rejected]
    changes += (PlannedChange(key, Action.REMOVE, {}) for key in removals)
    needs_approval = sum(key not in approved for key in removals)
    kept = tuple(key for key in vanished if key in rejected)
    return Plan(tuple(changes), policy.holds(needs_approval, total), kept)


def _nothing_is_left(snapshot: Snapshot, plan: Plan, desired: Sized, total: int) -> bool:
    """However small a schedule is: when nothing at all is left of it, an empty or a wrong file is
    likelier than a centre without courses."""
    return not desired and not snapshot.more and len(plan.removals) == total > 0


def plan_changes(
    tx: Connection,
    context: RunContext,
    snapshot: Snapshot,
    desired: Mapping[str, Document],
    known: Mapping[str, Document],
    vanished: Mapping[str, int],
) -> Plan:
    """The plan of a snapshot. If it is held, a person is asked, and no removal may be applied.

    ``vanished`` is {external id: record id}.
    """
    feed, centre = snapshot.feed, context.centre.code
    approved, rejected = holds.decided(tx, centre, feed.kind)
    total = source_links.count_shown(tx, feed.system, feed.kind, centre) if vanished else 0
    plan = diff(
        desired,
        known,
        vanished,
        context.policy,
        total=total,
        approved={key for key, record_id in vanished.items() if record_id in approved},
        rejected={key for key, record_id in vanished.items() if record_id in rejected},
    )
    unasked = [change for change in plan.removals if vanished[change.key] not in approved]
    if unasked and feed.kind is Kind.OFFERING and _nothing_is_left(snapshot, plan, desired, total):
        plan = replace(plan, held=True)
    if plan.held:
        removals = {change.key: vanished[change.key] for change in plan.removals}
        hold_removals(tx, context, (feed.system, feed.kind), removals, total)
    else:
        holds.close(tx, closed_by_source(tx, context, snapshot), context.now())
    return plan


def note_changes(
    context: RunContext,
    snapshot: Snapshot,
    plan: Plan,
    ids: Mapping[str, int],
    removed: Mapping[str, int],
) -> None:
    """Adds a plan's changes to the audit. ``ids`` and ``removed`` are {external id: record id}. A
    registration that moved to another offering is in both: it leaves one enrolment for another."""
    for change in plan.changes:
        context.note(
            snapshot.feed.kind,
            snapshot.feed.system,
            change.action,
            record_id=(removed if change.action is Action.REMOVE else ids)[change.key],
            external_id=change.key,
            fields=change.fields if change.action is Action.UPDATE else None,
        )


def quarantine(tx: Connection, context: RunContext, snapshot: Snapshot, refused: Refusals) -> None:
    """Quarantines bad records with their reasons. They never count as removed."""
    feed = snapshot.feed
    bad = [(c.raw, c.scope, c.source_hash, error) for c, error in refused]
    bad += [(raw, scope, hash_, error) for raw, scope, hash_, error in snapshot.refused]
    rows = []
    for raw, scope, source_hash, error in bad:
        external_id = raw.external_id
        if error.code in WAITS:
            snapshot.forget(scope)
        context.note(
            feed.kind, feed.system, "read", "quarantined", external_id=external_id, error=error
        )
        rows.append(
            {
                "system": feed.system,
                "kind": feed.kind,
                "centre": context.centre.code,
                "external_id": external_id[:255],
                "scope": scope,
                "source_hash": b"" if error.code in WAITS else source_hash,
                "code": error.code[:60],
                "reason": kept_text(error),
                "shown": shown_of(feed.kind, raw, error),
                "remedy": error.remedy.replace("\x00", "")[:1000],
                "since": context.now(),
                "run_id": context.run_id,
            }
        )
    runs.put_in_quarantine(tx, rows)


LONGEST_SHOWN, MOST_SHOWN = 200, 5
_OF_PEOPLE = frozenset({"coordinators", "organisers"})


def shown_of(kind: Kind, raw: RawRecord, error: RecordRefused) -> dict[str, Any]:
    """What helps a person to find and mend a bad record: ``fields``, {each field at fault: its
    value}, cut to some length; and of an offering ``title`` and ``address`` as the source showed
    them. Only those may read it who may read such records (`domain.access.VALUES_NEED`)."""
    if not isinstance(raw.fields, Mapping):
        return {}
    names = dict.fromkeys([each.field for each in error.problems] or [error.field])
    if kind is not Kind.OFFERING:
        return {"fields": _of_person(raw.fields, names)}
    at_fault = dict.fromkeys(name.partition(".")[0] for name in names)
    fields = {
        name: _short(raw.fields[name])
        for name in at_fault
        if name in raw.fields and name not in _OF_PEOPLE
    }
    return {
        "title": _short(raw.fields.get("title")),
        "address": _short(raw.fields.get("address")),
        "fields": dict(list(fields.items())[:MOST_SHOWN]),
    }


def _of_person(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """The values at fault of a registration or a result; ``learner.email`` is one in another. What
    is personal in them is what has to be mended: it is whole, and goes with the record."""
    found: dict[str, str] = {}
    for name in names:
        value: object = given
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and not isinstance(value, Mapping):
            found[name] = str(value).replace("\x00", "")[:LONGEST_SHOWN]
    return dict(list(found.items())[:MOST_SHOWN])


def _short(value: object) -> str:
    text = redacted_text(str("" if value is None else value)[: 2 * LONGEST_SHOWN])
    return text.replace("\x00", "")[:LONGEST_SHOWN]


def refuse_other_owner(kind: Kind, owner: str) -> RecordRefused:
    """The refusal of a file's row about a record that another system owns."""
    what = f"This {kind} comes from the centre's LMS."
    if owner == ACADEMY:
        what = f"This {kind} comes from the Academy."
    return RecordRefused(
        "owned-elsewhere",
        what,
        "Change it there: the next sync brings the change.",
    )


def remember_applied(
    tx: Connection,
    context: RunContext,
    snapshot: Snapshot,
    applied: Iterable[tuple[ChangedRecord, int]],
    gone: Iterable[SourceLink],
    good: Collection[str],
) -> None:
    """Remembers what the source showed: the links of applied records (with their ids) and of
    moved ones, and the digests of the pages. ``good`` are ids that leave the quarantine."""
    applied = remember_records(tx, context, snapshot, applied, gone, good)
    left = scopes_left(snapshot, [changed for changed, _ in applied])
    digests = dict.fromkeys(left, EMPTY) | snapshot.digests
    remember_pages(tx, snapshot, digests, snapshot.ended_scopes)


def remember_records(
    tx: Connection,
    context: RunContext,
    snapshot: Snapshot,
    applied: Iterable[tuple[ChangedRecord, int]],
    gone: Iterable[SourceLink],
    good: Collection[str],
    replaced: Collection[int] = (),
) -> list[tuple[ChangedRecord, int]]:
    """The same without the pages. ``replaced`` are ids that other records took over earlier.
    Returns what was applied or moved."""
    feed, centre = snapshot.feed, context.centre.code
    applied = list(applied)
    # Where another record of the source replaced the moved one, the link is no longer its own.
    replaced = {*replaced, *(record_id for _, record_id in applied)}
    moved = [
        (changed, changed.known.record_id)
        for changed in snapshot.moved
        if changed.known and changed.known.record_id not in replaced
    ]
    applied += moved
    source_links.showed(
        tx,
        [
            {
                "system": feed.system,
                "kind": feed.kind,
                "centre": centre,
                "record_id": record_id,
                "external_id": changed.raw.external_id,
                "scope": changed.scope,
                "source_hash": changed.source_hash,
            }
            for changed, record_id in applied
        ],
    )
    returned = {
        record_id
        for changed, record_id in applied
        if changed.known is None or changed.known.record_id != record_id
    }
    holds.reopen(tx, centre, feed.kind, returned)
    source_links.drop_source(tx, [known.link_id for known in gone])
    released = snapshot.released | set(good) | {changed.raw.external_id for changed, _ in moved}
    runs.release(tx, feed.system, feed.kind, centre, released)
    return applied


def scopes_left(snapshot: Snapshot, applied: Collection[ChangedRecord]) -> set[str]:
    """Scopes that lost records to others, and so differ from their digests. If such a page comes
    again, it must be read: the records are back in it."""
    left = {changed.known.scope for changed in applied if changed.known} - {""}
    scopes = {changed.scope for changed in applied}
    return left - snapshot.digests.keys() - snapshot.ended_scopes - scopes


def remember_pages(
    tx: Connection,
    snapshot: Snapshot,
    digests: Mapping[str, bytes],
    ended: Collection[str] = (),
) -> None:
    """Remembers the digests of pages and the marks of their records, and forgets those that
    ended."""
    feed = snapshot.feed
    where = feed.system, feed.kind, feed.name
    source_digests.keep_digests(tx, *where, digests, snapshot.cursor, snapshot.marks)
    source_digests.forget_digests(tx, *where, ended)
