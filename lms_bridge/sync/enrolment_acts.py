"""What people do with an enrolment, and results that they enter, under the centre's lease."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, select

from lms_bridge.domain.document import document
from lms_bridge.domain.errors import NotFound, NotNow, Refused
from lms_bridge.domain.identity import email_key
from lms_bridge.domain.lifecycle import TAKES_A_SEAT, EnrolmentAction, Place, move_enrolment
from lms_bridge.domain.model import (
    ACADEMY,
    Enrolment,
    Kind,
    Learner,
    Offering,
    OfferingStatus,
    Result,
)
from lms_bridge.domain.policy import OnUnreviewed
from lms_bridge.domain.ports import Action
from lms_bridge.domain.rules import RuleFinding, Rules, check_result
from lms_bridge.domain.wanted import IN_COURSE
from lms_bridge.store import enrolments, learners, lives, offerings, results, source_links
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.tables import enrolment as table
from lms_bridge.store.tables import result as result_table
from lms_bridge.sync.offering_acts import API, changed_meanwhile, find_offering
from lms_bridge.sync.wants import want_enrolments, want_results
from lms_bridge.sync.work import Work, changed_fields


@dataclass(frozen=True, slots=True)
class EnrolmentAct:
    """``revision`` is the one that the person saw; None: whatever it is now."""

    number: int
    action: EnrolmentAction
    revision: int | None = None


def register(
    tx: Connection, work: Work, code: str, learner: Learner, action: EnrolmentAction
) -> StoredEnrolment:
    """Registers a learner in an offering of the run's centre, or takes an application.

    Raises:
        NotFound: the centre has no such offering.
        Refused: the learner is known with another e-mail address, registration is not open, or
            the Academy keeps this registration.
    """
    offering_id, offering = find_offering(tx, work.centre.code, code)
    learner_id = _learner_id(tx, work, learner)
    pair = (offering_id, learner_id)
    known = enrolments.enrolment_ids(tx, [pair]).get(pair)
    if known is not None:
        return _move(tx, work, enrolments.enrolments(tx, [known])[known], offering, action)
    status = move_enrolment(None, action, _place(tx, work, offering_id, offering))
    record = Enrolment(learner.academy_id, code, status)
    (new_id,) = enrolments.add_enrolments(tx, [(learner_id, offering_id, record)])
    stored = StoredEnrolment(new_id, learner_id, offering_id, record)
    _kept(tx, work, stored, offering, Action.CREATE, None)
    return stored


def _learner_id(tx: Connection, work: Work, learner: Learner) -> int:
    """The learner's id; who is not known yet is added. What is known of people stays: the Academy
    owns it, and a person's data are not told to whoever names their id."""
    known = learners.learners_by_academy_id(tx, [learner.academy_id]).get(learner.academy_id)
    if known is None:
        (new_id,) = learners.add_learners(tx, [learner])
        work.note(Kind.LEARNER, API, Action.CREATE, "taken in", record_id=new_id)
        return new_id
    if email_key(known[1].email) != email_key(learner.email):
        raise Refused(
            "learner-differs",
            "A learner with this id is known, with another e-mail address.",
            "Check the id; a changed address is changed at the Academy.",
        )
    return known[0]


def act_on_enrolment(tx: Connection, work: Work, act: EnrolmentAct) -> StoredEnrolment:
    """Takes an enrolment in an offering of the run's centre through an action.

    Raises:
        NotFound: there is no such enrolment at this centre.
        Refused: somebody changed it meanwhile, its status does not allow the action, or the
            Academy keeps it.
    """
    stored, offering = find_enrolment(tx, work.centre.code, act.number)
    _check_revision(tx, table, stored.id, act.revision)
    return _move(tx, work, stored, offering, act.action)


def find_enrolment(tx: Connection, centre: str, number: int) -> tuple[StoredEnrolment, Offering]:
    """Raises NotFound when the centre has no enrolment of that number."""
    stored = enrolments.enrolments(tx, [number]).get(number)
    if stored is not None:
        offering = offerings.offerings(tx, [stored.offering_id])[stored.offering_id]
        if offering.centre == centre:
            return stored, offering
    raise NotFound("no-such-registration", "There is no such registration.")


def _move(
    tx: Connection,
    work: Work,
    stored: StoredEnrolment,
    offering: Offering,
    action: EnrolmentAction,
) -> StoredEnrolment:
    _check_owner(tx, Kind.ENROLMENT, stored.id, ACADEMY)
    place = _place(tx, work, stored.offering_id, offering)
    status = move_enrolment(stored.record.status, action, place)
    after = stored.with_record(replace(stored.record, status=status))
    enrolments.change_enrolments(tx, {after.id: after.record})
    _kept(tx, work, after, offering, Action.UPDATE, stored.record)
    return after


def _place(tx: Connection, work: Work, offering_id: int, offering: Offering) -> Place:
    counted = select(func.count()).where(
        table.c.offering_id == offering_id, table.c.status.in_(TAKES_A_SEAT)
    )
    return Place(offering, tx.scalar(counted) or 0, work.now(), _validated(tx, work, offering))


def _validated(tx: Connection, work: Work, offering: Offering) -> bool:
    """Whether people closed the offering here, after its report: what its source says of that
    counts only where sources are trusted to review."""
    if offering.status is not OfferingStatus.CLOSED:
        return False
    return work.policy.unreviewed is OnUnreviewed.OFF or lives.is_kept(tx, offering.code)


def _kept(
    tx: Connection,
    work: Work,
    stored: StoredEnrolment,
    offering: Offering,
    action: Action,
    before: Enrolment | None,
) -> None:
    want_enrolments(tx, work.centre.code, [stored], {stored.offering_id: offering})
    fields = changed_fields(document(before), document(stored.record)) if before else None
    work.note(
        Kind.ENROLMENT,
        API,
        action,
        "taken in",
        record_id=stored.id,
        external_id=f"{offering.code}/{stored.record.learner}",
        fields=fields,
    )


def _check_owner(tx: Connection, kind: Kind, record_id: int, owner: str) -> None:
    if source_links.sources(tx, kind, [record_id]).get(record_id) == owner:
        raise Refused(
            "owned-elsewhere",
            f"This {kind} comes from another system: {owner}.",
            "Change it there: the next sync brings the change.",
        )


def _check_revision(tx: Connection, of: Any, record_id: int, revision: int | None) -> None:
    if revision is None:
        return
    if tx.scalar(select(of.c.revision).where(of.c.id == record_id)) != revision:
        raise changed_meanwhile()


def enter_result(
    tx: Connection,
    work: Work,
    number: int,
    fields: dict[str, Any],
    rules: Rules,
    revision: int | None = None,
) -> tuple[int, Result, list[RuleFinding]]:
    """Enters the result of an enrolment, or replaces it. ``fields`` are those that
    ``ResultSchema`` loads. Gives its id, the result, and what the rules warn of.

    Raises:
        NotFound: there is no such enrolment at this centre.
        NotNow: the learner is not in the course.
        Refused: somebody changed it meanwhile, or the centre's LMS keeps it.
    """
    stored, offering = find_enrolment(tx, work.centre.code, number)
    if stored.record.status not in IN_COURSE:
        raise NotNow("not-enrolled", f"The learner is {stored.record.status}, not in the course.")
    record = Result(stored.record.learner, offering.code, **fields)
    known = results.results_of(tx, [number]).get(number)
    if known is None:
        (result_id,) = results.add_results(tx, [(number, record)])
    else:
        result_id = known[0]
        _check_owner(tx, Kind.RESULT, result_id, work.centre.system)
        _check_revision(tx, result_table, result_id, revision)
        results.change_results(tx, {result_id: record})
    want_results(tx, work.centre.code, {result_id: record})
    work.note(
        Kind.RESULT,
        API,
        Action.CREATE if known is None else Action.UPDATE,
        "taken in",
        record_id=result_id,
        external_id=f"{offering.code}/{record.learner}",
        fields=changed_fields(document(known[1]), document(record)) if known else None,
    )
    return result_id, record, check_result(record, rules)
