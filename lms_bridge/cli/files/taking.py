"""Taking a file in: a run of each centre that it speaks of, or a trial of one."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lms_bridge.bootstrap import Bridge
from lms_bridge.cli.files.rows import FileRows
from lms_bridge.domain.errors import IncompleteRead
from lms_bridge.domain.model import Flow, Kind
from lms_bridge.sync.files.same import differing
from lms_bridge.sync.importing import Share, take_in_file
from lms_bridge.sync.run import DONE, HELD, PARTIAL, Report, RunRequest
from lms_bridge.sync.trial import trial_of

FLOWS = {Kind.OFFERING: Flow.OFFERINGS, Kind.ENROLMENT: Flow.ENROLMENTS, Kind.RESULT: Flow.RESULTS}


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a file: a report per centre, and how many rows said what is held already."""

    reports: list[Report]
    same: int


def take_in(bridge: Bridge, kind: Kind, rows: FileRows, *, whole: bool, dry: bool) -> Taken:
    """Takes in what a file says of each of its centres.

    Raises:
        IncompleteRead: the file is to be whole, but holds a row that could be about any record.
    """
    if whole and not rows.certain:
        raise IncompleteRead(
            "file-not-whole",
            "The file holds rows of which it cannot be said which record they are about, so what "
            "it leaves out cannot be taken for gone. Nothing was changed.",
            "Mend the rows, or import without --whole.",
        )
    reports, same = [], 0
    for code, share in sorted(rows.shares.items()):
        request = bridge.request(bridge.centre(code), (FLOWS[kind],), trigger="import", dry=dry)
        with bridge.database.reading() as tx:
            raws = differing(tx, kind, request.centre, share.raws)
        same += len(share.raws) - len(raws)
        if raws or whole:
            reports.append(_run(bridge, request, kind, Share(raws), whole))
    return Taken(reports, same)


def _run(bridge: Bridge, request: RunRequest, kind: Kind, share: Share, whole: bool) -> Report:
    if request.dry:
        return _try(bridge, request, kind, share, whole)
    return bridge.runner().run(request, lambda work: take_in_file(work, kind, share, whole=whole))


def _try(bridge: Bridge, request: RunRequest, kind: Kind, share: Share, whole: bool) -> Report:
    began = time.monotonic()
    work = trial_of(bridge.database, request.centre, request.policy)
    take_in_file(work, kind, share, whole=whole)
    refused = any(number for key, number in work.counts.items() if key.endswith(".quarantined"))
    return Report(
        request.centre.code,
        0,
        HELD if work.held else PARTIAL if refused else DONE,
        dict(work.counts),
        tuple(work.errors),
        tuple(work.held),
        tuple(work.changes),
        time.monotonic() - began,
    )
