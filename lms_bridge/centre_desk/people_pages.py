"""`/my-centre/<code>/people/<course>`: applicants, payments, and everybody in a course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from lms_bridge.centre_desk import people_queries as queries
from lms_bridge.centre_desk.desk import course_at, pages
from lms_bridge.centre_desk.people import Outcome, PersonOutcome, act_on_people
from lms_bridge.centre_desk.people_queries import APPLICANTS, EVERYONE, GROUPS, PeopleFilter
from lms_bridge.centre_desk.words import said
from lms_bridge.domain.access import Scope
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.document import document, plain
from lms_bridge.domain.errors import BridgeError, Overloaded, Refused
from lms_bridge.domain.lifecycle import EnrolmentAction
from lms_bridge.domain.model import Centre, Offering
from lms_bridge.domain.ports import RawRecord
from lms_bridge.schemas.csv.tables import REGISTRATIONS
from lms_bridge.schemas.csv.writer import pieces
from lms_bridge.store import learners
from lms_bridge.store.registration_forms import answers_of
from lms_bridge.sync.enrolment_actions import kept_by_academy, places
from lms_bridge.web import typed_text
from lms_bridge.web.access import current_actor, needs, signed_in, the_bridge
from lms_bridge.web.downloads import table_file
from lms_bridge.web.paging import SIZE, number_in

_PATH = "/<code>/people/<path:offering>"
ACTIONS: dict[str, tuple[EnrolmentAction, ...]] = {
    APPLICANTS: (EnrolmentAction.SELECT, EnrolmentAction.REJECT),
    queries.PAYMENTS: (EnrolmentAction.CONFIRM_PAYMENT,),
    EVERYONE: (),
}
"""{group of people: what its page does with them}"""
MOST_AT_ONCE = 500
MOST_ROWS = 100_000
"""Rows of a table that is downloaded."""


@pages.get(_PATH)
@needs(Scope.READ_ENROLMENTS)
def people(code: str, offering: str) -> ResponseReturnValue:
    centre, number, record = course_at(Scope.READ_ENROLMENTS, code, offering)
    if request.args.get("format") == "csv":
        return _table(number, record)
    return _page(centre, number, record)


@pages.post(_PATH)
@needs(Scope.WRITE_ENROLMENTS)
def act_on(code: str, offering: str) -> ResponseReturnValue:
    """Does one act with everybody who is ticked, and shows what became of each."""
    centre, number, record = course_at(Scope.WRITE_ENROLMENTS, code, offering)
    try:
        action = _action()
        chosen = _chosen()
        outcomes = act_on_people(the_bridge(), centre, number, action, chosen, current_actor())
    except BridgeError as error:
        status = 503 if isinstance(error, Overloaded) else 422
        return _page(centre, number, record, problem=error), status
    return _page(centre, number, record, outcomes)


def _action() -> EnrolmentAction:
    offered = {str(each): each for actions in ACTIONS.values() for each in actions}
    found = offered.get(request.form.get("action", ""))
    if found is None:
        raise Refused("no-decision", "Choose one of the buttons.")
    return found


def _chosen() -> dict[int, int]:
    """{number: revision} of the boxes that are ticked."""
    found = {}
    for value in request.form.getlist("chosen")[:MOST_AT_ONCE]:
        number, _, revision = value.partition(".")
        if number_in(number, digits=18):
            found[number_in(number, digits=18)] = number_in(revision, digits=9)
    if not found:
        raise Refused("nobody-chosen", "Nobody was ticked.", "Tick somebody first.")
    return found


def _filter() -> PeopleFilter:
    """From the form, too: after an act the reader sees the list again that they acted on."""
    given = request.values
    group = given.get("group", EVERYONE)
    return PeopleFilter(
        group if group in GROUPS else EVERYONE,
        typed_text.line(given.get("text", ""), 100),
        number_in(given.get("after", ""), digits=18),
    )


@dataclass(frozen=True, slots=True)
class NamedOutcome:
    """An outcome with the person's name and where they stand now."""

    of: PersonOutcome
    name: str
    status: str
    why: Sequence[tuple[str, str]]


def _page(
    centre: Centre,
    number: int,
    record: Offering,
    outcomes: Sequence[PersonOutcome] = (),
    problem: BridgeError | None = None,
) -> str:
    bridge, asked, size = the_bridge(), _filter(), _size()
    may_act = signed_in().may(Scope.WRITE_ENROLMENTS, centre)
    with bridge.database.reading() as tx:
        counts = queries.count_groups(tx, number)
        found = queries.people(tx, number, asked, size + 1)
        rows = found[:size]
        matching = queries.count_matching(tx, number, asked) if len(found) > size else 0
        ids = [row.id for row in rows]
        waits = queries.waits_of(tx, centre, rows)
        answers = answers_of(tx, ids)
        elsewhere = kept_by_academy(tx, ids)
        place = places(tx, bridge.policy_of(centre), {number: record}, utc_now())[number]
        named = queries.named(tx, [each.number for each in outcomes])
    return render_template(
        "centre_desk/people.html",
        centre=centre,
        course=record,
        asked=asked,
        counts=counts,
        rows=rows,
        next_after=rows[-1].id if len(found) > size else 0,
        matching=matching,
        most=MOST_AT_ONCE,
        waits=waits,
        answers=answers,
        elsewhere=elsewhere,
        actions=ACTIONS[asked.group] if may_act else (),
        seats=record.seats,
        free=None if record.seats is None else max(0, record.seats - place.taken),
        ticked=_ticked(rows, problem),
        all_ticked=bool(request.args.get("all")),
        outcomes=[
            NamedOutcome(
                each,
                named[each.number].name if each.number in named else "",
                named[each.number].status if each.number in named else "",
                said(each.error) if each.error else (),
            )
            for each in outcomes
        ],
        tally={
            kind: sum(1 for each in outcomes if each.outcome is kind)
            for kind in Outcome
            if outcomes
        },
        problem=said(problem) if problem else (),
        wrong="chosen" if problem and problem.code == "nobody-chosen" else "",
        first_box=next((each for each in ids if each not in elsewhere), 0),
    )


def _size() -> int:
    """How many people are on one page: with ``all=many`` as many as one act takes."""
    return MOST_AT_ONCE if request.args.get("all") == "many" else SIZE


def _ticked(rows: queries.Rows, problem: BridgeError | None) -> set[int]:
    """Whose boxes are ticked: everybody's by the button, or those of a form that was refused."""
    if request.args.get("all"):
        return {row.id for row in rows}
    given = request.form.getlist("chosen") if problem else ()
    return {number_in(value.partition(".")[0], digits=18) for value in given}


def _table(number: int, record: Offering) -> Response:
    """The people whom the page would show, all of them, as `import registrations` reads them."""
    asked = _filter()
    with the_bridge().database.reading() as tx:
        rows = queries.people(tx, number, asked, MOST_ROWS)
        known = learners.learners(tx, [row.learner_id for row in rows])
    records = []
    for row in rows:
        person = document(known[row.learner_id])
        person["id"] = person.pop("academy_id")
        fields = {
            "offering": record.code,
            "learner": person,
            "status": str(row.status),
            "starts_at": plain(row.starts_at),
            "ends_at": plain(row.ends_at),
        }
        records.append(RawRecord(f"{record.code}/{row.academy_id}", fields))
    response = table_file(b"".join(pieces(REGISTRATIONS, records)), "people.csv")
    response.headers["Cache-Control"] = "no-store"
    return response
