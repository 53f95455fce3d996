"""An Academy that is itself a Moodle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.moodle.academy import MoodleAcademy
from lms_bridge.domain.errors import AccessDenied, IncompleteRead
from lms_bridge.domain.ports import Action, Done, Failed, Order, WritesResults
from lms_bridge.simulators.moodle import Fault, MoodleState
from tests.integration.moodle.reading import by_key, records, unread

Open = Callable[..., MoodleAcademy]
DOCUMENT: dict[str, Any] = {
    "state": "active",
    "code": "OFF-1",
    "title": "Spectrum & <5G>",
    "modality": "face_to_face",
    "starts_at": "2026-05-01T00:00:00Z",
    "ends_at": "2026-06-01T00:00:00Z",
    "registration_closes": "2026-04-20T23:59:59Z",
    "price": "150",
    "description": "<p>a &amp; b</p>",
    "objectives": "<p>c</p>",
}


def order(key: int, action: Action = Action.CREATE, external_id: str = "", **more: Any) -> Order:
    changed = tuple(more) if action is Action.UPDATE else ()
    return Order(key, action, external_id, {**DOCUMENT, **more}, changed)


def test_an_offering_becomes_a_course_and_is_shown_as_it_was_sent(
    site: MoodleState, academy_of: Open
) -> None:
    academy = academy_of()
    done = by_key(academy.write_offerings([order(1)]))[1]
    shown = records(academy.show_offerings([done.external_id]))[done.external_id]
    assert shown.pop("title") == "Spectrum & 5G>"
    wanted = {name: value for name, value in DOCUMENT.items() if name in shown}
    assert shown == wanted
    assert set(wanted) == set(DOCUMENT) - {"title"}


def test_a_change_and_a_removal(site: MoodleState, academy_of: Open) -> None:
    academy = academy_of()
    course = by_key(academy.write_offerings([order(1)]))[1].external_id
    by_key(academy.write_offerings([order(1, Action.UPDATE, course, title="New", price=None)]))
    held = site.catalogue.get(int(course))
    assert held is not None
    assert (held.fullname, held.visible) == ("New", 1)
    gone = replace(order(2, Action.REMOVE, course), wanted={"state": "removed"})
    by_key(academy.write_offerings([gone]))
    assert held.visible == 0
    assert records(academy.show_offerings([course])) == {course: {"state": "removed"}}


def test_it_is_not_created_twice(site: MoodleState, academy_of: Open) -> None:
    site.faults.next("core_course_create_courses", Fault.reset(after_work=True))
    academy = academy_of()
    lost = by_key(academy.write_offerings([order(1)]))[1]
    assert isinstance(lost, Failed)
    repeated = replace(order(1, title="B"), again=True)
    once = by_key(academy.write_offerings([repeated]))
    twice = by_key(academy.write_offerings([order(2)]))
    assert once[1].external_id == twice[2].external_id
    assert len(site.catalogue.with_value("idnumber", "OFF-1")) == 1


def test_bad_rows_stop_no_others(site: MoodleState, academy_of: Open) -> None:
    academy = academy_of()
    found = by_key(
        academy.write_offerings(
            [
                order(1),
                order(2, Action.UPDATE, "9999", title="x"),
                order(3, Action.UPDATE, "nonsense", title="x"),
                order(4, code="OFF-4", ends_at="2020-01-01T00:00:00Z"),
            ]
        )
    )
    assert [key for key in sorted(found) if isinstance(found[key], Done)] == [1, 4]


def test_offerings_may_stay_hidden(site: MoodleState, academy_of: Open) -> None:
    academy = academy_of(show=False)
    course = by_key(academy.write_offerings([order(1)]))[1].external_id
    held = site.catalogue.get(int(course))
    assert held is not None
    assert held.visible == 0
    assert "state" not in records(academy.show_offerings([course]))[course]


def test_a_course_that_is_not_shown_is_not_known_to_be_gone(academy_of: Open) -> None:
    assert isinstance(unread(academy_of().show_offerings(["9999"]))["9999"], IncompleteRead)


def test_registrations(site: MoodleState, academy_of: Open, person: Callable[[int], int]) -> None:
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


def test_registrations_of_people_who_cannot_be_told_apart_are_not_read(
    site: MoodleState, academy_of: Open, person: Callable[[int], int]
) -> None:
    site.enrolments.enrol(2, person(0))
    site.revoke("moodle/user:viewalldetails")
    with pytest.raises(AccessDenied):
        list(academy_of().read_registrations("demo", {"2": "O"}))


def test_results_are_not_promised(academy_of: Open) -> None:
    assert not isinstance(academy_of(), WritesResults)
