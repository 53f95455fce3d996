"""The availability of an offering: what its status, its dates and its windows say at a moment.

Pages, the API, feeds and the guards of registration all ask here. ``store/availability.py`` says
the same as a condition of the database.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from lms_bridge.domain.dates import registration_end
from lms_bridge.domain.model import Offering, OfferingStatus


class Availability(StrEnum):
    """Whether a reader may register, and if not, why. ``not_on_offer`` is planned, postponed,
    cancelled or withdrawn."""

    NOT_ON_OFFER = "not_on_offer"
    NOT_YET_OPEN = "not_yet_open"
    OPEN = "open"
    CLOSING_SOON = "closing_soon"
    OPEN_WITHOUT_END = "open_without_end"
    CLOSED = "closed"
    RUNNING = "running"
    OVER = "over"


MEANINGS: dict[Availability, str] = {
    Availability.NOT_ON_OFFER: "planned, postponed, cancelled or withdrawn",
    Availability.NOT_YET_OPEN: "registration begins later",
    Availability.OPEN: "registration is open",
    Availability.CLOSING_SOON: "registration is open, and closes soon",
    Availability.OPEN_WITHOUT_END: "registration is open, and nothing ends it or the course",
    Availability.CLOSED: "registration is over, and the course has not begun",
    Availability.RUNNING: "the course is under way, and registration is over",
    Availability.OVER: "the course is over",
}
TAKES_REGISTRATIONS = frozenset(
    {Availability.OPEN, Availability.CLOSING_SOON, Availability.OPEN_WITHOUT_END}
)
_S = OfferingStatus
ON_OFFER = frozenset({_S.PUBLISHED, _S.RUNNING})
ENDED = frozenset({_S.DELIVERED, _S.REPORTED, _S.CLOSED})
CLOSING_SOON_DAYS = 7


def availability(
    offering: Offering, now: datetime, soon: timedelta = timedelta(days=CLOSING_SOON_DAYS)
) -> Availability:
    """The availability at a moment. Registration closes ``soon`` when so little time is left.

    A course that is under way and still takes registrations is open.
    """
    if not offering.listed or offering.status not in ON_OFFER | ENDED:
        return Availability.NOT_ON_OFFER
    if is_over(offering, now):
        return Availability.OVER
    if offering.registration_opens is not None and now < offering.registration_opens:
        return Availability.NOT_YET_OPEN
    closes = registration_end(offering)
    if closes is not None and closes <= now:
        return Availability.RUNNING if _has_begun(offering, now) else Availability.CLOSED
    if closes is not None and closes <= now + soon:
        return Availability.CLOSING_SOON
    if closes is None and offering.ends_at is None:
        return Availability.OPEN_WITHOUT_END
    return Availability.OPEN


def is_over(offering: Offering, now: datetime) -> bool:
    """Whether the course has ended, by its status or by its end."""
    ends = offering.ends_at
    return offering.status in ENDED or (ends is not None and ends <= now)


def _has_begun(offering: Offering, now: datetime) -> bool:
    starts = offering.starts_at
    return offering.status is _S.RUNNING or (starts is not None and starts <= now)
