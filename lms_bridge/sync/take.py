"""Taking a snapshot in: what every kind of record has in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection

from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.plan import Plan, plan
from lms_bridge.domain.ports import Action
from lms_bridge.store import answers, holds, reports, source_links
from lms_bridge.store.links import Known
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.read import Changed, Snapshot
from lms_bridge.sync.work import Work, kept_text

WAITS = frozenset({"unknown-offering", "double-registration"})
"""Refusals that another record may cure: their answers are read anew until it does."""


def refuse(
    tx: Connection,
    work: Work,
    snapshot: Snapshot,
    refused: Iterable[tuple[Changed, RecordRefused]],
) -> None:
    """Quarantines bad records, with their reasons. They never count as removed."""
    feed = snapshot.feed
    bad = [(c.raw.external_id, c.scope, c.source_hash, error) for c, error in refused]
    bad += [(raw.external_id, scope, hash_, error) for raw, scope, hash_, error in snapshot.refused]
    rows = []
    for external_id, scope, source_hash, error in bad:
        if error.code in WAITS:
            snapshot.forget(scope)
        work.note(
            feed.kind, feed.system, "read", "quarantined", external_id=external_id, error=error
        )
        rows.append(
            {
                "system": feed.system,
                "kind": feed.kind,
                "centre": work.centre.code,
                "external_id": external_id[:255],
                "scope": scope,
                "source_hash": b"" if error.code in WAITS else source_hash,
                "code": error.code[:60],
                "reason": kept_text(error),
                "since": work.now(),
                "run_id": work.run_id,
            }
        )
    reports.put_in_quarantine(tx, rows)


def owned_elsewhere(kind: Kind, owner: str) -> RecordRefused:
    """What is said of a row of a file about a record that another system shows."""
    whose = "the Academy" if owner == ACADEMY else "the centre's LMS"
    return RecordRefused(
        "owned-elsewhere",
        f"This {kind} comes from {whose}.",
        "Change it there: the next sync brings the change.",
    )


def make_plan(
    tx: Connection,
    work: Work,
    snapshot: Snapshot,
    wanted: Mapping[str, Document],
    known: Mapping[str, Document],
    vanished: Mapping[str, int],
) -> Plan | None:
    """The plan of a snapshot; None when it is held for a person, and nothing may be changed.

    ``vanished`` is {external id: record id}.
    """
    feed, centre = snapshot.feed, work.centre.code
    approved, rejected = holds.decided(tx, centre, feed.kind)
    made = plan(
        wanted,
        known,
        vanished,
        work.policy,
        total=source_links.count_shown(tx, feed.system, feed.kind, centre) if vanished else 0,
        approved={key for key, record_id in vanished.items() if record_id in approved},
        rejected={key for key, record_id in vanished.items() if record_id in rejected},
    )
    if not made.held:
        holds.close(tx, overtaken(tx, work, snapshot))
        return made
    removals = {change.key: vanished[change.key] for change in made.removals}
    hold_removals(tx, work, feed.system, feed.kind, removals)
    return None


def overtaken(tx: Connection, work: Work, snapshot: Snapshot) -> dict[int, str]:
    """{hold id: new status} of the questions about removals that a whole snapshot, which is not
    held, answers itself: the source took its removals back; or it was decided to keep them, and
    they are kept now. Should the records vanish once more, that is a new question."""
    feed = snapshot.feed
    if not snapshot.whole:
        return {}
    vanished = {known.record_id for known in snapshot.vanished.values()}
    closed = {}
    for row in holds.about_removals(tx, work.centre.code, feed.system, feed.kind):
        others = set(row.record_ids) - vanished
        if row.status == holds.PENDING:
            closed[row.id] = holds.OUTDATED
        elif (row.status == holds.REJECTED and len(others) < len(row.record_ids)) or (
            source_links.any_shown(tx, feed.system, feed.kind, others)
        ):
            closed[row.id] = holds.SETTLED
    return closed


def hold_removals(
    tx: Connection, work: Work, system: str, kind: Kind, removals: Mapping[str, int]
) -> None:
    """Asks a person about removals, {external id: record id}. The audit tells of it once."""
    new = True
    if work.dry:
        work.held.append(0)
    else:
        number, new = holds.ask(
            tx,
            centre=work.centre.code,
            system=system,
            kind=kind,
            reason=holds.REMOVALS,
            record_ids=list(removals.values()),
            out_of=source_links.count_shown(tx, system, kind, work.centre.code),
            run_id=work.run_id,
            at=work.now(),
        )
        work.held.append(number)
    if new:
        for key, record_id in removals.items():
            work.note(kind, system, Action.REMOVE, "held", record_id=record_id, external_id=key)


def taken_in(
    tx: Connection,
    work: Work,
    snapshot: Snapshot,
    placed: Iterable[tuple[Changed, int]],
    gone: Collection[Known],
    good: Collection[str],
) -> None:
    """Remembers what the source showed: links of the placed records (with their ids), those that
    only moved, and the answers' digests. ``good`` are ids that leave the quarantine."""
    feed = snapshot.feed
    placed = list(placed)
    # A record that another one of the source stands for now is no longer the moved one's.
    taken = {record_id for _, record_id in placed}
    moved = [
        (changed, changed.known.record_id)
        for changed in snapshot.moved
        if changed.known and changed.known.record_id not in taken
    ]
    placed += moved
    source_links.showed(
        tx,
        [
            {
                "system": feed.system,
                "kind": feed.kind,
                "centre": work.centre.code,
                "record_id": record_id,
                "external_id": changed.raw.external_id,
                "scope": changed.scope,
                "source_hash": changed.source_hash,
            }
            for changed, record_id in placed
        ],
    )
    returned = {
        record_id
        for changed, record_id in placed
        if changed.known is None or changed.known.record_id != record_id
    }
    holds.reopen(tx, work.centre.code, feed.kind, returned)
    # A scope that lost records to another one is no longer what was read under its digest: should
    # its answer be the old one once more, they are back in it.
    left = {changed.known.scope for changed, _ in placed if changed.known} - {""}
    left -= snapshot.digests.keys() | snapshot.ended_scopes | {c.scope for c, _ in placed}
    answers.remember(tx, feed.system, feed.kind, feed.part, dict.fromkeys(left, EMPTY))
    source_links.drop_source(tx, [known.link_id for known in gone])
    back = {changed.raw.external_id for changed, _ in moved}  # good once more, elsewhere
    good_now = snapshot.released | set(good) | back
    reports.release(tx, feed.system, feed.kind, work.centre.code, good_now)
    answers.remember(tx, feed.system, feed.kind, feed.part, snapshot.digests, snapshot.cursor)
    answers.forget(tx, feed.system, feed.kind, feed.part, snapshot.ended_scopes)
