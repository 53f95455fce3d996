"""`/holds`, `/conflicts` and `/quarantine`: what waits for a person, or needs one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, Row

from lms_bridge.admin import held
from lms_bridge.admin.held import ListParams
from lms_bridge.admin.run_filters import item_names
from lms_bridge.api.documents import SHOWN_VALUES
from lms_bridge.domain.access import VALUES_NEED, Scope
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import Kind, centre_system
from lms_bridge.store import accounts, holds
from lms_bridge.store import centres as stored_centres
from lms_bridge.sync.context import FILES
from lms_bridge.sync.holds import decide_hold
from lms_bridge.web import typed_text
from lms_bridge.web.access import (
    centre_for,
    centres_for,
    current_actor,
    needs,
    signed_in,
    the_bridge,
)
from lms_bridge.web.paging import SIZE, number_in, number_param

hold_pages = Blueprint("holds", __name__)
conflict_pages = Blueprint("conflicts", __name__)
quarantine_pages = Blueprint("quarantine", __name__)
BLUEPRINTS = (hold_pages, conflict_pages, quarantine_pages)
MOST_AT_ONCE = 500
_NUMBER = "<int(max=999999999999999999):number>"
_log = structlog.get_logger(__name__)

WORDS = {
    "offering": "Offerings",
    "learner": "People",
    "enrolment": "Enrolments",
    "result": "Results",
    holds.REMOVALS: "Removals",
    holds.CONFLICT: "Conflicts",
    holds.PENDING: "Waits",
    holds.APPROVED: "Carried out",
    holds.REJECTED: "Kept",
    holds.OUTDATED: "Outdated",
    holds.SETTLED: "Settled",
}
"""Kinds of records, and reasons and statuses of holds, in words."""
POLICIES = {
    "source wins": "The bridge sends its own version again.",
    "kept": "The change stays there, until the source changes.",
    "held": "The change stays there, until a person decides about the hold.",
    "cannot log in": "The bridge leaves it so: only the learner or the centre can change that.",
    "stays there": "The bridge leaves it so: only the centre can end the other enrolment.",
    "suspended there": "The bridge leaves it so: only the centre can lift the suspension.",
}
"""What a centre's policy does about a conflict, by the state of its item."""
VERDICTS = {
    holds.APPROVED: POLICIES["source wins"],
    holds.REJECTED: POLICIES["kept"],
    holds.OUTDATED: "The hold is outdated.",
    holds.SETTLED: "The hold is settled.",
}
"""What a person decided about a conflict, by the status of its hold."""


@hold_pages.get("/holds")
@needs(Scope.READ_OPERATIONS)
def show_all() -> str:
    return _holds_page()


def _holds_page(outcomes: Sequence[HoldOutcome] = (), problem: Refused | None = None) -> str:
    """The list. With ``all`` the newest that wait are on one page, and are ticked."""
    decided = request.args.get("decided") == "1"
    ticked = request.args.get("all") == "1" and not decided
    size = MOST_AT_ONCE if ticked else SIZE
    with the_bridge().database.reading() as tx:
        of, codes = _asked(tx, size)
        rows = held.holds_page(tx, of, decided=decided)
        waiting = held.count_pending(tx, of.within, of.centre)
        decided_by = {row.decided_by for row in (*rows, *(each.row for each in outcomes))}
        names = accounts.names_of(tx, decided_by)
    return render_template(
        "holds.html",
        **_list(rows, of, codes, size),
        decided=decided,
        ticked=ticked,
        most=MOST_AT_ONCE,
        waiting=waiting,
        outcomes=outcomes,
        names=names,
        problem=problem,
        done=request.args.get("done", ""),
    )


@dataclass(frozen=True, slots=True)
class HoldOutcome:
    """What became of one hold that was ticked: ``row`` as it is now; ``late``: somebody else
    had decided before."""

    row: Row[Any]
    late: bool


@hold_pages.post("/holds/decisions")
@needs(Scope.WRITE_OPERATIONS)
def decide_many() -> ResponseReturnValue:
    """Decides about each hold that is ticked. One that was decided already stops no other."""
    approve, by = _decision(), current_actor()
    numbers = {number_in(each, digits=18) for each in request.form.getlist("hold")[:MOST_AT_ONCE]}
    chosen = [_hold(number, Scope.WRITE_OPERATIONS) for number in sorted(numbers - {0})]
    if not chosen:
        missing = ("nobody-chosen", "No hold was chosen.", "Tick the holds, and press it again.")
        return _holds_page(problem=Refused(*missing)), 422
    outcomes = []
    with the_bridge().database.writing() as tx:
        for each in chosen:
            try:
                decide_hold(tx, each.id, approve=approve, by=by.name, at=by.at)
                late = False
            except Refused:
                late = True
            outcomes.append(HoldOutcome(holds.hold_row(tx, each.id) or each, late))
    _log.info("holds decided", holds=len(chosen), approved=approve, by=by.name)
    return _holds_page(outcomes)


def _decision() -> bool:
    """Whether a form says to carry out; else it says to keep."""
    chosen = {"carry out": True, "keep": False}.get(request.form.get("decision", ""))
    if chosen is None:
        raise Refused("no-decision", "Choose one of the two buttons.")
    return chosen


@hold_pages.get(f"/holds/{_NUMBER}")
@needs(Scope.READ_OPERATIONS)
def show(number: int) -> str:
    return _hold_page(_hold(number, Scope.READ_OPERATIONS))


@hold_pages.post(f"/holds/{_NUMBER}/decision")
@needs(Scope.WRITE_OPERATIONS)
def decide(number: int) -> ResponseReturnValue:
    """Carries a hold out (``carry out``), or keeps what is there (``keep``)."""
    chosen = _decision()
    _hold(number, Scope.WRITE_OPERATIONS)
    by = current_actor()
    try:
        with the_bridge().database.writing() as tx:
            decide_hold(tx, number, approve=chosen, by=by.name, at=by.at)
    except Refused:
        return _hold_page(_hold(number, Scope.WRITE_OPERATIONS), late=True), 409
    _log.info("hold decided", hold=number, approved=chosen, by=by.name)
    return redirect(url_for("holds.show_all", done="hold"), 303)


def _hold(number: int, scope: Scope) -> Row[Any]:
    with the_bridge().database.reading() as tx:
        row = holds.hold_row(tx, number)
    missing = NotFound("no-such-hold", f"There is no hold {number}.")
    if row is None:
        raise missing
    try:
        centre_for(scope, row.centre)
    except NotFound:  # one of another centre looks as if it did not exist
        raise missing from None
    return row


def _hold_page(row: Row[Any], *, late: bool = False) -> str:
    with the_bridge().database.reading() as tx:
        staged, fields = held.staged(tx, row), held.fields_held(tx, row)
        causes = holds.causes(tx, [row.id])[row.id]
        names = accounts.names_of(tx, [row.decided_by])
    schedule = row.reason == holds.REMOVALS and row.kind == Kind.OFFERING
    return render_template(
        "hold.html",
        row=row,
        staged=staged,
        fields=fields,
        causes=causes,
        names=names,
        late=late,
        most=held.NAMED,
        of_file=schedule and row.system == FILES,
        of_reading=schedule and row.system == centre_system(row.centre),
        words=WORDS,
    )


@conflict_pages.get("/conflicts")
@needs(Scope.READ_OPERATIONS)
def show_conflicts() -> str:
    """What other systems changed by themselves: first what waits for a person, then what is
    settled, by whom and when."""
    asked = request.args.get("state", "")
    state = asked if asked in ("open", "settled") else ""
    with the_bridge().database.reading() as tx:
        of, codes = _asked(tx)
        first_page = state or not of.before
        waiting = held.open_conflicts(tx, of) if state != "settled" and first_page else []
        settled = held.settled_conflicts(tx, of) if state != "open" else []
        number = held.count_conflicts(tx, of.within, of.centre)
        shown = [*waiting[:SIZE], *settled[:SIZE]]
        names = item_names(tx, shown)
        people = accounts.names_of(tx, {each.decided_by or "" for each in shown})
    return render_template(
        "conflicts.html",
        **_list(waiting if state == "open" else settled, of, codes),
        state_asked=state,
        waiting=waiting[:SIZE],
        settled=settled[:SIZE],
        number=number,
        names=names,
        people=people,
        shown_values=SHOWN_VALUES,
        policies=POLICIES,
        verdicts=VERDICTS,
    )


@quarantine_pages.get("/quarantine")
@needs(Scope.READ_OPERATIONS)
def show_quarantine() -> str:
    with the_bridge().database.reading() as tx:
        of, codes = _asked(tx)
        rows = held.quarantine_page(tx, of)
        known = held.courses_known(tx, rows[:SIZE])
        total = held.count_quarantined(tx, of.within, of.centre)
        centres = {each.code: each for each in stored_centres.all_centres(tx)}
    user = signed_in()

    def sees(code: str) -> set[Kind]:
        """The kinds of records of a centre whose values the reader may see."""
        centre = centres.get(code)
        return {kind for kind, scope in VALUES_NEED.items() if user.may(scope, centre)}

    page = _list(rows, of, codes)
    return render_template("quarantine.html", **page, known=known, total=total, sees=sees)


def _asked(tx: Connection, size: int = SIZE) -> tuple[ListParams, list[str]]:
    """What the address asks for, and the codes of the centres that the reader may ask for."""
    within = centres_for(tx, Scope.READ_OPERATIONS)
    codes = [each.code for each in stored_centres.all_centres(tx)]
    centre = typed_text.line(request.args.get("centre", ""), 40)
    of = ListParams(within, centre, number_param("before"), size + 1)
    return of, codes if within is None else [each for each in codes if each in within]


def _list(rows: Any, of: ListParams, codes: list[str], size: int = SIZE) -> dict[str, Any]:
    return {
        "rows": rows[:size],
        "last": rows[size - 1].id if len(rows) > size else 0,
        "before": of.before,
        "centre": of.centre,
        "codes": codes,
        "words": WORDS,
    }
