"""What waits on the desks of the demo's people: outlines to review, one that was sent back, a
report to be written, and a plan that is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Connection

from lms_bridge.audit import Actor
from lms_bridge.bridge import Bridge
from lms_bridge.console.output import print_line
from lms_bridge.devtools.demo.people import CENTRE, sample_name
from lms_bridge.devtools.demo.samples import SampleCentre
from lms_bridge.devtools.demo.sites import MoodleSites
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.lifecycle import OfferingAction
from lms_bridge.domain.model import (
    Flow,
    Level,
    Modality,
    Offering,
    OfferingStatus,
    RegistrationType,
)
from lms_bridge.domain.reviews import Outline, ReviewPoint
from lms_bridge.store import offerings
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.offering_actions import (
    OfferingChange,
    change_offering,
    comment_on,
    state_outline,
)

OUTLINES = 3
"""So many centres have an outline under review, and one more that is planned."""
HELD_AT = -2
"""The sample centre, counted from the end, that takes most of its courses out of the catalogue."""


def leave_work(bridge: Bridge, samples: list[SampleCentre], sites: MoodleSites) -> None:
    """Leaves something on each desk, once."""
    for sample in samples[:OUTLINES]:
        _outline(bridge, sample, submitted=True)
    _outline(bridge, samples[OUTLINES], submitted=False)
    own = next(each for each in samples if each.centre.code == CENTRE)
    _outline(bridge, own, course=1, submitted=True, objection="Please say who teaches.")
    _without_report(bridge, own)
    _held_plan(bridge, samples[HELD_AT], sites)
    print_line(
        f"{OUTLINES} sample outlines wait for a review, and the plan of "
        f"{samples[HELD_AT].centre.code} to take courses back is held."
    )


def _outline(
    bridge: Bridge,
    sample: SampleCentre,
    *,
    course: int = 0,
    submitted: bool,
    objection: str = "",
) -> None:
    """The outline of the centre's next edition of a course; with an objection, it comes back."""
    author, reviewer = sample_name("coordinator"), sample_name("reviewer")

    def do(tx: Connection, context: RunContext) -> None:
        record = _planned(sample, course)
        offerings.add_offerings(tx, [record])
        stated = Outline(
            mandate=f"{sample.word}: it serves the priority area {record.topics[0]}.",
            membership=f"{sample.word}: asked for by administrations of the region.",
            instructors=(f"{sample.word} Instructor",),
            grading="Two assignments and a final test",
        )
        state_outline(tx, context, record.code, stated, author)
        if submitted:
            change = OfferingChange(record.code, OfferingAction.SUBMIT, by=author)
            change_offering(tx, context, change, bridge.settings.rules)
        if objection:
            text = "The second week needs another example."
            comment_on(tx, context, record.code, ReviewPoint.DESCRIPTION, text, reviewer)
            sent_back = OfferingChange(
                record.code, OfferingAction.OBJECT, objection, by=reviewer, point="accuracy"
            )
            change_offering(tx, context, sent_back, bridge.settings.rules)

    bridge.act(sample.centre, Flow.OFFERINGS, Actor(author, "demo", utc_now()), do)


def _without_report(bridge: Bridge, sample: SampleCentre) -> None:
    """A course that ended lately. It began before the bridge came: no catalogue ever had it."""
    planned = _planned(sample, 2)
    end = utc_now().replace(microsecond=0) - timedelta(days=5)
    record = replace(
        planned,
        code=planned.code.replace("-NEXT", "-LAST"),
        status=OfferingStatus.DELIVERED,
        starts_at=end - timedelta(days=11),
        ends_at=end,
        registration_closes=end - timedelta(days=20),
    )

    def do(tx: Connection, context: RunContext) -> None:
        offerings.add_offerings(tx, [record])

    by = Actor(sample_name("coordinator"), "demo", utc_now())
    bridge.act(sample.centre, Flow.OFFERINGS, by, do)


def _planned(sample: SampleCentre, number: int = 0) -> Offering:
    """The next edition of a course of the centre, half a year from now."""
    course, centre = sample.courses[number], sample.centre
    start = (utc_now() + timedelta(days=180)).replace(hour=8, minute=0, second=0, microsecond=0)
    record = Offering(
        f"{centre.code}/{course.code}-NEXT",
        centre.code,
        course.code,
        f"[{sample.word}] {course.words['title']}",
    )
    return replace(
        record,
        modality=Modality.INSTRUCTOR_LED,
        level=Level.INTERMEDIATE,
        status=OfferingStatus.PLANNED,
        starts_at=start,
        ends_at=start + timedelta(days=25),
        time_zone=centre.time_zone,
        hours=Decimal(24),
        registration=RegistrationType.APPLICATION,
        registration_closes=start - timedelta(days=14),
        seats=25,
        languages=centre.languages[:1],
        topics=(course.words["topic"],),
        description=course.words["text"],
        objectives=course.words["text"],
    )


def _held_plan(bridge: Bridge, sample: SampleCentre, sites: MoodleSites) -> None:
    """The centre's Moodle no longer publishes its courses that have not begun, and one more."""
    site = sites.by_code[sample.centre.code]
    for course_id in list(_published(sample, sites))[:-1]:
        course = site.catalogue.get(course_id)
        if course is not None:
            fields = {**course.customfields, "itu_publish": 0}
            site.catalogue.change(course_id, customfields=fields)
    centre = bridge.centre(sample.centre.code)  # with the address of its Moodle
    bridge.run_all([bridge.request(centre, (Flow.OFFERINGS,), trigger="demo")])


def _published(sample: SampleCentre, sites: MoodleSites) -> Iterator[int]:
    site = sites.by_code[sample.centre.code]
    codes = {each.code for each in sample.courses if each.publish}
    for course in site.catalogue:
        if course.idnumber in codes:
            yield course.id
