"""Names and Role Provisioning Services 2.0, section 2: the roster of the platform's course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lms_bridge.domain.errors import IncompleteRead, NotUnderstood
from lms_bridge.domain.lti_ports import CourseGone
from lms_bridge.domain.lti_roles import names_of, status_of
from lms_bridge.http import foreign_json
from lms_bridge.lti import vocabulary
from lms_bridge.lti.tool.service_client import (
    MOST_PAGES,
    ServiceClient,
    next_page,
    text,
    with_query,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the platform's course. Roles are as the platform names them."""

    id: str
    roles: tuple[str, ...]
    active: bool = True
    name: str = field(default="", repr=False)
    given_name: str = field(default="", repr=False)
    family_name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    stable_id: str = field(default="", repr=False)


def memberships(
    client: ServiceClient,
    address: str,
    *,
    resource_link_id: str = "",
    role: str = "",
    limit: int = 0,
) -> Iterator[Member]:
    """The roster of the course, page after page. An incomplete roster would look as if people had
    left, so it raises instead of ending early.

    Raises:
        IncompleteRead: a page comes up again, or the pages have no end.
    """
    given = {"rlid": resource_link_id, "role": role, "limit": str(limit) if limit else ""}
    start = with_query(address, {k: v for k, v in given.items() if v})
    for page in member_pages(client, start):
        yield from _members(page)


def member_pages(client: ServiceClient, address: str) -> Iterator[bytes]:
    """The pages of a roster byte for byte, so that an unchanged one is known by its hash.

    Raises:
        CourseGone: the platform no longer has the course.
        IncompleteRead: a page comes up again, or the pages have no end.
    """
    following = address
    seen: set[str] = set()
    while following:
        if following in seen or len(seen) >= MOST_PAGES:
            raise IncompleteRead("roster-endless", "The platform's roster has no end.")
        seen.add(following)
        answer = client.call(
            "GET",
            following,
            [vocabulary.MEMBERSHIP_READ],
            accept=vocabulary.MEMBERS_TYPE,
            returns=(404, 410),
        )
        if answer.status >= 400:
            raise CourseGone(
                "course-gone",
                f"The platform no longer shows this course (status {answer.status}).",
                "If it was deleted there, launch the offering from another course.",
            )
        yield answer.body
        following = next_page(following, answer)


def _members(page: bytes) -> Iterator[Member]:
    try:
        body = foreign_json.loads(page)
    except ValueError:
        raise NotUnderstood("not-json", "The platform's roster is not JSON.") from None
    people = body.get("members") if isinstance(body, dict) else None
    if not isinstance(people, list):
        raise NotUnderstood("roster-unreadable", "The platform's roster cannot be read.")
    return map(_member, people)


def _member(body: object) -> Member:
    id_ = text(body, "user_id") if isinstance(body, dict) else ""
    if not isinstance(body, dict) or not (id_ and foreign_json.is_whole(id_)):
        raise NotUnderstood("member-unreadable", "A person of the platform's roster has no id.")
    return Member(
        id=id_,
        roles=tuple(names_of(body.get("roles")) or ()),
        active=status_of(text(body, "status")) in ("", "active"),
        name=text(body, "name"),
        given_name=text(body, "given_name"),
        family_name=text(body, "family_name"),
        email=text(body, "email"),
        stable_id=text(body, "lis_person_sourcedid"),
    )
