"""Who may be launched into what, and which party may see which offering."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.domain.model import Learner, Offering, OfferingStatus
from lms_bridge.domain.wanted import IN_COURSE
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.parties import Party
from lms_bridge.store import learners, lti_services, offerings

_CLOSED = frozenset(
    {
        OfferingStatus.PLANNED,
        OfferingStatus.SUBMITTED,
        OfferingStatus.REVIEWED,
        OfferingStatus.CANCELLED,
        OfferingStatus.POSTPONED,
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """A learner's place in an offering, with the ids of the rows."""

    learner_id: int
    learner: Learner
    offering_id: int
    offering: Offering


def open_place(tx: Connection, academy_id: str, offering_code: str) -> Place:
    """The place of a learner who may go into the course now.

    Raises:
        LtiRefused: there is no such learner or offering, the learner has no place there, or the
            offering is not open to anybody.
    """
    found = lti_services.place(tx, academy_id, offering_code)
    if found is None:
        raise _why_not(tx, academy_id, offering_code)
    learner_id, offering_id, status, learner, offering = found
    if status not in IN_COURSE:
        raise _no_place()
    if offering.status in _CLOSED:
        raise LtiRefused("offering-closed", "This course is not open at the moment.", status=403)
    return Place(learner_id, learner, offering_id, offering)


def _why_not(tx: Connection, academy_id: str, offering_code: str) -> LtiRefused:
    if not learners.learners_by_academy_id(tx, [academy_id]):
        return LtiRefused("learner-unknown", "There is no such learner.", status=404)
    if not offerings.offerings_by_code(tx, [offering_code]):
        return LtiRefused("offering-unknown", "There is no such offering.", status=404)
    return _no_place()


def _no_place() -> LtiRefused:
    return LtiRefused(
        "not-enrolled",
        "You have no place in this course yet.",
        "A course opens once you are enrolled, and a paid one once the payment is confirmed.",
        status=403,
    )


def may_see(tx: Connection, party: Party, offering_id: int, offering: Offering) -> bool:
    """A centre's tool sees that centre's offerings; any other only those that have a link to it."""
    if party.centre:
        return party.centre == offering.centre
    return bool(lti_services.resources(tx, party_id=party.id, offering_id=offering_id))
