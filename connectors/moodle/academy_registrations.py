"""The enrolments of an Academy's Moodle as registrations."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from lms_bridge.connectors.moodle.refusals import named
from lms_bridge.connectors.moodle.roster import (
    MoodleRoster,
    OnRoster,
    RosterLook,
    is_learner,
    read_rosters,
)
from lms_bridge.connectors.moodle.shown_accounts import SuspendedAccounts
from lms_bridge.connectors.moodle.site import MoodleSite
from lms_bridge.domain.errors import AccessDenied
from lms_bridge.domain.model import EnrolmentStatus
from lms_bridge.domain.ports import PageError, Pages, RawRecord

_PERSON = "id,idnumber,roles,firstname,lastname,email,country"
_NAMES = {"firstname": "given_name", "lastname": "family_name"}
NAMES_SCOPE, EMAILS_SCOPE = "names", "emails"
"""What an error about names or addresses is about: no course in particular."""


def read_registrations(site: MoodleSite, courses: Sequence[str]) -> Pages:
    """The enrolments of each course. A course that cannot be read stops no other.

    Moodle does not tell whether an enrolment is suspended, has not begun, or is over. Such a
    registration is ``withdrawn`` if it ever was a place, if the account is suspended, or if the
    course has begun. Else it is ``registered``.

    Raises:
        AccessDenied: ID numbers identify the learners, and the account cannot see them.
    """
    if site.settings["learner_id"] == "idnumber" and not site.visible.stable_ids:
        raise AccessDenied(
            "no-stable-ids",
            "The service account cannot see ID numbers.",
            "Allow moodle/user:viewalldetails to its role, in the system context.",
        )
    look = _Look(site)
    records = partial(_registrations, site)
    for answer in read_rosters(site, courses, _PERSON, records, look, _PEOPLE):
        if isinstance(answer, PageError):
            error = named(f"Course {answer.scope}", answer.error)
            yield replace(answer, error=error, isolated=True, exact=True)
        else:
            yield answer
    if look.unnamed:
        yield PageError(NAMES_SCOPE, _names_not_seen(look.unnamed), isolated=True, exact=True)
    if look.unaddressed:
        error = _emails_not_seen(look.unaddressed)
        yield PageError(EMAILS_SCOPE, error, isolated=True, exact=True)


class _Person(OnRoster, gc=False):
    firstname: msgspec.Raw | msgspec.UnsetType = UNSET
    lastname: msgspec.Raw | msgspec.UnsetType = UNSET
    email: msgspec.Raw | msgspec.UnsetType = UNSET

    @property
    def is_unnamed(self) -> bool:
        return self.firstname is UNSET or self.lastname is UNSET


_PEOPLE = msgspec.json.Decoder(list[_Person])


class _Look(RosterLook):
    """Counts rosters without names or addresses, and finds out whose enrolments will not begin."""

    def __init__(self, site: MoodleSite) -> None:
        self._site = site
        self.unnamed = self.unaddressed = 0
        self._accounts = SuspendedAccounts(site) if site.settings["accounts"] else None

    def people(self, people: Collection[int]) -> None:
        if self._accounts is not None:
            self._accounts.of(people)

    def roster(self, course: int, roster: MoodleRoster) -> MoodleRoster:
        people = [each for each in roster.people if isinstance(each, _Person)]
        self.unnamed += any(each.is_unnamed for each in people)
        self.unaddressed += any(each.email is UNSET for each in people)
        ended = frozenset[int]()
        if self._accounts is not None:
            ended = self._accounts.of(roster.ids())
        if roster.suspended - ended:
            rows = self._site.find_courses("id", str(course))
            if roster.suspended == roster.ids() and any(map(_lets_nobody_in, rows)):
                raise _no_method()
            if any(0 < int(row.get("startdate") or 0) <= time.time() for row in rows):
                ended |= roster.suspended
        return roster.with_ended(ended)


def _lets_nobody_in(course: Mapping[str, Any]) -> bool:
    """Whether the course has no enabled enrolment method. Guests are not enrolled."""
    methods = course.get("enrollmentmethods")
    return methods is not None and not set(methods) - {"guest"}


def _no_method() -> AccessDenied:
    return AccessDenied(
        "no-enrolment-method",
        "Moodle shows everybody as suspended, because no enrolment method is enabled. The "
        "registrations stay as they are.",
        "Enable the method in the course.",
    )


def _names_not_seen(courses: int) -> AccessDenied:
    return AccessDenied(
        "names-not-seen",
        f"Moodle hides first and last names. Known names stay. Courses concerned: {courses}.",
        "Allow moodle/site:viewfullnames to the service account's role, in the system context.",
    )


def _emails_not_seen(courses: int) -> AccessDenied:
    return AccessDenied(
        "emails-not-seen",
        f"Moodle hides e-mail addresses, so registrations wait. Courses concerned: {courses}.",
        "Allow moodle/course:useremail to the service account's role, in the system context.",
    )


def _registrations(site: MoodleSite, offering: str, roster: MoodleRoster) -> Iterator[RawRecord]:
    for row in roster.rows():
        if not is_learner(row, site.settings["role"]):
            continue
        learner = _learner(row, site.settings["learner_id"])
        fields: dict[str, object] = {"offering": offering, "learner": learner}
        fields["account"] = f"account {row['id']} in course {offering}"
        if row["id"] in roster.suspended:
            fields["status"] = EnrolmentStatus.WITHDRAWN.value
            if row["id"] not in roster.ended:
                fields["status_without_place"] = EnrolmentStatus.REGISTERED.value
        else:
            fields["status"] = EnrolmentStatus.ENROLLED.value
        yield RawRecord(f"{offering}/{row['id']}", fields)


def _learner(row: Mapping[str, Any], learner_id: str) -> dict[str, object]:
    """A person's fields. Names that Moodle does not show are left out, and so stay known."""
    by_idnumber = learner_id == "idnumber"
    return {
        "id": str(row.get("idnumber") or "") if by_idnumber else f"moodle-{row['id']}",
        **{name: row[shown] for shown, name in _NAMES.items() if shown in row},
        "email": row.get("email") or "",
        "country": row.get("country") or "",
    }
