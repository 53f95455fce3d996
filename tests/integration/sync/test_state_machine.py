"""Anything may happen on both sides, in any order, with faults and deaths in between; after a few
quiet nights the two sides agree, nothing was lost or doubled, and nobody else's was touched.

The seed is fixed so that the suite always does the same. ``LMS_BRIDGE_TEST_SEED`` sets another one
and ``LMS_BRIDGE_TEST_EXAMPLES`` how many lives are lived; a failure prints how to repeat it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lms_bridge.domain.errors import BridgeError, IncompleteRead, NotUnderstood, Unreachable
from lms_bridge.domain.identity import email_key
from lms_bridge.domain.model import ACADEMY, EnrolmentStatus, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.domain.ports import Removal
from lms_bridge.domain.wanted import IN_COURSE
from lms_bridge.store.database import Database
from lms_bridge.sync.wants import GONE_HASH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, SUSPENDED
from tests.fakes.nights import Nights
from tests.fakes.steps import Killed, KillSwitch

SEED = int(os.environ.get("LMS_BRIDGE_TEST_SEED", "20260302"))
EXAMPLES = int(os.environ.get("LMS_BRIDGE_TEST_EXAMPLES", "60"))
SHRINK = bool(os.environ.get("LMS_BRIDGE_TEST_SHRINK"))  # minutes, so only when asked for
STEPS = 30
PEOPLE = 6
QUIET_NIGHTS = 8

numbers = st.integers(0, 10_000)
people = st.integers(0, PEOPLE - 1)
scores = st.sampled_from(["0", "5", "49.5", "100"])
titles = st.sampled_from(["Spectrum", "Cybersecurity", "Broadband", "إدارة الطيف", "频谱管理"])
ERRORS: dict[str, Callable[[], BridgeError]] = {
    "lost answer": lambda: Unreachable("timed-out", "No answer in time.", applied=True),
    "unreachable": lambda: Unreachable("no-connection", "No connection."),
    "log-in page": lambda: NotUnderstood("not-json", "The answer is a page."),
    "partial": lambda: IncompleteRead("cut", "The reading broke off."),
}
WRITING = ("before", "after")
POINTS = [
    *((side, point) for side in ("lms", "academy") for point in ("read", "answer", "sent")),
    ("lms", "find"),
    *(("lms", f"{kind}.{when}") for kind in ("learner", "enrolment") for when in WRITING),
    *(("academy", f"{kind}.{when}") for kind in ("offering", "result") for when in WRITING),
]


class TwoSides(RuleBasedStateMachine):
    """The centre ``SAMPLE`` and the Academy, and a bridge between them."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="lms-bridge-machine-")
        path = Path(self.folder.name) / "bridge.sqlite3"
        shutil.copyfile(self.template, path)
        self.database = Database(f"sqlite:///{path}")
        self.nights = Nights(self.database)
        self.lms, self.academy = self.nights.lms, self.nights.academy
        self.switch = KillSwitch()
        self.switch.watch(self.database)
        self.lms.steps.switch = self.academy.steps.switch = self.switch
        self.spoilt: dict[str, dict[str, Any]] = {}
        self.deleted: set[str] = set()
        self.registered: set[tuple[str, str]] = set()

    @initialize(
        removal=st.sampled_from([Removal.SUSPEND, Removal.UNENROL]),
        trust=st.booleans(),
        cautious=st.booleans(),
        courses=st.lists(titles, min_size=1, max_size=4),
    )
    def begin(self, removal: Removal, trust: bool, cautious: bool, courses: list[str]) -> None:
        self.nights.policy = Policy(
            removal=removal,
            trust_email=trust,
            hold_percent=10.0 if cautious else 100.0,
            hold_records=2 if cautious else 1_000,
        )
        for title in courses:
            self.lms.add_course(title, category=f"k{len(self.lms.courses) % 2}")
        self.nights.night()

    # ---- the centre --------------------------------------------------------------------

    @rule(title=titles)
    def centre_adds_a_course(self, title: str) -> None:
        if len(self.lms.courses) < 6:
            self.lms.add_course(title, category=f"k{len(self.lms.courses) % 2}")

    @rule(which=numbers, title=titles, starts=st.sampled_from([0, 1772400000, 1790000000]))
    def centre_edits_a_course(self, which: int, title: str, starts: int) -> None:
        if course := pick(list(self.lms.courses), which):
            self.lms.courses[course] = {"title": title, "starts_at": starts}
            self.spoilt.pop(course, None)

    @rule(which=numbers)
    def centre_moves_a_course(self, which: int) -> None:
        if course := pick(list(self.lms.courses), which):
            old = self.lms.categories[course]
            self.lms.categories[course] = "k1" if old == "k0" else "k0"

    @rule(which=numbers)
    def centre_spoils_a_course(self, which: int) -> None:
        course = pick(list(self.lms.courses), which)
        if course and course not in self.spoilt:
            self.spoilt[course] = self.lms.courses[course]
            self.lms.courses[course] = {"title": "", "starts_at": "soon"}

    @rule(which=numbers)
    def centre_mends_a_course(self, which: int) -> None:
        if course := pick(list(self.spoilt), which):
            self.lms.courses[course] = self.spoilt.pop(course)

    @rule(which=numbers)
    def centre_hides_or_shows_a_course(self, which: int) -> None:
        if course := pick(list(self.lms.courses), which):
            self.lms.hidden ^= {course}

    @rule(which=numbers)
    def centre_deletes_a_course(self, which: int) -> None:
        if (course := pick(list(self.lms.courses), which)) and len(self.lms.courses) > 1:
            self.lms.delete_course(course)
            self.deleted.add(course)
            self.lms.hidden.discard(course)
            self.spoilt.pop(course, None)

    @rule(who=people, known=st.booleans())
    def centre_makes_an_account(self, who: int, known: bool) -> None:
        """Of somebody whom the Academy knows, too, with or without the Academy's id."""
        person = sample_person(who)
        addresses = {email_key(each.email) for each in self.lms.people.values()}
        if not self.lms.account_of(person["id"]) and person["email"] not in addresses:
            stable_id = person["id"] if known else ""
            self.lms.add_person(stable_id, person["email"], f"Sample{who} Person")

    @rule(which=numbers, who=numbers)
    def centre_enrols_somebody(self, which: int, who: int) -> None:
        """Whoever was registered before is left to the bridge: when the bridge has made or is
        making an enrolment, nobody could tell it from one that the centre makes meanwhile."""
        course = pick(list(self.lms.courses), which)
        account = pick(list(self.lms.people), who)
        if course and account and (course, account) not in self.maybe_ours():
            self.lms.enrol(course, account)

    @rule(which=numbers)
    def centre_suspends_somebody(self, which: int) -> None:
        if place := pick(list(self.lms.roster), which):
            self.lms.roster[place].state = SUSPENDED

    @rule(which=numbers)
    def centre_throws_somebody_out(self, which: int) -> None:
        if place := pick(list(self.lms.roster), which):
            del self.lms.roster[place]
            self.lms.grades.pop(place, None)

    @rule(which=numbers, score=scores, completed=st.booleans())
    def centre_grades_somebody(self, which: int, score: str, completed: bool) -> None:
        if place := pick(list(self.lms.roster), which):
            self.lms.grades[place] = {"score": score, "completed": completed}

    # ---- the Academy -------------------------------------------------------------------

    @rule(who=people, which=numbers, status=st.sampled_from(list(EnrolmentStatus)))
    def academy_registers_somebody(self, who: int, which: int, status: EnrolmentStatus) -> None:
        codes = self.nights.codes()
        course = pick(sorted(codes), which)
        if course is None:
            return
        person = self.academy.people.get(f"SAMPLE-{who}", sample_person(who))
        live = [
            each
            for each in self.academy.registrations.values()
            if (each.learner, each.offering) == (person["id"], codes[course])
            and each.status not in ("withdrawn", "cancelled", "rejected")
        ]
        if not live:
            self.academy.register("SAMPLE", codes[course], person, status)
            self.registered.add((person["id"], codes[course]))

    @rule(which=numbers, status=st.sampled_from(["withdrawn", "completed", "enrolled", "applied"]))
    def academy_changes_a_registration(self, which: int, status: str) -> None:
        key = pick(list(self.academy.registrations), which)
        if key is None:
            return
        mine = self.academy.registrations[key]
        others = [
            each
            for other, each in self.academy.registrations.items()
            if other != key
            and (each.learner, each.offering) == (mine.learner, mine.offering)
            and each.status not in ("withdrawn", "cancelled", "rejected")
        ]
        if status == "withdrawn" or not others:
            self.academy.change(key, status)

    @rule(which=numbers)
    def academy_deletes_a_registration(self, which: int) -> None:
        if key := pick(list(self.academy.registrations), which):
            self.academy.forget(key)

    @rule(which=numbers, name=st.sampled_from(["Ana", "Bêla", "张伟"]))
    def academy_renames_somebody(self, which: int, name: str) -> None:
        if learner := pick(list(self.academy.people), which):
            self.academy.change_person(learner, given_name=name)

    @rule(which=numbers)
    def academy_changes_an_address(self, which: int) -> None:
        if learner := pick(list(self.academy.people), which):
            now = self.academy.people[learner]["email"]
            self.academy.change_person(learner, email=f"new.{now}"[-60:])

    # ---- the bridge --------------------------------------------------------------------

    @rule(point=st.sampled_from(POINTS), error=st.sampled_from(list(ERRORS)), nth=st.integers(1, 4))
    def something_fails_next(self, point: tuple[str, str], error: str, nth: int) -> None:
        side, name = point
        getattr(self, side).steps.fail(name, ERRORS[error](), nth=nth)

    @rule()
    def a_night(self) -> None:
        self.nights.night()

    @rule()
    def five_minutes(self) -> None:
        self.nights.minutes()

    @rule(steps=st.integers(0, 40), full=st.booleans())
    def a_run_that_is_killed(self, steps: int, full: bool) -> None:
        self.switch.arm(steps)
        try:
            self.nights.night() if full else self.nights.minutes()
        except Killed:
            self.nights.crash(self.switch)
        self.switch.arm(None)

    @rule(approve=st.booleans())
    @precondition(lambda self: self.nights.holds("pending"))
    def somebody_decides(self, approve: bool) -> None:
        self.nights.decide(approve=approve)

    # ---- what has to be true -----------------------------------------------------------

    def teardown(self) -> None:
        try:
            self.quiet_nights()
            self.check_offerings()
            self.check_people()
            self.check_enrolments()
            self.check_results()
            self.check_rest()
        finally:
            self.database.close()
            self.folder.cleanup()

    def quiet_nights(self) -> None:
        self.lms.steps.clear()
        self.academy.steps.clear()
        for course, fields in self.spoilt.items():
            self.lms.courses[course] = fields
        for _ in range(QUIET_NIGHTS):
            self.nights.decide(approve=True)
            self.nights.night()
        before = self.nights.contents()
        report = self.nights.night()
        if not self.stuck():
            after = self.nights.contents()
            changed = [name for name in before if before[name] != after[name]]
            assert not changed, f"a quiet night wrote to {changed}: {dict(report.counts)}"

    def check_offerings(self) -> None:
        codes = self.nights.codes()
        wanted = {
            codes[course]: fields["title"]
            for course, fields in self.lms.courses.items()
            if course not in self.lms.hidden
        }
        assert self.academy.catalogue == wanted

    def check_people(self) -> None:
        ids = [each.stable_id for each in self.lms.people.values() if each.stable_id]
        assert len(ids) == len(set(ids)), f"somebody has two accounts: {sorted(ids)}"
        for learner, account in self.accounts().items():
            person = self.lms.people.get(account)
            if person is not None and person.by == BRIDGE and learner in self.seen():
                assert person.email == self.academy.people[learner]["email"]

    def check_enrolments(self) -> None:
        assert self.lms.trespasses == []
        wanted, accounts = self.wanted(), self.accounts()
        for learner, course in wanted:
            account = accounts.get(learner)
            if account is None:
                assert learner in self.nights.waiting(), f"{learner} has no account and no excuse"
            else:
                place = self.lms.roster.get((course, account))
                assert place is not None, f"{learner} is not in {course}"
                assert place.state == ACTIVE, f"{learner} is suspended in {course}"
        pairs = {(course, accounts.get(learner)) for learner, course in wanted}
        ours = {key for key, place in self.lms.roster.items() if place.by == BRIDGE}
        active = {key for key in ours if self.lms.roster[key].state == ACTIVE}
        assert active <= pairs, f"still on the roster: {active - pairs}"
        for link in self.nights.links(self.nights.centre.system, Kind.ENROLMENT):
            course, _, account = link.external_id.rpartition("/")
            place = self.lms.roster.get((course, account))
            if place is not None and link.acknowledged not in (b"", GONE_HASH):
                assert link.made == (place.by == BRIDGE), f"whose is {link.external_id}?"

    def check_results(self) -> None:
        codes, accounts = self.nights.codes(), self.accounts()
        sent = {
            key: (document["score"], document["completed"])
            for key, document in self.academy.results.items()
        }
        for learner, course in self.wanted():
            grade = self.lms.grades.get((course, accounts.get(learner, "")))
            if grade is not None:
                assert sent[codes[course], learner] == (grade["score"], grade["completed"])

    def check_rest(self) -> None:
        assert self.nights.holds("pending") == []
        assert self.nights.quarantined() == {}
        for system, kind in (
            (ACADEMY, Kind.OFFERING),
            (ACADEMY, Kind.RESULT),
            (self.nights.centre.system, Kind.ENROLMENT),
        ):
            ids = [link.external_id for link in self.nights.links(system, kind) if link.external_id]
            assert len(ids) == len(set(ids)), f"two links to one {kind}: {sorted(ids)}"

    # ---- how it is known ---------------------------------------------------------------

    def wanted(self) -> set[tuple[str, str]]:
        """(learner, course) of all who are to be in a course that is still there."""
        course_of = {code: course for course, code in self.nights.codes().items()}
        return {
            (each.learner, course_of[each.offering])
            for each in self.academy.registrations.values()
            if each.status in set(IN_COURSE) and course_of.get(each.offering) in self.lms.courses
        }

    def accounts(self) -> dict[str, str]:
        """{Academy id: account} as the bridge has it."""
        from sqlalchemy import select

        from lms_bridge.store.tables import learner, link

        query = (
            select(learner.c.academy_id, link.c.external_id)
            .join(link, link.c.record_id == learner.c.id)
            .where(link.c.kind == Kind.LEARNER, link.c.external_id != "")
        )
        with self.database.reading() as tx:
            return {row[0]: row[1] for row in tx.execute(query)}

    def maybe_ours(self) -> set[tuple[str, str]]:
        course_of = {code: course for course, code in self.nights.codes().items()}
        return {
            (course_of[code], account)
            for learner, code in self.registered
            for account in (*self.lms.account_of(learner), self.accounts().get(learner, ""))
            if code in course_of
        } | {
            (course_of[code], account)
            for learner, code in self.registered
            for account, person in self.lms.people.items()
            if code in course_of and person.email.endswith(sample_email(learner))
        }

    def seen(self) -> set[str]:
        return {each.learner for each in self.academy.registrations.values()}

    def stuck(self) -> bool:
        """What only people can settle is tried again now and then: who has no account for sure,
        and who is registered for a course that is no more."""
        codes = {code for course, code in self.nights.codes().items() if course in self.deleted}
        return bool(self.nights.waiting()) or any(code in codes for _, code in self.registered)


def sample_email(learner: str) -> str:
    return f"sample{learner.rpartition('-')[2]}@example.org"


def pick(things: Sequence[Any], number: int) -> Any:
    return things[number % len(things)] if things else None


def test_two_sides_converge(sqlite_template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    TwoSides.template = sqlite_template
    with capsys.disabled():
        print(f"[state machine: seed {SEED}, {EXAMPLES} examples]", end=" ")
    run_state_machine_as_test(
        seed(SEED)(TwoSides),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink) if SHRINK else (Phase.generate,),
        ),
    )
