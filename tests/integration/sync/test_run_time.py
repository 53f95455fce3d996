"""A run has a time in all. It ends in good order then, and the next one goes on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lms_bridge.domain.model import Flow
from lms_bridge.domain.ports import Pages
from lms_bridge.http.deadline import check_time
from lms_bridge.store import runs
from lms_bridge.sync.run import RunReport, RunRequest
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import FakeCentre
from tests.fakes.nights import ALL, Nights


class SlowNight:
    """A night with an hour for each run, in which a system takes all of it at some point."""

    def __init__(self, night: Nights) -> None:
        self.night, self.passed = night, 0.0

    def takes_all(self) -> None:
        self.passed += 3600.0

    def asks_once_more(self) -> None:
        """As a connector does, whose next request then does not start."""
        self.takes_all()
        check_time()

    def run(self, flows: tuple[Flow, ...] = ALL, *, dry: bool = False) -> RunReport:
        night = self.night
        timed = replace(night.runner(), most_seconds=3600.0, clock=lambda: self.passed)
        return timed.run(RunRequest(night.centre, night.policy, flows, dry=dry))


def ended_by_time(report: RunReport) -> list[str]:
    return [step for step, error in report.errors if error.code == "run-too-long"]


def filled(night: Nights, courses: int, people: int) -> list[str]:
    made = [night.lms.add_course(f"Course {number}") for number in range(courses)]
    night.good_night()
    for course in made:
        for number in range(people):
            night.academy.register("SAMPLE", night.codes()[course], sample_person(number))
    return made


@BOTH
def test_what_was_sent_is_kept_and_the_next_run_sends_the_rest(night: Nights) -> None:
    filled(night, 1, 9)
    slow = SlowNight(night)
    night.lms.steps.at("enrolment.before", slow.asks_once_more, nth=5)
    read_before = len(night.lms.read_scopes)
    report = slow.run()
    assert ended_by_time(report) == ["enrolments sent"]
    assert report.status == "partial"
    assert len(night.lms.roster) == 4
    with night.database.reading() as tx:
        row = runs.run_row(tx, report.run_id)
    assert row is not None
    assert (row.status, row.error_code) == ("partial", "run-too-long")
    assert "sync.run_minutes" in row.error
    assert len(night.lms.read_scopes) <= read_before + 2  # no step began after it
    night.good_night()
    assert len(night.lms.roster) == 9
    assert night.lms.trespasses == []


def test_results_that_were_read_in_time_count(night: Nights) -> None:
    courses = filled(night, 3, 1)
    night.good_night()
    (account,) = {account for _, account in night.lms.roster}
    for course in courses:
        night.lms.grades[course, account] = {"score": "7"}
    slow = SlowNight(night)
    night.lms.steps.at("answer", slow.takes_all)
    report = slow.run((Flow.RESULTS,))
    assert ended_by_time(report)[0] == "results read"
    assert report.counts["pages.read"] == 1
    assert sum(number for key, number in report.counts.items() if ".applied" in key) == 1
    night.good_night()
    assert night.minutes((Flow.RESULTS,)).counts["pages.read"] == 3


def test_a_catalogue_that_was_not_read_to_its_end_removes_nothing(night: Nights) -> None:
    filled(night, 3, 1)
    night.good_night()
    before = night.codes()
    night.lms.courses.clear()
    for dry in (True, False):
        slow = SlowNight(night)
        night.lms.steps.at("read", slow.asks_once_more)
        report = slow.run(dry=dry)
        assert ended_by_time(report)[0] == "offerings read"
        assert report.status == "failed"
        assert {each["action"] for each in report.changes} <= {"read"}  # which failed
    assert night.codes() == before


class Categories(FakeCentre):
    """A centre whose catalogue has a page for each category, as Moodle's has."""

    def resume_offerings(self, read: Collection[str]) -> Pages:
        courses = {
            each: fields
            for each, fields in self.courses.items()
            if self.categories[each] not in read
        }
        left = FakeCentre(self.steps, courses=courses, categories=self.categories)
        left.read_scopes = self.read_scopes
        return left.read_offerings()


@BOTH
def test_a_catalogue_that_takes_longer_than_a_run_is_read_on_where_it_was_cut_off(
    night: Nights,
) -> None:
    night.lms = Categories()
    for number in range(5):
        night.lms.add_course(f"Course {number}", category=f"category {number}")
    slow = SlowNight(night)
    for number in range(0, 4, 2):  # each run has time for two pages
        night.lms.steps.at("answer", slow.takes_all, nth=2)
        report = slow.run((Flow.OFFERINGS,))
        assert ended_by_time(report)[0] == "offerings read"
        assert len(night.codes()) == number + 2
    report = slow.run((Flow.OFFERINGS,))
    assert (report.status, len(night.codes())) == ("done", 5)
    assert night.lms.read_scopes == [f"offerings category {number}" for number in range(5)]
    night.good_night((Flow.OFFERINGS,))  # a new reading begins
    assert len(night.lms.read_scopes) == 10
    assert len(night.academy.catalogue) == 5


def test_a_reading_in_several_runs_removes_nothing_and_says_so(night: Nights) -> None:
    night.lms = Categories()
    courses = [night.lms.add_course(f"C{each}", category=f"category {each}") for each in range(3)]
    kept = night.lms.add_course("Another", category="category 0")
    night.good_night()
    for course in (courses[0], courses[2]):
        night.lms.delete_course(course)
    slow = SlowNight(night)
    night.lms.steps.at("answer", slow.takes_all, nth=2)
    report = slow.run((Flow.OFFERINGS,))
    assert [(each.what, each.number) for each in report.waits] == [("missed", 1)]
    report = slow.run((Flow.OFFERINGS,))
    assert (report.status, report.waits[0].number) == ("waiting", 1)
    assert night.codes().keys() == {*courses, kept}
    night.good_night((Flow.OFFERINGS,))
    assert sorted(night.academy.catalogue.values()) == ["Another", "C1"]
