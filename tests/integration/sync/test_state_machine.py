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
from sqlalchemy import select

from lms_bridge.domain.desired_state import GONE_HASH, IN_COURSE
from lms_bridge.domain.errors import BridgeError, IncompleteRead, NotUnderstood, Unreachable
from lms_bridge.domain.matching import email_key
from lms_bridge.domain.model import ACADEMY, EnrolmentStatus, Kind
from lms_bridge.domain.policy import OnSuspended, Policy
from lms_bridge.domain.ports import Action, Removal
from lms_bridge.store import tables
from lms_bridge.store.database import Database
from lms_bridge.store.offerings import offerings_of
from lms_bridge.sync.enrolments import ENDED
from lms_bridge.sync.run import RunReport
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, CENTRE, SUSPENDED
from tests.fakes.lists import check_lists
from tests.fakes.nights import Nights
from tests.fakes.steps import Killed, KillSwitch

SEED = int(os.environ.get("LMS_BRIDGE_TEST_SEED", "20260302"))
EXAMPLES = int(os.environ.get("LMS_BRIDGE_TEST_EXAMPLES", "70"))
SHRINK = bool(os.environ.get("LMS_BRIDGE_TEST_SHRINK"))  # minutes, so only when asked for
STEPS = 20
PEOPLE = 3
QUIET_NIGHTS = 8

numbers = st.integers(0, 10_000)
people = st.integers(0, PEOPLE - 1)
statuses = st.sampled_from(
    [*[EnrolmentStatus.ENROLLED] * 3, *[EnrolmentStatus.WITHDRAWN] * 2, *EnrolmentStatus]
)
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
        self.kept: set[tuple[str, int]] = set()
        self.may_end: set[tuple[str, str]] = set()
        self.may_leave: set[str] = set()
        self.by_hand: set[tuple[str, str]] = set()
        self.checked = 0, 0
        self.registered: set[tuple[str, str]] = set()

    @initialize(
        removal=st.sampled_from([Removal.SUSPEND, Removal.UNENROL]),
        trust=st.booleans(),
        cautious=st.booleans(),
        lends=st.booleans(),
        courses=st.integers(1, 3),
        before=st.lists(st.tuples(people, numbers, st.booleans()), max_size=4),
        after=st.lists(st.tuples(people, numbers), max_size=4),
    )
    def begin(
        self,
        removal: Removal,
        trust: bool,
        cautious: bool,
        lends: bool,
        courses: int,
        before: list[tuple[int, int, bool]],
        after: list[tuple[int, int]],
    ) -> None:
        """Both sides have a history: accounts and enrolments that the centre made by itself, and
        registrations, some of them of the same people."""
        self.nights.policy = Policy(
            removal=removal,
            trust_email=trust,
            hold_percent=10.0 if cautious else 100.0,
            hold_records=2 if cautious else 1_000,
            suspended=OnSuspended.REACTIVATE,
        )
        self.nights.lends = lends
        for number in range(courses):
            self.lms.add_course(f"Course {number}", category=f"k{number % 2}")
        for who, which, known in before:
            self.centre_makes_an_account(who, known)
            self.centre_enrols_somebody(which, who)
        self.night()
        for who, which in after:
            self.academy_registers_somebody(who, which, EnrolmentStatus.ENROLLED)

    # ---- the centre --------------------------------------------------------------------

    @rule(
        what=st.sampled_from(["add", "edit", "move", "spoil", "mend", "hide", "delete"]),
        which=numbers,
        title=titles,
        starts=st.sampled_from([0, 1767225600, 1772400000]),
    )
    def centre_changes_its_catalogue(self, what: str, which: int, title: str, starts: int) -> None:
        course = pick(list(self.lms.courses), which)
        if what == "add" and len(self.lms.courses) < 4:
            self.lms.add_course(title, category=f"k{which % 2}")
        elif what == "edit":
            self.lms.courses[course] = {"title": title, "starts_at": starts}
            self.spoilt.pop(course, None)
        elif what == "move":
            self.lms.categories[course] = "k1" if self.lms.categories[course] == "k0" else "k0"
        elif what == "spoil" and course not in self.spoilt:
            self.spoilt[course] = self.lms.courses[course]
            self.lms.courses[course] = {"title": "", "starts_at": "soon"}
        elif what == "mend" and course in self.spoilt:
            self.lms.courses[course] = self.spoilt.pop(course)
        elif what == "hide":
            self.lms.hidden ^= {course}
        elif what == "delete" and len(self.lms.courses) > 1:
            self.lms.delete_course(course)
            self.deleted.add(course)
            self.lms.hidden.discard(course)
            self.spoilt.pop(course, None)

    @rule(who=people, known=st.booleans())
    def centre_makes_an_account(self, who: int, known: bool) -> None:
        """Of somebody whom the Academy knows, too, with or without the Academy's id. (Not while
        the bridge may have made one: nobody could tell the two apart.)"""
        person = sample_person(who)
        if person["id"] in self.in_doubt():
            return
        addresses = {email_key(each.email) for each in self.lms.people.values()}
        if not self.lms.account_of(person["id"]) and person["email"] not in addresses:
            stable_id = person["id"] if known else ""
            self.lms.add_person(stable_id, person["email"], f"Sample{who} Person")

    @rule(which=numbers)
    def centre_deletes_an_account(self, which: int) -> None:
        """One that is nobody's as far as the bridge knows. (Who loses a linked account is shown as
        refused; a person has to act.)"""
        linked = set(self.accounts().values())
        free = [
            account
            for account, person in self.lms.people.items()
            if account not in linked and person.by == CENTRE
        ]
        if account := pick(free, which):
            self.lms.delete_person(account)

    @rule(which=numbers, who=numbers)
    def centre_enrols_somebody(self, which: int, who: int) -> None:
        """Whoever was registered before is left to the bridge: when the bridge has made or is
        making an enrolment, nobody could tell it from one that the centre makes meanwhile."""
        course = pick(list(self.lms.courses), which)
        account = pick(list(self.lms.people), who)
        if course and account and (course, account) not in self.maybe_ours():
            self.lms.enrol(course, account)
            self.by_hand.add((course, account))

    @rule(which=numbers, what=st.sampled_from(["suspend", "throw out"]))
    def centre_turns_on_somebody(self, which: int, what: str) -> None:
        if place := pick(list(self.lms.roster), which):
            if what == "suspend":
                self.lms.roster[place].state = SUSPENDED
            else:
                del self.lms.roster[place]
                self.lms.grades.pop(place, None)

    @rule(which=numbers, score=scores, completed=st.booleans())
    def centre_grades_somebody(self, which: int, score: str, completed: bool) -> None:
        if place := pick(list(self.lms.roster), which):
            self.lms.grades[place] = {"score": score, "completed": completed}

    # ---- the Academy -------------------------------------------------------------------

    @rule(who=people, which=numbers, status=statuses)
    def academy_registers_somebody(self, who: int, which: int, status: EnrolmentStatus) -> None:
        codes = self.nights.codes()
        course = pick(sorted(codes), which)
        if course is None:
            return
        person = self.academy.people.get(f"SAMPLE-{who}", sample_person(who))
        if not self.live(person["id"], codes[course]):
            self.academy.register("SAMPLE", codes[course], person, status)
            self.registered.add((person["id"], codes[course]))

    @rule(which=numbers, status=statuses)
    def academy_changes_a_registration(self, which: int, status: EnrolmentStatus) -> None:
        if key := pick(list(self.academy.registrations), which):
            mine = self.academy.registrations[key]
            if status in ENDED or not self.live(mine.learner, mine.offering) - {key}:
                self.academy.change(key, status)

    @rule(which=numbers)
    def academy_deletes_a_registration(self, which: int) -> None:
        if key := pick(list(self.academy.registrations), which):
            self.academy.forget(key)

    @rule(which=numbers, name=st.sampled_from(["Ana", "Bêla", "张伟"]), moves=st.booleans())
    def academy_changes_a_person(self, which: int, name: str, moves: bool) -> None:
        if learner := pick(list(self.academy.people), which):
            now = self.academy.people[learner]["email"]
            email = f"new.{now}"[-60:] if moves else now
            self.academy.change_person(learner, given_name=name, email=email)

    def live(self, learner: str, offering: str) -> set[str]:
        return {
            key
            for key, each in self.academy.registrations.items()
            if (each.learner, each.offering) == (learner, offering) and each.status not in ENDED
        }

    # ---- the bridge --------------------------------------------------------------------

    def night(self) -> RunReport:
        self.note_what_may_end()
        try:
            return self.nights.night()
        finally:
            self.check_removals()

    def minutes(self) -> RunReport:
        self.note_what_may_end()
        try:
            return self.nights.minutes()
        finally:
            self.check_removals()

    def note_what_may_end(self) -> None:
        """Whatever was once not in order may be taken away, even late; nothing else ever."""
        self.may_leave |= self.lms.hidden | self.deleted
        in_order = {
            (each.learner, each.offering)
            for each in self.academy.registrations.values()
            if each.status in IN_COURSE
        }
        self.may_end |= self.registered - in_order

    def check_removals(self) -> None:
        assert self.lms.trespasses == []
        codes = self.nights.codes()
        learner_of = {account: learner for learner, account in self.accounts().items()}
        for request in self.lms.requests[self.checked[0] :]:
            if request.action is Action.REMOVE and "offering" in request.desired:
                learner = learner_of[str(request.desired["account"])]
                pair = learner, codes[str(request.desired["offering"])]
                assert pair in self.may_end, f"{pair} is in order and was taken out"
        may_leave = {codes[course] for course in self.may_leave if course in codes}
        for request in self.academy.requests[self.checked[1] :]:
            if request.action is Action.REMOVE:
                code = request.desired["code"]
                assert code in may_leave, f"{code} is in order and was taken off the list"
        self.checked = len(self.lms.requests), len(self.academy.requests)

    @rule(point=st.sampled_from(POINTS), error=st.sampled_from(list(ERRORS)), nth=st.integers(1, 4))
    def something_fails_next(self, point: tuple[str, str], error: str, nth: int) -> None:
        side, name = point
        getattr(self, side).steps.fail(name, ERRORS[error](), nth=nth)

    @rule(which=numbers, side=st.sampled_from(["lms", "academy"]), readable=st.booleans())
    def something_is_unreadable(self, which: int, side: str, readable: bool) -> None:
        """One answer of many: a category, a course, a page."""
        scopes = ["page 0", "changes"] if side == "academy" else ["k0", "k1", *self.lms.courses]
        unreadable = getattr(self, side).unreadable
        unreadable.clear()
        if not readable:
            unreadable[pick(scopes, which)] = NotUnderstood("not-json", "The answer is a page.")

    @rule()
    def a_night(self) -> None:
        self.night()

    @rule()
    def five_minutes(self) -> None:
        self.minutes()

    @rule(point=st.sampled_from(["read", "answer", "find", "sent"]), nth=st.integers(1, 4))
    def somebody_has_it_sent_meanwhile(self, point: str, nth: int) -> None:
        """The centre is busy then, unless the run that waits for the LMS lends its lease."""
        self.lms.steps.at(point, self.nights.send, nth=nth)

    @rule(steps=st.integers(0, 40), full=st.booleans())
    def a_run_that_is_killed(self, steps: int, full: bool) -> None:
        self.switch.arm(steps)
        try:
            self.night() if full else self.minutes()
        except Killed:
            self.nights.crash(self.switch)
        self.switch.arm(None)

    # ---- short stories, which chance alone would seldom tell ---------------------------

    @rule(who=people, which=numbers, after=st.integers(0, 25), ends=st.booleans())
    def a_run_that_enrols_somebody_is_killed(
        self, who: int, which: int, after: int, ends: bool
    ) -> None:
        key = self.registers(who, which)
        self.a_run_that_is_killed(20 + after, full=True)
        if key and ends:
            self.academy.change(key, "withdrawn")

    @rule(
        who=people,
        which=numbers,
        point=st.sampled_from(["learner.after", "enrolment.before", "enrolment.after", "sent"]),
        ends=st.booleans(),
    )
    def an_answer_is_lost_while_somebody_is_enrolled(
        self, who: int, which: int, point: str, ends: bool
    ) -> None:
        key = self.registers(who, which)
        self.lms.steps.fail(point, ERRORS["lost answer"]())
        self.night()
        if key and ends:
            self.academy.change(key, "withdrawn")
            self.minutes()

    @rule(who=people, which=numbers, again=st.booleans())
    def somebody_was_enrolled_by_hand_before(self, who: int, which: int, again: bool) -> None:
        self.centre_makes_an_account(who, known=True)
        account = pick(self.lms.account_of(f"SAMPLE-{who}"), 0)
        if account:
            self.centre_enrols_somebody(which, list(self.lms.people).index(account))
        if key := self.registers(who, which):
            for status in ("withdrawn", *(("enrolled", "withdrawn") if again else ())):
                self.night()
                self.academy.change(key, status)

    def registers(self, who: int, which: int) -> str:
        """Enrols somebody in the course that ``which`` picks; the registration, if it is new."""
        before = set(self.academy.registrations)
        if course := pick(list(self.lms.courses), which):
            codes = self.nights.codes()
            if course in codes:
                self.academy_registers_somebody(
                    who, sorted(codes).index(course), EnrolmentStatus.ENROLLED
                )
        return next(iter(set(self.academy.registrations) - before), "")

    @rule(approve=st.booleans())
    @precondition(lambda self: self.nights.holds("pending"))
    def somebody_decides(self, approve: bool) -> None:
        """Whose removal is rejected may stay for ever, by a person's decision."""
        if not approve:
            for row in self.nights.holds("pending"):
                self.kept |= {(row.kind, record_id) for record_id in row.record_ids}
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
        self.lms.unreadable.clear()
        self.academy.unreadable.clear()
        for course, fields in self.spoilt.items():
            self.lms.courses[course] = fields
        for _ in range(QUIET_NIGHTS):
            before = self.nights.contents()
            decided = self.nights.decide(approve=True)
            report = self.night()
            after = self.nights.contents()
            if not decided and before == after:
                return
        changed = [name for name in before if before[name] != after[name]]
        assert self.stuck(), f"every night writes to {changed}: {dict(report.counts)}"

    def check_offerings(self) -> None:
        codes = self.nights.codes()
        desired = {
            codes[course]: fields["title"]
            for course, fields in self.lms.courses.items()
            if course not in self.lms.hidden
        }
        with self.database.reading() as tx:
            records = offerings_of(tx, "SAMPLE")
        kept = {record.code for id_, record in records.items() if ("offering", id_) in self.kept}
        shown = self.academy.catalogue
        kept -= desired.keys()
        assert {code: title for code, title in shown.items() if code not in kept} == desired
        check_lists(self.database)

    def check_people(self) -> None:
        ids = [each.stable_id for each in self.lms.people.values() if each.stable_id]
        assert len(ids) == len(set(ids)), f"somebody has two accounts: {sorted(ids)}"
        for learner, account in self.accounts().items():
            person = self.lms.people.get(account)
            if person is not None and person.by == BRIDGE and learner in self.seen():
                assert person.email == self.academy.people[learner]["email"]

    def check_enrolments(self) -> None:
        assert self.lms.trespasses == []
        desired, accounts = self.desired(), self.accounts()
        for learner, course in desired:
            account = accounts.get(learner)
            if account is None:
                assert learner in self.nights.waiting(), f"{learner} has no account and no excuse"
            else:
                place = self.lms.roster.get((course, account))
                assert place is not None, f"{learner} is not in {course}"
                assert place.state == ACTIVE, f"{learner} is suspended in {course}"
        pairs = {(course, accounts.get(learner)) for learner, course in desired}
        ours = {key for key, place in self.lms.roster.items() if place.by == BRIDGE} - self.by_hand
        active = {key for key in ours if self.lms.roster[key].state == ACTIVE} - self.kept_pairs()
        assert active <= pairs, f"still on the roster: {active - pairs}"
        for each in self.nights.links(self.nights.centre.system, Kind.ENROLMENT):
            course, _, account = each.external_id.rpartition("/")
            place = self.lms.roster.get((course, account))
            if place is not None and each.acknowledged not in (b"", GONE_HASH):
                # Where the centre's own enrolment is thrown out just before the bridge renews it,
                # the bridge goes on taking it for the centre's: it may err on that side only.
                assert place.by == BRIDGE or not each.created_by_us, (
                    f"{each.external_id} is not ours"
                )
                assert (
                    place.by == CENTRE or each.created_by_us or (course, account) in self.by_hand
                ), f"{each.external_id} is ours"

    def check_results(self) -> None:
        codes, accounts = self.nights.codes(), self.accounts()
        sent = {
            key: (document["score"], document["completed"])
            for key, document in self.academy.results.items()
        }
        for learner, course in self.desired():
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
            ids = [each.external_id for each in self.nights.links(system, kind) if each.external_id]
            assert len(ids) == len(set(ids)), f"two links to one {kind}: {sorted(ids)}"

    # ---- how it is known ---------------------------------------------------------------

    def desired(self) -> set[tuple[str, str]]:
        """(learner, course) of all who are to be in a course that is still there."""
        course_of = {code: course for course, code in self.nights.codes().items()}
        return {
            (each.learner, course_of[each.offering])
            for each in self.academy.registrations.values()
            if each.status in set(IN_COURSE) and course_of.get(each.offering) in self.lms.courses
        }

    def kept_pairs(self) -> set[tuple[str, str]]:
        return {
            (each.scope, each.external_id.rpartition("/")[2])
            for each in self.nights.links(self.nights.centre.system, Kind.ENROLMENT)
            if ("enrolment", each.record_id) in self.kept
        }

    def accounts(self) -> dict[str, str]:
        """{Academy id: account} as the bridge has it."""
        person, link = tables.learner.c, tables.link.c
        query = select(person.academy_id, link.external_id).where(
            link.record_id == person.id, link.kind == Kind.LEARNER, link.external_id != ""
        )
        with self.database.reading() as tx:
            return {row[0]: row[1] for row in tx.execute(query)}

    def in_doubt(self) -> set[str]:
        """Academy ids of people whose accounts are being made, as far as anybody knows."""
        person, link = tables.learner.c, tables.link.c
        query = select(person.academy_id).where(
            link.record_id == person.id, link.kind == Kind.LEARNER, link.sending
        )
        with self.database.reading() as tx:
            return set(tx.scalars(query))

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
