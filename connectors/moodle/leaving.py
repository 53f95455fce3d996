"""Ending enrolments at a centre: keep, suspend, suspend and drop the role, unenrol.

Only people who are on the roster are touched: "suspending" somebody who is not would enrol them.
Somebody who is in another edition of the same course only leaves this edition's group.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.moodle.enrolling import ENROL, Course, Entry, Outcome, failed, row
from connectors.moodle.groups import editions, group_members, remove_members
from connectors.moodle.refusals import stops_everything
from connectors.moodle.site import Site
from connectors.moodle.work import halving
from lms_bridge.domain.errors import BridgeError, RecordRefused
from lms_bridge.domain.ports import Done, Failed, Removal

UNENROL, DROP_ROLE = "enrol_manual_unenrol_users", "core_role_unassign_roles"


def leave(site: Site, course: Course, entries: Sequence[Entry], removal: Removal) -> list[Outcome]:
    """Ends one batch of enrolments of one course."""
    if removal is Removal.KEEP:
        return _done(entries, "kept there")
    try:
        on_roster = course.look(site).ids()
        gone = [entry for entry in entries if entry.person not in on_roster]
        here = [entry for entry in entries if entry.person in on_roster]
        staying = _leave_groups(site, course, here) if any(e.place.edition for e in here) else []
        ending = [entry for entry in here if entry not in staying]
        outcomes = _done(gone, "was gone already") + _done(staying, "is in another edition")
        return outcomes + _end(site, ending, removal)
    except BridgeError as error:
        if stops_everything(error):
            raise
        return failed(entries, error)


def _leave_groups(site: Site, course: Course, entries: Sequence[Entry]) -> list[Entry]:
    """Takes those who are in other editions out of this edition's group, and gives them back."""
    groups = editions(site.client, course.id)
    members = group_members(site.client, list(groups.values()))
    staying: dict[str, list[Entry]] = {}
    for entry in entries:
        others = (groups[name] for name in groups if name != entry.place.edition)
        if any(entry.person in members.get(group, ()) for group in others):
            staying.setdefault(entry.place.edition, []).append(entry)
    for edition, some in staying.items():
        if edition in groups:
            remove_members(site.client, groups[edition], [entry.person for entry in some])
    return [entry for some in staying.values() for entry in some]


def _end(site: Site, entries: Sequence[Entry], removal: Removal) -> list[Outcome]:
    def send(some: Sequence[Entry]) -> None:
        if removal is Removal.UNENROL:
            _unenrol(site, some)
            return
        _suspend(site, some)
        if removal is Removal.SUSPEND_DROP_ROLE:
            _drop_role(site, some)

    outcomes: list[Outcome] = []
    for part, answer in halving(entries, send) if entries else ():
        if isinstance(answer, RecordRefused):
            outcomes.append(Failed(part[0].order.key, answer))
        else:
            outcomes += _done(part, "")
    return outcomes


def _suspend(site: Site, entries: Sequence[Entry]) -> None:
    role = site.settings["role_id"]
    site.client.ask(ENROL, {"enrolments": [row(entry, role, suspend=1) for entry in entries]})


def _drop_role(site: Site, entries: Sequence[Entry]) -> None:
    role = site.settings["role_id"]
    site.client.ask(
        DROP_ROLE,
        {
            "unassignments": [
                {
                    "roleid": role,
                    "userid": entry.person,
                    "contextlevel": "course",
                    "instanceid": entry.place.course,
                }
                for entry in entries
            ]
        },
    )


def _unenrol(site: Site, entries: Sequence[Entry]) -> None:
    rows = [{"userid": entry.person, "courseid": entry.place.course} for entry in entries]
    site.client.ask(UNENROL, {"enrolments": [{**each} for each in rows]})


def _done(entries: Sequence[Entry], note: str) -> list[Outcome]:
    return [Done(entry.order.key, entry.external_id, note=note) for entry in entries]
