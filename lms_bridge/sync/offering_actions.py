"""Status changes of offerings, by people and by time, under the centre's lease."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from lms_bridge.domain.document import difference, document
from lms_bridge.domain.errors import NotFound, NotNow, Refused, RulesBroken
from lms_bridge.domain.events import Event
from lms_bridge.domain.lifecycle import (
    ENROLMENT_MOVES,
    EnrolmentAction,
    OfferingAction,
    by_clock,
    move_offering,
)
from lms_bridge.domain.model import Kind, Offering, OfferingStatus
from lms_bridge.domain.ports import Action
from lms_bridge.domain.reviews import (
    Comment,
    Outline,
    ReportFields,
    ReportState,
    ReviewPoint,
    StatusChange,
)
from lms_bridge.domain.rules import (
    RuleFinding,
    Rules,
    breaks_rules,
    check_offering,
    check_report,
    empty_report,
    no_reason,
    sent_when_resumed,
)
from lms_bridge.store import (
    enrolments,
    memberships,
    offerings,
    outbox,
    reviews,
    status_history,
)
from lms_bridge.store.status_history import KeptStatus
from lms_bridge.store.tables import offering as table
from lms_bridge.sync.context import API, Asked, RunContext
from lms_bridge.sync.desired_state import desire_enrolments, desire_offerings
from lms_bridge.sync.offering_life import life_of, possible


@dataclass(frozen=True, slots=True)
class OfferingChange:
    """``revision`` is the one that the person saw; None: whatever it is now. ``by`` is who acts.
    ``point`` is that of an objection, ``report`` what is written after a training."""

    code: str
    action: OfferingAction
    reason: str = ""
    revision: int | None = None
    by: str = ""
    point: str = ""
    report: ReportFields = field(default_factory=ReportFields)


def change_offering(
    tx: Connection, context: RunContext, act: OfferingChange, rules: Rules
) -> tuple[int, Offering, list[RuleFinding]]:
    """Does an action with an offering of the run's centre. Returns its id, the offering as it is
    now, and the warnings of the rules.

    Raises:
        NotFound: the centre has no such offering.
        Refused: somebody changed it meanwhile, its status does not allow the action, or an
            objection does not say why.
        RulesBroken: it cannot be submitted or published as it is.
    """
    context.asked = Asked(Kind.OFFERING, str(act.action), act.code)
    record_id, before = find_offering(tx, context.centre.code, act.code)
    context.asked = replace(context.asked, record_id=record_id)
    check_revision(tx, record_id, act.revision)
    if act.action is OfferingAction.OBJECT and not act.reason:
        raise Refused("reason-missing", "An objection says why.", "Send it with a reason.")
    kept = status_history.kept_statuses(tx, [record_id]).get(record_id)
    life, now = life_of(tx, record_id, context.centre.code), context.now()
    current = replace(before, status=by_clock(before, life.deadline, now))
    if current != before:
        _advance(tx, context, [record_id])  # what time has brought has lines of its own
    broken = breaks_rules(current, now, life.standing)
    after = move_offering(
        current, act.action, now, report_waits=life.report_waits, breaks_rules=broken
    )
    found = _findings(tx, context, record_id, after, act, rules)
    if not context.centre.active:
        found.append(sent_when_resumed(context.centre.code))
    refusing = [each for each in found if not each.warning]
    if refusing:
        raise RulesBroken(refusing)
    submitted = after.status is OfferingStatus.SUBMITTED
    deadline = now + timedelta(days=rules.objection_days) if submitted else None
    if after.status is not current.status or kept is not None:
        status_history.keep(tx, record_id, KeptStatus(now, deadline, act.reason))
    about_report = is_about_report(current, act.action)
    _keep_papers(tx, record_id, (current, after), act, now, deadline)
    _change(tx, context, {record_id: (current, after)}, act.reason)
    _announce(tx, context, after.code, act.action, about_report=about_report)
    if act.action is OfferingAction.CANCEL:
        _cancel_enrolments(tx, context, record_id, after)
    return record_id, after, found


def is_about_report(before: Offering, action: OfferingAction) -> bool:
    """Whether the action is done with the end-of-course report, and not with the outline."""
    if action is OfferingAction.OBJECT:
        return before.status is not OfferingStatus.SUBMITTED
    return action in (OfferingAction.REPORT, OfferingAction.CLOSE)


def _keep_papers(
    tx: Connection,
    record_id: int,
    statuses: tuple[Offering, Offering],
    act: OfferingChange,
    now: datetime,
    deadline: datetime | None,
) -> None:
    """A line of the history, and what became of the report."""
    before, after = statuses
    outline = None
    if act.action is OfferingAction.SUBMIT:
        stated = reviews.outline_of(tx, record_id)
        outline = {**document(after), "outline": document(stated)}
    line = StatusChange(
        *(now, act.by, act.action, before.status, after.status, act.reason, act.point),
        deadline,
        outline,
    )
    reviews.add_changes(tx, {record_id: line})
    if act.action is OfferingAction.REPORT:
        figures = reviews.figures_of(tx, record_id)
        reviews.add_report(tx, record_id, act.report, figures, act.by, now)
    elif is_about_report(before, act.action):
        closes = act.action is OfferingAction.CLOSE
        state = ReportState.VALIDATED if closes else ReportState.RETURNED
        reviews.decide_report(tx, record_id, state, act.reason, act.by, now)


_EVENTS = {
    (OfferingAction.SUBMIT, False): Event.OUTLINE_SUBMITTED,
    (OfferingAction.OBJECT, False): Event.OUTLINE_OBJECTED,
    (OfferingAction.REVIEW, False): Event.OUTLINE_REVIEWED,
    (OfferingAction.REPORT, True): Event.REPORT_SUBMITTED,
    (OfferingAction.OBJECT, True): Event.REPORT_OBJECTED,
    (OfferingAction.CLOSE, True): Event.REPORT_VALIDATED,
}


def _announce(
    tx: Connection, context: RunContext, code: str, action: OfferingAction, *, about_report: bool
) -> None:
    event = _EVENTS.get((action, about_report))
    if event is not None:
        outbox.add_notice(tx, event, context.centre.code, context.now(), offering=code)


# ---- outlines and comments ----------------------------------------------------------------------


def state_outline(tx: Connection, context: RunContext, code: str, stated: Outline, by: str) -> int:
    """Keeps what a centre says of a training besides the offering's own fields. Returns the
    offering's id.

    Raises:
        NotFound: the centre has no such offering.
        NotNow: the outline is under review, or was reviewed: it stays as it was submitted.
    """
    context.asked = Asked(Kind.OFFERING, "outline", code)
    record_id, record = find_offering(tx, context.centre.code, code)
    if record.status is not OfferingStatus.PLANNED:
        raise NotNow(
            "offering-not-now",
            f"The outline of an offering that is {record.status} stays as it was submitted.",
            "An objection sends it back to you.",
            allowed=possible(record, life_of(tx, record_id, record.centre), context.now()),
        )
    before = document(reviews.outline_of(tx, record_id))
    reviews.keep_outline(tx, record_id, stated, by, context.now())
    changed = difference(before, document(stated))
    context.note(
        Kind.OFFERING, API, "outline", record_id=record_id, external_id=code, fields=changed
    )
    return record_id


def comment_on(
    tx: Connection, context: RunContext, code: str, point: ReviewPoint, text: str, by: str
) -> int:
    """Keeps a reviewer's comment. Before the deadline it breaks the silence: from then on a person
    ends the review. Returns the offering's id.

    Raises:
        NotFound: the centre has no such offering.
        NotNow: its outline was never submitted.
    """
    context.asked = Asked(Kind.OFFERING, "comment", code)
    record_id, record = find_offering(tx, context.centre.code, code)
    now = context.now()
    kept = status_history.kept_statuses(tx, [record_id]).get(record_id)
    if not any(each.action == OfferingAction.SUBMIT for each in reviews.changes_of(tx, record_id)):
        raise NotNow(
            "offering-not-now",
            "Its outline was never submitted: there is nothing to comment on.",
            allowed=possible(record, life_of(tx, record_id, record.centre), now),
        )
    reviews.add_comment(tx, record_id, Comment(now, by, point, text))
    under_review = by_clock(record, kept.deadline if kept else None, now)
    if kept is not None and under_review is OfferingStatus.SUBMITTED:
        status_history.keep(tx, record_id, replace(kept, deadline=None))
    context.note(
        Kind.OFFERING,
        API,
        "comment",
        record_id=record_id,
        external_id=code,
        fields={str(point): (None, text)},
    )
    event = Event.OUTLINE_COMMENTED
    outbox.add_notice(tx, event, context.centre.code, now, offering=code, point=str(point))
    return record_id


def find_offering(tx: Connection, centre: str, code: str) -> tuple[int, Offering]:
    """Raises NotFound when the centre has no offering of that code."""
    found = offerings.offerings_by_code(tx, [code]).get(code)
    if found is None or found[1].centre != centre:
        raise NotFound("no-such-offering", "There is no such offering.")
    return found


def check_revision(tx: Connection, record_id: int, revision: int | None) -> None:
    """Raises Refused when the offering is not the one that the person saw."""
    if revision is None:
        return
    if tx.scalar(select(table.c.revision).where(table.c.id == record_id)) != revision:
        raise changed_meanwhile()


def changed_meanwhile() -> Refused:
    return Refused(
        "changed-meanwhile", "It was changed since you read it.", "Read it again, then decide."
    )


def _findings(
    tx: Connection,
    context: RunContext,
    record_id: int,
    after: Offering,
    act: OfferingChange,
    rules: Rules,
) -> list[RuleFinding]:
    action, now = act.action, context.now()
    if action in (OfferingAction.SUBMIT, OfferingAction.PUBLISH):
        standing = memberships.standing_of(tx, context.centre.code)
        taken = enrolments.seats_taken(tx, [record_id]).get(record_id, 0)
        return check_offering(after, rules, now, standing, taken)
    if action is OfferingAction.REPORT:
        participants = len(enrolments.enrolments_in(tx, [record_id], shown=True))
        empty = [empty_report()] if act.report.is_empty else []
        return empty + check_report(after, participants, rules, now)
    if action in (OfferingAction.POSTPONE, OfferingAction.CANCEL) and not act.reason:
        return [no_reason(action)]
    return []


SILENCE = "silence"
"""The action of the history's line where nobody objected until the deadline."""
AT_ONCE = 500
"""Offerings that one transaction advances, so that others need not wait long to write."""


def advance_by_time(context: RunContext) -> None:
    """Advances what time alone changes, whoever published it: outlines without an objection, and
    courses that began or ended."""
    while True:
        with context.database.reading() as tx:
            if not status_history.due(tx, context.now(), context.centre.code, 1):
                return
        with context.writing() as tx:
            due = status_history.due(tx, context.now(), context.centre.code, AT_ONCE)
            _advance(tx, context, due)


def _advance(tx: Connection, context: RunContext, ids: Collection[int]) -> None:
    """Brings offerings to where time alone has brought them. The others stay as they are."""
    now = context.now()
    known = status_history.kept_statuses(tx, ids)
    changes = {}
    silent = {}
    for record_id, before in offerings.offerings(tx, ids).items():
        kept = known.get(record_id)
        after = replace(before, status=by_clock(before, kept.deadline if kept else None, now))
        if after == before:
            continue
        changes[record_id] = (before, after)
        if kept is not None:
            status_history.keep(tx, record_id, KeptStatus(now, None, kept.reason))
        if before.status is OfferingStatus.SUBMITTED:
            silent[record_id] = StatusChange(now, "", SILENCE, before.status, after.status)
            event = Event.OUTLINE_REVIEWED
            outbox.add_notice(tx, event, context.centre.code, now, offering=before.code)
    reviews.add_changes(tx, silent)
    _change(tx, context, changes)


def _change(
    tx: Connection,
    context: RunContext,
    changes: dict[int, tuple[Offering, Offering]],
    reason: str = "",
) -> None:
    after = {record_id: new for record_id, (_, new) in changes.items()}
    offerings.change_offerings(tx, after)
    desire_offerings(tx, after)
    for record_id, (old, new) in changes.items():
        context.note(
            Kind.OFFERING,
            API,
            Action.UPDATE,
            record_id=record_id,
            external_id=new.code,
            fields=difference(document(old), document(new))
            | ({"reason": (None, reason)} if reason else {}),
        )


def _cancel_enrolments(
    tx: Connection, context: RunContext, record_id: int, offering: Offering
) -> None:
    """Cancels the enrolments of an offering that does not take place."""
    moves = ENROLMENT_MOVES[EnrolmentAction.CANCEL]
    ended = [
        stored.with_record(replace(stored.record, status=moves[stored.record.status]))
        for stored in enrolments.enrolments_in(tx, [record_id]).values()
        if stored.record.status in moves
    ]
    enrolments.change_enrolments(tx, {stored.id: stored.record for stored in ended})
    desire_enrolments(tx, context.centre.code, ended, {record_id: offering})
    for stored in ended:
        context.note(
            Kind.ENROLMENT,
            API,
            Action.UPDATE,
            record_id=stored.id,
            external_id=f"{offering.code}/{stored.record.learner}",
        )
