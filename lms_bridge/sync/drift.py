"""Drift: what a target shows now, against what it acknowledged.

A difference that the bridge did not send is a conflict. The centre's policy decides: the bridge
sends its record again, leaves the target's change, or waits for a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import ACTIVE, GONE, REMOVED
from lms_bridge.domain.document import Document, Json, difference, digest, plain
from lms_bridge.domain.errors import BridgeError, RecordRefused, RetryLater, StopRun
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.policy import OnConflict, OnSuspended
from lms_bridge.domain.ports import ExplainsRosters
from lms_bridge.store import holds, source_digests, target_links
from lms_bridge.store.record_names import course_name, record_names
from lms_bridge.store.target_links import TargetLink
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.holds import hold_conflicts
from lms_bridge.sync.pull import Snapshot

ABSENT, SUSPENDED = "absent", "suspended"
RETURNED = "returned"
"""Marks a removed enrolment that was active again and was removed once more."""
_STATES = {
    OnConflict.SOURCE: "source wins",
    OnConflict.KEEP: "kept",
    OnConflict.HOLD: "held",
}


NO_MARKS: Document = {}


def find_roster_drift(tx: Connection, context: RunContext, snapshot: Snapshot) -> None:
    """Compares rosters with the enrolments that the bridge made there. It ignores everybody else
    on them, and remembers nothing of them."""
    drift = _compared(tx, context, snapshot)
    for held, state in drift.unexpected:
        _decide(tx, context, snapshot, held, state)
    agree(tx, context, Kind.ENROLMENT, drift.agreed)
    _remember(tx, snapshot)


def find_roster_drift_in_parts(context: RunContext, snapshot: Snapshot) -> None:
    """The same of large rosters: they are compared outside any writing transaction."""
    with context.database.reading() as tx:
        drift = _compared(tx, context, snapshot)
    for part in chunks(drift.unexpected):
        with context.writing() as tx:
            for held, state in part:
                _decide(tx, context, snapshot, held, state)
            # With the part: if the process ended before a later one, nobody would be asked.
            hold_conflicts(tx, context)
    with context.writing() as tx:
        agree(tx, context, Kind.ENROLMENT, drift.agreed)
        _remember(tx, snapshot)


def find_causes(context: RunContext, peer: object, snapshot: Snapshot) -> None:
    """Asks why people are not active whom the bridge enrolled, before anything is decided. A cause
    that cannot be found out is none."""
    if not isinstance(peer, ExplainsRosters) or not snapshot.digests:
        return
    with context.database.reading() as tx:
        drift = _compared(tx, context, snapshot)
        courses = sorted({_course(held) for held, state in drift.unexpected if state != ACTIVE})
        names = {each: course_name(tx, snapshot.feed.system, each) for each in courses}
    if courses:
        with context.lending(), suppress(RetryLater, StopRun, RecordRefused):
            for course, problem in peer.roster_problems(courses).items():
                context.causes[course] = problem.about(names[course])


def _course(held: TargetLink) -> str:
    return held.external_id.rpartition("/")[0]


def _decide(
    tx: Connection, context: RunContext, snapshot: Snapshot, held: TargetLink, state: str
) -> None:
    where = snapshot.feed.system, snapshot.feed.kind
    policy = _policy_for(context, held, state)
    if held.desired != held.acknowledged:  # whether the next push mends it shows the next reading
        snapshot.forget(_course(held))
    is_back = held.held_document.get("state") == REMOVED and state == ACTIVE
    if is_back and held.held_document.get(RETURNED) and policy is OnConflict.SOURCE:
        told, label = _stays_there(tx, held), "stays there"
        keep = OnConflict.KEEP
        decide_conflict(tx, context, held, {"state": state}, where, keep, told=told, label=label)
        return
    marks: Document = {RETURNED: True} if is_back else {}
    cause = None if state == ACTIVE else context.causes.get(_course(held))
    label, shown = _STATES[policy], {"state": state}
    decide_conflict(tx, context, held, shown, where, policy, told=cause, label=label, marks=marks)


def _stays_there(tx: Connection, held: TargetLink) -> RecordRefused:
    name = record_names(tx, Kind.ENROLMENT, [held.record_id]).get(held.record_id, held.external_id)
    return RecordRefused(
        "still-in-course",
        f"{name} was removed twice, and is still active at the centre: it seems to have another "
        "method of enrolment there.",
        "Nothing has to be done if the centre wants that. Else end the other enrolment in the LMS.",
    )


@dataclass(frozen=True, slots=True)
class _RosterDrift:
    """What the bridge made on the rosters: what they show instead, and what is again as it was."""

    unexpected: list[tuple[TargetLink, str]]
    agreed: list[TargetLink]


def _compared(tx: Connection, context: RunContext, snapshot: Snapshot) -> _RosterDrift:
    drift = _RosterDrift([], [])
    waiting = holds.in_conflict(tx, context.centre.code, snapshot.feed.system, Kind.ENROLMENT)
    states: dict[str, dict[str, str]] = {}
    for changed in snapshot.changed:
        of_scope = states.setdefault(changed.scope, {})
        of_scope[changed.raw.external_id] = str(changed.raw.fields.get("state", ""))
    for scope in snapshot.digests:
        of_scope = states.get(scope, {})
        for held in target_links.held_in_scope(tx, context.centre.system, Kind.ENROLMENT, scope):
            state = of_scope.get(held.external_id, ABSENT)
            if state == ABSENT and scope in snapshot.partial:
                continue
            if state not in expected_states(held.held_document, context.now()):
                drift.unexpected.append((held, state))
            elif held.tolerated or held.record_id in waiting:
                drift.agreed.append(held)
    return drift


def agree(tx: Connection, context: RunContext, kind: Kind, agreed: Collection[TargetLink]) -> None:
    """The target holds again what it acknowledged: nobody has to decide about that any more, and
    the same change is a new question next time."""
    if not agreed:
        return
    target_links.no_longer_tolerated(tx, [each.link_id for each in agreed])
    system = ACADEMY if kind is Kind.OFFERING else context.centre.system
    ids = {each.record_id for each in agreed}
    holds.end_conflicts(tx, context.centre.code, system, kind, ids, context.now())


def find_offering_drift(
    tx: Connection, context: RunContext, snapshot: Snapshot, before: Mapping[str, bytes]
) -> None:
    """Compares what the Academy shows of this centre's offerings with what it was sent. Fields
    that it does not show count as unchanged. ``before`` {external id: hash} is what it had
    acknowledged before it was asked: what was sent meanwhile, it may have shown as it was."""
    system, agreed = snapshot.feed.system, list[TargetLink]()
    waiting = holds.in_conflict(tx, context.centre.code, system, Kind.OFFERING)
    for changed in snapshot.changed:
        fields = changed.raw.fields
        for held in target_links.held_in_scope(tx, system, Kind.OFFERING, changed.raw.external_id):
            if held.acknowledged != before.get(held.external_id):
                snapshot.forget(changed.scope)
                continue
            shown = dict(held.held_document)
            shown.update((name, plain(value)) for name, value in fields.items() if name in shown)
            if shown != held.held_document:
                where = system, Kind.OFFERING
                decide_conflict(tx, context, held, shown, where, context.policy.conflict)
            elif held.tolerated or held.record_id in waiting:
                agreed.append(held)
    agree(tx, context, Kind.OFFERING, agreed)
    _remember(tx, snapshot)


def _remember(tx: Connection, snapshot: Snapshot) -> None:
    feed = snapshot.feed
    source_digests.keep_digests(tx, feed.system, feed.kind, feed.name, snapshot.digests)


def expected_states(held: Document, now: datetime) -> frozenset[str]:
    """The states on the roster that the acknowledged enrolment may have.

    An enrolment that has not begun or has ended looks suspended. A removed one may be suspended or
    gone, by the centre's policy.
    """
    if held.get("state") == REMOVED:
        return _ANY if held.get("kept") else _OUT
    starts_at, ends_at = held.get("starts_at"), held.get("ends_at")
    has_begun = not isinstance(starts_at, str) or _passed(starts_at, now)
    return _IN if has_begun and not _passed(ends_at, now) else _IN_AT_TIMES


_IN, _OUT = frozenset({ACTIVE}), frozenset({SUSPENDED, ABSENT})
_IN_AT_TIMES, _ANY = frozenset({ACTIVE, SUSPENDED}), _IN | _OUT


def _passed(moment: Json, now: datetime) -> bool:
    return isinstance(moment, str) and datetime.fromisoformat(moment) <= now


def _policy_for(context: RunContext, held: TargetLink, state: str) -> OnConflict:
    """An enrolment of the centre's own that it suspended is its own business."""
    leaves = context.policy.suspended is OnSuspended.LEAVE
    if state == SUSPENDED and not held.created_by_us and leaves:
        return OnConflict.KEEP
    return context.policy.conflict


def decide_conflict(
    tx: Connection,
    context: RunContext,
    held: TargetLink,
    shown: Document,
    where: tuple[str, Kind],
    policy: OnConflict,
    *,
    told: BridgeError | None = None,
    label: str = "",
    marks: Document = NO_MARKS,
) -> None:
    """Decides about one record that the target changed by itself. ``told`` are words for it, and
    ``label`` is the state of its line then. ``marks`` go with what is acknowledged."""
    if held.desired != held.acknowledged:
        return  # the next push sends it anyway
    hashed = digest(shown)
    if held.tolerated == hashed:
        return
    system, kind = where
    document: Document = {**(held.held_document or {}), **shown}
    context.note(
        kind,
        system,
        "conflict",
        label if told else _STATES[policy],
        record_id=held.record_id,
        external_id=held.external_id,
        fields=difference(held.held_document, document),
        error=told,
    )
    if policy is OnConflict.SOURCE:
        absent = shown.get("state") == ABSENT
        target_links.set_acknowledged(tx, held.link_id, GONE if absent else {**document, **marks})
        return
    target_links.tolerate(tx, held.link_id, hashed)
    if policy is OnConflict.HOLD:
        context.conflicts.setdefault((system, kind), set()).add(held.record_id)
