"""Editions that share a course of the LMS: what one enrolment there has to serve.

The LMS has one enrolment of a person in a course, whatever the number of editions. So a removal has
to know whether another edition still wants the person there, and dates are the widest of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from lms_bridge.domain.desired_state import ACTIVE, enrolment_document
from lms_bridge.domain.document import Document
from lms_bridge.domain.model import Kind, Offering, Result
from lms_bridge.store import enrolments, offerings, target_links
from lms_bridge.store.enrolments import StoredEnrolment

STAYS = "stays"
"""Another edition wants the person in the course."""
OURS_THERE = "ours_there"
"""The bridge put the person into the course for another edition."""
STARTS_AT, ENDS_AT = "course_starts_at", "course_ends_at"
SHARES = "shares"
"""The offering shares its course with others, so that its own roster does not hold everybody."""
CODE, TITLE = "offering_code", "offering_title"
EXTRAS = frozenset({STAYS, OURS_THERE, STARTS_AT, ENDS_AT, SHARES, CODE, TITLE})


@dataclass(frozen=True, slots=True)
class _Sibling:
    document: Document
    created_by_us: bool


def extras_of_editions(
    tx: Connection, system: str, due: Iterable[StoredEnrolment], records: Mapping[int, Offering]
) -> dict[int, dict[str, str]]:
    """{enrolment id: what goes with its request} of enrolments in editions that share a course."""
    shared = [each for each in due if records[each.offering_id].lms_course]
    if not shared:
        return {}
    siblings = _siblings(tx, system, {each.learner_id for each in shared})
    return {
        each.id: _extras(
            enrolment_document(each.record, records[each.offering_id]),
            [
                sibling
                for offering, id_, sibling in siblings.get(each.learner_id, ())
                if id_ != each.id
                and (offering.centre, offering.lms_course)
                == (records[each.offering_id].centre, records[each.offering_id].lms_course)
            ],
        )
        for each in shared
    }


def _siblings(
    tx: Connection, system: str, learner_ids: Iterable[int]
) -> dict[int, list[tuple[Offering, int, _Sibling]]]:
    """{learner id: their enrolments that the system holds, held or is to hold}"""
    stored = enrolments.of_learners(tx, learner_ids)
    records = offerings.offerings(tx, {each.offering_id for each in stored})
    ids = [each.id for each in stored]
    made_by_us = target_links.made_by_us(tx, system, Kind.ENROLMENT, ids)
    found: dict[int, list[tuple[Offering, int, _Sibling]]] = {}
    for each in stored:
        offering = records[each.offering_id]
        document = enrolment_document(each.record, offering)
        if each.id in made_by_us:
            sibling = _Sibling(document, made_by_us[each.id])
            found.setdefault(each.learner_id, []).append((offering, each.id, sibling))
    return found


def _extras(own: Document, others: list[_Sibling]) -> dict[str, str]:
    extras = {SHARES: "yes"}
    if any(each.created_by_us for each in others):
        extras[OURS_THERE] = "yes"
    others = [each for each in others if each.document["state"] == ACTIVE]
    if others:
        extras[STAYS] = "yes"
    ours = any(each.created_by_us for each in others)
    documents = [each.document for each in others]
    if own["state"] == ACTIVE:
        documents.append(own)
    if documents and (own["state"] == ACTIVE or ours):
        starts = [str(each["starts_at"] or "") for each in documents]
        ends = [str(each["ends_at"] or "") for each in documents]
        extras[STARTS_AT] = min(starts)  # an empty text is no limit
        extras[ENDS_AT] = "" if "" in ends else max(ends)
    return extras


# ---- one total for several editions -----------------------------------------------------------

Periods = Mapping[int, list[tuple[int, Offering]]]
"""{enrolment id: (enrolment id, offering) of the learner's editions of that course}"""


def other_editions(tx: Connection, stored: Iterable[StoredEnrolment]) -> Periods:
    """The editions of one course in which a learner is, where they are in more than one."""
    stored = list(stored)
    records = offerings.offerings(tx, {each.offering_id for each in stored})
    shared = [each for each in stored if records[each.offering_id].lms_course]
    all_of = enrolments.of_learners(tx, {each.learner_id for each in shared}) if shared else []
    records |= offerings.offerings(tx, {each.offering_id for each in all_of})
    by_course: dict[tuple[int, str, str], list[tuple[int, Offering]]] = {}
    for each in all_of:
        offering = records[each.offering_id]
        if offering.lms_course and enrolment_document(each.record, offering)["state"] == ACTIVE:
            key = each.learner_id, offering.centre, offering.lms_course
            by_course.setdefault(key, []).append((each.id, offering))
    return {id_: group for group in by_course.values() if len(group) > 1 for id_, _ in group}


def falls_in_another(enrolment_id: int, result: Result, editions: Periods) -> bool:
    """Whether a result of a shared course belongs to another edition.

    It belongs to the last edition that began before its time. A result without a time counts for
    each.
    """
    at = result.graded_at or result.completed_at
    if at is None or enrolment_id not in editions:
        return False
    begun = [
        (offering.starts_at, id_)
        for id_, offering in editions[enrolment_id]
        if offering.starts_at is not None and offering.starts_at <= at
    ]
    return bool(begun) and max(begun)[1] != enrolment_id
