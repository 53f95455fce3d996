"""Writes people and enrolments into the simulated Moodle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.devtools.faults import SimulatedFault
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.errors import AccessDenied, CircuitOpen, RecordRefused, RetryLater
from lms_bridge.domain.ports import Action, Limits, Removal, WriteFailed, WriteRequest, Written
from tests.integration.moodle.records import by_key, enrol, learner, leave

Open = Callable[..., MoodleCentre]
Person = Callable[[int], int]
ENROL, CREATE = "enrol_manual_enrol_users", "core_user_create_users"


def roster(site: MoodleState, course: int = 2) -> dict[int, bool]:
    """Person -> whether the enrolment is suspended."""
    return {each.user_id: each.suspended for each in site.enrolments.of_course(course)}


def test_people_are_created_despite_bad_rows(site: MoodleState, centre_of: Open) -> None:
    requests = [learner(number, f"n-{number}") for number in range(20)]
    requests[7] = learner(7, "n-7", email="P1@example.org")  # taken, in other letters
    requests[13] = learner(13, "n-13", email="nonsense")
    found = by_key(centre_of(people_batch=10).write_learners(requests))
    assert {key for key, one in found.items() if isinstance(one, WriteFailed)} == {7, 13}
    assert found[7].error.code == "email-taken"
    assert found[7].error.field == "email"
    assert len(site.people.with_any("idnumber", [f"n-{number}" for number in range(20)])) == 18
    assert "P1@" not in str(found[7].error)


def test_a_language_that_is_not_installed_is_left_to_the_site(
    site: MoodleState, centre_of: Open
) -> None:
    requests = [learner(number, f"n-{number}", language="zh-CN") for number in range(4)]
    found = by_key(centre_of().write_learners(requests))
    assert all(isinstance(one, Written) for one in found.values())


def test_people_are_not_created_twice_after_a_lost_answer(
    site: MoodleState, centre_of: Open
) -> None:
    site.faults.next(CREATE, SimulatedFault.reset(after_work=True))
    centre = centre_of()
    first = by_key(centre.write_learners([learner(1, "n-1"), learner(2, "n-2")]))
    assert all(one.error.applied for one in first.values())
    is_retry = [
        learner(1, "n-1", is_retry=True, given_name="Newer"),
        learner(2, "n-2", is_retry=True),
    ]
    second = by_key(centre.write_learners(is_retry))
    assert all(isinstance(one, Written) for one in second.values())
    people = site.people.with_any("idnumber", ["n-1", "n-2"])
    assert sorted(one.firstname for one in people) == ["Given", "Newer"]


def test_look_ups_within_batches_never_wait_for_each_other(
    site: MoodleState, centre_of: Open
) -> None:
    centre = centre_of(Limits(calls_at_once=2, attempts=1), people_batch=1)
    requests = [learner(number, f"n-{number}", is_retry=True) for number in range(12)]
    requests += [learner(20 + n, f"m-{n}", email=f"p{n}@example.org") for n in range(8)]
    found: dict[int, Written | WriteFailed] = {}
    work = Thread(target=lambda: found.update(by_key(centre.write_learners(requests))), daemon=True)
    work.start()
    work.join(120)
    assert len(found) == 20


def test_a_deleted_course_is_noticed_before_bisection(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    requests = [enrol(n, person(n), "999", Action.UPDATE) for n in range(10)]
    found = by_key(centre_of().write_enrolments(requests, Removal.SUSPEND))
    assert all(isinstance(one, WriteFailed) for one in found.values())
    assert site.calls[ENROL] == 1


def test_changes_are_refused_row_by_row(site: MoodleState, centre_of: Open, person: Person) -> None:
    def change(key: int, account: str, **desired: str) -> WriteRequest:
        return WriteRequest(key, Action.UPDATE, account, desired, tuple(desired))

    found = by_key(
        centre_of().write_learners(
            [
                change(1, str(person(1)), email="p2@example.org"),
                change(2, str(person(2)), family_name="Changed"),
                change(3, "99999999", family_name="x"),
                change(4, "not-a-number", family_name="x"),
                WriteRequest(5, Action.REMOVE, str(person(5)), {"state": "removed"}),
            ]
        )
    )
    assert [key for key, one in found.items() if isinstance(one, Written)] == [2, 5]
    assert found[1].error.code == "email-taken"
    changed = site.people.get(person(2))
    assert changed is not None
    assert changed.lastname == "Changed"
    unneeded = site.people.get(person(5))
    assert unneeded is not None
    assert (unneeded.suspended, unneeded.lastname) == (True, "Family 5")


def test_enrolments_have_their_times(site: MoodleState, centre_of: Open, person: Person) -> None:
    requests = [
        enrol(1, person(1), starts_at="2026-01-01T00:00:00Z", ends_at="2026-02-01T12:00:00Z")
    ]
    found = by_key(centre_of().write_enrolments(requests, Removal.SUSPEND))
    assert found[1] == Written(1, f"2/{person(1)}")
    one = site.enrolments.get(2, person(1))
    assert one is not None
    assert one.timestart == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert one.timeend == datetime(2026, 2, 1, 12, tzinfo=UTC).timestamp()


def test_bad_rows_are_found_and_the_rest_is_enrolled(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    requests = [enrol(number, person(number)) for number in range(10)]
    requests += [enrol(20, 99_999_999), enrol(21, "abc"), enrol(22, person(1), "x")]
    requests += [enrol(23, person(1), "9999")]
    found = by_key(centre_of().write_enrolments(requests, Removal.SUSPEND))
    assert {key for key, one in found.items() if isinstance(one, WriteFailed)} == {20, 21, 22, 23}
    assert all(isinstance(found[key].error, RecordRefused) for key in (20, 21, 22, 23))
    assert len(roster(site)) == 10


def test_people_who_were_on_the_roster_are_not_created_by_us(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(0), timeend=1800000000)
    site.enrolments.enrol(2, person(1), suspended=True)
    requests = [enrol(number, person(number), reactivate="yes") for number in range(3)]
    requests.append(enrol(3, person(3), is_retry=True))
    found = by_key(centre_of().write_enrolments(requests, Removal.SUSPEND))
    assert [found[key].created_by_us for key in range(4)] == [False, False, True, True]
    untouched = site.enrolments.get(2, person(0))
    assert untouched is not None
    assert untouched.timeend == 1800000000
    assert roster(site)[person(1)] is False
    assert found[1].note == "reactivated"


def test_people_whom_the_centre_suspended_stay_so(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(1), suspended=True)
    found = by_key(centre_of().write_enrolments([enrol(1, person(1))], Removal.SUSPEND))
    assert found[1].error.code == "suspended-there"
    assert roster(site)[person(1)] is True


def test_a_repeated_order_is_created_by_us(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.enrolments.enrol(2, person(0))
    found = by_key(
        centre_of().write_enrolments([enrol(0, person(0), is_retry=True)], Removal.SUSPEND)
    )
    assert found[0].created_by_us


@pytest.mark.parametrize(
    ("removal", "state"),
    [
        (Removal.KEEP, (True, False, [5])),
        (Removal.SUSPEND, (True, True, [5])),
        (Removal.SUSPEND_DROP_ROLE, (True, True, [])),
        (Removal.UNENROL, (False, False, [])),
    ],
)
def test_each_removal_policy_leaves_what_it_promises(
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
    assert all(isinstance(one, Written) for one in found.values())
    one = site.enrolments.get(2, person(0))
    shown = (one is not None, bool(one and one.suspended), list(one.roles) if one else [])
    assert shown == state
    assert site.enrolments.get(2, person(1)) is None  # suspending does not enrol


def test_editions_become_groups(site: MoodleState, centre_of: Open, person: Person) -> None:
    site.enrolments.enrol(2, person(9))
    requests = [
        enrol(0, person(0), "2#E-1"),
        enrol(1, person(1), "2#E-2"),
        enrol(9, person(9), "2#E-1"),
    ]
    centre = centre_of()
    found = by_key(centre.write_enrolments(requests, Removal.SUSPEND))
    assert [found[key].created_by_us for key in (0, 1, 9)] == [True, True, False]
    groups = {group.idnumber: set(group.members) for group in site.groups.of_course(2)}
    assert groups == {"E-1": {person(0), person(9)}, "E-2": {person(1)}}
    both = by_key(
        centre.write_enrolments([enrol(0, person(0), "2#E-2", ours_there="yes")], Removal.SUSPEND)
    )
    assert both[0].created_by_us  # on the course for the sake of an edition
    staying = enrol(0, person(0), "2#E-1", Action.REMOVE, state="removed", stays="yes")
    left = by_key(centre.write_enrolments([staying], Removal.UNENROL))
    assert left[0].note == "is in another edition"
    assert person(0) in roster(site)
    by_key(centre.write_enrolments([leave(0, person(0), "2#E-2")], Removal.UNENROL))
    assert person(0) not in roster(site)


def test_a_group_with_the_name_but_not_the_id_number_is_refused(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.groups.add(2, "E-1")
    found = by_key(centre_of().write_enrolments([enrol(0, person(0), "2#E-1")], Removal.SUSPEND))
    assert found[0].error.code == "group-name-taken"
    assert found[0].error.remedy


def test_a_course_that_denies_does_not_stop_the_others(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.revoke("moodle/course:viewhiddencourses")
    requests = [enrol(0, person(0), "5"), enrol(1, person(0), "2")]
    found = by_key(centre_of().write_enrolments(requests, Removal.SUSPEND))
    assert isinstance(found[0].error, AccessDenied)
    assert isinstance(found[1], Written)


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
    site.faults.next(ENROL, SimulatedFault.reset(after_work=True))
    found = by_key(centre_of().write_enrolments([enrol(0, person(0))], Removal.SUSPEND))
    assert found[0] == Written(0, f"2/{person(0)}")


def test_failing_batches_do_not_stop_the_others(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.faults.next(ENROL, SimulatedFault.http(502), 1)
    requests = [enrol(n * 10 + c, person(n), str(c)) for c in (2, 3, 4) for n in range(5)]
    found = by_key(centre_of(Limits(attempts=1)).write_enrolments(requests, Removal.SUSPEND))
    lost = [one for one in found.values() if isinstance(one, WriteFailed)]
    assert len(found) == 15
    assert len(lost) == 5
    assert all(isinstance(one.error, RetryLater) and one.error.applied for one in lost)


def test_an_open_circuit_ends_the_writing_after_reporting_what_was_done(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    courses = [site.catalogue.add_course(f"X{n}", "X").id for n in range(30)]
    site.faults.next("*", SimulatedFault.http(502), 100)
    requests = [enrol(course, person(0), str(course)) for course in courses]
    limits = Limits(calls_at_once=1, attempts=1, break_after=3, break_seconds=600)
    outcomes = iter(centre_of(limits).write_enrolments(requests, Removal.SUSPEND))
    first = [next(outcomes) for _ in range(3)]
    assert all(isinstance(one, WriteFailed) and one.error.code == "server-error" for one in first)
    with pytest.raises(CircuitOpen):
        next(outcomes)
