"""The memberships service: the roster of an offering.

Source: Names and Role Provisioning Services 2.0, sections 2.2 to 2.5: pages, filters, the members
of one resource link with their launch parameters, and the changes since an earlier response.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, exists, or_, select

from lms_bridge.domain.clock import OVERLAP
from lms_bridge.domain.desired_state import IN_COURSE
from lms_bridge.domain.lti_roles import CourseRole, course_role
from lms_bridge.domain.model import Kind, Learner
from lms_bridge.lti import json_parts
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.context import LtiContext
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, resources
from lms_bridge.lti.platform.claims import (
    ToolLaunch,
    context_claim,
    custom_parameters,
    person_claims,
)
from lms_bridge.lti.platform.resources import Resource
from lms_bridge.lti.platform.services import (
    ServiceContext,
    ServicePage,
    context,
    next_page,
    page_bounds,
    query_number,
    selected,
)
from lms_bridge.lti.platform.storage import Rows
from lms_bridge.lti.platform.subjects import subjects
from lms_bridge.lti.registrations import LtiRegistration
from lms_bridge.store import learners
from lms_bridge.store.run_tables import item
from lms_bridge.store.tables import IS_SHOWN, enrolment

_MEMBER = select(enrolment.c.id, enrolment.c.learner_id, enrolment.c.status).where(IS_SHOWN)


def memberships(
    lti_context: LtiContext, caller: LtiRegistration, offering_id: int, query: Mapping[str, str]
) -> ServicePage:
    """One page of an offering's members, with the queries of the next page and of later changes
    (``differences``)."""
    after, size = page_bounds(query, lti_context.settings.page_size)
    since = query_number(query, "since")
    started_at = lti_context.now()
    role = query.get("role", "")
    database = lti_context.database
    # Pseudonyms are created when a tool first sees a person.
    pseudonyms = caller.privacy.pseudonyms
    with database.writing() if pseudonyms else database.reading() as tx:
        course = context(tx, caller, offering_id)
        link = _link(tx, course, query.get("rlid", ""))
        rows = _members(tx, offering_id, since, after, size + 1)
        if role and course_role([role]) is not CourseRole.LEARNER:
            rows = []
        people = learners.learners(tx, [row.learner_id for row in rows[:size]])
        names = subjects(tx, caller, people)
    id_and_title = context_claim(course.offering)
    del id_and_title["type"]
    body = {
        "id": endpoints.memberships(lti_context.address, offering_id),
        "context": id_and_title,
        "members": [
            _member(row.status, people[row.learner_id], names[row.learner_id], course, link)
            for row in rows[:size]
        ],
    }
    further = next_page(rows, size, query, "role", "rlid", "limit", "since")
    moment = since if since and further else _milliseconds(started_at - OVERLAP)
    kept = selected(query, "role", "rlid", "limit")
    return ServicePage(body, further, urlencode({**kept, "since": str(moment)}))


def roster(
    tx: Connection, offering_id: int, after: int, most: int, learner_id: int | None = None
) -> Rows:
    """Learners who are in the course: ``most`` rows after a given enrolment's id."""
    query = _MEMBER.where(
        enrolment.c.offering_id == offering_id,
        enrolment.c.status.in_(IN_COURSE),
        enrolment.c.id > after,
    )
    if learner_id is not None:
        query = query.where(enrolment.c.learner_id == learner_id)
    return tx.execute(query.order_by(enrolment.c.id).limit(most)).all()


def _members(tx: Connection, offering_id: int, since: int, after: int, most: int) -> Rows:
    """The roster; or, after ``since``, enrolments that changed, or whose learner changed."""
    if not since:
        return roster(tx, offering_id, after, most)
    try:
        moment = datetime.fromtimestamp(since / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise json_parts.wrong("query-number", "since", "is out of range") from None
    learner_changed = exists().where(
        item.c.kind == Kind.LEARNER, item.c.record_id == enrolment.c.learner_id, item.c.at >= moment
    )
    query = _MEMBER.where(
        enrolment.c.offering_id == offering_id,
        enrolment.c.id > after,
        or_(enrolment.c.changed_at >= moment, learner_changed),
    )
    return tx.execute(query.order_by(enrolment.c.id).limit(most)).all()


def _link(tx: Connection, course: ServiceContext, code: str) -> Resource | None:
    if not code:
        return None
    found = resources.by_code(tx, course.registration, course.id, code)
    if found is None:
        raise LtiRefused("link-unknown", "There is no such resource link here.", status=404)
    return found


def _member(
    status: str, learner: Learner, subject: str, course: ServiceContext, link: Resource | None
) -> dict[str, Any]:
    if status not in IN_COURSE:  # appears only among the differences
        return {"status": "Deleted", "user_id": subject, "roles": [lti.LEARNER]}
    privacy = course.registration.privacy
    member: dict[str, Any] = {
        "status": "Active",
        "user_id": subject,
        "roles": [lti.LEARNER],
        **person_claims(learner, privacy),
    }
    if privacy.sourced_id:
        member["lis_person_sourcedid"] = learner.academy_id
    if link is not None:  # section 2.4: what a launch of this member would contain
        launch = ToolLaunch(
            course.registration,
            course.id,
            course.offering,
            subject,
            "",
            "",
            learner=learner,
            resource=link,
        )
        message = {lti.MESSAGE_TYPE: lti.RESOURCE_LINK_REQUEST}
        member["message"] = [{**message, lti.CUSTOM: custom_parameters(launch)}]
    return member


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
