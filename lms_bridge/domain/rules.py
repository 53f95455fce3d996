"""The programme's rules about offerings that software can check, each with a stable code.

Those that a public source states are fixed here; docs/api.md names what each one says. Numbers that
no public source names are settings (section ``rules``), and zero switches the rule off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated

from lms_bridge.domain.availability import CLOSING_SOON_DAYS
from lms_bridge.domain.bounds import Bounds
from lms_bridge.domain.dates import is_dated, length_in_days, registration_end, zone_of
from lms_bridge.domain.model import (
    Modality,
    Offering,
    OfferingStatus,
    RegistrationType,
    Result,
)
from lms_bridge.domain.network import NO_STANDING, Cycle, Standing, area_key, day_of

SHORTEST_DAYS, LONGEST_DAYS = 2, 8 * 7
"""Instructor-led courses last 2 days to 8 weeks, counted in days of their own time zone."""
INSTRUCTOR_LED = frozenset({Modality.INSTRUCTOR_LED, Modality.FACE_TO_FACE, Modality.BLENDED})
"""The three modalities that an instructor leads."""
ON_SITE = frozenset({Modality.FACE_TO_FACE, Modality.BLENDED})
"""The modalities that people travel for."""
BEFORE_PUBLISHING = frozenset(
    {OfferingStatus.PLANNED, OfferingStatus.SUBMITTED, OfferingStatus.REVIEWED}
)


DOCUMENTATION = "/api/docs#"
"""Where every bridge explains its codes, at its own address."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Numbers of the programme that public sources do not name. Every field is a setting
    (docs/settings.md), with its default here."""

    objection_days: Annotated[int, Bounds(0, 365)] = 10
    lead_days: Annotated[int, Bounds(0, 365)] = 0
    report_days: Annotated[int, Bounds(0, 3650)] = 0
    least_participants: Annotated[int, Bounds(0, 10_000)] = 0
    pass_percent: Annotated[int, Bounds(0, 100)] = 0
    courses_per_year: Annotated[int, Bounds(0, 1000)] = 2
    closing_soon_days: Annotated[int, Bounds(0, 365)] = CLOSING_SOON_DAYS

    @property
    def soon(self) -> timedelta:
        """How long before its end registration counts as closing soon."""
        return timedelta(days=self.closing_soon_days)


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """A finding of a rule. A warning blocks nothing."""

    code: str
    message: str
    field: str = ""
    warning: bool = False

    def as_json(self) -> dict[str, object]:
        """As JSON, with the address of the explanation."""
        return {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "warning": self.warning,
            "documentation": f"{DOCUMENTATION}{self.code}",
        }


def check_offering(
    offering: Offering,
    rules: Rules,
    now: datetime,
    standing: Standing = NO_STANDING,
    taken: int = 0,
) -> list[RuleFinding]:
    """Everything that the rules say of an offering which is to be submitted or published.

    ``standing`` is its centre's. The membership that is valid on the offering's first day counts.
    ``taken`` is how many people have a seat.
    """
    return [
        *_what_is_missing(offering),
        *_place_and_price(offering),
        *_seats(offering, taken),
        *_outline_in_the_past(offering, now),
        *_length(offering),
        *_registration(offering),
        *_meetings(offering),
        *_lead(offering, rules, now),
        *_membership(offering, now, standing),
        *_topics(offering, now, standing),
    ]


def breaks_rules(offering: Offering, now: datetime, standing: Standing) -> bool:
    """Whether a rule refuses the offering as an outline. Those that have settings only warn."""
    return any(not each.warning for each in check_offering(offering, Rules(), now, standing))


def _what_is_missing(offering: Offering) -> Iterator[RuleFinding]:
    if offering.modality is None:
        yield RuleFinding("no-modality", "The modality is missing.", "modality")
    if offering.level is None:
        yield RuleFinding("no-level", "The level is missing.", "level", warning=True)
    if offering.modality is not None and is_dated(offering):
        for name in ("starts_at", "ends_at"):
            if getattr(offering, name) is None:
                yield RuleFinding("no-dates", "A course with set dates needs both of them.", name)


def _place_and_price(offering: Offering) -> Iterator[RuleFinding]:
    if offering.modality in ON_SITE and not offering.location:
        yield RuleFinding(
            "no-place", "A course that people travel to has no place.", "location", warning=True
        )
    if offering.price and not offering.currency:
        yield RuleFinding("no-currency", "A price needs a currency of ISO 4217.", "currency")
    if offering.price and not offering.payment_methods:
        yield RuleFinding(
            "no-payment-method",
            "A paid course says how to pay: the organiser collects its own fees.",
            "payment_methods",
            warning=True,
        )


def _seats(offering: Offering, taken: int) -> Iterator[RuleFinding]:
    if offering.seats == 0:
        yield RuleFinding("no-seats", "With 0 seats nobody can be selected.", "seats", warning=True)
    if offering.seats is not None and offering.seats < taken:
        yield RuleFinding(
            "seats-below-taken",
            f"More people have a seat ({taken}) than there are seats ({offering.seats}). They keep "
            "it, and nobody else is selected.",
            "seats",
            warning=True,
        )


def _outline_in_the_past(offering: Offering, now: datetime) -> Iterator[RuleFinding]:
    starts = offering.starts_at
    if offering.status in BEFORE_PUBLISHING and starts is not None and starts <= now:
        yield RuleFinding(
            "outline-in-the-past",
            "The course would have begun already.",
            "starts_at",
            warning=True,
        )


def _length(offering: Offering) -> Iterator[RuleFinding]:
    starts, ends = offering.starts_at, offering.ends_at
    if offering.modality is Modality.SELF_PACED and ends is not None:
        yield RuleFinding(
            "self-paced-ends", "A self-paced course has no fixed end.", "ends_at", warning=True
        )
    if offering.modality not in INSTRUCTOR_LED or starts is None or ends is None:
        return
    days = length_in_days(starts, ends, zone_of(offering.time_zone))
    if days < SHORTEST_DAYS:
        yield RuleFinding("too-short", "An instructor-led course lasts at least 2 days.", "ends_at")
    if days > LONGEST_DAYS:
        yield RuleFinding("too-long", "An instructor-led course lasts at most 8 weeks.", "ends_at")


def _registration(offering: Offering) -> Iterator[RuleFinding]:
    if offering.seats is not None and offering.registration is RegistrationType.DIRECT:
        yield RuleFinding(
            "direct-with-seats",
            "Direct registration has no limit of seats: with one, people apply and are selected.",
            "seats",
        )
    closes, starts = registration_end(offering), offering.starts_at
    if is_dated(offering) and closes is not None and starts is not None and closes > starts:
        yield RuleFinding(
            "registration-closes-late",
            "Registration closes no later than the course starts.",
            "registration_closes",
        )


def _meetings(offering: Offering) -> Iterator[RuleFinding]:
    # Groups may be taught side by side, so this is a warning.
    meetings = sorted(offering.meetings, key=lambda each: each.starts_at)
    if any(later.starts_at < earlier.ends_at for earlier, later in pairwise(meetings)):
        yield RuleFinding(
            "meetings-overlap", "Meetings of the course overlap.", "meetings", warning=True
        )


def _lead(offering: Offering, rules: Rules, now: datetime) -> Iterator[RuleFinding]:
    starts = offering.starts_at
    if rules.lead_days and starts is not None and starts < now + timedelta(days=rules.lead_days):
        yield RuleFinding(
            "lead-time",
            f"The course starts in less than {rules.lead_days} days.",
            "starts_at",
            warning=True,
        )


def _membership(offering: Offering, now: datetime, standing: Standing) -> Iterator[RuleFinding]:
    # A course that has begun runs to its end, so only the first day counts.
    day = day_of(offering, now)
    if standing.covers(day):
        return
    held = ", ".join(f"{each.cycle} ({each.period})" for each in standing.memberships)
    yield RuleFinding(
        "no-membership",
        f"The centre has no membership on {day}, when the course starts. It has: {held}.",
        "starts_at",
    )


def _topics(offering: Offering, now: datetime, standing: Standing) -> Iterator[RuleFinding]:
    known = standing.area_keys(day_of(offering, now))
    if known and not any(area_key(topic) in known for topic in offering.topics):
        yield RuleFinding(
            "topic-outside-areas",
            "No topic of the course is one of the centre's priority areas in its cycle.",
            "topics",
            warning=True,
        )


def unreviewed(*, lowered: bool) -> RuleFinding:
    """What is said of an offering that its source published without a review; ``lowered``: it came
    in as planned."""
    then = "it comes in as planned" if lowered else "it is taken as its source says"
    return RuleFinding(
        "published-unreviewed",
        f"Nobody has reviewed the offering in the bridge: {then}.",
        "status",
        warning=True,
    )


def check_year(courses: int, rules: Rules) -> list[RuleFinding]:
    """What the rules say of the number of courses that a centre gives in one year."""
    if courses >= rules.courses_per_year:
        return []
    return [
        RuleFinding(
            "too-few-courses",
            f"A training centre gives at least {rules.courses_per_year} courses a year; "
            f"this one has {courses}.",
            warning=True,
        )
    ]


def check_areas(areas: Collection[str], cycle: Cycle) -> list[RuleFinding]:
    """What the rules say of a centre's priority areas in a cycle."""
    most = cycle.most_per_centre
    if most is None or len(areas) <= most:
        return []
    return [
        RuleFinding(
            "too-many-areas",
            f"A centre has at most {most} priority areas in the cycle {cycle.name}.",
            "priority_areas",
            warning=True,
        )
    ]


def no_reason(action: str) -> RuleFinding:
    """What is said of a postponement or a cancellation that nobody explained."""
    return RuleFinding(
        "no-reason", f"Nobody said why: give a reason with “{action}”.", "reason", warning=True
    )


def sent_when_resumed(centre: str) -> RuleFinding:
    """What is said of an act with an offering of a paused centre: nothing of it is sent yet."""
    return RuleFinding(
        "centre-is-paused",
        f"{centre} is paused. The act is kept, and is sent once the centre is resumed.",
        warning=True,
    )


def empty_report() -> RuleFinding:
    """What is said of an end-of-course report without a word in it."""
    return RuleFinding("report-empty", "The report says nothing about the training.", "summary")


def check_report(
    offering: Offering, participants: int, rules: Rules, now: datetime
) -> list[RuleFinding]:
    """What the rules say of an end-of-course report that is submitted now."""
    found = []
    if rules.least_participants and participants < rules.least_participants:
        found.append(
            RuleFinding(
                "few-participants",
                f"The course had fewer than {rules.least_participants} participants.",
                warning=True,
            )
        )
    ends = offering.ends_at
    if rules.report_days and ends is not None and now > ends + timedelta(days=rules.report_days):
        found.append(
            RuleFinding(
                "report-late",
                f"The report comes more than {rules.report_days} days after the end.",
                warning=True,
            )
        )
    return found


def check_result(record: Result, rules: Rules) -> list[RuleFinding]:
    """What the rules say of a result: whether a completion is below the pass mark."""
    if not (rules.pass_percent and record.completed and record.score is not None):
        return []
    reached = (record.score - record.scale_min) * 100 / (record.scale_max - record.scale_min)
    if reached >= rules.pass_percent:
        return []
    return [
        RuleFinding(
            "below-pass-mark",
            f"The course is completed with less than {rules.pass_percent} per cent.",
            "score",
            warning=True,
        )
    ]
