"""The second run after a first has nothing to do, and completion says only what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lms_bridge.connectors.moodle.client import epoch
from lms_bridge.connectors.moodle.grades import completion_of
from lms_bridge.devtools.moodle.records import CustomField
from lms_bridge.devtools.moodle.state import MoodleState
from tests.integration.moodle.site_nights import MoodleNights

WRITES = ("core_user_create_users", "core_user_update_users", "enrol_manual_enrol_users")


def test_the_second_run_writes_nothing_and_notes_nothing(
    site: MoodleState, nights: MoodleNights
) -> None:
    there = site.people.add("own", "Own", "Name", "own@example.org", idnumber="SAMPLE-2").id
    site.enrolments.enrol(2, there)
    site.completions.add_criterion(3)
    item = site.gradebook.add_item(2, "Exam")
    for number in (1, 2):
        nights.register(number)
        nights.register(number, course=3)
    nights.academy.change_person("SAMPLE-1", language="zh-CN", country="CH")
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    site.gradebook.grade(item, account.id, 5.0, site.now())
    nights.good_night()
    before = {name: site.calls[name] for name in WRITES}
    report = nights.good_night()
    assert nights.items(report) == []
    assert {name: site.calls[name] for name in WRITES} == before
    assert report.counts["pages.changed"] == 0


def test_completion_that_nobody_tracks_is_no_statement(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    item = site.gradebook.add_item(2, "Exam")
    site.gradebook.grade(item, account.id, 5.0, site.now())
    nights.good_night()
    ((_, document),) = nights.academy.results.items()
    assert (document["score"], document["completed"]) == ("5", None)
    site.completions.add_criterion(2)
    nights.good_night()
    ((_, document),) = nights.academy.results.items()
    assert document["completed"] is False


@pytest.mark.parametrize(
    ("aggregation", "times", "at"),
    [
        (1, [100, 300, 200], 300),
        (1, [100, None], None),
        (2, [100, None, 50], 50),
        (2, [None], None),
        (1, [], None),
    ],
)
def test_the_time_of_a_completion_is_when_its_criteria_were_met(
    aggregation: int, times: list[int | None], at: int | None
) -> None:
    status: dict[str, Any] = {
        "completed": True,
        "aggregation": aggregation,
        "completions": [{"timecompleted": each} for each in times],
    }
    found = completion_of({"completionstatus": status})
    assert (found["completed"], found.get("completed_at")) == (True, at)


@pytest.mark.parametrize(("any_is_enough", "at"), [(False, 1795966865), (True, 1795963265)])
def test_a_completion_reaches_the_academy_once_the_task_of_moodle_ran(
    any_is_enough: bool, at: int, site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    site.completions.add_criterion(2)
    site.completions.add_grade_criterion(2, 50)
    if any_is_enough:
        site.completions.need_any(2)
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    site.completions.meet(2, account.id, 1, 1795963265)
    if not any_is_enough:
        site.completions.meet(2, account.id, 2, 1795966865)
    nights.good_night()
    assert nights.academy.results == {}
    site.completions.run_task(1795970465)
    nights.good_night()
    ((_, document),) = nights.academy.results.items()
    assert document["completed"] is True
    assert epoch(str(document["completed_at"])) == at


def test_the_end_of_a_registration_is_sent_and_changed(
    site: MoodleState, nights: MoodleNights
) -> None:
    key = nights.register(1)
    nights.academy.registrations[key].fields["ends_at"] = "2040-01-01T00:00:00Z"
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    enrolment = site.enrolments.get(2, account.id)
    assert enrolment is not None
    assert enrolment.timeend == 2208988800
    nights.academy.registrations[key].fields["ends_at"] = "2041-01-01T00:00:00Z"
    nights.academy.change(key, "enrolled")
    nights.good_night()
    assert enrolment.timeend == 2240611200


def test_an_enrolment_in_a_self_paced_offering_lasts_as_long_as_the_policy_says(
    site: MoodleState, nights: MoodleNights
) -> None:
    words = ("Online instructor-led", "Online self-paced")
    site.catalogue.define_field(CustomField("itu_modality", "Modality", "select", words))
    nights.policy = replace(nights.policy, self_paced_days=30)
    nights.now = datetime.fromtimestamp(site.now(), UTC)  # Moodle leaves out whose time is over
    nights.good_night()
    key = nights.register(1)
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    enrolment = site.enrolments.get(2, account.id)
    assert enrolment is not None
    end = int((nights.now + timedelta(days=30)).timestamp())
    assert enrolment.timeend == end
    # A change of the registration changes nothing of that, but a new place has a new end.
    nights.academy.change(key, "started")
    nights.good_night()
    assert enrolment.timeend == end
    nights.academy.change(key, "withdrawn")
    nights.good_night()
    nights.academy.change(key, "enrolled")
    nights.good_night()
    assert enrolment.timeend == int((nights.now + timedelta(days=30)).timestamp())
    assert nights.items(nights.good_night()) == []


def test_the_roster_of_an_ordinary_course_is_read_once_before_people_enter_it(
    site: MoodleState, nights: MoodleNights
) -> None:
    for number in range(1, 4):
        nights.register(number)
    site.log = []
    nights.minutes()
    rosters = [
        form for name, form in site.log
        if name == "core_enrol_get_enrolled_users" and ("courseid", "2") in form
        and not any("groupid" in value for _, value in form)
    ]  # fmt: skip
    assert len(rosters) == 1
    assert len(site.enrolments.of_course(2)) == 3


def test_course_codes_that_are_not_seen_any_more_stay(
    site: MoodleState, nights: MoodleNights
) -> None:
    """Without ``moodle/course:update`` Moodle leaves the ID numbers out."""
    site.catalogue.change(2, idnumber="ITU-2")
    nights.good_night()
    before = {key: each["course_code"] for key, each in nights.academy.offerings.items()}
    assert "ITU-2" in before.values()
    site.revoke("moodle/course:update")
    nights.good_night()
    assert {key: each["course_code"] for key, each in nights.academy.offerings.items()} == before
