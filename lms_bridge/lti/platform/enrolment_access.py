"""Who may be launched into which offering now, and which offerings a tool may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, literal_column, select

from lms_bridge.domain.dates import is_dated
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.lifecycle import BEFORE_PAYMENT
from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Learner, Offering, OfferingStatus
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import storage
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.settings import LtiSettings
from lms_bridge.store import learners, offerings
from lms_bridge.store.flow_states import CONNECTION
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.run_tables import flow_state
from lms_bridge.store.tables import IS_SHOWN, enrolment, learner, offering


@dataclass(frozen=True, slots=True)
class EnrolmentAccess:
    """A learner who may enter an offering now, with the ids of the rows. ``silent_since``: since
    when the LMS of the offering's centre answers no run."""

    learner_id: int
    learner: Learner
    offering_id: int
    offering: Offering
    silent_since: datetime | None = None


class NotOpen(LtiRefused):
    """The learner cannot enter the offering now."""

    def __init__(
        self,
        code: str,
        offering: Offering,
        *,
        opens: datetime | None = None,
        closed: datetime | None = None,
    ) -> None:
        super().__init__(code, *MESSAGES[code], status=403)
        self.offering = offering
        self.opens, self.closed = opens, closed


_O, _E = OfferingStatus, EnrolmentStatus
_OFFERING_CODES: Mapping[OfferingStatus, str] = {
    **dict.fromkeys((_O.PLANNED, _O.SUBMITTED, _O.REVIEWED), "offering-planned"),
    _O.POSTPONED: "offering-postponed",
    _O.CANCELLED: "offering-cancelled",
}
_ENROLMENT_CODES: Mapping[EnrolmentStatus, str] = {
    _E.APPLIED: "place-applied",
    _E.REJECTED: "place-rejected",
    _E.WITHDRAWN: "place-withdrawn",
    _E.CANCELLED: "place-cancelled",
}
MESSAGES: Mapping[str, tuple[str, str]] = {
    "offering-planned": (
        "This course is still being planned.",
        "It opens after it is published. Its page at the Academy shows the start date.",
    ),
    "offering-hidden": (
        "The training centre does not offer this course at the moment.",
        "You keep your place. Please ask the training centre when the course opens.",
    ),
    "offering-postponed": (
        "This course has been postponed.",
        "You keep your place. The training centre will tell you the new dates.",
    ),
    "offering-cancelled": (
        "This course has been cancelled.",
        "Please look for another course at the Academy, or ask the training centre.",
    ),
    "not-enrolled": (
        "You are not registered for this course.",
        "Register for it at the Academy first. If you did so just now, try again in a while.",
    ),
    "place-applied": (
        "The training centre has not decided on your application yet.",
        "The training centre will tell you its decision. The course opens once you are enrolled.",
    ),
    "place-unpaid": (
        "You have a place in this course, but its payment is not confirmed yet.",
        "Pay as the training centre asks you to. It confirms the payment; then the course opens.",
    ),
    "place-registered": (
        "You are registered for this course, but not enrolled yet.",
        "The training centre enrols you; then the course opens. If it takes long, ask the centre.",
    ),
    "place-rejected": (
        "Your application for this course was not successful.",
        "Please look for another course at the Academy, or ask the training centre.",
    ),
    "place-withdrawn": (
        "You have withdrawn from this course.",
        "If that was a mistake, register again at the Academy, or ask the training centre.",
    ),
    "place-cancelled": (
        "Your place in this course was cancelled.",
        "Please ask the training centre why.",
    ),
    "not-begun": (
        "This course has not begun yet.",
        "Please come back then. The same link will open it.",
    ),
    "course-over": (
        "This course is over.",
        "Your results stay. If something is still to be done, please ask the training centre.",
    ),
}
"""For each code what the learner reads, and what to do next."""


def open_enrolment(
    tx: Connection, lti: LtiContext, academy_id: str, offering_code: str
) -> EnrolmentAccess:
    """The access of a learner who may enter the offering now.

    Raises:
        LtiRefused: there is no such learner or offering.
        NotOpen: the learner is not enrolled (yet), or the offering is not open now.
    """
    # One query for all five records: every launch needs them.
    row = _ENROLMENT.first(tx, {"academy_id": academy_id, "offering": offering_code})
    if row is None:
        raise _missing(tx, academy_id, offering_code)
    learner_id, offering_id, silent_since, *columns = row
    split = 3 + len(_LEARNER)
    found = Offering(*columns[split:])
    enrolled = Enrolment(academy_id, offering_code, *columns[:3])
    check_enrolment_open(enrolled, found, lti.now(), lti.settings)
    person = Learner(*columns[3:split])
    return EnrolmentAccess(learner_id, person, offering_id, found, silent_since)


_LEARNER = fields(Learner)
_ENROLMENT = Prepared(
    select(
        enrolment.c.learner_id,
        enrolment.c.offering_id,
        flow_state.c.failing_since,
        enrolment.c.status,
        enrolment.c.starts_at,
        enrolment.c.ends_at,
        *(learner.c[each.name] for each in _LEARNER),
        *(offering.c[each.name] for each in fields(Offering)),
    )
    .join(learner, learner.c.id == enrolment.c.learner_id)
    .join(offering, offering.c.id == enrolment.c.offering_id)
    .outerjoin(
        flow_state,
        and_(
            flow_state.c.centre == offering.c.centre,
            flow_state.c.flow == literal_column(f"'{CONNECTION}'"),
        ),
    )
    .where(
        learner.c.academy_id == bindparam("academy_id"),
        offering.c.code == bindparam("offering"),
        IS_SHOWN,
    )
)


def check_enrolment_open(
    enrolment: Enrolment, offering: Offering, now: datetime, settings: LtiSettings
) -> None:
    """Raises NotOpen with the first reason of: offering status, enrolment status, time."""
    if offering.status is OfferingStatus.PLANNED and enrolment.status in IN_COURSE:
        raise NotOpen("offering-hidden", offering)  # its LMS may have hidden it while it ran
    if offering.status in _OFFERING_CODES:
        raise NotOpen(_OFFERING_CODES[offering.status], offering)
    if enrolment.status in BEFORE_PAYMENT:
        raise NotOpen("place-unpaid" if offering.price else "place-registered", offering)
    if enrolment.status not in IN_COURSE:
        raise NotOpen(_ENROLMENT_CODES[enrolment.status], offering)
    starts = enrolment.starts_at or offering.starts_at
    if starts is not None:
        opens = starts - timedelta(hours=settings.open_before_hours)
        if now < opens:
            raise NotOpen("not-begun", offering, opens=opens)
    ends = _end(enrolment, offering, settings)
    if ends is not None and now >= ends:
        raise NotOpen("course-over", offering, closed=ends)


def _end(enrolment: Enrolment, offering: Offering, settings: LtiSettings) -> datetime | None:
    """A learner's own end is exact; after the offering's end there is time to look back."""
    if enrolment.ends_at is not None:
        return enrolment.ends_at
    if offering.ends_at is None or not is_dated(offering):
        return None
    return offering.ends_at + timedelta(days=settings.open_after_days)


def _missing(tx: Connection, academy_id: str, offering_code: str) -> LtiRefused:
    """Why there is no enrolment."""
    if not learners.learners_by_academy_id(tx, [academy_id]):
        return LtiRefused("learner-unknown", "There is no such learner.", status=404)
    found = offerings.offerings_by_code(tx, [offering_code]).get(offering_code)
    if found is None:
        return LtiRefused("offering-unknown", "There is no such offering.", status=404)
    return NotOpen(_OFFERING_CODES.get(found[1].status, "not-enrolled"), found[1])


def may_see(
    tx: Connection, registration: LtiRegistration, offering_id: int, offering: Offering
) -> bool:
    """A centre's tool sees that centre's offerings; any other only those that have a link to it."""
    if registration.centre:
        return registration.centre == offering.centre
    return bool(storage.resources(tx, registration_id=registration.id, offering_id=offering_id))
