"""The first night of a demo: the Academy's registrations, the nightly sync, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection

from lms_bridge.bridge import Bridge
from lms_bridge.console import session
from lms_bridge.console.output import clean, print_line, table
from lms_bridge.console.progress import watching
from lms_bridge.console.summary import changed, line_of
from lms_bridge.devtools.demo.samples import SampleCentre
from lms_bridge.devtools.demo.sites import MoodleSites
from lms_bridge.domain.document import document
from lms_bridge.domain.model import Flow, Kind
from lms_bridge.domain.plurals import counted
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.imports import ImportReport, import_rows, rows_of
from lms_bridge.reference import reference
from lms_bridge.schemas.csv.writer import write_registrations
from lms_bridge.store import centres, holds, offering_links, offerings, runs
from lms_bridge.sync.run import RunReport


def first_night(
    registrations: Path, bridge: Bridge, samples: list[SampleCentre], sites: MoodleSites
) -> int:
    """Catalogues, registrations, and the nightly sync of everything; gives the exit code."""
    began = time.monotonic()
    print_line("\n1. The centres' catalogues")
    catalogues = _sync(bridge, (Flow.OFFERINGS,))
    if not registrations.exists():
        _write_registrations(registrations, bridge, samples)
    print_line(f"\n2. The Academy's registrations: {registrations}")
    imported = _import_registrations(registrations, bridge)
    for report in imported.reports:
        print_line(line_of(report))
    print_line("\n3. The nightly sync: catalogues, enrolments, results")
    nightly = _sync(bridge, tuple(Flow))
    _show_summary(bridge, nightly)
    _show_work([*catalogues, *imported.reports, *nightly], sites.calls())
    print_line(f"That took {time.monotonic() - began:.1f} s.")
    return _exit_code(nightly)


def _sync(bridge: Bridge, flows: tuple[Flow, ...]) -> list[RunReport]:
    with bridge.database.reading() as tx:
        active = centres.all_centres(tx, active_only=True)
    requests = [bridge.request(centre, flows, trigger="demo") for centre in active]
    with watching([centre.code for centre in active]) as watch:
        return bridge.run_all(requests, watch.progress, watch.done)


def _exit_code(reports: Sequence[RunReport]) -> int:
    """Quarantined records do not count, for one sample record is wrong on purpose."""
    failed = any(report.errors or report.status == "failed" for report in reports)
    return session.SOME_FAILED if failed else session.ALL_DONE


def _write_registrations(path: Path, bridge: Bridge, samples: list[SampleCentre]) -> None:
    """Writes the file. Offerings that are quarantined or not published have no rows."""
    with path.open("wb") as stream:
        write_registrations(stream, _raw_registrations(bridge, samples))


def _raw_registrations(bridge: Bridge, samples: list[SampleCentre]) -> Iterator[RawRecord]:
    for sample in samples:
        with bridge.database.reading() as tx:
            there = offerings.offerings_of(tx, sample.centre.code).values()
        codes = {each.course_code: each.code for each in there}
        for place in sample.places:
            code = codes.get(place.course)
            if code is None:
                continue
            person = document(place.learner)
            person["id"] = person.pop("academy_id")
            fields = {"offering": code, "learner": person, "status": str(place.status)}
            yield RawRecord(f"{code}/{place.learner.academy_id}", fields)


def _import_registrations(path: Path, bridge: Bridge) -> ImportReport:
    rows = rows_of(path, Kind.ENROLMENT, bridge.database, None)
    return import_rows(bridge, Kind.ENROLMENT, rows, whole=True, dry=False)


def _show_summary(bridge: Bridge, synced: Sequence[RunReport]) -> None:
    with bridge.database.reading() as tx:
        rows = list(_rows(tx, synced))
        waiting = list(_waiting(tx))
    print_line()
    table(
        ["centre", "region", "offerings", "people", "enrolments", "results", "changed now", "run"],
        rows,
    )
    if waiting:
        print_line()
        print_line("Needs attention:")
        for line in waiting:
            print_line(f"  {line}")


def _rows(tx: Connection, synced: Sequence[RunReport]) -> Iterator[tuple[object, ...]]:
    standing = offering_links.acknowledged(tx)
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
    for row in runs.quarantine_of(tx):
        yield (
            f"{row.centre}: {row.kind} {clean(row.external_id)} is quarantined: "
            f"{clean(row.reason)} Correct it in the LMS, and the next run reads it again."
        )
    for row in holds.waiting_people(tx):
        accounts = ", ".join(f"account {account} ({why})" for account, why in row.suggestions)
        yield (
            f"{row.centre}: learner {row.academy_id} is not matched: {accounts or row.reason}. "
            f"See `lms-bridge person match`."
        )
    for row in holds.holds(tx, status=holds.PENDING):
        yield (
            f"{row.centre}: hold {row.id}, {counted(len(row.record_ids), f'{row.kind} record')}, "
            f"{row.reason}. See `lms-bridge hold show {row.id}`."
        )


def _show_work(synced: Sequence[RunReport], calls: int) -> None:
    """How much the runs did."""
    answers = sum(report.counts.get("pages.read", 0) for report in synced)
    parsed = sum(report.counts.get("pages.changed", 0) for report in synced)
    steps = sum(changed(report.counts) for report in synced)
    print_line()
    print_line(
        f"{calls} HTTP calls; {answers} pages were read: {answers - parsed} had not changed, "
        f"{parsed} were compared record by record."
    )
    if steps:
        changes = "1 change was" if steps == 1 else f"{steps} changes were"
        print_line(f"Done: {changes} made. Run the demo again: nothing is left to do.")
    else:
        print_line("Nothing was changed.")
