"""Night after night: what is new is carried over, and what is not costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from marshmallow import Schema
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from lms_bridge.domain.errors import (
    AddressRefused,
    BridgeError,
    IncompleteRead,
    NotUnderstood,
    RecordRefused,
    Unreachable,
)
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store import runs
from lms_bridge.store.database import Database
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.run import RunRequest
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, BRIDGE, Place
from tests.fakes.nights import Nights


def taught(night: Nights, *, courses: int = 3, people: int = 6) -> list[str]:
    """Courses at the centre, published, with people registered for them at the Academy."""
    made = [night.lms.add_course(f"Course {n}", category=f"k{n % 2}") for n in range(courses)]
    night.good_night()
    codes = night.codes()
    for number in range(people):
        night.academy.register(
            "SAMPLE", codes[made[number % courses]], sample_person(number), key=f"r{number}"
        )
    return made


def settled(night: Nights, **fields: int) -> list[str]:
    courses = taught(night, **fields)
    night.good_night()
    night.good_night()
    return courses


@contextmanager
def written_to(database: Database) -> Iterator[set[str]]:
    """The tables that are written to meanwhile."""
    tables: set[str] = set()

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        words = statement.split()
        if words[0] in ("INSERT", "UPDATE", "DELETE"):
            tables.add(words[1] if words[0] == "UPDATE" else words[2])

    event.listen(database.engine, "before_cursor_execute", note)
    yield tables
    event.remove(database.engine, "before_cursor_execute", note)


def test_the_first_nights_carry_everything_over(night: Nights) -> None:
    courses = taught(night)
    report = night.good_night()
    codes = night.codes()
    assert night.academy.catalogue == {codes[c]: f"Course {n}" for n, c in enumerate(courses)}
    assert all(place == Place(ACTIVE, BRIDGE) for place in night.lms.roster.values())
    assert len(night.lms.roster) == 6
    assert report.counts["enrolment.create.acknowledged"] == 6
    assert report.counts["learner.create.acknowledged"] == 6


@BOTH
def test_a_quiet_night_writes_no_row_but_its_own(night: Nights) -> None:
    settled(night)
    night.lms.grades[next(iter(night.lms.roster))] = {"score": "5"}
    night.good_night()
    before, runs = night.contents(), night.count("run")
    with written_to(night.database) as tables:
        report = night.good_night()
    assert tables == {"run", "run_day", "lease"}
    assert night.contents() == before
    assert night.count("run") == runs + 1
    assert report.counts["pages.changed"] == 0
    # two categories, three offerings as the Academy shows them, two pages of registrations, and
    # for each of three courses its roster and its results
    assert report.counts["pages.read"] == 13


def test_unchanged_answers_are_not_parsed(night: Nights) -> None:
    courses = settled(night)
    for peer in (night.lms, night.academy):
        peer.parsed.clear()
    night.good_night()
    assert night.lms.parsed + night.academy.parsed == []
    night.lms.courses[courses[0]]["title"] = "Renamed"
    night.good_night()
    assert night.lms.parsed == ["offerings k0"]
    assert len(night.academy.parsed) == 0


def test_unchanged_records_reach_no_schema(night: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    courses = settled(night)
    loaded: list[str] = []
    load = Schema.load

    def counting(self: Schema, data: Any, **options: Any) -> Any:
        loaded.append(f"{type(self).__name__} {data.get('title', '')}")
        return load(self, data, **options)

    monkeypatch.setattr(Schema, "load", counting)
    night.lms.courses[courses[0]]["title"] = "Renamed"  # the same answer holds another course
    night.good_night()
    assert loaded == ["OfferingSchema Renamed"]


def test_a_changed_time_zone_reads_everything_anew(night: Nights) -> None:
    settled(night)
    night.lms.parsed.clear()
    object.__setattr__(night.centre, "time_zone", "Africa/Nairobi")
    night.good_night()
    assert "offerings k0" in night.lms.parsed
    assert "offerings k1" in night.lms.parsed


def test_one_net_change_is_sent_for_many_edits(night: Nights) -> None:
    courses = settled(night)
    night.academy.steps.fail("offering.before", Unreachable("no-connection", "No connection."))
    for title in ("One", "Two"):
        night.lms.courses[courses[0]]["title"] = title
        night.night()
        if title == "One":
            assert night.academy.catalogue[night.codes()[courses[0]]] == "Course 0"
    assert night.academy.catalogue[night.codes()[courses[0]]] == "Two"
    sent = [request for request in night.academy.requests if "title" in request.changed]
    assert len([request for request in sent if request.desired["title"] == "Two"]) == 1


def test_after_a_lost_answer_every_field_is_sent(night: Nights) -> None:
    """The title that was sent and taken back differs from nothing that was acknowledged."""
    course = settled(night)[0]
    night.lms.courses[course]["title"] = "Sent and taken back"
    night.academy.steps.fail("offering.after", Unreachable("timed-out", "Late.", applied=True))
    night.run([Flow.OFFERINGS], full=False)
    assert "Sent and taken back" in night.academy.catalogue.values()
    night.lms.courses[course] = {"title": "Course 0", "description": "New"}
    night.run([Flow.OFFERINGS], full=False)
    assert night.academy.catalogue[night.codes()[course]] == "Course 0"


def test_only_changed_fields_are_named(night: Nights) -> None:
    courses = settled(night)
    night.academy.requests.clear()
    night.lms.courses[courses[0]]["title"] = "Renamed"
    night.good_night([Flow.OFFERINGS])
    assert [request.changed for request in night.academy.requests] == [("title",)]


@pytest.mark.parametrize("error", [IncompleteRead("cut", "Cut."), NotUnderstood("page", "A page.")])
@pytest.mark.parametrize("nth", [1, 2])
def test_an_incomplete_read_changes_nothing(night: Nights, error: Exception, nth: int) -> None:
    courses = settled(night)
    before = night.contents()
    del night.lms.courses[courses[0]]
    night.lms.courses[courses[1]]["title"] = "Renamed"
    night.lms.steps.fail("answer", error, nth=nth)
    report = night.night([Flow.OFFERINGS])
    assert [stage for stage, _ in report.errors] == ["offerings read"]
    after = night.contents()
    assert {name for name in before if before[name] != after[name]} == set()


def test_an_unreadable_part_of_the_catalogue_changes_nothing(night: Nights) -> None:
    courses = settled(night)
    before = night.contents()
    night.lms.unreadable["k0"] = NotUnderstood("page", "A page.")
    night.lms.hidden.add(courses[1])
    night.night([Flow.OFFERINGS])
    assert night.contents() == before
    night.lms.unreadable.clear()
    assert [each.what for each in night.night().waits] == ["staying"]
    assert len(night.academy.catalogue) == 2


def test_an_empty_list_of_registrations_is_held(night: Nights) -> None:
    settled(night)
    night.policy = Policy()
    kept = dict(night.academy.registrations)
    night.academy.registrations.clear()
    assert night.night().status == "held"
    assert {place.state for place in night.lms.roster.values()} == {ACTIVE}
    night.academy.registrations.update(kept)
    night.good_night()
    assert night.holds("pending") == []


def test_an_unreadable_course_leaves_the_others_as_they_are(night: Nights) -> None:
    courses = settled(night)
    first, second = min(night.lms.roster), max(night.lms.roster)
    night.lms.grades[first] = {"score": "5"}
    night.lms.grades[second] = {"score": "6"}
    night.lms.unreadable[courses[0]] = RecordRefused("no-entry", "No entry.")
    report = night.night()
    assert report.status == "partial"
    assert [document["score"] for document in night.academy.results.values()] == ["6"]
    night.lms.unreadable.clear()
    night.good_night()
    assert sorted(document["score"] for document in night.academy.results.values()) == ["5", "6"]


def test_a_page_that_cannot_be_parsed_affects_no_other(night: Nights) -> None:
    """Of rosters and results; a catalogue with such an answer is not whole."""
    courses = settled(night)
    for place in night.lms.roster:
        night.lms.grades[place] = {"score": "5"}

    def broken(what: str) -> None:
        if what == f"results {courses[0]}":
            raise NotUnderstood("not-json", "Not JSON.")

    night.lms.parsed = Listening(broken)
    report = night.night()
    assert [error.code for _, error in report.errors] == ["not-json"]
    assert len(night.academy.results) == 4
    night.lms.parsed = []
    night.good_night()
    assert len(night.academy.results) == 6


class Listening(list[str]):
    """A log that acts on what it is told."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self._act = act

    def append(self, what: str) -> None:
        super().append(what)
        self._act(what)


def test_an_unread_roster_stops_only_its_own_enrolments(night: Nights) -> None:
    courses = taught(night)
    night.lms.unreadable[courses[0]] = RecordRefused("no-entry", "No entry.")
    night.night()
    assert {course for course, _ in night.lms.roster} == set(courses[1:])
    night.lms.unreadable.clear()
    night.good_night()
    assert {course for course, _ in night.lms.roster} == set(courses)


def test_a_failed_stage_does_not_stop_the_next(night: Nights) -> None:
    courses = settled(night)
    night.lms.courses[courses[0]]["title"] = "Renamed"
    night.lms.grades[next(iter(night.lms.roster))] = {"score": "5"}
    night.academy.steps.fail("read", NotUnderstood("page", "A page."), nth=2)
    report = night.night()
    assert [stage for stage, _ in report.errors] == ["registrations read"]
    assert report.status == "partial"
    assert night.academy.catalogue[night.codes()[courses[0]]] == "Renamed"
    assert len(night.academy.results) == 1


def test_an_error_of_any_class_ends_one_stage_only(night: Nights) -> None:
    settled(night)
    night.lms.grades[next(iter(night.lms.roster))] = {"score": "5"}
    night.lms.steps.fail("read", AddressRefused("private-address", "A private address."))
    report = night.night()
    assert [(stage, error.code) for stage, error in report.errors] == [
        ("offerings read", "private-address")
    ]
    assert len(night.academy.results) == 1


def test_a_defect_of_a_connector_reveals_no_personal_data(night: Nights) -> None:
    night.never = ()
    night.lms.add_course("Spectrum")
    night.lms.steps.fail("read", ValueError("ana@example.org token=s3cr3t"))
    report = night.night()
    assert report.status == "failed"
    (error,) = [error for stage, error in report.errors if stage == "defect"]
    assert "ValueError" in str(error)
    for private in ("ana@", "s3cr3t"):
        assert private not in str(error)
        assert private not in repr(night.contents())
    assert night.lms.closed == 1
    night.good_night()


def test_connectors_are_closed_after_every_run(night: Nights) -> None:
    night.good_night()
    assert (night.lms.closed, night.academy.closed) == (1, 1)


@BOTH
def test_a_dry_run_reports_and_changes_nothing(night: Nights) -> None:
    courses = settled(night)
    night.lms.courses[courses[0]]["title"] = "Renamed"
    night.academy.change("r1", "withdrawn")
    before, runs = night.contents(), night.count("run")
    sent = len(night.academy.requests), len(night.lms.requests)
    report = night.run(dry=True)
    assert night.contents() == before
    assert night.count("run") == runs
    assert (len(night.academy.requests), len(night.lms.requests)) == sent
    reported = {(each["kind"], each["action"], each["state"]) for each in report.changes}
    assert (Kind.OFFERING, "update", "applied") in reported
    assert (Kind.OFFERING, "update", "would be sent") in reported
    assert (Kind.ENROLMENT, "remove", "would be sent") in reported
    night.good_night()
    assert night.academy.catalogue[night.codes()[courses[0]]] == "Renamed"


@BOTH
def test_the_audit_lists_each_item_without_personal_data(night: Nights) -> None:
    settled(night, people=1)
    night.academy.change_person("SAMPLE-0", given_name="Secretname", email="hidden@example.org")
    report = night.good_night()
    assert ("learner", "update", "applied") in night.items(report)
    assert ("learner", "update", "acknowledged") in night.items(report)
    reported = repr(night.contents()["item"])
    assert "given_name" in reported
    for private in ("Secretname", "hidden@", "Sample0", "sample0@"):
        assert private not in reported


def test_a_refused_record_is_retried_at_growing_intervals(night: Nights) -> None:
    courses = [night.lms.add_course(f"Course {n}") for n in range(3)]
    night.academy.refused["Course 1"] = RecordRefused("too-long", "Too long.", field="title")
    assert night.night([Flow.OFFERINGS]).status == "partial"
    assert len(night.academy.catalogue) == 2
    attempts = len(night.academy.requests)
    night.run([Flow.OFFERINGS], tries_all=False)  # at once: it waits
    assert len(night.academy.requests) == attempts
    for expected in (1, 1, 1):
        night.night([Flow.OFFERINGS])
        attempts += expected
        assert len(night.academy.requests) == attempts
    links = [link for link in night.links(ACADEMY, Kind.OFFERING) if link.attempts]
    assert [(link.attempts, link.error) for link in links] == [(4, "Too long.")]
    night.academy.refused.clear()
    night.good_night([Flow.OFFERINGS])
    assert night.codes()[courses[1]] in night.academy.catalogue


@pytest.mark.parametrize(
    "error",
    [RecordRefused("too-long", "Too long."), Unreachable("no-connection", "No connection.")],
)
def test_a_record_that_fails_for_months_stops_no_other(night: Nights, error: BridgeError) -> None:
    night.lms.add_course("Course 0")
    night.academy.refused["Course 0"] = error
    for _ in range(50):
        night.night([Flow.OFFERINGS])
    night.lms.add_course("Course 1")
    night.night([Flow.OFFERINGS])
    assert list(night.academy.catalogue.values()) == ["Course 1"]
    night.academy.refused.clear()
    night.good_night([Flow.OFFERINGS])
    assert len(night.academy.catalogue) == 2


def test_courses_may_move_between_categories(night: Nights) -> None:
    courses = settled(night)
    night.lms.categories[courses[0]] = "k1"
    report = night.good_night()
    assert not any("applied" in key for key in report.counts)
    night.lms.categories[courses[0]] = "k2"
    night.lms.courses[courses[0]]["title"] = "Moved and renamed"
    night.good_night()
    assert night.academy.catalogue[night.codes()[courses[0]]] == "Moved and renamed"
    assert len(night.academy.catalogue) == 3


@BOTH
def test_a_deleted_category_removes_its_courses(night: Nights) -> None:
    courses = settled(night)
    for course in courses[::2]:
        night.lms.hidden.add(course)
    report = night.night()
    assert (report.status, [each.what for each in report.waits]) == ("waiting", ["staying"])
    assert report.counts["offering.remove.applied"] == 2
    night.good_night()  # that learners stay in them is said once
    assert list(night.academy.catalogue) == [night.codes()[courses[1]]]
    night.lms.hidden.clear()
    night.good_night()
    assert len(night.academy.catalogue) == 3


@BOTH
def test_an_undone_transaction_is_not_reported(night: Nights) -> None:
    night.lms.add_course("Spectrum")
    commits = iter(range(3))  # that of the run's beginning, then that of the reading

    @event.listens_for(night.database.engine, "commit")
    def _commit(connection: Any) -> None:
        if next(commits, None) == 1:
            raise OperationalError("COMMIT", None, Exception("disk full"))

    report = night.night([Flow.OFFERINGS])
    assert [stage for stage, _ in report.errors] == ["offerings read"]
    assert night.count("offering") == 0
    assert night.items(report) == []
    assert not any("applied" in key for key in report.counts)
    night.good_night([Flow.OFFERINGS])
    assert night.count("offering") == 1


@BOTH
def test_a_defect_in_the_request_leaves_the_centre_free(night: Nights) -> None:
    def act(context: RunContext) -> None:
        raise KeyError("Secretname")

    request = RunRequest(night.centre, night.policy, (Flow.OFFERINGS,), "api")
    with pytest.raises(KeyError):
        night.runner().run(request, act)
    assert night.count("lease") == 0
    with night.database.reading() as tx:
        (row,) = runs.last_runs(tx)
    assert (row.status, row.error_code) == ("failed", "defect")
    assert "Secretname" not in row.error
    night.good_night()


@BOTH
def test_error_messages_of_other_systems_may_hold_any_text(night: Nights) -> None:
    for name in ("Good", "Bad"):
        night.lms.add_course(name)
    night.academy.refused["Bad"] = RecordRefused("refused", "A title with \x00 in it.")
    report = night.night([Flow.OFFERINGS])
    assert report.status == "partial"
    (link,) = [link for link in night.links(ACADEMY, Kind.OFFERING) if link.attempts]
    assert link.error == "A title with  in it."
    night.lms.steps.fail("read", NotUnderstood("bad", "A page with \x00 in it."))
    assert night.night([Flow.OFFERINGS]).status == "partial"
    with night.database.reading() as tx:
        assert runs.last_runs(tx)[0].error == "offerings read: A page with  in it."
