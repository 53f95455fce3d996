"""`lms-bridge offering`: the life of an offering, act by act, and who teaches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import Connection

from lms_bridge.api.offerings import offering_document
from lms_bridge.api.reviews import history_document, reports_document, review_document
from lms_bridge.audit import COMMAND, Actor
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import clean, print_json, print_line, table
from lms_bridge.console.session import json_option, user_name, with_bridge
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import Flow, Offering, OfferingStatus, centre_system
from lms_bridge.domain.plurals import counted
from lms_bridge.domain.reviews import POINTS, Outline, ReportFields, ReviewPoint
from lms_bridge.domain.rules import RuleFinding
from lms_bridge.store import offerings
from lms_bridge.store.teachers import TeacherState
from lms_bridge.store.teachers import teachers as stored_teachers
from lms_bridge.sync.certificates import CertificateOutcome
from lms_bridge.sync.certificates import certify as certify_all
from lms_bridge.sync.completions import complete
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import (
    OfferingChange,
    change_offering,
    comment_on,
    state_outline,
)
from lms_bridge.sync.offering_life import life_of
from lms_bridge.sync.teachers import appoint

_POINT = click.Choice([str(each) for each in ReviewPoint])
_POINTS = "; ".join(f"{each}: {meaning}" for each, meaning in POINTS.items())
by_option = click.option("--by", default="", help="Who acts. Default: your user name.")


def _found(bridge: Bridge, code: str) -> tuple[int, Offering]:
    with bridge.database.reading() as tx:
        found = offerings.offerings_by_code(tx, [code]).get(code)
    if found is None:
        raise NotFound(
            "no-such-offering", f'There is no offering "{clean(code)}".', "See `export offerings`."
        )
    return found


def _under_lease(
    bridge: Bridge, code: str, flow: Flow, who: str, do: Callable[[Connection, RunContext], Any]
) -> Any:
    """Does one act as a run of the offering's centre. Raises what refused it."""
    centre = bridge.centre(_found(bridge, code)[1].centre)
    return bridge.act(centre, flow, Actor(who, COMMAND, utc_now()), do)


def _document(bridge: Bridge, code: str) -> dict[str, Any]:
    record_id, record = _found(bridge, code)
    with bridge.database.reading() as tx:
        life = life_of(tx, record_id, record.centre)
    return offering_document(record, None, bridge.settings.rules, whole=True, life=life)


@click.command()
@click.argument("code")
@json_option
@with_bridge
def show(bridge: Bridge, code: str, in_json: bool) -> None:
    """Shows an offering: status, possible actions, review, reports, history."""
    shown = _document(bridge, code)
    with bridge.database.reading() as tx:
        review, reports = review_document(tx, code), reports_document(tx, code)
        history = history_document(tx, code)
    if in_json:
        print_json({**shown, "review": review, "reports": reports, "history": history})
        return
    print_line(f"{code}: {clean(shown['title'])}")
    print_line(f"Status: {shown['status']}. Availability: {shown['availability']}.")
    print_line(f"Possible now: {', '.join(shown['actions']) or 'nothing'}.")
    if review["deadline"]:
        what = "silence counts as no objection" if review["silence_counts"] else "a person decides"
        print_line(f"Review until {review['deadline']}: {what}.")
    for each in review["rounds"]:
        for comment in each["comments"]:
            print_line(f"  comment of {comment['by']} on {comment['point']}: {comment['text']}")
    for each in history:
        why = f" ({each['point'] or 'reason'}: {clean(each['reason'])})" if each["reason"] else ""
        who = each["by"] or "time"
        print_line(f"  {each['at']} {each['action']} by {who}: {each['after']}{why}")
    for each in reports:
        print_line(f"  report of {each['at']}: {each['state']}. {clean(each['summary'])}")


_SAID = {
    OfferingAction.OBJECT: "{code} goes back to its centre. It is {status} again.",
    OfferingAction.REPORT: "The report of {code} waits for validation. The offering is {status}.",
    OfferingAction.CLOSE: "The report of {code} is validated: certificates may be released. "
    "The offering is {status}.",
}


def _show_act(
    bridge: Bridge, change: OfferingChange, record: Offering, found: list[RuleFinding]
) -> None:
    said = _SAID.get(change.action, "{code} is {status}.")
    print_line(said.format(code=record.code, status=record.status))
    if change.action is OfferingAction.SUBMIT:
        with bridge.database.reading() as tx:
            deadline = review_document(tx, record.code)["deadline"]
        if deadline:
            print_line(f"Without a comment or an objection until {deadline} it is reviewed.")
    for each in found:
        print_line(f"  warning {each.code}: {each.message}")


def _do(bridge: Bridge, change: OfferingChange) -> None:
    def act(tx: Connection, context: RunContext) -> tuple[int, Offering, list[RuleFinding]]:
        return change_offering(tx, context, change, bridge.settings.rules)

    _, record, found = _under_lease(bridge, change.code, Flow.OFFERINGS, change.by, act)
    _show_act(bridge, change, record, found)


def _action(action: OfferingAction, meaning: str) -> click.Command:
    @click.command(str(action), help=meaning)
    @click.argument("code")
    @click.option("--reason", default="", help="Why; it is kept and shown.")
    @by_option
    @with_bridge
    def command(bridge: Bridge, code: str, reason: str, by: str) -> None:
        _do(bridge, OfferingChange(code, action, reason[:1000], by=by or user_name()))

    return command


submit = _action(OfferingAction.SUBMIT, "Submits an outline for review.")
review = _action(OfferingAction.REVIEW, "Ends a review without objections.")
publish = _action(OfferingAction.PUBLISH, "Publishes an offering.")
postpone = _action(OfferingAction.POSTPONE, "Postpones an offering.")
cancel = _action(OfferingAction.CANCEL, "Cancels an offering, and the registrations in it.")
conclude = _action(OfferingAction.CONCLUDE, "Says that a course without an end is over.")
close = _action(OfferingAction.CLOSE, "Validates the report of an offering.")


@click.command("object")
@click.argument("code")
@click.option("--reason", required=True, help="Why; the centre reads it.")
@click.option("--point", type=_POINT, default=None, help=_POINTS)
@by_option
@with_bridge
def object_(bridge: Bridge, code: str, reason: str, point: str | None, by: str) -> None:
    """Sends an outline or a report back."""
    who, act = by or user_name(), OfferingAction.OBJECT
    _do(bridge, OfferingChange(code, act, reason[:1000], by=who, point=point or ""))


@click.command()
@click.argument("code")
@click.option("--summary", default="", help="What happened.")
@click.option("--evaluation", default="", help="What the participants said.")
@click.option("--difficulties", default="", help="What did not go well.")
@click.option("--recommendations", default="", help="What should be done next.")
@by_option
@with_bridge
def report(bridge: Bridge, /, code: str, by: str, **fields: str) -> None:
    """Submits the end-of-training report. The bridge adds its own counts."""
    who, act = by or user_name(), OfferingAction.REPORT
    _do(bridge, OfferingChange(code, act, by=who, report=ReportFields(**fields)))


@click.command()
@click.argument("code")
@click.option("--mandate", default="", help="Why it is relevant to the ITU mandate.")
@click.option("--membership", default="", help="Why it is relevant to the membership.")
@click.option("--instructor", "instructors", multiple=True, help="An instructor; several times.")
@click.option("--grading", default="", help="How participants are graded.")
@click.option("--notes", default="", help="Anything else.")
@by_option
@with_bridge
def outline(bridge: Bridge, /, code: str, by: str, **fields: Any) -> None:
    """States what the offering's own fields do not say, before the outline is submitted."""
    who = by or user_name()

    def act(tx: Connection, context: RunContext) -> int:
        return state_outline(tx, context, code, Outline(**fields), who)

    _under_lease(bridge, code, Flow.OFFERINGS, who, act)
    print_line(f"The outline of {code} is kept. Submit it: lms-bridge offering submit {code}")


@click.command()
@click.argument("code")
@click.argument("text")
@click.option("--point", type=_POINT, required=True, help=_POINTS)
@by_option
@with_bridge
def comment(bridge: Bridge, code: str, text: str, point: str, by: str) -> None:
    """Comments on a point of an outline."""
    who = by or user_name()

    def act(tx: Connection, context: RunContext) -> int:
        return comment_on(tx, context, code, ReviewPoint(point), text, who)

    _under_lease(bridge, code, Flow.OFFERINGS, who, act)
    with bridge.database.reading() as tx:
        waits = review_document(tx, code)["status"] == OfferingStatus.SUBMITTED
    then = "From now on a person ends this review." if waits else "The review was over before."
    print_line(f"The comment is kept. {then}")


@click.command("complete")
@click.argument("code")
@click.option("--set", "pairs", multiple=True, required=True, help="FIELD=VALUE; several times.")
@by_option
@with_bridge
def complete_(bridge: Bridge, code: str, pairs: tuple[str, ...], by: str) -> None:
    """Fills fields that the offering's source leaves empty."""
    given: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise Refused("bad-pair", f'"{clean(pair)}" is not FIELD=VALUE.')
        given[name.strip()] = [v.strip() for v in value.split(";")] if ";" in value else value
    who = by or user_name()
    _, record = _under_lease(
        bridge,
        code,
        Flow.OFFERINGS,
        who,
        lambda tx, context: complete(tx, context, code, given, who),
    )
    print_line(f"{record.code} is complete with: {', '.join(sorted(given))}.")


@click.command()
@click.argument("code")
@click.argument("learners", nargs=-1, metavar="[LEARNER]...")
@by_option
@json_option
@with_bridge
def certify(bridge: Bridge, code: str, learners: tuple[str, ...], by: str, in_json: bool) -> None:
    """Releases the certificates of all who completed, or of the named learners alone."""
    centre = bridge.centre(_found(bridge, code)[1].centre)
    rows = bridge.act_in_parts(
        centre,
        Flow.ENROLMENTS,
        Actor(by or user_name(), COMMAND, utc_now()),
        lambda context: certify_all(context, code, learners),
    )
    if in_json:
        names = ("learner", "number", "outcome", "code", "message")
        print_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    for row in rows:
        outcome = str(row.outcome).replace("_", " ")
        print_line(f"{clean(row.learner)}: {outcome} {row.message}".rstrip())
    released = sum(row.outcome is CertificateOutcome.CERTIFIED for row in rows)
    print_line(f"{counted(released, 'certificate')} released.")


# ---- who teaches it, in the centre's LMS ---------------------------------------------------------


_TEACHER_WORDS = {
    TeacherState.NEW: "waits for the next run",
    TeacherState.SENDING: "waits for the next run",
    TeacherState.GIVEN: "has the role in course {course}",
    TeacherState.THERE: "was in course {course} before, and is left alone",
}


@click.command()
@click.argument("code")
@click.argument("academy_id")
@click.option("--end", is_flag=True, help="They teach it no more: the role is taken back.")
@with_bridge
def teach(bridge: Bridge, code: str, academy_id: str, end: bool) -> None:
    """Gives the person with that Academy id the teacher's role in the offering's course.

    The centre's option teacher_role says which role that is.
    """
    record_id, record = _found(bridge, code)

    def act(tx: Connection, context: RunContext) -> None:
        appoint(tx, context, record_id, academy_id, ends=end)

    actor = Actor(user_name(), COMMAND, utc_now())
    bridge.act(bridge.centre(record.centre), Flow.ENROLMENTS, actor, act)
    print_line(
        f"{academy_id} teaches {code} no more." if end else f"{academy_id} teaches {code} from now."
    )
    print_line(f"Do it now: lms-bridge sync --centre {record.centre} --flow enrolments")


@click.command()
@click.argument("code")
@with_bridge
def teachers(bridge: Bridge, code: str) -> None:
    """Lists who teaches an offering, and whether they have the role in its course."""
    _, record = _found(bridge, code)
    with bridge.database.reading() as tx:
        everybody = stored_teachers(tx, record.centre, centre_system(record.centre))
    rows = [
        (
            each.academy_id,
            "leaves with the next run"
            if each.leaves
            else _TEACHER_WORDS[each.state].format(course=clean(each.course)),
        )
        for each in everybody
        if each.code == code
    ]
    if rows:
        table(("teacher", "state"), rows)
    else:
        print_line(f"Nobody is named as a teacher of {code}.")
