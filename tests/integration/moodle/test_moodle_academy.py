"""An Academy that is itself a Moodle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lms_bridge.connectors.moodle.academy import MoodleAcademy
from lms_bridge.devtools.faults import SimulatedFault
from lms_bridge.devtools.moodle.records import CustomField
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.errors import AccessDenied
from lms_bridge.domain.ports import (
    Action,
    PageError,
    WriteFailed,
    WriteRequest,
    WritesResults,
    Written,
)
from tests.integration.moodle.records import by_key, records

Open = Callable[..., MoodleAcademy]
DOCUMENT: dict[str, Any] = {
    "state": "active",
    "code": "OFF-1",
    "title": "Spectrum & <5G>",
    "modality": "face_to_face",
    "starts_at": "2026-05-01T00:00:00Z",
    "ends_at": "2026-06-01T12:00:00Z",
    "registration_closes": "2026-04-20T23:59:59Z",
    "price": "150",
    "description": "<p>a &amp; b</p>",
    "objectives": "<p>c</p>",
}


def request(
    key: int, action: Action = Action.CREATE, external_id: str = "", **more: Any
) -> WriteRequest:
    changed = tuple(more) if action is Action.UPDATE else ()
    return WriteRequest(key, action, external_id, {**DOCUMENT, **more}, changed)


def test_an_offering_becomes_a_course_and_is_shown_as_it_was_sent(
    site: MoodleState, academy_of: Open
) -> None:
    academy = academy_of()
    done = by_key(academy.write_offerings([request(1)]))[1]
    shown = records(academy.show_offerings([done.external_id]))[done.external_id]
    assert shown.pop("title") == "Spectrum & 5G>"
    desired = {name: value for name, value in DOCUMENT.items() if name in shown}
    assert shown == desired
    assert set(desired) == set(DOCUMENT) - {"title"}


def test_an_update_changes_the_course_and_a_removal_hides_it(
    site: MoodleState, academy_of: Open
) -> None:
    academy = academy_of()
    course = by_key(academy.write_offerings([request(1)]))[1].external_id
    by_key(academy.write_offerings([request(1, Action.UPDATE, course, title="New", price=None)]))
    held = site.catalogue.get(int(course))
    assert held is not None
    assert (held.fullname, held.visible) == ("New", 1)
    gone = replace(request(2, Action.REMOVE, course), desired={"state": "removed"})
    by_key(academy.write_offerings([gone]))
    assert held.visible == 0
    assert records(academy.show_offerings([course])) == {course: {"state": "removed"}}


def test_an_offering_is_not_created_twice(site: MoodleState, academy_of: Open) -> None:
    site.faults.next("core_course_create_courses", SimulatedFault.reset(after_work=True))
    academy = academy_of()
    lost = by_key(academy.write_offerings([request(1)]))[1]
    assert isinstance(lost, WriteFailed)
    repeated = replace(request(1, title="B"), is_retry=True)
    once = by_key(academy.write_offerings([repeated]))
    twice = by_key(academy.write_offerings([request(2)]))
    assert once[1].external_id == twice[2].external_id
    assert len(site.catalogue.with_value("idnumber", "OFF-1")) == 1


def test_bad_rows_do_not_stop_the_others(site: MoodleState, academy_of: Open) -> None:
    academy = academy_of()
    found = by_key(
        academy.write_offerings(
            [
                request(1),
                request(2, Action.UPDATE, "9999", title="x"),
                request(3, Action.UPDATE, "nonsense", title="x"),
                request(4, code="OFF-4", ends_at="2020-01-01T00:00:00Z"),
            ]
        )
    )
    assert [key for key in sorted(found) if isinstance(found[key], Written)] == [1, 4]


def test_offerings_may_stay_hidden(site: MoodleState, academy_of: Open) -> None:
    academy = academy_of(show=False)
    course = by_key(academy.write_offerings([request(1)]))[1].external_id
    held = site.catalogue.get(int(course))
    assert held is not None
    assert held.visible == 0
    assert "state" not in records(academy.show_offerings([course]))[course]


def test_a_course_that_was_deleted_is_gone(academy_of: Open) -> None:
    (answer,) = academy_of().show_offerings(["9999"])
    assert isinstance(answer, PageError)
    assert (answer.gone, answer.error.code) == (True, "course-gone")


def test_enrolments_are_read_as_registrations(
    site: MoodleState, academy_of: Open, person: Callable[[int], int]
) -> None:
    site.enrolments.enrol(2, person(0))
    site.enrolments.enrol(2, person(1), suspended=True)
    site.enrolments.enrol(2, person(2), role_id=3)
    found = records(academy_of().read_registrations("demo", {"2": "OFF-1", "3": "OFF-2"}))
    assert [fields["status"] for fields in found.values()] == ["enrolled", "withdrawn"]
    assert found[f"2/{person(0)}"]["learner"] == {
        "id": "a-0",
        "given_name": "Given",
        "family_name": "Family 0",
        "email": "p0@example.org",
        "country": "",
    }
    by_account = records(academy_of(learner_id="userid").read_registrations("demo", {"2": "O"}))
    assert by_account[f"2/{person(0)}"]["learner"]["id"] == f"moodle-{person(0)}"


def test_registrations_need_visible_id_numbers(
    site: MoodleState, academy_of: Open, person: Callable[[int], int]
) -> None:
    site.enrolments.enrol(2, person(0))
    site.revoke("moodle/user:viewalldetails")
    with pytest.raises(AccessDenied):
        list(academy_of().read_registrations("demo", {"2": "O"}))


def test_the_academys_moodle_has_no_port_for_results(academy_of: Open) -> None:
    assert not isinstance(academy_of(), WritesResults)


def test_what_a_course_cannot_hold_is_told_and_is_no_conflict_later(
    site: MoodleState, academy_of: Open
) -> None:
    """Too long a title, markup in names and short texts, an end without a start or at it."""
    site.catalogue.define_field(CustomField("itu_location", "Location", "text"))
    academy = academy_of()
    start = DOCUMENT["starts_at"]
    changes: list[dict[str, Any]] = [
        {"title": "T" * 300},
        {"title": "About <x"},
        {"title": "<"},
        {"title": "T" * 253 + "< end"},
        {"location": "Room <4>"},
        {"starts_at": None},
        {"ends_at": start},
    ]
    requests = [
        request(n, code=f"OFF-{n}", **{"title": "Plain", **each})
        for n, each in enumerate(changes, 10)
    ]
    found = by_key(academy.write_offerings(requests))
    for each in requests:
        done = found[each.key]
        assert isinstance(done, Written)
        assert done.held
        shown = records(academy.show_offerings([done.external_id]))[done.external_id]
        sent = {**each.desired, **done.held}
        assert {name: shown[name] for name in shown if name in sent} == {
            name: sent[name] for name in shown if name in sent
        }
    assert [sorted(each.held) for each in found.values() if isinstance(each, Written)] == [
        ["title"], ["title"], ["title"], ["title"], ["location"], ["ends_at"], ["ends_at"],
    ]  # fmt: skip


def test_the_course_format_is_sent_and_computes_no_end_of_its_own(
    site: MoodleState, academy_of: Open
) -> None:
    for number, (options, kept) in enumerate(
        [
            ({}, "topics"),
            ({"format": "weeks"}, "weeks"),
            ({"format": "singleactivity"}, "singleactivity"),
        ]
    ):
        asked = request(number, code=f"OFF-{number}")
        done = by_key(academy_of(**options).write_offerings([asked]))[number]
        held = site.catalogue.get(int(done.external_id))
        assert held is not None
        assert (held.format, held.enddate) == (kept, 1780315200)


def test_a_refused_change_names_the_remedy(site: MoodleState, academy_of: Open) -> None:
    academy = academy_of()
    course = by_key(academy.write_offerings([request(1)]))[1].external_id

    def remedy() -> str:
        (refused,) = academy.write_offerings([request(1, Action.UPDATE, course, code="OFF-1")])
        assert isinstance(refused, WriteFailed)
        return refused.error.remedy

    site.catalogue.change(int(course), idnumber="")
    copy = site.catalogue.add_course("COPY", "A copy", idnumber="OFF-1")
    assert "ID number" in remedy()
    site.catalogue.remove(copy.id)
    site.revoke("moodle/course:view")
    assert "moodle/course:view" in remedy()


def test_a_start_that_goes_takes_the_end_with_it(academy_of: Open) -> None:
    academy = academy_of()
    course = by_key(academy.write_offerings([request(1)]))[1].external_id
    gone = request(1, Action.UPDATE, course, starts_at=None)
    done = by_key(academy.write_offerings([gone]))[1]
    assert isinstance(done, Written)
    assert done.held == {"ends_at": None}


@pytest.mark.parametrize(
    ("zone", "sent", "held"),
    [
        ("UTC", "2026-07-01T00:00:00Z", "2026-06-30T23:59:00Z"),
        ("Africa/Nairobi", "2026-06-30T21:00:00Z", "2026-06-30T20:59:00Z"),
        ("Asia/Kathmandu", "2026-06-30T18:15:00Z", "2026-06-30T18:14:00Z"),
        ("UTC", "2026-06-30T23:59:59Z", "2026-06-30T23:59:00Z"),
        ("UTC", "2026-06-30T23:59:00Z", "2026-06-30T23:59:00Z"),
        ("Africa/Nairobi", "2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z"),
    ],
)
def test_an_end_is_shown_on_the_last_day_in_whole_minutes(
    academy_of: Open, zone: str, sent: str, held: str
) -> None:
    academy = academy_of()
    course = by_key(academy.write_offerings([request(1)]))[1].external_id
    changed = request(1, Action.UPDATE, course, ends_at=sent, time_zone=zone)
    done = by_key(academy.write_offerings([changed]))[1]
    assert isinstance(done, Written)
    assert not done.held
    shown = records(academy.show_offerings([course]))[course]
    assert shown["ends_at"] == held == {"ends_at": sent, **done.shown_as}["ends_at"]


def test_a_changed_time_zone_moves_an_end_to_its_last_day(academy_of: Open) -> None:
    academy = academy_of()
    sent = request(1, ends_at="2026-06-30T21:00:00Z")
    course = by_key(academy.write_offerings([sent]))[1].external_id
    moved = replace(sent, action=Action.UPDATE, external_id=course, changed=("time_zone",),
                    desired={**sent.desired, "time_zone": "Africa/Nairobi"})  # fmt: skip
    by_key(academy.write_offerings([moved]))
    assert records(academy.show_offerings([course]))[course]["ends_at"] == "2026-06-30T20:59:00Z"


def test_a_changed_id_number_is_put_right(site: MoodleState, academy_of: Open) -> None:
    academy = academy_of()
    course = by_key(academy.write_offerings([request(1)]))[1].external_id
    site.catalogue.change(int(course), idnumber="ELSE")
    assert records(academy.show_offerings([course]))[course]["code"] == "ELSE"
    again = replace(request(1, Action.UPDATE, course), changed=("code",))
    by_key(academy.write_offerings([again]))
    assert records(academy.show_offerings([course]))[course]["code"] == "OFF-1"


def test_a_course_carries_the_centres_name_and_a_link_to_its_course(
    site: MoodleState, academy_of: Open
) -> None:
    academy = academy_of()
    address = "https://centre.example/course/view.php?id=5&x=1"
    sent = request(1, address=address, centre_name="Sample <Centre>", region="africa")
    course = by_key(academy.write_offerings([sent]))[1].external_id
    held = site.catalogue.get(int(course))
    assert held is not None
    link = '<a href="https://centre.example/course/view.php?id=5&amp;x=1">Sample &lt;Centre&gt;</a>'
    assert held.summary == f'<p>a &amp; b</p><p class="lms-bridge-centre">{link}</p>'
    assert records(academy.show_offerings([course]))[course]["description"] == "<p>a &amp; b</p>"
    moved = replace(sent, action=Action.UPDATE, external_id=course, changed=("address",),
                    desired={**sent.desired, "address": "https://new.example/"})  # fmt: skip
    by_key(academy.write_offerings([moved]))
    assert 'href="https://new.example/"' in held.summary


def test_courses_lie_in_categories_of_regions_and_centres(
    site: MoodleState, academy_of: Open
) -> None:
    def place(key: int, centre: str, **options: str) -> list[str]:
        sent = request(key, code=f"OFF-{key}", centre=centre, centre_name=f"Name {centre}",
                       region="asia_pacific")  # fmt: skip
        done = by_key(academy_of(**options).write_offerings([sent]))[key]
        course = site.catalogue.get(int(done.external_id))
        assert course is not None
        names, category = [], course.category_id
        while category:
            names.append(site.catalogue.categories[category].name)
            category = site.catalogue.categories[category].parent
        return names

    assert place(1, "ONE") == ["Category 1"]
    assert place(2, "ONE", categories="region") == ["Asia Pacific", "Category 1"]
    assert place(3, "ONE", categories="centre") == ["Name ONE", "Asia Pacific", "Category 1"]
    assert place(4, "TWO", categories="centre") == ["Name TWO", "Asia Pacific", "Category 1"]
    assert place(5, "ONE", categories="centre") == ["Name ONE", "Asia Pacific", "Category 1"]
    assert len(site.catalogue.categories) == 4
    site.revoke("moodle/category:manage")
    sent = request(6, code="OFF-6", centre="SIX", region="africa")
    (refused,) = list(academy_of(categories="region").write_offerings([sent]))
    assert isinstance(refused, WriteFailed)
    assert "moodle/category:manage" in refused.error.message


def test_a_category_that_is_not_there_for_the_account_is_named(
    site: MoodleState, academy_of: Open
) -> None:
    def remedy(**options: object) -> str:
        sent = request(1, region="africa")
        (refused,) = list(academy_of(**options).write_offerings([sent]))
        assert isinstance(refused, WriteFailed)
        return refused.error.remedy

    site.catalogue.add_category("Africa", "region-africa", 1).visible = False
    site.revoke("moodle/category:viewhiddencategories")
    assert "moodle/category:viewhiddencategories" in remedy(categories="region")
    assert "option category" in remedy(category=99)
    assert "option category" in remedy(category=99, categories="centre")
