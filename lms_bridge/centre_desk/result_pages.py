"""`/my-centre/<code>/results/<course>`: results are entered or corrected, one by one or by a file.

Results that the centre's LMS sends are read-only: they are changed there.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from lms_bridge.centre_desk import people_queries as queries
from lms_bridge.centre_desk.desk import course_at, pages
from lms_bridge.centre_desk.people_queries import PeopleFilter
from lms_bridge.centre_desk.results import (
    FileResult,
    KnownResult,
    WrittenResult,
    day_of,
    enter,
    known_results,
    read_file,
    read_row,
    says_something,
)
from lms_bridge.centre_desk.words import said
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.document import digest, document
from lms_bridge.domain.errors import BridgeError, Overloaded, Refused
from lms_bridge.domain.model import Centre, Offering
from lms_bridge.domain.ports import RawRecord
from lms_bridge.schemas.csv.tables import RESULTS
from lms_bridge.schemas.csv.writer import pieces
from lms_bridge.store import results as stored_results
from lms_bridge.sync.enrolment_actions import EnteredResult
from lms_bridge.web import typed_text
from lms_bridge.web.access import current_actor, needs, signed_in, takes_files, the_bridge
from lms_bridge.web.downloads import table_file
from lms_bridge.web.kept_forms import form_given, form_was_kept, keeps_form
from lms_bridge.web.paging import SIZE, number_in

_PATH = "/<code>/results/<path:offering>"
_FILE = "/<code>/results-file/<path:offering>"
FIELDS = ("score", "scale_max", "completed", "completed_at")
"""What a row of the form has."""
MOST_BYTES = 200_000
MOST_SHOWN = 300
"""Rows of a file on one page; refused ones come first."""
Entered = Mapping[int, EnteredResult | BridgeError]


@pages.get(_PATH)
@needs(Scope.READ_RESULTS)
def results(code: str, offering: str) -> ResponseReturnValue:
    centre, number, record = course_at(Scope.READ_RESULTS, code, offering)
    if request.args.get("format") == "csv":
        return _table(number, record)
    return _page(centre, number, record)


@pages.post(_PATH)
@keeps_form
@needs(Scope.WRITE_RESULTS)
def enter_all(code: str, offering: str) -> ResponseReturnValue:
    """Enters the rows that say something new. Each row has an outcome of its own."""
    centre, number, record = course_at(Scope.WRITE_RESULTS, code, offering)
    with the_bridge().database.reading() as tx:
        rows = queries.people(tx, number, _filter(), SIZE, tuple(IN_COURSE))
        known = known_results(tx, centre, rows)
    written = _written(record, [row.id for row in rows], known)
    usable = [each for each in written.values() if each.fields is not None]
    entered: Entered = {}
    try:
        if usable:
            entered = enter(the_bridge(), centre, usable, current_actor())
    except BridgeError as error:
        status = 503 if isinstance(error, Overloaded) else 422
        return _page(centre, number, record, written, problem=error), status
    bad = len(usable) < len(written) or any(isinstance(e, BridgeError) for e in entered.values())
    return _page(centre, number, record, written, entered, sent=True), 422 if bad else 200


def _filter() -> PeopleFilter:
    given = {**(form_given() if form_was_kept() else request.form), **request.args}
    text = typed_text.line(given.get("text", ""), 100)
    return PeopleFilter(text=text, after=number_in(given.get("after", ""), digits=18))


def _written(
    record: Offering, numbers: Sequence[int], known: Mapping[int, KnownResult]
) -> dict[int, WrittenResult]:
    """{enrolment id: what the form says} of the rows that differ from what is known."""
    found, now = {}, utc_now().replace(microsecond=0)
    for number in numbers:
        if f"score-{number}" not in request.form:
            continue
        given = {
            name: typed_text.line(request.form.get(f"{name}-{number}", ""), 40) for name in FIELDS
        }
        before = known.get(number)
        row = read_row(number, given, record, before, now)
        if says_something(row, before.record if before else None):
            seen = number_in(request.form.get(f"revision-{number}", ""), digits=9)
            found[number] = WrittenResult(number, given, seen, row.fields, row.wrong)
    return found


def _page(
    centre: Centre,
    number: int,
    record: Offering,
    written: Mapping[int, WrittenResult] | None = None,
    entered: Entered | None = None,
    problem: BridgeError | None = None,
    *,
    sent: bool = False,
) -> str:
    written, entered, asked = written or {}, entered or {}, _filter()
    with the_bridge().database.reading() as tx:
        found = queries.people(tx, number, asked, SIZE + 1, tuple(IN_COURSE))
        rows = found[:SIZE]
        known = known_results(tx, centre, rows)
    refused = {id_: error for id_, error in entered.items() if isinstance(error, BridgeError)}
    wrong = {
        f"{name}-{each.number}": text
        for each in written.values()
        for name, text in each.wrong.items()
    }
    kept = form_given() if form_was_kept() else {}
    unsaved = {id_ for id_ in written if written[id_].fields is None or id_ in refused or problem}
    return render_template(
        "centre_desk/results.html",
        centre=centre,
        course=record,
        asked=asked,
        rows=rows,
        known=known,
        values={
            row.id: dict(written[row.id].given)
            if row.id in unsaved
            else _kept_row(kept, row.id) or _shown(known, row, record)
            for row in rows
        },
        revisions={
            row.id: kept.get(f"revision-{row.id}") or known[row.id].revision
            for row in rows
            if row.id in known
        },
        next_after=rows[-1].id if len(found) > SIZE else 0,
        may_write=signed_in().may(Scope.WRITE_RESULTS, centre),
        names=signed_in().may(Scope.READ_ENROLMENTS, centre),
        sent=sent,
        done=sum(isinstance(each, EnteredResult) for each in entered.values()),
        warnings=[
            id_
            for id_, each in entered.items()
            if isinstance(each, EnteredResult) and each.warnings
        ],
        refused={id_: said(error) for id_, error in refused.items()},
        wrong=wrong,
        problem=said(problem) if problem else (),
        of_file=request.endpoint == "centre_desk.send_results",
    )


def _kept_row(kept: Mapping[str, str], number: int) -> dict[str, str]:
    """What the reader wrote into a row before their session ended."""
    return {name: kept[f"{name}-{number}"] for name in FIELDS if f"{name}-{number}" in kept}


def _shown(known: Mapping[int, KnownResult], row: Any, record: Offering) -> dict[str, str]:
    """What the fields of a row show of the known result."""
    if row.id not in known:
        return {"score": "", "scale_max": "100", "completed": "", "completed_at": ""}
    result = known[row.id].record
    return {
        "score": "" if result.score is None else f"{result.score:f}",
        "scale_max": f"{result.scale_max:f}",
        "completed": {True: "yes", False: "no", None: ""}[result.completed],
        "completed_at": day_of(result.completed_at, record),
    }


# ---- a file ------------------------------------------------------------------------------------


def _table(number: int, record: Offering) -> Response:
    """Everybody in the course with the result that is known: a table to fill and send."""
    with the_bridge().database.reading() as tx:
        rows = queries.people(tx, number, PeopleFilter(), 100_000, tuple(IN_COURSE))
        known = stored_results.results_of(tx, [row.id for row in rows])
    records = []
    for row in rows:
        fields: dict[str, Any] = {"offering": record.code, "learner": row.academy_id}
        if row.id in known:
            fields = document(known[row.id][1])
        records.append(RawRecord(f"{record.code}/{row.academy_id}", fields))
    response = table_file(b"".join(pieces(RESULTS, records)), "results.csv")
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.post(_FILE)
@takes_files(2 * MOST_BYTES)
@needs(Scope.WRITE_RESULTS)
def send_results(code: str, offering: str) -> ResponseReturnValue:
    """Shows what a file would change. The second form carries the same bytes, and applies them
    while the results are still those that the reader compared them with."""
    centre, number, record = course_at(Scope.WRITE_RESULTS, code, offering)
    try:
        octets = _octets()
        with the_bridge().database.reading() as tx:
            found = read_file(tx, centre, (number, record), octets)
    except BridgeError as error:
        return _page(centre, number, record, problem=error), 422
    state = _state(found)
    if "rows" not in request.form:
        return _compared(centre, record, found, octets)
    if request.form.get("state", "") != state:
        changed = Refused("changed-meanwhile", "It was changed since you read it.", _READ_AGAIN)
        return _compared(centre, record, found, octets, changed), 409
    written = [each.written for each in found if each.written is not None]
    try:
        entered = enter(the_bridge(), centre, written, current_actor())
    except BridgeError as error:
        return _compared(centre, record, found, octets, error), 503
    return _page(centre, number, record, entered=entered, sent=True)


_READ_AGAIN = "Read it again, then decide."


def _octets() -> bytes:
    """The file; or the same one as the page of its comparison carries it.

    Raises:
        Refused: there is none, or it is too large.
    """
    if "rows" in request.form:
        try:
            return urlsafe_b64decode(request.form["rows"].encode())
        except ValueError:
            raise Refused(
                "file-unreadable", "The form is damaged.", "Send the file again."
            ) from None
    file = request.files.get("file")
    octets = file.read() if file is not None else b""
    if file is not None:
        file.close()
    if not octets.strip():
        raise Refused("file-missing", "No file was chosen.", "Choose one, and send it again.")
    if len(octets) > MOST_BYTES:
        raise Refused("too-large", "The file has more than 200 kB.", "Send it in parts.")
    return octets


def _state(found: Sequence[FileResult]) -> str:
    """Changes with each result that the file is about."""
    return digest(
        [[each.written.number, each.written.revision] for each in found if each.written]
    ).hex()


def _compared(
    centre: Centre,
    record: Offering,
    found: Sequence[FileResult],
    octets: bytes,
    problem: BridgeError | None = None,
) -> str:
    lines = sorted(found, key=lambda each: each.why is None)
    return render_template(
        "centre_desk/results_diff.html",
        centre=centre,
        course=record,
        lines=[(each, said(each.why) if each.why else ()) for each in lines[:MOST_SHOWN]],
        more=max(0, len(lines) - MOST_SHOWN),
        usable=sum(each.written is not None for each in found),
        refused=sum(each.why is not None for each in found),
        state=_state(found),
        octets=urlsafe_b64encode(octets).decode(),
        names=signed_in().may(Scope.READ_ENROLMENTS, centre),
        problem=said(problem) if problem else (),
    )
