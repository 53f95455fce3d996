"""Pushes a schedule: checks the whole body first, then applies it.

A small push is one transaction. A large one is many short ones, so that nobody waits long to write:
each applies some rows, and what is applied already says nothing new when it is pushed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection

from lms_bridge.domain.batches import PartSize, chunks
from lms_bridge.domain.errors import Overloaded
from lms_bridge.domain.model import Kind, Offering
from lms_bridge.domain.ports import Action
from lms_bridge.domain.rules import RuleFinding, Rules, check_offering
from lms_bridge.intake.apply import RowApplier, Scan
from lms_bridge.intake.formats import CALENDAR, Body
from lms_bridge.intake.report import EndedOffering, PushReport
from lms_bridge.intake.rows import PushedRow
from lms_bridge.intake.sessions import SessionCheck
from lms_bridge.schemas.records import OfferingSchema
from lms_bridge.store import memberships, offerings, runs, source_digests, source_links
from lms_bridge.store.links import SourceLink
from lms_bridge.store.tables import EMPTY
from lms_bridge.sync.context import FILES, RunContext
from lms_bridge.sync.offerings import (
    AppliedOfferings,
    LoadedOfferings,
    apply_offerings,
    offering_code,
    read_offerings,
)
from lms_bridge.sync.pull import Snapshot, SourceFeed

AT_ONCE = 100
"""Rows in memory at a time, and in one transaction of a large push."""
FIRST = 10
"""Rows of its first transaction; the next ones have as many as there is time for."""
MOST_TOGETHER = 100
"""Rows of a push that is one transaction."""
MOST_VALUES_TOGETHER, MOST_BYTES_TOGETHER = 10_000, 512 * 1024
"""And its values and bytes, for a row may be large."""


@dataclass(frozen=True, slots=True)
class Push:
    """With ``whole`` the schedule is complete. Offerings of earlier files and pushes that it leaves
    out are ended."""

    body: Body
    scan: Scan
    whole: bool

    @property
    def ends_others(self) -> bool:
        return self.whole and not self.scan.unclear

    @property
    def is_large(self) -> bool:
        return (
            self.scan.total > MOST_TOGETHER
            or self.scan.values > MOST_VALUES_TOGETHER
            or len(self.body.octets) > MOST_BYTES_TOGETHER
        )


def apply_push(tx: Connection, context: RunContext, push: Push, rules: Rules) -> PushReport:
    """Applies a push and reports the outcome of each row. A dry run reports the changes, too."""
    applier, report = _begin(tx, context, push, rules)
    for rows in chunks(push.body.rows(), AT_ONCE):
        _apply_rows(tx, context, applier, rows, report)
    return report


def apply_push_in_parts(
    context: RunContext, push: Push, rules: Rules, check: Callable[[Connection], None]
) -> PushReport:
    """The same in transactions of its own. ``check`` is called in the first one, and may refuse.

    Raises:
        Overloaded: it took too long; the message says which rows are applied.
    """
    with context.writing() as tx:
        check(tx)
        applier, report = _begin(tx, context, push, rules)
    size, rows = PartSize(AT_ONCE, 1, min(FIRST, AT_ONCE)), iter(push.body.rows())
    try:
        while part := list(islice(rows, size.records)):
            with context.writing() as tx:
                began = time.monotonic()
                applier.tx = tx
                _apply_rows(tx, context, applier, part, report)
            size.adjust(time.monotonic() - began)
            context.changes.clear()  # the report has them
            push.body.give_way()
    except Overloaded as error:
        raise Overloaded(
            error.code,
            "The push took too long, or its sender left. Rows that were read and applied: "
            f"{report.reported:,}.",
            "Push it again: rows that are applied change nothing.",
            after=error.after,
        ) from None
    return report


def apply_any(
    context: RunContext,
    push: Push,
    rules: Rules,
    check: Callable[[Connection], None] = lambda tx: None,
) -> PushReport:
    """Applies a push in one transaction, or a large one in parts. ``check`` may refuse it."""
    if push.is_large:
        return apply_push_in_parts(context, push, rules, check)
    with context.writing() as tx:
        check(tx)
        return apply_push(tx, context, push, rules)


def _begin(
    tx: Connection, context: RunContext, push: Push, rules: Rules
) -> tuple[RowApplier, PushReport]:
    """Ends what the schedule leaves out, or holds the push."""
    code, now = context.centre.code, context.now()
    standing = memberships.standing_of(tx, code)
    scopes = (f"{code}:file", f"{code}:rows")
    feed = SourceFeed(FILES, Kind.OFFERING, f"source:{code}", b"", exhaustive=True)
    # Whatever a file showed is no longer all that is known: the next one is compared row by row.
    source_digests.keep_digests(tx, FILES, Kind.OFFERING, feed.name, dict.fromkeys(scopes, EMPTY))
    quarantined = {
        external_id
        for scope in scopes
        for external_id in runs.quarantined(tx, FILES, Kind.OFFERING, scope)
    }
    report = PushReport(code, context.dry, push.whole, push.scan.total)
    if push.ends_others:
        _end_the_others(tx, context, push, feed, report)
        gone = quarantined - push.scan.first.keys()
        runs.release(tx, FILES, Kind.OFFERING, code, gone)
    elif push.whole:
        report.notes.append(_not_whole(push.scan))

    def check(record: Offering, taken: int) -> list[RuleFinding]:
        return check_offering(record, rules, now, standing, taken)

    applier = RowApplier(
        tx,
        context,
        feed,
        scopes[0] if push.whole else scopes[1],
        push.scan,
        SessionCheck(check) if push.body.format == CALENDAR else check,
        quarantined,
        held=report.hold is not None,
    )
    return applier, report


def _apply_rows(
    tx: Connection,
    context: RunContext,
    applier: RowApplier,
    rows: Sequence[PushedRow],
    report: PushReport,
) -> None:
    for each in applier.apply(rows):
        report.add(each)
    context.keep_audit(tx)  # now, since its lines need more memory than the rows
    context.changes.clear()  # the report has them
    context.progress(context.centre.code, "schedule", report.reported, report.total)


def _not_whole(scan: Scan) -> str:
    listed = ", ".join(str(number) for number in scan.unclear[:10])
    return (
        "Nothing was taken for ended, since some rows do not say which offerings they are about: "
        f"{listed}. Mend them and push the schedule again."
    )


def _end_the_others(
    tx: Connection, context: RunContext, push: Push, feed: SourceFeed, report: PushReport
) -> None:
    """Removes what the schedule no longer names, or holds the whole push for approval."""
    gone = _vanished(tx, context.centre.code, push.scan)
    snapshot = Snapshot(feed, whole=True, vanished=gone, more=bool(push.scan.total))
    found = read_offerings(tx, context, snapshot, OfferingSchema())
    applied = apply_offerings(tx, context, snapshot, found)
    if applied is None:
        report.hold = context.held[-1]
    report.add_ended(_endings(snapshot, found, applied))


def _vanished(tx: Connection, centre: str, scan: Scan) -> dict[str, SourceLink]:
    shown = source_links.shown_of(tx, FILES, Kind.OFFERING, centre)
    gone = {each.external_id: each for each in shown if each.external_id not in scan.first}
    if not gone:
        return gone
    # An offering may also be named by its code, or by the id that the code was made of.
    codes = offerings.codes(tx, [known.record_id for known in gone.values()])
    meant = scan.first.keys() | {offering_code(centre, each) for each in scan.first}
    return {key: known for key, known in gone.items() if codes[known.record_id] not in meant}


def _endings(
    snapshot: Snapshot, found: LoadedOfferings, applied: AppliedOfferings | None
) -> Iterator[tuple[str, str, EndedOffering]]:
    removed = {change.key: change.action for change in (applied.plan.changes if applied else ())}
    kept = applied.plan.kept if applied else ()
    for external_id, known in snapshot.vanished.items():
        record = found.before[known.record_id]
        if applied is None and record.listed:
            yield external_id, record.code, EndedOffering.HELD
        elif external_id in kept:
            yield external_id, record.code, EndedOffering.KEPT
        elif removed.get(external_id) is Action.REMOVE:
            yield external_id, record.code, EndedOffering.ENDED
