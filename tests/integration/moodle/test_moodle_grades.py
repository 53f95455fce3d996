"""Results of a simulated Moodle: what the service account does not see is never an empty result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.connectors.moodle.grades import scores_of
from lms_bridge.devtools.moodle.records import GradeItem
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.errors import IncompleteRead
from lms_bridge.domain.model import Flow
from lms_bridge.domain.ports import Page, PageError, Verdict
from tests.integration.moodle.replay import MORE
from tests.integration.moodle.site_nights import MoodleNights

Open = Callable[..., MoodleCentre]
Person = Callable[[int], int]
RESULTS = [Flow.RESULTS]


def graded(site: MoodleState, nights: MoodleNights, score: float = 70.0) -> GradeItem:
    """Sample person 1 in course 2 with a score that the Academy has."""
    nights.register(1)
    nights.good_night()
    item = site.gradebook.add_item(2, "Exam")
    give(site, nights, item, score)
    nights.good_night()
    return item


def give(site: MoodleState, nights: MoodleNights, item: GradeItem, score: float | None) -> None:
    account = nights.account(1)
    assert account is not None
    site.gradebook.grade(item, account.id, score, site.now())


def sent(nights: MoodleNights) -> dict[str, Any]:
    ((_, document),) = nights.academy.results.items()
    return dict(document)


def test_a_total_that_is_hidden_from_the_account_keeps_its_result(
    site: MoodleState, nights: MoodleNights
) -> None:
    item = graded(site, nights)
    assert sent(nights)["score"] == "70"
    site.gradebook.hide_total(2, site.now())
    site.revoke("moodle/grade:viewhidden")
    give(site, nights, item, 90.0)
    report = nights.night(RESULTS)
    assert report.status == "partial"
    ((_, error),) = report.errors
    assert error.code == "total-not-seen"
    assert "course 2" in error.message
    assert "moodle/grade:viewhidden" in error.remedy
    assert sent(nights)["score"] == "70"
    site.grant("moodle/grade:viewhidden")
    nights.good_night(RESULTS)
    assert sent(nights)["score"] == "90"


def test_a_total_that_is_emptied_before_the_accounts_eyes_is_emptied(
    site: MoodleState, nights: MoodleNights
) -> None:
    item = graded(site, nights)
    give(site, nights, item, None)
    nights.good_night(RESULTS)
    assert sent(nights)["score"] is None


def test_completion_counts_while_the_total_is_not_seen(
    site: MoodleState, nights: MoodleNights
) -> None:
    graded(site, nights)
    site.gradebook.hide_total(2, site.now())
    site.revoke("moodle/grade:viewhidden")
    site.completions.add_criterion(2)
    account = nights.account(1)
    assert account is not None
    site.completions.complete(2, account.id, site.now())
    nights.night(RESULTS)
    assert (sent(nights)["score"], sent(nights)["completed"]) == ("70", True)


def test_one_course_with_a_hidden_total_leaves_the_others_alone(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    for course in (2, 3):
        site.enrolments.enrol(course, person(0))
        item = site.gradebook.add_item(course, "Exam")
        site.gradebook.grade(item, person(0), 5.0, site.now())
    site.gradebook.hide_total(2, site.now())
    site.revoke("moodle/grade:viewhidden")
    answers = list(centre_of(completion="off").read_results(["2", "3"]))
    pages = {each.scope: list(each.parse()) for each in answers if isinstance(each, Page)}
    errors = {each.scope: each.error for each in answers if isinstance(each, PageError)}
    assert pages["2"] == []
    assert [raw.fields["score"] for raw in pages["3"]] == [5]
    assert isinstance(errors["2"], IncompleteRead)
    assert list(errors) == ["2"]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"graderaw": None}, {"score": None}),
        ({"graderaw": None, "gradeishidden": True}, {}),
        ({"graderaw": None, "gradehiddenbydate": True}, {}),
        ({"graderaw": None, "gradeneedsupdate": True}, {}),
        ({"graderaw": None, "grademin": 0, "grademax": 0}, {}),
    ],
)
def test_an_empty_total_counts_only_where_nothing_can_hide_it(
    changes: dict[str, object], fields: dict[str, object]
) -> None:
    (seen, *_) = MORE["grades_of_course"]["response"]["usergrades"]
    total = {**seen["gradeitems"][-1], **changes}
    assert scores_of([total]) == fields


def test_recorded_totals_are_seen_or_not_seen() -> None:
    def scores(name: str) -> list[object]:
        rows = MORE[name]["response"]["usergrades"]
        return [(scores_of(row["gradeitems"]) or {}).get("score", "not seen") for row in rows]

    assert scores("grades_of_course") == [75, 0, 100, None, None]
    assert scores("grades_hidden_total_seen") == [75, 0, 100, "not seen", "not seen"]
    assert scores("grades_hidden_total_not_seen") == ["not seen"] * 5


def test_the_check_names_the_capability_for_hidden_totals(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(3, person(0))
    site.gradebook.hide_total(3, site.now())
    found = {each.check: each for each in centre_of().probe()}
    assert found["moodle/grade:viewhidden"].verdict is Verdict.OK
    site.revoke("moodle/grade:viewhidden")
    found = {each.check: each for each in centre_of().probe()}
    assert found["moodle/grade:viewhidden"].verdict is Verdict.MISSING
    assert found["moodle/grade:viewhidden"].affects == ("results",)


def test_a_total_of_the_grade_type_none_keeps_its_results_and_is_told(
    site: MoodleState, nights: MoodleNights
) -> None:
    graded(site, nights)
    site.gradebook.remove_total(2)
    report = nights.night(RESULTS)
    ((_, error),) = report.errors
    assert error.code == "total-not-seen"
    assert "grade type None" in error.remedy
    assert sent(nights)["score"] == "70"


def test_a_course_in_which_nothing_is_graded_any_more_empties_no_score(
    site: MoodleState, nights: MoodleNights
) -> None:
    graded(site, nights)
    site.gradebook.remove_items(2)
    nights.good_night(RESULTS)
    assert sent(nights)["score"] == "70"


def test_an_account_that_is_not_confirmed_leaves_the_results_of_its_course_alone(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(2)
    item = graded(site, nights)
    site.completions.add_criterion(2)
    other = nights.account(2)
    assert other is not None
    site.people.change(other.id, confirmed=False)
    give(site, nights, item, 90.0)
    nights.good_night(RESULTS)
    assert sent(nights)["score"] == "90"


def test_the_check_passes_over_people_whose_accounts_are_not_confirmed(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(3, person(0))
    site.completions.add_criterion(3)
    site.people.change(person(0), confirmed=False)
    found = {each.check: each for each in centre_of().probe()}
    assert found["moodle/grade:viewhidden"].verdict is Verdict.OK
    assert found["report/completion:view"].verdict is Verdict.OK


def test_a_total_of_the_grade_type_none_is_no_missing_capability_where_hidden_grades_are_shown(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    for course in (3, 4):
        site.enrolments.enrol(course, person(0))
    site.gradebook.remove_total(4)
    found = {each.check: each for each in centre_of().probe()}
    assert "grade type None" in found["moodle/grade:viewhidden"].remedy
    site.gradebook.hide_total(3, site.now())
    found = {each.check: each for each in centre_of().probe()}
    assert found["moodle/grade:viewhidden"].verdict is Verdict.OK
