"""The status machines of offerings and of enrolments: which status may follow which.

Both are plain tables of *action* → {status before: status after}, with guards beside them. The
names of the statuses are the bridge's own, because public sources list none.
Actions are done by people, by way of the API; what time brings by itself (a deadline without an
objection, a start, an end) is in ``by_clock``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from lms_bridge.domain.availability import ON_OFFER, is_over
from lms_bridge.domain.dates import is_dated, is_endless, registration_end
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.errors import NotNow, Refused
from lms_bridge.domain.model import (
    Enrolment,
    EnrolmentStatus,
    Offering,
    OfferingStatus,
    RegistrationType,
)

# ---- offerings -------------------------------------------------------------------------------


class OfferingAction(StrEnum):
    SUBMIT = "submit"
    REVIEW = "review"
    OBJECT = "object"
    PUBLISH = "publish"
    POSTPONE = "postpone"
    CANCEL = "cancel"
    CONCLUDE = "conclude"
    REPORT = "report"
    CLOSE = "close"


_O = OfferingStatus
OFFERING_MOVES: Mapping[OfferingAction, Mapping[OfferingStatus, OfferingStatus]] = {
    OfferingAction.SUBMIT: {_O.PLANNED: _O.SUBMITTED},
    OfferingAction.REVIEW: {_O.SUBMITTED: _O.REVIEWED},
    # An objection sends an outline, or an end-of-course report, back to the centre.
    OfferingAction.OBJECT: {_O.SUBMITTED: _O.PLANNED, _O.REPORTED: _O.DELIVERED},
    OfferingAction.PUBLISH: {_O.REVIEWED: _O.PUBLISHED, _O.POSTPONED: _O.PUBLISHED},
    OfferingAction.POSTPONE: {_O.REVIEWED: _O.POSTPONED, _O.PUBLISHED: _O.POSTPONED},
    OfferingAction.CANCEL: dict.fromkeys(
        (_O.PLANNED, _O.SUBMITTED, _O.REVIEWED, _O.PUBLISHED, _O.RUNNING, _O.POSTPONED),
        _O.CANCELLED,
    ),
    # Time ends a course that has an end. Of any other with dates somebody says that it is over.
    OfferingAction.CONCLUDE: {_O.PUBLISHED: _O.DELIVERED, _O.RUNNING: _O.DELIVERED},
    OfferingAction.REPORT: {_O.DELIVERED: _O.REPORTED},
    OfferingAction.CLOSE: {_O.REPORTED: _O.CLOSED},
}


AFTER_REVIEW = frozenset(_O) - {_O.PLANNED, _O.SUBMITTED, _O.CANCELLED}
"""The statuses that only an offering which was reviewed should have."""


def comes_unreviewed(said: OfferingStatus, before: OfferingStatus | None) -> bool:
    """Whether an offering whose life nobody keeps here becomes, by what its source says of it, one
    that should have been reviewed; ``before`` is what it was here, None: nothing."""
    return said in AFTER_REVIEW and before not in AFTER_REVIEW


def by_clock(offering: Offering, deadline: datetime | None, now: datetime) -> OfferingStatus:
    """The status that time alone has brought an offering to.

    ``deadline`` is when silence counts as no objection: a submitted outline is reviewed then.
    """
    status = offering.status
    if status is _O.SUBMITTED and deadline is not None and deadline <= now:
        status = _O.REVIEWED
    if status is _O.PUBLISHED and offering.starts_at is not None and offering.starts_at <= now:
        status = _O.RUNNING
    if status is _O.RUNNING and offering.ends_at is not None and offering.ends_at <= now:
        status = _O.DELIVERED
    return status


_STANDING = frozenset({OfferingAction.REPORT, OfferingAction.OBJECT, OfferingAction.CLOSE})
"""What is done with the report on a course without an end, whose status stays as it is."""


def move_offering(
    offering: Offering,
    action: OfferingAction,
    now: datetime,
    *,
    report_waits: bool = False,
    breaks_rules: bool = False,
) -> Offering:
    """The offering after a person's action. ``report_waits`` says whether a report of it waits for
    validation: a course without an end has no status that says so. A refusal names what is
    possible; that depends on ``breaks_rules``, too.

    Raises:
        NotNow: the offering's status, or its dates, do not let the action be done.
    """
    after = _status_after(offering, action, report_waits)
    allowed = possible_actions(offering, now, report_waits=report_waits, breaks_rules=breaks_rules)
    if after is None:
        raise NotNow(
            "offering-not-now",
            f"{offering.code} is {offering.status}: it cannot be taken through “{action}” now.",
            "" if allowed else "Nothing can be done with it any more. Plan a new offering.",
            allowed=allowed,
        )
    if action is OfferingAction.PUBLISH and _cannot_begin(offering, now):
        raise NotNow(
            "offering-is-over",
            "The offering's end has passed.",
            "Give it new dates first.",
            allowed=allowed,
        )
    if action is OfferingAction.CONCLUDE and _is_to_come(offering, now):
        raise NotNow(
            "offering-not-begun",
            "The course has not begun yet.",
            "Cancel or postpone it.",
            allowed=allowed,
        )
    return replace(offering, status=after)


def _lacks_end(offering: Offering) -> bool:
    """Whether an instructor leads the course, and nobody said when it ends."""
    return offering.ends_at is None and not is_endless(offering)


def _status_after(
    offering: Offering, action: OfferingAction, report_waits: bool
) -> OfferingStatus | None:
    if action in _STANDING and is_endless(offering) and offering.status in ON_OFFER:
        possible = report_waits is not (action is OfferingAction.REPORT)
        return offering.status if possible else None
    if action is OfferingAction.CONCLUDE and not _lacks_end(offering):
        return None
    return OFFERING_MOVES[action].get(offering.status)


_NEEDS_RULES = frozenset({OfferingAction.SUBMIT, OfferingAction.PUBLISH})
"""What the programme's rules may refuse."""


def possible_actions(
    offering: Offering, now: datetime, *, report_waits: bool = False, breaks_rules: bool = False
) -> tuple[OfferingAction, ...]:
    """Exactly what a person may do with the offering now. ``breaks_rules`` says whether it breaks
    one of the programme's rules."""
    return tuple(
        action
        for action in OfferingAction
        if _status_after(offering, action, report_waits) is not None
        and not (breaks_rules and action in _NEEDS_RULES)
        and not (action is OfferingAction.PUBLISH and _cannot_begin(offering, now))
        and not (action is OfferingAction.CONCLUDE and _is_to_come(offering, now))
    )


def _cannot_begin(offering: Offering, now: datetime) -> bool:
    return is_dated(offering) and _passed(offering.ends_at, now)


def _is_to_come(offering: Offering, now: datetime) -> bool:
    return offering.starts_at is not None and offering.starts_at > now


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


# ---- enrolments ------------------------------------------------------------------------------


class EnrolmentAction(StrEnum):
    REGISTER = "register"
    APPLY = "apply"
    SELECT = "select"
    REJECT = "reject"
    INVOICE = "invoice"
    CONFIRM_PAYMENT = "confirm_payment"
    START = "start"
    COMPLETE = "complete"
    NOT_COMPLETE = "not_complete"
    CERTIFY = "certify"
    WITHDRAW = "withdraw"
    CANCEL = "cancel"


_E = EnrolmentStatus
_LIVE = (
    _E.REGISTERED,
    _E.APPLIED,
    _E.SELECTED,
    _E.INVOICED,
    _E.ENROLLED,
    _E.STARTED,
)
"""The statuses that a learner or a centre may still put an end to."""
MAY_COME_BACK = (None, _E.WITHDRAWN, _E.CANCELLED)
"""Who withdrew may register again."""
BEFORE_PAYMENT = (_E.REGISTERED, _E.SELECTED, _E.INVOICED)
"""The statuses of a place in a paid course that is not paid yet."""
COMPLETED = (_E.COMPLETED, _E.CERTIFIED)
"""The statuses of those who completed the course."""

ENROLMENT_MOVES: Mapping[EnrolmentAction, Mapping[EnrolmentStatus | None, EnrolmentStatus]] = {
    EnrolmentAction.REGISTER: dict.fromkeys(MAY_COME_BACK, _E.REGISTERED),
    EnrolmentAction.APPLY: dict.fromkeys(MAY_COME_BACK, _E.APPLIED),
    EnrolmentAction.SELECT: {_E.APPLIED: _E.SELECTED},
    EnrolmentAction.REJECT: {_E.APPLIED: _E.REJECTED},
    EnrolmentAction.INVOICE: {_E.REGISTERED: _E.INVOICED, _E.SELECTED: _E.INVOICED},
    EnrolmentAction.CONFIRM_PAYMENT: dict.fromkeys(BEFORE_PAYMENT, _E.ENROLLED),
    EnrolmentAction.START: {_E.ENROLLED: _E.STARTED},
    EnrolmentAction.COMPLETE: dict.fromkeys(
        (_E.ENROLLED, _E.STARTED, _E.NOT_COMPLETED), _E.COMPLETED
    ),
    EnrolmentAction.NOT_COMPLETE: dict.fromkeys((_E.ENROLLED, _E.STARTED), _E.NOT_COMPLETED),
    EnrolmentAction.CERTIFY: {_E.COMPLETED: _E.CERTIFIED},
    EnrolmentAction.WITHDRAW: dict.fromkeys(_LIVE, _E.WITHDRAWN),
    EnrolmentAction.CANCEL: dict.fromkeys(_LIVE, _E.CANCELLED),
}

TAKES_A_SEAT = frozenset(
    {
        _E.SELECTED,
        _E.INVOICED,
        _E.ENROLLED,
        _E.STARTED,
        _E.COMPLETED,
        _E.NOT_COMPLETED,
        _E.CERTIFIED,
    }
)
_REGISTRATION = {
    RegistrationType.DIRECT: EnrolmentAction.REGISTER,
    RegistrationType.APPLICATION: EnrolmentAction.APPLY,
}
_PAYMENT = frozenset({EnrolmentAction.INVOICE, EnrolmentAction.CONFIRM_PAYMENT})


@dataclass(frozen=True, slots=True)
class EnrolmentPlace:
    """What the guards of an enrolment look at: its offering, how many seats of it others have
    taken, the moment, and whether the end-of-course report was validated here."""

    offering: Offering
    taken: int
    now: datetime
    validated: bool = True

    @property
    def is_paid(self) -> bool:
        return bool(self.offering.price)

    @property
    def may_certify(self) -> bool:
        """A course without an end has a standing validation, and goes on."""
        closed = self.offering.status is OfferingStatus.CLOSED
        return self.validated and (closed or is_endless(self.offering))


def enrolment_actions(status: EnrolmentStatus | None) -> tuple[EnrolmentAction, ...]:
    """What may be done with an enrolment of that status, guards apart; None: there is none yet."""
    return tuple(action for action, moves in ENROLMENT_MOVES.items() if status in moves)


def possible_enrolment_actions(
    status: EnrolmentStatus | None, place: EnrolmentPlace
) -> tuple[EnrolmentAction, ...]:
    """Exactly what may be done with an enrolment now: each action is tried on it."""
    return tuple(action for action in enrolment_actions(status) if _lets(status, action, place))


def _lets(status: EnrolmentStatus | None, action: EnrolmentAction, place: EnrolmentPlace) -> bool:
    try:
        _moved(status, action, place)
    except Refused:  # also what is not possible now
        return False
    return True


def move_enrolment(
    status: EnrolmentStatus | None, action: EnrolmentAction, place: EnrolmentPlace
) -> EnrolmentStatus:
    """The status after a person's action. A free place enrols at once; a paid one once payment is
    confirmed.

    Raises:
        NotNow: the enrolment's status, or the offering's, does not let the action be done, or no
            seat is left. It lists what is possible.
        Refused: the offering is not of the kind that the action is for.
    """
    try:
        return _moved(status, action, place)
    except NotNow as error:
        allowed = possible_enrolment_actions(status, place)
        raise NotNow(error.code, error.message, error.remedy, allowed=allowed) from None


def _moved(
    status: EnrolmentStatus | None, action: EnrolmentAction, place: EnrolmentPlace
) -> EnrolmentStatus:
    after = ENROLMENT_MOVES[action].get(status)
    if action is EnrolmentAction.CERTIFY and status is _E.CERTIFIED:
        raise NotNow("already-certified", "The certificate was released already.")
    if after is None:
        code = place.offering.code
        what = f"A learner without an enrolment in {code} cannot be taken through “{action}”."
        if status is not None:
            what = f"An enrolment in {code} that is {status} cannot be taken through “{action}”."
        raise NotNow("enrolment-not-now", what)
    if action in _REGISTRATION.values():
        _may_register(action, place)
    if action is EnrolmentAction.SELECT:
        _has_a_seat(place)
    if action in _PAYMENT and not place.is_paid:
        raise Refused("offering-is-free", "The offering is free: there is nothing to pay.")
    if action is EnrolmentAction.CERTIFY and not place.may_certify:
        raise NotNow(
            "report-not-validated",
            "Certificates are released once the offering's end-of-course report is validated.",
        )
    if after in (_E.REGISTERED, _E.SELECTED) and not place.is_paid:
        return _E.ENROLLED
    return after


def _may_register(action: EnrolmentAction, place: EnrolmentPlace) -> None:
    offering, now = place.offering, place.now
    kind = offering.registration
    if action is not _REGISTRATION[kind]:
        action = _REGISTRATION[kind]
        raise Refused(
            "wrong-registration",
            f"The offering takes registrations of the kind “{kind}”.",
            f"Use “{action}”.",
        )
    if offering.status not in ON_OFFER or not offering.listed:
        raise NotNow("registration-not-open", "The offering does not take registrations.")
    if offering.registration_opens is not None and now < offering.registration_opens:
        raise NotNow("registration-not-open", "Registration has not begun yet.")
    if is_over(offering, now):
        raise NotNow("registration-closed", "The course is over.")
    if _passed(registration_end(offering), now):
        raise NotNow("registration-closed", "Registration is over.")


def _has_a_seat(place: EnrolmentPlace) -> None:
    seats = place.offering.seats
    if seats is not None and place.taken >= seats:
        raise NotNow("no-seat-left", f"All seats of the offering are taken: {seats}.")


def next_step(status: EnrolmentStatus, offering: Offering, now: datetime) -> str:
    """What happens now, as a stable word for a learner's page: ``wait_for_selection``,
    ``wait_for_invoice``, ``pay``, ``wait_for_start``, ``learn``, ``wait_for_certificate`` or
    ``none``."""
    if status is _E.ENROLLED:
        return "learn" if _has_begun(offering, now) else "wait_for_start"
    return _NEXT.get(status, "none")


def _has_begun(offering: Offering, now: datetime) -> bool:
    """Whether a course is under way, or was. Where a source keeps the status it may say no more
    than that the course is published: then its dates tell."""
    if offering.status is _O.PUBLISHED and offering.starts_at is None:
        return not is_dated(offering)
    return by_clock(offering, None, now) in _BEGUN


_BEGUN = frozenset({_O.RUNNING, _O.DELIVERED, _O.REPORTED, _O.CLOSED})
_NEXT = {
    _E.APPLIED: "wait_for_selection",
    _E.REGISTERED: "wait_for_invoice",
    _E.SELECTED: "wait_for_invoice",
    _E.INVOICED: "pay",
    _E.STARTED: "learn",
    _E.COMPLETED: "wait_for_certificate",
}


def with_end(
    record: Enrolment, before: Enrolment | None, offering: Offering, days: int, now: datetime
) -> Enrolment:
    """The enrolment with an end so many days after its start, if the offering is self-paced and
    nobody said when it ends. Who stays in the course keeps the end. ``days`` 0: no end."""
    if not days or is_dated(offering) or record.ends_at or record.status not in IN_COURSE:
        return record
    if before is not None and before.ends_at and before.status in IN_COURSE:
        return replace(record, ends_at=before.ends_at)
    begun = record.starts_at or now.replace(microsecond=0)
    return replace(record, ends_at=begun + timedelta(days=days))
