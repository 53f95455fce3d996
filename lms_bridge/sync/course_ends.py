"""Courses that are gone: at a centre's LMS, with their enrolments, or at the Academy."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import GONE_HASH
from lms_bridge.domain.document import digest
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.store import enrolments, links, offering_links, offerings, target_links
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.drift import ABSENT, decide_conflict

GONE = "gone with the course"


def end_courses(tx: Connection, context: RunContext, courses: Collection[str]) -> frozenset[str]:
    """Ends courses (by their external ids) that the LMS no longer holds. Returns those that ended.

    A course ends only once its offering has left the catalogue, since a large removal waits for a
    person. An edition that names its course stays: the course is looked up by its name again.
    """
    system = context.centre.system
    known = links.by_external_id(tx, system, Kind.OFFERING, courses)
    records = offerings.offerings(tx, [each.record_id for each in known.values()])
    ended = {
        external_id: each.record_id
        for external_id, each in known.items()
        if not records[each.record_id].listed or records[each.record_id].lms_course
    }
    stored = enrolments.enrolments_in(tx, ended.values())
    waiting = [each.id for each in stored.values() if records[each.offering_id].listed]
    target_links.not_there(tx, system, Kind.ENROLMENT, stored.keys() - set(waiting), ended=True)
    target_links.not_there(tx, system, Kind.ENROLMENT, waiting, ended=False)
    offering_links.forget_courses(tx, system, ended.values())
    for external_id, record_id in ended.items():
        context.note(
            Kind.OFFERING, system, "end", GONE, record_id=record_id, external_id=external_id
        )
    return frozenset(ended)


def decide_about_gone(
    tx: Connection, context: RunContext, courses: Collection[str]
) -> frozenset[str]:
    """Courses (by their external ids) that the Academy holds no more, though the bridge published
    them there: the centre's policy decides whether they are made again. Returns those about which
    it has decided before. Their registrations stay as they are.
    """
    shown = {"state": ABSENT}
    decided = set()
    for course in courses:
        for held in target_links.held_in_scope(tx, ACADEMY, Kind.OFFERING, course):
            if held.tolerated == digest(shown) or held.acknowledged == GONE_HASH:
                decided.add(course)
                continue
            where = ACADEMY, Kind.OFFERING
            decide_conflict(tx, context, held, shown, where, context.policy.conflict)
    return frozenset(decided)
