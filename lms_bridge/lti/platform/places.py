"""Who may be launched into what, and which party may see which offering."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from lms_bridge.domain.lifecycle import is_dated
from lms_bridge.domain.model import Enrolment, EnrolmentStatus, Learner, Offering, OfferingStatus
from lms_bridge.domain.wanted import IN_COURSE
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.lti.room import Room
from lms_bridge.settings import Lti
from lms_bridge.store import learners, lti_services, offerings


@dataclass(frozen=True, slots=True)
class Place:
    """A learner's place in an offering, with the ids of the rows."""

    learner_id: int
    learner: Learner
    offering_id: int
    offering: Offering


class NotOpen(LtiRefused):
    """This learner cannot go into this offering now."""

    def __init__(
        self,
        code: str,
        offering: Offering,
        *,
        opens: datetime | None = None,
        closed: datetime | None = None,
    ) -> None:
        super().__init__(code, *WORDS[code], status=403)
        self.offering = offering
        self.opens, self.closed = opens, closed


_O, _E = OfferingStatus, EnrolmentStatus
_OF_OFFERINGS: Mapping[OfferingStatus, str] = {
    **dict.fromkeys((_O.PLANNED, _O.SUBMITTED, _O.REVIEWED), "offering-planned"),
    _O.POSTPONED: "offering-postponed",
    _O.CANCELLED: "offering-cancelled",
}
_OF_ENROLMENTS: Mapping[EnrolmentStatus, str] = {
    _E.APPLIED: "place-applied",
    _E.REJECTED: "place-rejected",
    _E.WITHDRAWN: "place-withdrawn",
    _E.CANCELLED: "place-cancelled",
}
_UNPAID = frozenset({_E.REGISTERED, _E.SELECTED, _E.INVOICED})
WORDS: Mapping[str, tuple[str, str]] = {
    "offering-planned": (
        "This course is still being planned.",
        "It opens once it is published; its page at the Academy tells when it begins.",
    ),
    "offering-postponed": (
        "This course has been postponed.",
        "Your place stays yours. The training centre will tell you the new dates.",
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
        "You will be told when places are given; the course opens once you are enrolled.",
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
        "Please come back then: the same link will open it.",
    ),
    "course-over": (
        "This course is over.",
        "Your results stay. If something is still to be done, please ask the training centre.",
    ),
}
"""What the learner is told for each code, and what to do next."""


def open_place(tx: Connection, room: Room, academy_id: str, offering_code: str) -> Place:
    """The place of a learner who may go into the course now.

    Raises:
        LtiRefused: there is no such learner or offering.
        NotOpen: the learner has no place there (yet), or the course is not open now.
    """
    found = lti_services.place(tx, academy_id, offering_code)
    if found is None:
        raise _why_not(tx, academy_id, offering_code)
    learner_id, offering_id, enrolment, learner, offering = found
    check_open(enrolment, offering, room.now(), room.settings)
    return Place(learner_id, learner, offering_id, offering)


def check_open(enrolment: Enrolment, offering: Offering, now: datetime, settings: Lti) -> None:
    """Raises NotOpen, with the first reason of: the offering's state, the enrolment's, the time."""
    for code in _states(enrolment.status, offering):
        raise NotOpen(code, offering)
    starts = enrolment.starts_at or offering.starts_at
    if starts is not None:
        opens = starts - timedelta(hours=settings.open_before_hours)
        if now < opens:
            raise NotOpen("not-begun", offering, opens=opens)
    ends = _end(enrolment, offering, settings)
    if ends is not None and now >= ends:
        raise NotOpen("course-over", offering, closed=ends)


def _states(status: EnrolmentStatus, offering: Offering) -> Iterator[str]:
    if offering.status in _OF_OFFERINGS:
        yield _OF_OFFERINGS[offering.status]
    if status in _UNPAID:
        yield "place-unpaid" if offering.price else "place-registered"
    elif status not in IN_COURSE:
        yield _OF_ENROLMENTS[status]


def _end(enrolment: Enrolment, offering: Offering, settings: Lti) -> datetime | None:
    """A learner's own end is meant as it is; after the offering's there is time to look back."""
    if enrolment.ends_at is not None:
        return enrolment.ends_at
    if offering.ends_at is None or not is_dated(offering):
        return None
    return offering.ends_at + timedelta(days=settings.open_after_days)


def _why_not(tx: Connection, academy_id: str, offering_code: str) -> LtiRefused:
    if not learners.learners_by_academy_id(tx, [academy_id]):
        return LtiRefused("learner-unknown", "There is no such learner.", status=404)
    found = offerings.offerings_by_code(tx, [offering_code]).get(offering_code)
    if found is None:
        return LtiRefused("offering-unknown", "There is no such offering.", status=404)
    offering = found[1]
    return NotOpen(_OF_OFFERINGS.get(offering.status, "not-enrolled"), offering)


def may_see(tx: Connection, party: Party, offering_id: int, offering: Offering) -> bool:
    """A centre's tool sees that centre's offerings; any other only those that have a link to it."""
    if party.centre:
        return party.centre == offering.centre
    return bool(lti_services.resources(tx, party_id=party.id, offering_id=offering_id))
