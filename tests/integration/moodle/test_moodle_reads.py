"""Reads offerings and rosters from the simulated Moodle, and notices what Moodle leaves out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.devtools.faults import FaultKind, SimulatedFault
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.errors import (
    AccessDenied,
    IncompleteRead,
    NotUnderstood,
    RecordRefused,
    RetryLater,
)
from tests.integration.moodle.records import records, unread

Open = Callable[..., MoodleCentre]
Person = Callable[[int], int]
ROSTER = "core_enrol_get_enrolled_users"


def test_every_course_of_the_site_is_an_offering(site: MoodleState, centre_of: Open) -> None:
    found = records(centre_of().read_offerings())
    assert sorted(found) == ["2", "3", "4", "5"]
    assert found["2"]["title"] == "Course & 0"
    assert found["2"]["modality"] == "Face-to-face"
    assert found["2"]["price"] == "0"
    assert [i for i, fields in found.items() if fields.get("status") == "planned"] == ["5"]


def test_each_category_is_an_answer_and_an_unknown_one_is_unread(
    site: MoodleState, centre_of: Open
) -> None:
    other = site.catalogue.add_category("Other").id
    site.catalogue.add_course("D", "D", other)
    answers = list(centre_of(categories=[1, other, 99]).read_offerings())
    assert [answer.scope for answer in answers] == ["1", str(other), "99"]
    assert len(records(answers[:2])) == 5
    assert isinstance(unread(answers[2:])["99"], AccessDenied)


def test_categories_that_were_read_are_left_out_when_a_reading_goes_on(
    site: MoodleState, centre_of: Open
) -> None:
    other = site.catalogue.add_category("Other").id
    answers = list(centre_of(categories=[1, other]).resume_offerings({"1"}))
    assert [answer.scope for answer in answers] == [str(other)]


def test_hidden_courses_may_be_skipped(site: MoodleState, centre_of: Open) -> None:
    assert sorted(records(centre_of(hidden="skip").read_offerings())) == ["2", "3", "4"]


def test_only_ticked_courses_are_offerings(site: MoodleState, centre_of: Open) -> None:
    site.catalogue.change(3, customfields={"itu_publish": 1})
    assert sorted(records(centre_of(publish_field="itu_publish").read_offerings())) == ["3"]


def test_an_invisible_tick_is_not_a_missing_tick(centre_of: Open) -> None:
    with pytest.raises(AccessDenied, match="no course field"):
        list(centre_of(publish_field="no_such").read_offerings())


@pytest.mark.parametrize(
    ("capability", "kind"),
    [
        ("moodle/course:viewhiddencourses", IncompleteRead),
        ("moodle/course:view", AccessDenied),
        ("webservice/rest:use", AccessDenied),
    ],
)
def test_a_missing_capability_never_looks_like_removed_offerings(
    capability: str, kind: type[Exception], site: MoodleState, centre_of: Open
) -> None:
    site.revoke(capability)
    with pytest.raises(kind):
        list(centre_of().read_offerings())


def test_editions_are_found_by_the_course(site: MoodleState, centre_of: Open) -> None:
    centre = centre_of()
    for name in ("ITU-1", "C1", "3"):
        assert centre.find_offering(name, "E-1") == "3#E-1"
    assert centre.find_offering("no such", "E-1") is None
    assert centre.find_offering("", "E-1") is None


def test_a_roster_is_read_in_pages_with_suspended_people(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    for number in range(9):
        site.enrolments.enrol(2, person(number), suspended=number == 4)
    site.enrolments.enrol(2, person(9), role_id=3)  # a teacher
    found = records(centre_of(page=4).show_enrolments(["2", "3"]))
    assert len(found) == 9
    assert [i for i, fields in found.items() if fields["state"] == "suspended"] == [
        f"2/{person(4)}"
    ]


def test_an_unknown_course_is_unread(centre_of: Open) -> None:
    errors = unread(centre_of().show_enrolments(["999", "nonsense", "2x"]))
    assert all(isinstance(error, RecordRefused) for error in errors.values())
    assert len(errors) == 3


@pytest.mark.parametrize(
    "capability",
    [
        "moodle/user:viewdetails",
        "moodle/course:enrolreview",
        "moodle/course:view",
    ],
)
def test_a_missing_capability_never_looks_like_an_empty_roster(
    capability: str, site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(0))
    site.revoke(capability)
    errors = unread(centre_of().show_enrolments(["2"]))
    assert isinstance(errors["2"], AccessDenied)
    assert errors["2"].remedy


def test_an_empty_roster_is_unread_if_the_account_sees_no_groups(
    site: MoodleState, centre_of: Open
) -> None:
    site.revoke("moodle/site:accessallgroups")
    errors = unread(centre_of().show_enrolments(["2"]))
    assert isinstance(errors["2"], AccessDenied)
    assert "accessallgroups" in errors["2"].remedy


def test_a_roster_that_differs_from_moodles_count_is_unread(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    for number in range(3):
        site.enrolments.enrol(2, person(number))
    site.faults.next(ROSTER, SimulatedFault(FaultKind.DUPLICATE_ROWS), 50)
    errors = unread(centre_of().show_enrolments(["2"]))
    assert isinstance(errors["2"], IncompleteRead)
    assert "accessallgroups" in errors["2"].remedy


def test_the_roster_of_an_edition_is_its_group(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    group = site.groups.add(2, "First", "E-1")
    for number in range(3):
        site.enrolments.enrol(2, person(number))
    group.members[person(1)] = None
    found = records(centre_of().show_enrolments(["2#E-1", "2#E-2"]))
    assert list(found) == [f"2#E-1/{person(1)}"]


def test_one_bad_course_does_not_stop_the_others(site: MoodleState, centre_of: Open) -> None:
    site.faults.next(ROSTER, SimulatedFault.http(502), 2)
    answers = list(centre_of().show_enrolments(["2"])) + list(centre_of().show_enrolments(["3"]))
    assert isinstance(unread(answers[:1])["2"], RetryLater)
    assert records(answers[1:]) == {}


def test_a_login_page_stops_the_reading(site: MoodleState, centre_of: Open) -> None:
    site.faults.next("*", SimulatedFault(FaultKind.LOGIN_PAGE), 50)
    with pytest.raises(NotUnderstood):
        list(centre_of().show_enrolments(["2", "3"]))


def test_accounts_are_found_by_stable_id(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    found = centre_of().accounts_by_stable_id(["a-1", "A-2", "nobody"])
    assert {key: [one.external_id for one in some] for key, some in found.items()} == {
        "a-1": [str(person(1))]
    }


def test_accounts_are_found_by_email_in_any_case(site: MoodleState, centre_of: Open) -> None:
    site.people.add("odd", "A", "B", "Odd_One@Example.org")
    requested = ["P1@Example.ORG", "odd_one@example.org", "nobody@example.org"]
    found = centre_of().accounts_by_email(requested)
    assert sorted(found) == sorted(requested[:2])
    assert found["odd_one@example.org"][0].email == "Odd_One@Example.org"


def test_look_ups_need_visible_id_numbers_and_addresses(site: MoodleState, centre_of: Open) -> None:
    site.revoke("moodle/user:viewalldetails")
    with pytest.raises(AccessDenied):
        centre_of().accounts_by_stable_id(["a-1"])
    site.revoke("moodle/site:viewuseridentity")
    with pytest.raises(AccessDenied):
        centre_of().accounts_by_email(["p1@example.org"])


def test_any_other_account_may_be_the_witness(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    assert records(centre_of(witness=person(0)).show_enrolments(["2"])) == {}
    errors = unread(centre_of(witness=site.service_user_id).show_enrolments(["2"]))
    assert errors["2"].code == "no-details"  # an account always sees itself: no proof


def test_scores_and_completions_are_read_together(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    item = site.gradebook.add_item(2, "Test", grademax=20)
    for number in range(3):
        site.enrolments.enrol(2, person(number))
    site.gradebook.grade(item, person(0), 0.0, 1767300000)
    site.completions.add_criterion(2)
    site.completions.complete(2, person(1), 1767400000)
    found = records(centre_of().read_results(["2"]))
    assert found[f"2/{person(0)}"] == {
        "score": 0,
        "scale_min": 0,
        "scale_max": 20,
        "graded_at": 1767300000,
        "completed": False,
    }
    assert found[f"2/{person(1)}"]["completed"] is True
    assert found[f"2/{person(2)}"] == {"score": None, "completed": False}
    assert site.calls["core_completion_get_course_completion_status"] >= 0


def test_a_course_without_completion_has_results_without_it(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(0))
    site.gradebook.add_item(2, "Exam")
    assert records(centre_of().read_results(["2"])) == {f"2/{person(0)}": {"score": None}}
    site.catalogue.change(2, enablecompletion=0)
    assert records(centre_of().read_results(["2"])) == {f"2/{person(0)}": {"score": None}}


def test_completion_without_permission_is_denied(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(0))
    site.gradebook.add_item(2, "Exam")
    site.completions.add_criterion(2)
    site.revoke("report/completion:view")
    assert isinstance(unread(centre_of().read_results(["2"]))["2"], AccessDenied)
    assert records(centre_of(completion="off").read_results(["2"])) == {
        f"2/{person(0)}": {"score": None}
    }
