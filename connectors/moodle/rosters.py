"""Reading rosters: everybody in a course or in one of its editions.

An edition that shares its course with others is the group whose ID number is the edition's code;
its external id is ``<course id>#<code>``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from connectors.moodle.places import Place, Roster
from connectors.moodle.proof import proved_roster
from connectors.moodle.refusals import stops_everything
from connectors.moodle.site import Part, Site
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import Answer, Raw, Reading, Unread

STABLE = "id,idnumber,roles"


class Rosters(Part):
    """Who is on the rosters, everybody."""

    def show_enrolments(self, offerings: Sequence[str]) -> Reading:
        role = self._site.settings["role"]
        return read_rosters(self._site, offerings, STABLE, lambda o, r: _people(o, r, role))


def read_rosters(
    site: Site,
    offerings: Sequence[str],
    fields: str,
    records: Callable[[str, Roster], Iterator[Raw]],
) -> Reading:
    """One answer per offering, read side by side; a roster that cannot be proved is unread."""

    def read(offering: str) -> Answer | Unread:
        try:
            roster = proved_roster(site, Place.of(offering), fields)
        except BridgeError as error:
            if stops_everything(error):
                raise
            return Unread(offering, error)
        return Answer(offering, roster.bodies, lambda: records(offering, roster))

    return site.pool.each(read, offerings)


def has_role(row: dict[str, Any], role: str) -> bool:
    """Whether the person learns: has the role, or has no role left (dropped with a suspension)."""
    roles = row.get("roles") or ()
    return not roles or any(entry.get("shortname") == role for entry in roles)


def _people(offering: str, roster: Roster, role: str) -> Iterator[Raw]:
    for row in roster.rows:
        if has_role(row, role):
            state = "suspended" if row["id"] in roster.suspended else "active"
            yield Raw(f"{offering}/{row['id']}", {"state": state})
