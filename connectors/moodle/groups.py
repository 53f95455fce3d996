"""Groups of a course. If several editions share a course, each has the group with its ID number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lms_bridge.connectors.moodle.client import MoodleClient, Parameter, Rows, without_tags
from lms_bridge.connectors.moodle.refusals import requires
from lms_bridge.domain.errors import RecordRefused, RetryLater

_LIST, _CREATE = "core_group_get_course_groups", "core_group_create_groups"
_MEMBERS, _ADD = "core_group_get_group_members", "core_group_add_group_members"
_DELETE = "core_group_delete_group_members"
_LONGEST_NAME = 254


@dataclass(frozen=True, slots=True)
class EditionGroup:
    id: int
    members: frozenset[int]


def edition_groups(client: MoodleClient, course: int) -> dict[str, EditionGroup]:
    """The group and its members of every edition, by the edition's code."""
    with requires("moodle/course:managegroups"):
        ids = _by_idnumber(client.rows(_LIST, {"courseid": course}))
    members = group_members(client, list(ids.values()))
    return {
        edition: EditionGroup(group, members.get(group, frozenset()))
        for edition, group in ids.items()
    }


def find_group(client: MoodleClient, course: int, edition: str) -> tuple[int | None, bytes]:
    """The id of an edition's group, and Moodle's answer about the course's groups."""
    with requires("moodle/course:managegroups"):
        reply = client.call(_LIST, {"courseid": course})
    return _by_idnumber(reply.rows()).get(edition), reply.body


def _by_idnumber(rows: Rows) -> dict[str, int]:
    return {str(row["idnumber"]): int(str(row["id"])) for row in rows if row.get("idnumber")}


def find_or_create_group(client: MoodleClient, course: int, edition: str, title: str = "") -> int:
    """The id of an edition's group. A new one has the edition's title and code as its name.

    Raises:
        RecordRefused: another group of the course already has that name.
    """
    found, _ = find_group(client, course, edition)
    if found is not None:
        return found
    group: dict[str, Parameter] = {
        "courseid": course,
        "name": _group_name(edition, title),
        "description": "",
        "idnumber": edition,
    }
    try:
        reply = client.call(_CREATE, {"groups": [group]}, repeatable=False)
        return int(reply.rows()[0]["id"])
    except RetryLater:
        # The answer may be lost although the group was created.
        found, _ = find_group(client, course, edition)
        if found is None:
            raise
        return found
    except RecordRefused:
        raise RecordRefused(
            "group-name-taken",
            f"The group for edition {edition} cannot be created.",
            "If the course has a group of that name, give it the edition's code as ID number.",
            field="group",
        ) from None


def _group_name(edition: str, title: str) -> str:
    plain = without_tags(title)[: _LONGEST_NAME - len(edition) - 3]
    return f"{plain} ({edition})" if plain else edition


def group_members(client: MoodleClient, groups: Sequence[int]) -> dict[int, frozenset[int]]:
    """The ids of each group's members. Unlike a roster, this list hides nobody."""
    rows = client.rows(_MEMBERS, {"groupids": [*groups]}) if groups else []
    return {int(row["groupid"]): frozenset(row["userids"]) for row in rows}


def add_members(client: MoodleClient, group: int, people: Sequence[int]) -> None:
    """Adding somebody a second time has no effect."""
    client.call(_ADD, {"members": [{"groupid": group, "userid": person} for person in people]})


def remove_members(client: MoodleClient, group: int, people: Sequence[int]) -> None:
    client.call(_DELETE, {"members": [{"groupid": group, "userid": person} for person in people]})
