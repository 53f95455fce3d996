"""The check of an Academy's Moodle."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.moodle.checks import (
    Check,
    allow,
    enters_courses,
    people_checks,
    updates_courses,
)
from connectors.moodle.client import part
from connectors.moodle.courses import SITE_COURSE
from connectors.moodle.form import Parameter
from connectors.moodle.needs import ACADEMY_FUNCTIONS, ACADEMY_OPTIONAL, ENROLMENTS, OFFERINGS
from connectors.moodle.probe import findings
from connectors.moodle.samples import COURSES, seen_courses
from connectors.moodle.site import Part, Site
from connectors.moodle.trials import refused_otherwise
from lms_bridge.domain.ports import Finding

_CREATE, _UPDATE = "core_course_create_courses", "core_course_update_courses"


class AcademyProbe(Part):
    """Looks at everything that the Academy's flows need, and changes nothing that lasts."""

    def probe(self) -> Iterator[Finding]:
        return findings(self._site, ACADEMY_FUNCTIONS, ACADEMY_OPTIONAL, _checks())


def _checks() -> Iterator[Check]:
    yield allow("moodle/course:view", COURSES, enters_courses, OFFERINGS, ENROLMENTS)
    yield allow("moodle/course:update", COURSES, updates_courses, OFFERINGS)
    yield allow("moodle/course:create", _CREATE, _creates, OFFERINGS)
    yield Check("moodle/course:changefullname, changesummary and visibility", _UPDATE, _changes,
                "Allow all three to the service account's role, in the system context.",
                (OFFERINGS,))  # fmt: skip
    yield from people_checks()


def _changes(site: Site) -> str:
    """Asks to change the front page, which Moodle never does, but only after a look at the
    capabilities. Dates in the wrong order would stop it too."""
    row: dict[str, Parameter] = {
        "id": SITE_COURSE,
        "fullname": "-",
        "summary": "-",
        "visible": False,
        "startdate": 2_000_000_000,
        "enddate": 1_000_000_000,
    }
    reply = site.client.ask(_UPDATE, {"courses": [row]})
    codes = {warning.get("warningcode") for warning in part(_UPDATE, reply.value, "warnings")}
    return "not allowed." if "nopermissions" in codes else ""


def _creates(site: Site) -> str:
    """Asks for a course that cannot be: its short name is taken, and it ends before it begins."""
    taken = next((str(row["shortname"]) for row in seen_courses(site)), "")
    if not taken:
        return "could not be checked: the account sees no course."
    row: dict[str, Parameter] = {
        "fullname": taken,
        "shortname": taken,
        "categoryid": site.settings["category"],
        "startdate": 2_000_000_000,
        "enddate": 1_000_000_000,
    }
    call: dict[str, Parameter] = {"courses": [row, {**row}]}
    return refused_otherwise(
        lambda: site.client.ask(_CREATE, call, repeatable=False),
        "shortnametaken",
        "enddatebeforestartdate",
    )
