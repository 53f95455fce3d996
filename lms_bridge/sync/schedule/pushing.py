"""Taking a pushed schedule in: in one transaction, a few hundred rows at a time.

It is the same way in as a file's: the same links, so that a schedule may come either way, the same
owners, holds and audit. Unlike a file, a push is answered at once, row by row: what is bad in it is
told to whoever sent it, and not put in quarantine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.domain.model import Kind
from lms_bridge.domain.ports import Action
from lms_bridge.domain.rules import Rules, check_offering
from lms_bridge.schemas.offering import OfferingSchema
from lms_bridge.schemas.schedule import Body
from lms_bridge.store import answers, offerings, reports, source_links
from lms_bridge.store.links import Known, chunks
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.offering_acts import newest_areas
from lms_bridge.sync.offerings import Applied, Read, apply_offerings, offering_code, read_offerings
from lms_bridge.sync.read import Feed, Snapshot
from lms_bridge.sync.schedule.answers import Answer, Ending
from lms_bridge.sync.schedule.scanning import Scan
from lms_bridge.sync.schedule.taking import Taking
from lms_bridge.sync.work import FILES, Work

AT_ONCE = 500
"""Rows in memory at a time."""


@dataclass(frozen=True, slots=True)
class Push:
    """``whole`` says that the schedule names everything that files and pushes ever brought for
    the centre: what it leaves out has ended."""

    body: Body
    scan: Scan
    whole: bool

    @property
    def ends_others(self) -> bool:
        return self.whole and not self.scan.unclear


def take_in_push(tx: Connection, work: Work, push: Push, rules: Rules) -> Answer:
    """Takes a push in, and tells what became of each row. A trial shows the changes, too."""
    code, areas, now = work.centre.code, newest_areas(work.centre), work.now()
    scopes = (f"{code}:file", f"{code}:rows")
    feed = Feed(FILES, Kind.OFFERING, f"source:{code}", b"", exhaustive=True)
    # Whatever a file showed is no longer all that is known: the next one is compared row by row.
    answers.remember(tx, FILES, Kind.OFFERING, feed.part, dict.fromkeys(scopes, EMPTY))
    quarantined = {
        external_id
        for scope in scopes
        for external_id in reports.quarantined(tx, FILES, Kind.OFFERING, scope)
    }
    answer = Answer(code, work.dry, push.whole, push.scan.total)
    if push.ends_others:
        _end_the_others(tx, work, push, feed, answer)
        gone = quarantined - push.scan.first.keys()
        reports.release(tx, FILES, Kind.OFFERING, code, gone)
    elif push.whole:
        answer.notes.append(_not_whole(push.scan))
    taking = Taking(
        tx,
        work,
        feed,
        scopes[0] if push.whole else scopes[1],
        push.scan,
        lambda record: check_offering(record, rules, now, areas),
        quarantined,
        held=answer.hold is not None,
    )
    for rows in chunks(push.body.rows(), AT_ONCE):
        for each in taking.take(rows):
            answer.add(each)
        work.keep_audit(tx)  # by and by: its lines are more than the rows themselves
        work.changes.clear()  # a trial's are in its answers
        work.progress(code, "schedule", answer.answered, push.scan.total)
    return answer


def _not_whole(scan: Scan) -> str:
    listed = ", ".join(str(number) for number in scan.unclear[:10])
    rows = f"row {listed}" if len(scan.unclear) == 1 else f"rows {listed}"
    return (
        f"Nothing was taken for ended, since it is not known which offerings {rows} are about. "
        "Mend that and push the schedule again."
    )


def _end_the_others(tx: Connection, work: Work, push: Push, feed: Feed, answer: Answer) -> None:
    """Takes off the list what the schedule no longer names; or holds that, and the rest with it."""
    snapshot = Snapshot(feed, whole=True, vanished=_vanished(tx, work.centre.code, push.scan))
    found = read_offerings(tx, work, snapshot, OfferingSchema())
    applied = apply_offerings(tx, work, snapshot, found)
    if applied is None:
        answer.hold = work.held[-1]
    answer.add_ended(_endings(snapshot, found, applied))


def _vanished(tx: Connection, centre: str, scan: Scan) -> dict[str, Known]:
    shown = source_links.shown_of(tx, FILES, Kind.OFFERING, centre)
    gone = {each.external_id: each for each in shown if each.external_id not in scan.first}
    if not gone:
        return gone
    # An offering may also be named by its code, or by the id that the code was made of.
    codes = offerings.codes(tx, [known.record_id for known in gone.values()])
    meant = scan.first.keys() | {offering_code(centre, each) for each in scan.first}
    return {key: known for key, known in gone.items() if codes[known.record_id] not in meant}


def _endings(
    snapshot: Snapshot, found: Read, applied: Applied | None
) -> Iterator[tuple[str, str, Ending]]:
    removed = {change.key: change.action for change in (applied.plan.changes if applied else ())}
    kept = applied.plan.kept if applied else ()
    for external_id, known in snapshot.vanished.items():
        record = found.before[known.record_id]
        if applied is None and record.listed:
            yield external_id, record.code, Ending.HELD
        elif external_id in kept:
            yield external_id, record.code, Ending.KEPT
        elif removed.get(external_id) is Action.REMOVE:
            yield external_id, record.code, Ending.ENDED
