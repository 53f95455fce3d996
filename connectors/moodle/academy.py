"""An Academy that is itself a Moodle: its courses are the catalogue, its enrolments the
registrations. Results cannot be written into another Moodle by its standard functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.moodle.academy_probe import AcademyProbe
from connectors.moodle.catalogue import Catalogue
from connectors.moodle.centre import open_site
from connectors.moodle.options import ACADEMY
from connectors.moodle.places import Roster
from connectors.moodle.publishing import Publishing
from connectors.moodle.rosters import has_role, read_rosters
from connectors.moodle.site import Part
from lms_bridge.domain.errors import AccessDenied
from lms_bridge.domain.ports import Access, Raw, Reading

_PERSON = "id,idnumber,roles,firstname,lastname,email,country"


class Registrations(Part):
    """The enrolments of the Academy's courses, as registrations."""

    def read_registrations(self, centre: str, offerings: Mapping[str, str]) -> Reading:
        """Registrations per offering. ``withdrawn`` also stands for those whose enrolment has not
        begun or has ended: Moodle does not tell these apart.

        Raises:
            AccessDenied: ID numbers are the learners' identity and cannot be seen.
        """
        by_idnumber = self._site.settings["learner_id"] == "idnumber"
        if by_idnumber and not self._site.sight.stable_ids:
            raise AccessDenied(
                "no-stable-ids",
                "The service account cannot see ID numbers.",
                "Allow moodle/user:viewalldetails to its role, in the system context.",
            )
        return read_rosters(self._site, list(offerings), _PERSON, self._records)

    def _records(self, offering: str, roster: Roster) -> Iterator[Raw]:
        settings = self._site.settings
        for row in roster.rows:
            if not has_role(row, settings["role"]):
                continue
            status = "withdrawn" if row["id"] in roster.suspended else "enrolled"
            learner = _learner(row, settings["learner_id"])
            fields = {"offering": offering, "learner": learner, "status": status}
            yield Raw(f"{offering}/{row['id']}", fields)


def _learner(row: Mapping[str, Any], learner_id: str) -> dict[str, object]:
    by_idnumber = learner_id == "idnumber"
    return {
        "id": str(row.get("idnumber") or "") if by_idnumber else f"moodle-{row['id']}",
        "given_name": row.get("firstname") or "",
        "family_name": row.get("lastname") or "",
        "email": row.get("email") or "",
        "country": row.get("country") or "",
    }


class MoodleAcademy(Publishing, Catalogue, Registrations, AcademyProbe):
    """Everything that the bridge does with an Academy's Moodle."""

    def close(self) -> None:
        self._site.close()


def open_academy(access: Access) -> MoodleAcademy:
    """Raises ``SettingsInvalid`` with every problem at once."""
    return MoodleAcademy(open_site(access, ACADEMY))
