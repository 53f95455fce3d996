"""Groups of a course, where several editions share it: one group per edition, by its ID number."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.moodle.client import Client, as_rows
from connectors.moodle.form import Parameter
from connectors.moodle.refusals import needing
from lms_bridge.domain.errors import RecordRefused, RetryLater

_LIST, _CREATE = "core_group_get_course_groups", "core_group_create_groups"
_MEMBERS, _ADD = "core_group_get_group_members", "core_group_add_group_members"
_DELETE = "core_group_delete_group_members"


def editions(client: Client, course: int) -> dict[str, int]:
    """ID number -> id of every group of a course that has one."""
    with needing("moodle/course:managegroups"):
        return _by_idnumber(client.rows(_LIST, {"courseid": course}))


def edition_group(client: Client, course: int, edition: str) -> tuple[int | None, bytes]:
    """The id of an edition's group, and Moodle's answer about the course's groups."""
    with needing("moodle/course:managegroups"):
        reply = client.ask(_LIST, {"courseid": course})
    return _by_idnumber(as_rows(_LIST, reply.value)).get(edition), reply.body


def _by_idnumber(rows: list[dict[str, object]]) -> dict[str, int]:
    return {str(row["idnumber"]): int(str(row["id"])) for row in rows if row.get("idnumber")}


def made_group(client: Client, course: int, edition: str) -> int:
    """The id of an edition's group, which is created if it is not there.

    Raises:
        RecordRefused: a group of that name is there, but without the ID number.
    """
    found = editions(client, course).get(edition)
    if found is not None:
        return found
    group: dict[str, Parameter] = {
        "courseid": course,
        "name": edition,
        "description": "",
        "idnumber": edition,
    }
    try:
        reply = client.ask(_CREATE, {"groups": [group]}, repeatable=False)
        return int(as_rows(_CREATE, reply.value)[0]["id"])
    except RetryLater:
        found = editions(client, course).get(edition)  # the answer may be lost, the group not
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


def group_members(client: Client, groups: Sequence[int]) -> dict[int, frozenset[int]]:
    """Group id -> ids of its members. Unlike rosters, this list hides nobody."""
    rows = client.rows(_MEMBERS, {"groupids": [*groups]}) if groups else []
    return {int(row["groupid"]): frozenset(row["userids"]) for row in rows}


def add_members(client: Client, group: int, people: Sequence[int]) -> None:
    """Adding somebody who is in the group already does no harm."""
    client.ask(_ADD, {"members": [{"groupid": group, "userid": person} for person in people]})


def remove_members(client: Client, group: int, people: Sequence[int]) -> None:
    client.ask(_DELETE, {"members": [{"groupid": group, "userid": person} for person in people]})
