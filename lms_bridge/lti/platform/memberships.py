"""The memberships service: who is in an offering.

Source: Names and Role Provisioning Services 2.0, sections 2.2 to 2.5: pages, filters, the members
of one resource link with their launch parameters, and the changes since an earlier answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Row

from lms_bridge.domain.model import Learner
from lms_bridge.domain.wanted import IN_COURSE
from lms_bridge.lti import vocabulary as lti
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform import endpoints, resources, subjects
from lms_bridge.lti.platform.claims import Launch, context_claim, custom_of, person_claims
from lms_bridge.lti.platform.granting import Access
from lms_bridge.lti.platform.resources import Resource
from lms_bridge.lti.platform.services import Context, Page, asked_number, context
from lms_bridge.lti.room import Room
from lms_bridge.store import learners, lti_services

OVERLAP = timedelta(minutes=10)
"""A change is dated when it was made and seen when it is committed: what came in between is told
of again, which does no harm."""


def memberships(room: Room, access: Access, offering_id: int, query: Mapping[str, str]) -> Page:
    """One page of an offering's members, with the addresses of the next one and of what changes
    from now on (``differences``)."""
    after = asked_number(query.get("from", ""), "from")
    size = asked_number(query.get("limit", ""), "limit") or room.settings.page_size
    size = min(size, room.settings.page_size)
    since = asked_number(query.get("since", ""), "since")
    asked_at = room.now()
    role = query.get("role", "")
    # Pseudonyms are made where somebody is shown for the first time.
    with (
        room.database.writing()
        if access.party.privacy.pseudonyms
        else room.database.reading() as tx
    ):
        here = context(tx, access, offering_id)
        link = _link(tx, here, query.get("rlid", ""))
        rows = _rows(tx, offering_id, since, after, size + 1)
        if role and lti.role_uri(role) != lti.LEARNER:
            rows = []
        people = learners.learners(tx, [row.learner_id for row in rows[:size]])
        names = subjects.subjects(tx, access.party, people)
    members = [_member(row, people, names, here, link) for row in rows[:size]]
    told = context_claim(here.offering)
    told.pop("type")
    body = {
        "id": endpoints.memberships(room.address, offering_id),
        "context": told,
        "members": members,
    }
    kept = {name: query[name] for name in ("role", "rlid", "limit") if query.get(name)}
    moment = since if since and len(rows) > size else _milliseconds(asked_at - OVERLAP)
    following = {**kept, **({"since": str(since)} if since else {})}
    return Page(
        body,
        next=urlencode({**following, "from": rows[size - 1].id}) if len(rows) > size else "",
        differences=urlencode({**kept, "since": str(moment)}),
    )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _link(tx: Connection, here: Context, code: str) -> Resource | None:
    if not code:
        return None
    found = resources.by_code(tx, here.party, here.id, code)
    if found is None:
        raise LtiRefused("link-unknown", "There is no such resource link here.", status=404)
    return found


def _rows(tx: Connection, offering_id: int, since: int, after: int, most: int) -> list[Row[Any]]:
    if not since:
        return list(lti_services.roster(tx, offering_id, after, most))
    try:
        moment = datetime.fromtimestamp(since / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise LtiRefused("query-number", "since is out of range.", detail="since") from None
    return list(lti_services.changed_members(tx, offering_id, moment, after, most))


def _member(
    row: Row[Any],
    people: Mapping[int, Learner],
    names: Mapping[int, str],
    here: Context,
    link: Resource | None,
) -> dict[str, Any]:
    learner, subject = people[row.learner_id], names[row.learner_id]
    if row.status not in IN_COURSE:  # told of only among the differences
        return {"status": "Deleted", "user_id": subject, "roles": [lti.LEARNER]}
    member: dict[str, Any] = {
        "status": "Active",
        "user_id": subject,
        "roles": [lti.LEARNER],
        **person_claims(learner, here.party),
    }
    if here.party.privacy.sourced_id:
        member["lis_person_sourcedid"] = learner.academy_id
    if link is not None:
        member["message"] = _message(here, link, learner, subject)
    return member


def _message(
    here: Context, link: Resource, learner: Learner, subject: str
) -> Iterable[dict[str, Any]]:
    """Section 2.4: what a launch of this member would say."""
    launch = Launch(
        here.party, here.id, here.offering, subject, "", "", learner=learner, resource=link
    )
    return [{lti.MESSAGE_TYPE: lti.RESOURCE_LINK_REQUEST, lti.CUSTOM: custom_of(launch)}]
