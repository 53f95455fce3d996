"""Results: from the centre to the Academy, once, and never taken back by silence."""

from __future__ import annotations

from typing import Any

import pytest

from lms_bridge.domain.errors import RecordRefused, Unreachable
from lms_bridge.domain.model import Flow
from lms_bridge.domain.policy import Policy
from lms_bridge.sync.holds import consequence
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.nights import Nights

RESULTS = [Flow.RESULTS]


def enrolled(night: Nights, people: int = 1) -> tuple[str, str]:
    """People enrolled in one course; gives the first one's place."""
    course = night.lms.add_course("Spectrum")
    night.good_night()
    for number in range(1, people + 1):
        night.academy.register(
            "SAMPLE", night.codes()[course], sample_person(number), key=f"r{number}"
        )
    night.good_night()
    place: tuple[str, str] = next(iter(night.lms.roster))
    return place


def sent(night: Nights, learner: str = "SAMPLE-1") -> dict[str, Any]:
    document: dict[str, Any]
    (document,) = [each for (_, who), each in night.academy.results.items() if who == learner]
    return document


@pytest.mark.parametrize("zero", [0, "0.00"])
def test_a_zero_score_is_sent(night: Nights, zero: Any) -> None:
    place = enrolled(night)
    night.lms.grades[place] = {"score": zero, "scale_max": 20}
    night.good_night(RESULTS)
    assert (sent(night)["score"], sent(night)["scale_max"]) == ("0", "20")


def test_an_empty_grade_is_no_result(night: Nights) -> None:
    place = enrolled(night)
    night.lms.grades[place] = {"score": None, "completed": False}
    night.good_night(RESULTS)
    assert night.academy.results == {}
    night.lms.grades[place] = {"score": None, "completed": True}
    night.good_night(RESULTS)
    assert (sent(night)["score"], sent(night)["completed"]) == (None, True)


@BOTH
def test_regrades_and_emptied_scores_are_sent(night: Nights) -> None:
    place = enrolled(night)
    for score in ("5", "7.5", "0", None, "5"):
        night.lms.grades[place] = {"score": score, "completed": score is None}
        night.good_night(RESULTS)
        assert sent(night)["score"] == score
    assert len(night.academy.sent_results) == 1


def test_the_same_score_in_other_words_is_sent_once(night: Nights) -> None:
    place = enrolled(night)
    for score in ("5", "5.0", 5, 5.0):
        night.lms.grades[place] = {"score": score}
        night.good_night(RESULTS)
    assert len([request for request in night.academy.requests if "score" in request.desired]) == 1


@BOTH
def test_a_grade_that_vanishes_is_kept(night: Nights) -> None:
    place = enrolled(night)
    night.lms.grades[place] = {"score": "5"}
    night.good_night(RESULTS)
    night.lms.grades.clear()
    night.good_night()
    assert sent(night)["score"] == "5"
    assert night.count("result") == 1
    night.lms.grades[place] = {"score": "6"}
    night.good_night()
    assert sent(night)["score"] == "6"


def test_a_withdrawal_takes_no_grade_back(night: Nights) -> None:
    place = enrolled(night)
    night.lms.grades[place] = {"score": "5"}
    night.good_night()
    night.academy.change("r1", "withdrawn")
    night.good_night()
    assert sent(night)["score"] == "5"


@BOTH
def test_grades_of_strangers_are_not_stored(night: Nights) -> None:
    place = enrolled(night)
    stranger = night.lms.add_person("", "stranger@example.org")
    night.lms.enrol(place[0], stranger)
    night.lms.grades[place[0], stranger] = {"score": "5"}
    night.lms.grades[place[0], "deleted"] = {"score": "6"}
    night.good_night()
    assert night.academy.results == {}
    assert night.count("result") == 0


@BOTH
def test_a_grade_from_before_the_person_was_linked_is_applied_later(night: Nights) -> None:
    """The results page does not change any more once the person is matched."""
    place = enrolled(night, people=2)
    there = night.lms.add_person("", "sample3@example.org", "Sample3 Person")
    night.lms.enrol(place[0], there)
    night.lms.grades[place[0], there] = {"score": "9"}
    night.good_night()
    code = night.codes()[place[0]]
    night.academy.register("SAMPLE", code, sample_person(3))
    night.night()
    assert night.waiting() == {"SAMPLE-3": "same-email"}
    assert night.academy.results == {}
    night.match("SAMPLE-3", there)
    night.good_night()
    assert sent(night, "SAMPLE-3")["score"] == "9"


def test_a_grade_from_before_the_registration_is_applied_later(night: Nights) -> None:
    """The centre had enrolled and graded the person; then the Academy registers them."""
    place = enrolled(night)
    there = night.lms.add_person("SAMPLE-2", "sample2@example.org")
    night.lms.enrol(place[0], there)
    night.lms.grades[place[0], there] = {"score": "9"}
    night.good_night()
    night.academy.register("SAMPLE", night.codes()[place[0]], sample_person(2))
    night.good_night()
    assert sent(night, "SAMPLE-2")["score"] == "9"


def test_a_lost_answer_sends_no_second_result(night: Nights) -> None:
    place = enrolled(night)
    night.lms.grades[place] = {"score": "5"}
    night.academy.steps.fail("sent", Unreachable("timed-out", "No answer.", applied=True))
    night.night(RESULTS)
    night.good_night(RESULTS)
    assert len(night.academy.sent_results) == 1


def test_a_regrade_back_after_a_lost_answer_is_sent(night: Nights) -> None:
    place = enrolled(night)
    night.lms.grades[place] = {"score": "5"}
    night.good_night(RESULTS)
    night.lms.grades[place] = {"score": "7"}
    night.academy.steps.fail("result.after", Unreachable("timed-out", "No answer.", applied=True))
    night.night(RESULTS)
    assert sent(night)["score"] == "7"
    night.lms.grades[place] = {"score": "5"}
    night.good_night(RESULTS)
    assert sent(night)["score"] == "5"


def test_a_result_that_the_academy_refuses_stops_no_other(night: Nights) -> None:
    enrolled(night, people=3)
    for place in night.lms.roster:
        night.lms.grades[place] = {"score": "5"}
    night.academy.refused["SAMPLE-2"] = RecordRefused("closed", "Closed.")
    assert night.night(RESULTS).status == "partial"
    assert sorted(who for _, who in night.academy.results) == ["SAMPLE-1", "SAMPLE-3"]


def test_courses_that_ended_long_ago_are_not_read(night: Nights) -> None:
    course = night.lms.add_course("Old", starts_at="2025-01-01", ends_at="2025-12-04")
    recent = night.lms.add_course("Recent", starts_at="2025-01-01", ends_at="2025-12-31")
    night.good_night()
    for each in (course, recent):
        night.academy.register("SAMPLE", night.codes()[each], sample_person(1))
    night.good_night()
    night.lms.read_scopes.clear()
    night.good_night()
    assert f"results {recent}" in night.lms.read_scopes
    night.now = night.now.replace(month=4, day=1)  # 90 days after the last one
    night.lms.read_scopes.clear()
    night.good_night()
    assert not [scope for scope in night.lms.read_scopes if scope.startswith("results")]


def test_dates_and_scales_are_sent(night: Nights) -> None:
    place = enrolled(night)
    night.lms.grades[place] = {
        "score": "17.50",
        "scale_min": 1,
        "scale_max": 20,
        "completed": True,
        "completed_at": 1774936800,
        "graded_at": "2026-03-31",
    }
    night.good_night(RESULTS)
    document = sent(night)
    assert (document["score"], document["scale_min"], document["scale_max"]) == ("17.5", "1", "20")
    assert document["completed_at"] == "2026-03-31T06:00:00Z"
    assert document["graded_at"] == "2026-03-31T00:00:00Z"


def graded(night: Nights, people: int) -> list[tuple[str, str]]:
    """The places of that many people, whose scores the Academy has. Many removals are held."""
    night.policy = Policy()
    enrolled(night, people)
    places = list(night.lms.roster)
    for place in places:
        night.lms.grades[place] = {"score": "5", "completed": True}
    night.good_night(RESULTS)
    return places


def reset(night: Nights, places: list[tuple[str, str]]) -> None:
    """What a centre does with a course before its next edition."""
    night.lms.grades.update({place: {"score": None, "completed": False} for place in places})


def scores(night: Nights) -> list[Any]:
    return [each["score"] for each in night.academy.results.values()]


@BOTH
def test_results_of_a_course_that_was_reset_stay_until_somebody_decides(night: Nights) -> None:
    places = graded(night, 3)
    reset(night, places)
    for _ in range(2):
        report = night.night(RESULTS)
        assert (report.status, scores(night)) == ("held", ["5"] * 3)
    (hold,) = night.holds("pending")
    assert (hold.kind, hold.reason, len(hold.record_ids), hold.out_of) == (
        "result",
        "removals",
        3,
        3,
    )
    assert consequence(hold, approve=True) == "The next run empties these 3 results."
    night.decide(approve=True)
    night.good_night(RESULTS)
    assert scores(night) == [None] * 3
    for place in places:
        night.lms.grades[place] = {"score": "6"}
    night.good_night(RESULTS)
    reset(night, places)
    assert night.night(RESULTS).status == "held"


def test_results_that_somebody_chose_to_keep_stay_and_new_ones_count(night: Nights) -> None:
    places = graded(night, 3)
    reset(night, places)
    night.night(RESULTS)
    night.decide(approve=False)
    night.good_night(RESULTS)
    assert scores(night) == ["5"] * 3
    night.lms.grades[places[0]] = {"score": "6"}
    night.good_night(RESULTS)
    assert sorted(scores(night)) == ["5", "5", "6"]
    night.lms.grades[places[0]] = {"score": "7"}
    night.good_night(RESULTS)
    assert sorted(scores(night)) == ["5", "5", "7"]
    reset(night, places)
    night.good_night(RESULTS)  # a single result never waits
    assert sorted(scores(night), key=str) == ["5", "5", None]


def two_courses_reset(night: Nights) -> str:
    """One of two courses whose results were emptied, after the run that saw it."""
    first = graded(night, 2)
    course: str = night.lms.add_course("Routing")
    night.good_night()
    for number in (1, 2):
        code, key = night.codes()[course], f"other{number}"
        night.academy.register("SAMPLE", code, sample_person(number), key=key)
    night.good_night()
    second = [each for each in night.lms.roster if each[0] == course]
    for place in second:
        night.lms.grades[place] = {"score": "7"}
    night.good_night(RESULTS)
    reset(night, [*first, *second])
    night.night(RESULTS)
    return course


def test_an_approval_for_two_courses_holds_for_the_one_that_is_read_later(night: Nights) -> None:
    course = two_courses_reset(night)
    night.decide(approve=True)
    night.lms.unreadable[course] = Unreachable("down", "The course does not answer.")
    night.night(RESULTS)
    del night.lms.unreadable[course]
    night.good_night(RESULTS)
    assert scores(night) == [None] * 4


def test_courses_that_are_reset_in_one_night_are_decided_one_by_one(night: Nights) -> None:
    two_courses_reset(night)
    night.night(RESULTS)
    one, other = night.holds()
    assert [(len(each.record_ids), each.out_of) for each in (one, other)] == [(2, 2), (2, 2)]
    night.decide_one(one.id, approve=True)
    night.decide_one(other.id, approve=False)
    night.good_night(RESULTS)
    assert sorted(map(str, scores(night))) == ["7", "7", "None", "None"]


def test_a_hold_of_results_ends_when_the_scores_are_there_again(night: Nights) -> None:
    places = graded(night, 3)
    before = dict(night.lms.grades)
    reset(night, places)
    night.night(RESULTS)
    night.lms.grades.update(before)
    night.good_night(RESULTS)
    assert [each.status for each in night.holds()] == ["outdated"]
    assert scores(night) == ["5"] * 3


def test_another_course_is_graded_while_one_waits(night: Nights) -> None:
    places = graded(night, 3)
    other = night.lms.add_course("Routing")
    night.good_night()
    night.academy.register("SAMPLE", night.codes()[other], sample_person(1), key="other")
    night.good_night()
    (place,) = [each for each in night.lms.roster if each[0] == other]
    reset(night, places)
    night.lms.grades[place] = {"score": "7"}
    assert night.night(RESULTS).status == "held"
    assert sorted(scores(night)) == ["5", "5", "5", "7"]
