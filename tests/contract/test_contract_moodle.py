"""The connectors moodle and academy_moodle keep their contracts, on the simulated Moodle."""

from collections.abc import Iterator, Mapping

import pytest

from lms_bridge.connectors.moodle import academy, centre
from lms_bridge.devtools.faults import FaultKind
from lms_bridge.devtools.faults import SimulatedFault as MoodleFault
from lms_bridge.devtools.moodle.server import serve
from lms_bridge.devtools.moodle.state import SERVICE_TOKEN, MoodleState
from lms_bridge.domain.ports import (
    Closes,
    FindsAccounts,
    FindsOfferings,
    Limits,
    Probes,
    ReadsOfferings,
    ReadsRegistrations,
    ReadsResults,
    ShowsAccounts,
    ShowsEnrolments,
    ShowsOfferings,
    SystemAccess,
    WritesEnrolments,
    WritesLearners,
    WritesOfferings,
)
from lms_bridge.testing.academy import AcademyContract
from lms_bridge.testing.centre import CentreContract
from lms_bridge.testing.peers import AcademyPeer, CentrePeer, Fault, Peer

LIMITS = Limits(attempts=1, connect_seconds=120, read_seconds=120, break_after=1_000)
FAULTS = frozenset({Fault.DENIED, Fault.BUSY, Fault.PAGE, Fault.CUT, Fault.LOST})
EVERY = "*"
WRITES = (
    "core_user_create_users",
    "core_user_update_users",
    "enrol_manual_enrol_users",
    "core_course_create_courses",
)
READS = (
    "core_course_get_courses_by_field",
    "core_enrol_get_enrolled_users",
    "gradereport_user_get_grade_items",
)
LONG = 50
"""Faults at a time: more than any test makes calls."""


class MoodlePeer(Peer):
    secret = SERVICE_TOKEN
    system = ""
    options: Mapping[str, object] = {}

    def __init__(self, site: MoodleState) -> None:
        self.site = site

    def access(self) -> SystemAccess:
        return SystemAccess(
            self.system,
            self.site.wwwroot,
            self.secret,
            self.options,
            limits=LIMITS,
            private_addresses=True,
        )

    def break_next(self, fault: Fault) -> None:
        plan = self.site.faults
        if fault is Fault.DENIED:
            self.site.access.tokens.pop(self.secret)
        elif fault is Fault.BUSY:
            plan.next(EVERY, MoodleFault.http(503, "7"), LONG)
        elif fault is Fault.PAGE:
            plan.next(EVERY, MoodleFault(FaultKind.LOGIN_PAGE), LONG)
        elif fault is Fault.CUT:
            for function in READS:
                plan.next(function, MoodleFault.reset())
        else:
            for function in WRITES:
                plan.next(function, MoodleFault.reset(after_work=True))

    def mend(self) -> None:
        self.site.faults.clear()

    def user(self, stable_id: str, given: str, family: str, email: str) -> int:
        known = self.site.people.with_any("idnumber", [stable_id])
        if known:
            return known[0].id
        name = stable_id.lower()
        return self.site.people.add(name, given, family, email, idnumber=stable_id).id


class MoodleCentrePeer(MoodlePeer, CentrePeer):
    connector = centre
    system = "centre:SAMPLE"

    def add_offering(self, title: str) -> str:
        name = f"{title} {len(self.site.catalogue)}"
        return str(self.site.catalogue.add_course(name, title).id)

    def add_account(self, stable_id: str, email: str) -> str:
        return str(self.user(stable_id, "Given", "Leakage-Sample", email))

    def enrol_by_hand(self, offering: str, account: str) -> None:
        self.site.enrolments.enrol(int(offering), int(account))

    def roster(self, offering: str) -> Mapping[str, str]:
        return {
            str(each.user_id): "suspended" if each.suspended else "active"
            for each in self.site.enrolments.of_course(int(offering))
        }

    def accounts(self, stable_id: str) -> int:
        return len(self.site.people.with_any("idnumber", [stable_id]))

    def add_result(self, offering: str, account: str, score: str) -> None:
        book, course = self.site.gradebook, int(offering)
        item = next(iter(book.items(course)), None) or book.add_item(course, "Test")
        book.grade(item, int(account), float(score), self.site.now())


class MoodleAcademyPeer(MoodlePeer, AcademyPeer):
    connector = academy
    system = "academy"
    options: Mapping[str, object] = {"category": 1}

    def hold_offering(self, code: str) -> str:
        known = self.site.catalogue.with_value("idnumber", code)
        course = known[0] if known else self.site.catalogue.add_course(code, code, idnumber=code)
        return str(course.id)

    def add_registration(
        self, centre: str, offering: str, learner: Mapping[str, str], status: str
    ) -> str:
        names = (learner["given_name"], learner["family_name"])
        user = self.user(learner["id"], *names, learner["email"])
        self.site.enrolments.enrol(int(offering), user)
        return f"{offering}/{user}"

    def catalogue(self) -> Mapping[str, str]:
        courses = [course for course in self.site.catalogue if course.idnumber and course.visible]
        return {course.idnumber: course.fullname for course in courses}


class TestMoodleOfACentre(CentreContract):
    capabilities = frozenset(
        {
            ReadsOfferings,
            FindsOfferings,
            ShowsEnrolments,
            FindsAccounts,
            ShowsAccounts,
            WritesLearners,
            WritesEnrolments,
            ReadsResults,
            Probes,
            Closes,
        }
    )
    faults = FAULTS

    @pytest.fixture
    def peer(self) -> Iterator[MoodleCentrePeer]:
        site = MoodleState()
        with serve(site):
            yield MoodleCentrePeer(site)


class TestMoodleOfTheAcademy(AcademyContract):
    capabilities = frozenset({WritesOfferings, ShowsOfferings, ReadsRegistrations, Probes, Closes})
    faults = FAULTS

    @pytest.fixture
    def peer(self) -> Iterator[MoodleAcademyPeer]:
        site = MoodleState()
        site.catalogue.add_course("welcome", "Welcome")  # the probe looks at rights in a course
        with serve(site):
            yield MoodleAcademyPeer(site)
