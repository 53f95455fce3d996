"""Writing people and enrolments into the simulated Moodle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread

import pytest

from connectors.moodle.centre import MoodleCentre
from lms_bridge.domain.errors import AccessDenied, CircuitOpen, RecordRefused, RetryLater
from lms_bridge.domain.ports import Action, Done, Failed, Limits, Order, Removal
from lms_bridge.simulators.moodle import Fault, MoodleState
from tests.integration.moodle.reading import by_key, enrol, learner, leave

Open = Callable[..., MoodleCentre]
Person = Callable[[int], int]
ENROL, CREATE = "enrol_manual_enrol_users", "core_user_create_users"


def roster(site: MoodleState, course: int = 2) -> dict[int, bool]:
    """Person -> whether the enrolment is suspended."""
    return {each.user_id: each.suspended for each in site.enrolments.of_course(course)}


def test_people_are_created_and_one_bad_row_spoils_no_other(
    site: MoodleState, centre_of: Open
) -> None:
    orders = [learner(number, f"n-{number}") for number in range(20)]
    orders[7] = learner(7, "n-7", email="P1@example.org")  # taken, in other letters
    orders[13] = learner(13, "n-13", email="nonsense")
    found = by_key(centre_of(people_batch=10).write_learners(orders))
    assert {key for key, one in found.items() if isinstance(one, Failed)} == {7, 13}
    assert found[7].error.code == "email-taken"
    assert found[7].error.field == "email"
    assert len(site.people.with_any("idnumber", [f"n-{number}" for number in range(20)])) == 18
    assert "P1@" not in str(found[7].error)


def test_a_language_that_is_not_installed_is_left_to_the_site(
    site: MoodleState, centre_of: Open
) -> None:
    orders = [learner(number, f"n-{number}", language="zh-CN") for number in range(4)]
    found = by_key(centre_of().write_learners(orders))
    assert all(isinstance(one, Done) for one in found.values())


def test_people_are_not_created_twice_after_a_lost_answer(
    site: MoodleState, centre_of: Open
) -> None:
    site.faults.next(CREATE, Fault.reset(after_work=True))
    centre = centre_of()
    first = by_key(centre.write_learners([learner(1, "n-1"), learner(2, "n-2")]))
    assert all(one.error.applied for one in first.values())
    again = [learner(1, "n-1", again=True, given_name="Newer"), learner(2, "n-2", again=True)]
    second = by_key(centre.write_learners(again))
    assert all(isinstance(one, Done) for one in second.values())
    people = site.people.with_any("idnumber", ["n-1", "n-2"])
    assert sorted(one.firstname for one in people) == ["Given", "Newer"]


def test_look_ups_within_batches_never_wait_for_each_other(
    site: MoodleState, centre_of: Open
) -> None:
    centre = centre_of(Limits(calls_at_once=2, attempts=1), people_batch=1)
    orders = [learner(number, f"n-{number}", again=True) for number in range(12)]
    orders += [learner(20 + n, f"m-{n}", email=f"p{n}@example.org") for n in range(8)]
    found: dict[int, Done | Failed] = {}
    work = Thread(target=lambda: found.update(by_key(centre.write_learners(orders))), daemon=True)
    work.start()
    work.join(30)
    assert len(found) == 20


def test_a_course_that_is_gone_is_told_before_halving(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    orders = [enrol(n, person(n), "999", Action.UPDATE) for n in range(10)]
    found = by_key(centre_of().write_enrolments(orders, Removal.SUSPEND))
    assert all(isinstance(one, Failed) for one in found.values())
    assert site.calls[ENROL] == 1


def test_changes_are_refused_row_by_row(site: MoodleState, centre_of: Open, person: Person) -> None:
    def change(key: int, account: str, **wanted: str) -> Order:
        return Order(key, Action.UPDATE, account, wanted, tuple(wanted))

    found = by_key(
        centre_of().write_learners(
            [
                change(1, str(person(1)), email="p2@example.org"),
                change(2, str(person(2)), family_name="Changed"),
                change(3, "99999999", family_name="x"),
                change(4, "not-a-number", family_name="x"),
                Order(5, Action.REMOVE, str(person(5)), {"state": "removed"}),
            ]
        )
    )
    assert [key for key, one in found.items() if isinstance(one, Done)] == [5, 2]
    assert found[1].error.code == "email-taken"
    changed = site.people.get(person(2))
    assert changed is not None
    assert changed.lastname == "Changed"


def test_enrolments_with_their_times(site: MoodleState, centre_of: Open, person: Person) -> None:
    orders = [enrol(1, person(1), starts_at="2026-01-01T00:00:00Z", ends_at="2026-02-01T12:00:00Z")]
    found = by_key(centre_of().write_enrolments(orders, Removal.SUSPEND))
    assert found[1] == Done(1, f"2/{person(1)}")
    one = site.enrolments.get(2, person(1))
    assert one is not None
    assert one.timestart == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert one.timeend == datetime(2026, 2, 1, 12, tzinfo=UTC).timestamp()


def test_bad_rows_are_found_and_the_rest_is_enrolled(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    orders = [enrol(number, person(number)) for number in range(10)]
    orders += [enrol(20, 99_999_999), enrol(21, "abc"), enrol(22, person(1), "x")]
    orders += [enrol(23, person(1), "9999")]
    found = by_key(centre_of().write_enrolments(orders, Removal.SUSPEND))
    assert {key for key, one in found.items() if isinstance(one, Failed)} == {20, 21, 22, 23}
    assert all(isinstance(found[key].error, RecordRefused) for key in (20, 21, 22, 23))
    assert len(roster(site)) == 10


def test_those_who_were_there_are_not_ours(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(0), timeend=1800000000)
    site.enrolments.enrol(2, person(1), suspended=True)
    orders = [enrol(number, person(number)) for number in range(3)]
    orders.append(enrol(3, person(3), again=True))
    found = by_key(centre_of().write_enrolments(orders, Removal.SUSPEND))
    assert [found[key].made for key in range(4)] == [False, False, True, True]
    untouched = site.enrolments.get(2, person(0))
    assert untouched is not None
    assert untouched.timeend == 1800000000
    assert roster(site)[person(1)] is False  # has to be active, whoever enrolled them


def test_again_is_ours(site: MoodleState, centre_of: Open, person: Person) -> None:
    site.enrolments.enrol(2, person(0))
    found = by_key(centre_of().write_enrolments([enrol(0, person(0), again=True)], Removal.SUSPEND))
    assert found[0].made


@pytest.mark.parametrize(
    ("removal", "state"),
    [
        (Removal.KEEP, (True, False, [5])),
        (Removal.SUSPEND, (True, True, [5])),
        (Removal.SUSPEND_DROP_ROLE, (True, True, [])),
        (Removal.UNENROL, (False, False, [])),
    ],
)
def test_removal_policies(
    removal: Removal,
    state: tuple[bool, bool, list[int]],
    site: MoodleState,
    centre_of: Open,
    person: Person,
) -> None:
    site.enrolments.enrol(2, person(0))
    found = by_key(
        centre_of().write_enrolments([leave(0, person(0)), leave(1, person(1))], removal)
    )
    assert all(isinstance(one, Done) for one in found.values())
    one = site.enrolments.get(2, person(0))
    shown = (one is not None, bool(one and one.suspended), list(one.roles) if one else [])
    assert shown == state
    assert site.enrolments.get(2, person(1)) is None  # suspending does not enrol


def test_editions_become_groups(site: MoodleState, centre_of: Open, person: Person) -> None:
    site.enrolments.enrol(2, person(9))
    orders = [
        enrol(0, person(0), "2#E-1"),
        enrol(1, person(1), "2#E-2"),
        enrol(9, person(9), "2#E-1"),
    ]
    centre = centre_of()
    found = by_key(centre.write_enrolments(orders, Removal.SUSPEND))
    assert [found[key].made for key in (0, 1, 9)] == [True, True, False]
    groups = {group.idnumber: set(group.members) for group in site.groups.of_course(2)}
    assert groups == {"E-1": {person(0), person(9)}, "E-2": {person(1)}}
    both = by_key(centre.write_enrolments([enrol(0, person(0), "2#E-2")], Removal.SUSPEND))
    assert both[0].made  # on the course for the sake of an edition
    left = by_key(centre.write_enrolments([leave(0, person(0), "2#E-1")], Removal.UNENROL))
    assert left[0].note == "is in another edition"
    assert person(0) in roster(site)
    by_key(centre.write_enrolments([leave(0, person(0), "2#E-2")], Removal.UNENROL))
    assert person(0) not in roster(site)


def test_a_group_with_the_name_but_not_the_id_number(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.groups.add(2, "E-1")
    found = by_key(centre_of().write_enrolments([enrol(0, person(0), "2#E-1")], Removal.SUSPEND))
    assert found[0].error.code == "group-name-taken"
    assert found[0].error.remedy


def test_a_course_that_denies_stops_no_other(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.revoke("moodle/course:viewhiddencourses")
    orders = [enrol(0, person(0), "5"), enrol(1, person(0), "2")]
    found = by_key(centre_of().write_enrolments(orders, Removal.SUSPEND))
    assert isinstance(found[0].error, AccessDenied)
    assert isinstance(found[1], Done)


def test_an_account_that_sees_nobody_enrols_nobody(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    """Everybody would seem to be new, and so the bridge's own to remove."""
    site.revoke("moodle/user:viewdetails")
    found = by_key(centre_of().write_enrolments([enrol(0, person(0))], Removal.SUSPEND))
    assert isinstance(found[0].error, AccessDenied)
    assert roster(site) == {}


def test_a_lost_answer_is_repeated_without_harm(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.faults.next(ENROL, Fault.reset(after_work=True))
    found = by_key(centre_of().write_enrolments([enrol(0, person(0))], Removal.SUSPEND))
    assert found[0] == Done(0, f"2/{person(0)}")


def test_failing_batches_do_not_stop_the_others(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.faults.next(ENROL, Fault.http(502), 1)
    orders = [enrol(n * 10 + c, person(n), str(c)) for c in (2, 3, 4) for n in range(5)]
    found = by_key(centre_of(Limits(attempts=1)).write_enrolments(orders, Removal.SUSPEND))
    lost = [one for one in found.values() if isinstance(one, Failed)]
    assert len(found) == 15
    assert len(lost) == 5
    assert all(isinstance(one.error, RetryLater) and one.error.applied for one in lost)


def test_an_open_circuit_ends_the_writing_and_what_was_done_is_told(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    courses = [site.catalogue.add_course(f"X{n}", "X").id for n in range(30)]
    site.faults.next("*", Fault.http(502), 100)
    orders = [enrol(course, person(0), str(course)) for course in courses]
    limits = Limits(calls_at_once=1, attempts=1, break_after=3, break_seconds=600)
    outcomes = iter(centre_of(limits).write_enrolments(orders, Removal.SUSPEND))
    first = [next(outcomes) for _ in range(3)]
    assert all(isinstance(one, Failed) and one.error.code == "server-error" for one in first)
    with pytest.raises(CircuitOpen):
        next(outcomes)
