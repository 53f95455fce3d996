"""What a newcomer is to see after the first sync: figures, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.output import clean, say, table
from lms_bridge.cli.summary import changed
from lms_bridge.domain.model import Kind
from lms_bridge.reference import reference
from lms_bridge.store import centres, figures, holds, reports
from lms_bridge.sync.run import Report


def show_summary(bridge: Bridge, synced: Sequence[Report]) -> None:
    with bridge.database.reading() as tx:
        rows = list(_rows(tx, synced))
        waiting = list(_waiting(tx))
    say()
    table(
        ["centre", "region", "offerings", "people", "enrolments", "results", "changed now", "run"],
        rows,
    )
    if waiting:
        say()
        say("Waits for a person:")
        for line in waiting:
            say(f"  {line}")


def _rows(tx: Connection, synced: Sequence[Report]) -> Iterator[tuple[object, ...]]:
    standing = figures.acknowledged(tx)
    regions = reference().regions
    reports_of = {report.centre: report for report in synced}
    for centre in centres.all_centres(tx):
        numbers = standing.get(centre.code, {})
        report = reports_of.get(centre.code)
        yield (
            centre.name,
            regions.get(centre.region, centre.region),
            *(numbers.get(kind, 0) for kind in Kind),
            changed(report.counts) if report else "-",
            report.status if report else "-",
        )


def _waiting(tx: Connection) -> Iterator[str]:
    for row in reports.quarantine_of(tx):
        yield (
            f"{row.centre}: {row.kind} {clean(row.external_id)} is quarantined: "
            f"{clean(row.reason)} It is taken in once it is mended in the LMS."
        )
    for row in holds.waiting_people(tx):
        accounts = ", ".join(f"account {account} ({why})" for account, why in row.suggestions)
        yield (
            f"{row.centre}: learner {row.academy_id} is not matched: {accounts or row.reason}. "
            f"See `lms-bridge person match`."
        )
    for row in holds.holds(tx, status=holds.PENDING):
        yield (
            f"{row.centre}: hold {row.id}, {len(row.record_ids)} {row.kind} record(s), "
            f"{row.reason}. See `lms-bridge hold show {row.id}`."
        )


def show_work(synced: Sequence[Report], calls: int) -> None:
    """What the sync did, counted where it was done."""
    answers = sum(report.counts.get("answers.read", 0) for report in synced)
    parsed = sum(report.counts.get("answers.changed", 0) for report in synced)
    steps = sum(changed(report.counts) for report in synced)
    say()
    say(
        f"{calls} calls over HTTP, {answers} answers read: {answers - parsed} are byte for byte "
        f"those of the last time, {parsed} were compared record by record."
    )
    if steps:
        told = "1 change" if steps == 1 else f"{steps} changes"
        say(f"Done: {told} carried out. Run it again: nothing is left to do.")
    else:
        say("Nothing to do: no record differs, neither here nor there.")
