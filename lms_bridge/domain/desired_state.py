"""What each target is to hold: the documents that are pushed, and their hashes compared.

A record's document at a target is derived from the canonical records alone, so that what is still
to be sent can be derived too: it is whatever differs from what the target acknowledged.
"""

from __future__ import annotations

from lms_bridge.domain.document import Document, Json, digest, document, plain
from lms_bridge.domain.model import (
    Enrolment,
    EnrolmentStatus,
    Learner,
    Offering,
    OfferingStatus,
    Result,
)

IN_COURSE = frozenset(
    {
        EnrolmentStatus.ENROLLED,
        EnrolmentStatus.STARTED,
        EnrolmentStatus.COMPLETED,
        EnrolmentStatus.NOT_COMPLETED,
        EnrolmentStatus.CERTIFIED,
    }
)
"""The statuses in which a learner has a place in the centre's LMS. A paid place reaches
``enrolled`` only once payment is confirmed."""

PUBLIC = frozenset(
    {
        OfferingStatus.PUBLISHED,
        OfferingStatus.RUNNING,
        OfferingStatus.DELIVERED,
        OfferingStatus.REPORTED,
        OfferingStatus.CLOSED,
        OfferingStatus.POSTPONED,
    }
)

ACTIVE, REMOVED = "active", "removed"
GONE: dict[str, Json] = {"state": REMOVED}
GONE_HASH = digest(GONE)


def is_public(offering: Offering) -> bool:
    """Whether the public catalogue is to show the offering."""
    return offering.listed and offering.status in PUBLIC


def offering_document(offering: Offering, made: Document | None = None) -> dict[str, Json]:
    """The offering's own fields; ``state`` says whether the catalogue shows it. ``made`` is its
    document, where that is there already."""
    if not is_public(offering):
        return dict(GONE)
    fields = {"state": ACTIVE, **(made or document(offering))}
    fields.pop("listed")
    return fields


def learner_document(learner: Learner) -> dict[str, Json]:
    return {"state": ACTIVE, **document(learner)}


def enrolment_document(enrolment: Enrolment, offering: Offering) -> dict[str, Json]:
    """``state``, ``starts_at`` and ``ends_at`` (UTC or null), and ``group``: the offering's code
    where several editions share one course of the LMS, else empty."""
    if enrolment.status not in IN_COURSE:
        return dict(GONE)
    return {
        "state": ACTIVE,
        "starts_at": plain(enrolment.starts_at or offering.starts_at),
        "ends_at": plain(enrolment.ends_at),
        "group": offering.code if offering.lms_course else "",
    }


def result_document(result: Result) -> dict[str, Json]:
    return {"state": ACTIVE, **document(result)}
