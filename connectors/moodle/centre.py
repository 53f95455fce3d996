"""A training centre's Moodle: everything that the bridge does there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lms_bridge.connectors.moodle import (
    accounts,
    courses,
    enrolments,
    grades,
    probe,
    roster,
    shown_accounts,
    teachers,
    visits,
)
from lms_bridge.connectors.moodle.options import CENTRE
from lms_bridge.connectors.moodle.site import MoodleSite, open_site
from lms_bridge.domain.document import Document
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.ports import (
    Account,
    Pages,
    ProbeFinding,
    Removal,
    SystemAccess,
    Visits,
    WriteRequest,
    WriteResults,
)


class MoodleCentre:
    def __init__(self, site: MoodleSite) -> None:
        self._site = site

    def read_offerings(self) -> Pages:
        return courses.read_offerings(self._site)

    def resume_offerings(self, read: Collection[str]) -> Pages:
        return courses.read_offerings(self._site, read)

    def find_offering(self, lms_course: str, offering: str) -> str | None:
        return courses.find_offering(self._site, lms_course, offering)

    def show_enrolments(self, offerings: Sequence[str]) -> Pages:
        return roster.show_enrolments(self._site, offerings)

    def roster_problems(self, offerings: Sequence[str]) -> Mapping[str, BridgeError]:
        return roster.roster_problems(self._site, offerings)

    def read_results(self, offerings: Sequence[str]) -> Pages:
        return grades.read_results(self._site, offerings)

    def visits(self, offerings: Sequence[str]) -> Mapping[str, Visits]:
        return visits.visits(self._site, offerings)

    def accounts_by_stable_id(self, ids: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        return accounts.accounts_by_stable_id(self._site, ids)

    def accounts_by_email(self, emails: Sequence[str]) -> Mapping[str, Sequence[Account]]:
        return accounts.accounts_by_email(self._site, emails)

    def show_accounts(self, documents: Mapping[str, Document]) -> Pages:
        return shown_accounts.show_accounts(self._site, documents)

    def accounts_in_use(self, ids: Collection[str]) -> frozenset[str]:
        return shown_accounts.accounts_in_use(self._site, ids)

    def write_learners(self, requests: Sequence[WriteRequest]) -> WriteResults:
        return accounts.write_learners(self._site, requests)

    def write_enrolments(self, requests: Sequence[WriteRequest], removal: Removal) -> WriteResults:
        return enrolments.write_enrolments(self._site, requests, removal)

    @property
    def gives_teachers(self) -> bool:
        return bool(self._site.settings["teacher_role"])

    def is_in_course(self, course: str, account: str) -> bool:
        return teachers.is_in_course(self._site, course, account)

    def give_teacher(self, course: str, account: str) -> None:
        teachers.give_teacher(self._site, course, account)

    def take_teacher(self, course: str, account: str, removal: Removal) -> None:
        teachers.take_teacher(self._site, course, account, removal)

    def probe(self) -> Iterator[ProbeFinding]:
        return probe.probe_centre(self._site)

    def close(self) -> None:
        self._site.close()


def open_centre(access: SystemAccess) -> MoodleCentre:
    """Raises ``SettingsInvalid`` with every problem at once."""
    return MoodleCentre(open_site(access, CENTRE))
