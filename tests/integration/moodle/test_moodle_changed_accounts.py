"""What a centre changes on accounts and enrolments in its Moodle is seen, and left or undone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lms_bridge.devtools.moodle.records import MoodleUser
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.model import Flow
from lms_bridge.domain.policy import OnConflict, OnSuspended, OnUnneeded
from tests.integration.moodle.site_nights import MoodleNights

UPDATE = "core_user_update_users"


@pytest.fixture
def enrolled(nights: MoodleNights) -> MoodleUser:
    """Sample person 1, in course 2 by an account that the bridge made."""
    nights.register(1)
    nights.good_night()
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    return account


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (OnConflict.SOURCE, "Sample1"),
        (OnConflict.KEEP, "Changed"),
        (OnConflict.HOLD, "Changed"),
    ],
)
def test_a_changed_name_is_a_conflict_under_the_centres_policy(
    policy: OnConflict, name: str, site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    nights.policy = replace(nights.policy, conflict=policy)
    site.people.change(enrolled.id, firstname="Changed", email="changed@example.org")
    report = nights.night()
    assert next(each[:2] for each in nights.items(report)) == ("learner", "conflict")
    assert enrolled.firstname == name
    assert len(nights.holds("pending")) == (policy is OnConflict.HOLD)
    nights.decide(approve=True)
    nights.night()
    assert enrolled.firstname == ("Changed" if policy is OnConflict.KEEP else "Sample1")
    assert "conflict" not in str(nights.items(nights.night()))


@pytest.mark.parametrize("shown", ["SAMPLE-9", ""])
def test_a_changed_id_number_is_a_conflict_since_it_is_whose_account_it_is(
    shown: str, site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.people.change(enrolled.id, idnumber=shown)
    assert nights.items(nights.night())[0][:2] == ("learner", "conflict")
    assert enrolled.idnumber == "SAMPLE-1"
    assert nights.items(nights.good_night()) == []


def test_a_suspended_account_is_reported_once_and_left(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.people.change(enrolled.id, suspended=True)
    report = nights.good_night()
    assert nights.items(report) == [("learner", "conflict", "suspended there")]
    (message,) = nights.messages(report)
    assert message.startswith(f"The centre suspended account {enrolled.id} of learner SAMPLE-1.")
    assert nights.items(nights.good_night()) == []
    assert enrolled.suspended


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"confirmed": False}, "is not confirmed"),
        ({"auth": "nologin"}, "by which nobody can log in"),
    ],
    ids=["unconfirmed", "locked"],
)
def test_an_account_to_which_nobody_can_log_in_is_told_once_and_left(
    change: dict[str, object],
    words: str,
    site: MoodleState,
    nights: MoodleNights,
    enrolled: MoodleUser,
) -> None:
    site.people.change(enrolled.id, **change)
    report = nights.good_night()
    assert nights.items(report) == [("learner", "conflict", "cannot log in")]
    (message,) = nights.messages(report)
    assert "SAMPLE-1" in message
    assert words in message
    assert nights.items(nights.good_night()) == []


def test_an_enrolment_that_is_refused_for_want_of_a_confirmation_says_so(
    site: MoodleState, nights: MoodleNights
) -> None:
    own = site.people.add("own", "Own", "Name", "own@example.org", idnumber="SAMPLE-1")
    site.people.change(own.id, confirmed=False)
    nights.register(1)
    assert "not confirmed" in " ".join(nights.messages(nights.night()))
    site.people.change(own.id, confirmed=True)
    nights.good_night()
    assert site.enrolments.get(2, own.id) is not None


def test_a_release_that_enrols_without_a_confirmation_has_the_account_told_once(
    site: MoodleState, nights: MoodleNights
) -> None:
    site.unknown_account = "codingerror"  # Moodle 4.2 to 4.4
    own = site.people.add("own", "Own", "Name", "own@example.org", idnumber="SAMPLE-1")
    site.people.change(own.id, confirmed=False)
    nights.register(1)
    reports = [nights.good_night(), nights.good_night()]
    assert site.enrolments.get(2, own.id) is not None
    told = [text for each in reports for text in nights.messages(each) if "not confirmed" in text]
    assert len(told) == 1
    assert nights.items(nights.good_night()) == []


def test_a_learner_whose_id_number_another_account_got_is_matched_with_that(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.people.change(enrolled.id, idnumber="", suspended=True)
    other = site.people.add("other", "Own", "Name", "other@example.org", idnumber="SAMPLE-1")
    report = nights.good_night()
    assert ("learner", "compare", "another account there") in nights.items(report)
    assert "lost the ID number of learner SAMPLE-1" in " ".join(nights.messages(report))
    assert enrolled.idnumber == ""
    assert nights.linked_accounts() == {str(other.id)}
    assert site.enrolments.get(2, other.id) is not None
    assert nights.items(nights.good_night()) == []


def test_an_address_that_another_account_has_is_told_with_the_learner(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.people.add("other", "Own", "Name", "other@example.org")
    nights.academy.change_person("SAMPLE-1", email="other@example.org")
    found = " ".join(nights.messages(nights.night()))
    assert "Another account has the new e-mail address of learner SAMPLE-1." in found
    assert enrolled.email != "other@example.org"
    nights.academy.change_person("SAMPLE-1", email="sample1@example.org")
    nights.good_night()


@pytest.mark.parametrize("policy", list(OnConflict))
def test_an_account_that_is_renamed_and_suspended_at_once_is_told_of(
    policy: OnConflict, site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    nights.policy = replace(nights.policy, conflict=policy)
    site.people.change(enrolled.id, suspended=True, firstname="Changed")
    reports = [nights.night() for _ in range(3)]
    found = [message for report in reports for message in nights.messages(report)]
    assert len([each for each in found if "suspended account" in each]) == 1
    assert enrolled.suspended


def test_names_that_moodle_writes_otherwise_are_no_conflict(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    nights.academy.change_person(
        "SAMPLE-1", given_name="A <3 B", family_name="", email="Sample1@Example.ORG"
    )
    nights.good_night()
    nights.good_night()
    calls = site.calls[UPDATE]
    assert nights.items(nights.good_night()) == []
    assert site.calls[UPDATE] == calls


def test_accounts_of_the_centres_own_may_have_any_name(
    site: MoodleState, nights: MoodleNights
) -> None:
    site.people.add("own", "Own", "Name", "own@example.org", idnumber="SAMPLE-1")
    nights.register(1)
    nights.good_night()
    assert nights.items(nights.good_night()) == []


# ---- suspended enrolments ---------------------------------------------------------------------


def theirs(site: MoodleState, *, suspended: bool) -> int:
    """Sample person 1, whom the centre enrolled in course 2 by itself."""
    there = site.people.add("own", "Own", "Name", "own@example.org", idnumber="SAMPLE-1").id
    site.enrolments.enrol(2, there, suspended=suspended)
    return there


def is_suspended(site: MoodleState, person: int) -> bool:
    enrolment = site.enrolments.get(2, person)
    assert enrolment is not None
    return enrolment.suspended


def test_somebody_whom_the_centre_suspended_is_left_alone_and_reported(
    site: MoodleState, nights: MoodleNights
) -> None:
    there = theirs(site, suspended=True)
    key = nights.register(1)
    report = nights.night()
    assert is_suspended(site, there)
    (message,) = nights.messages(report)
    assert "SAMPLE-1" in message
    assert "course 2" in message
    nights.academy.change(key, "withdrawn")
    nights.good_night()


def test_reactivating_is_recorded_and_undone_at_withdrawal(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.policy = replace(nights.policy, suspended=OnSuspended.REACTIVATE)
    there = theirs(site, suspended=True)
    key = nights.register(1)
    nights.night([Flow.ENROLMENTS])
    nights.good_night()
    assert not is_suspended(site, there)
    nights.good_night()
    nights.academy.change(key, "withdrawn")
    nights.good_night()
    assert is_suspended(site, there)
    enrolment = site.enrolments.get(2, there)
    assert enrolment is not None
    assert enrolment.roles == [5]


def test_an_enrolment_of_the_centres_own_that_it_suspends_later_is_left(
    site: MoodleState, nights: MoodleNights
) -> None:
    there = theirs(site, suspended=False)
    nights.register(1)
    nights.good_night()
    site.enrolments.enrol(2, there, suspended=True)
    report = nights.good_night()
    assert ("enrolment", "conflict", "kept") in nights.items(report)
    nights.good_night()
    assert is_suspended(site, there)


def test_an_account_that_nothing_needs_is_named_once(
    site: MoodleState, nights: MoodleNights
) -> None:
    keys = [nights.register(1), nights.register(1, course=3)]
    own = site.people.add("own", "Own", "P", "own@example.org", idnumber="SAMPLE-2").id
    other = nights.register(2)
    nights.good_night()
    nights.academy.change(keys[0], "withdrawn")
    nights.academy.change(other, "withdrawn")
    nights.good_night()
    assert "needed by nothing" not in str(nights.items(nights.good_night()))
    nights.academy.change(keys[1], "withdrawn")
    nights.good_night()
    report = nights.good_night()
    assert nights.items(report) == [("learner", "compare", "needed by nothing")]
    assert "SAMPLE-1" in nights.messages(report)[0]
    assert nights.items(nights.good_night()) == []
    account, theirs = nights.account(1), site.people.get(own)
    assert account is not None
    assert theirs is not None
    assert (account.suspended, theirs.suspended) == (False, False)


def suspending_the_unneeded(nights: MoodleNights) -> tuple[str, MoodleUser]:
    """A registration, and the account that the bridge made for it."""
    nights.policy = replace(nights.policy, unneeded=OnUnneeded.SUSPEND)
    key = nights.register(1)
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    return key, account


def test_an_account_that_nothing_needs_is_suspended_until_it_is_needed(
    site: MoodleState, nights: MoodleNights
) -> None:
    key, account = suspending_the_unneeded(nights)
    nights.academy.change(key, "withdrawn")
    nights.good_night()
    report = nights.good_night()
    assert ("learner", "remove", "acknowledged") in nights.items(report)
    assert (account.suspended, account.firstname) == (True, "Sample1")
    assert nights.items(nights.good_night()) == []
    # New data of a learner whom nothing needs do not bring the account back.
    nights.academy.change_person("SAMPLE-1", given_name="Renamed")
    nights.good_night()
    assert account.suspended
    nights.academy.change(key, "enrolled")
    nights.good_night()
    assert (account.suspended, account.firstname) == (False, "Renamed")
    assert nights.account(1) is account
    enrolment = site.enrolments.get(2, account.id)
    assert enrolment is not None
    assert not enrolment.suspended
    assert nights.items(nights.good_night()) == []


def test_many_accounts_that_nothing_needs_wait_for_a_person(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.policy = replace(nights.policy, unneeded=OnUnneeded.SUSPEND)
    keys = [nights.register(number) for number in range(1, 5)]
    nights.good_night()
    for key in keys:
        nights.academy.change(key, "withdrawn")
    nights.good_night()
    nights.policy = replace(nights.policy, hold_records=2)
    assert nights.night().status == "held"
    accounts = [nights.account(number) for number in range(1, 5)]
    assert [each.suspended for each in accounts if each] == [False] * 4
    nights.decide(approve=True)
    nights.good_night()
    assert [each.suspended for each in accounts if each] == [True] * 4


def test_who_stays_in_a_course_by_another_method_is_removed_twice_and_then_told(
    site: MoodleState, nights: MoodleNights
) -> None:
    key, account = suspending_the_unneeded(nights)
    nights.academy.change(key, "withdrawn")
    nights.good_night()
    enrolment = site.enrolments.get(2, account.id)
    assert enrolment is not None
    enrolment.suspended = False  # the roster shows somebody with a second method as active
    assert ("enrolment", "conflict", "source wins") in nights.items(nights.good_night())
    enrolment.suspended = False
    report = nights.good_night()
    assert ("enrolment", "conflict", "stays there") in nights.items(report)
    assert "another method of enrolment" in " ".join(nights.messages(report))
    assert nights.items(nights.good_night()) == []
    assert not account.suspended  # the learner works in that course with it
    enrolment.suspended = True
    for _ in range(2):
        nights.good_night()
    assert account.suspended


def test_an_account_that_the_centre_uses_in_a_course_of_its_own_is_not_suspended(
    site: MoodleState, nights: MoodleNights
) -> None:
    key, account = suspending_the_unneeded(nights)
    site.enrolments.enrol(3, account.id)
    nights.academy.change(key, "withdrawn")
    for _ in range(3):
        nights.good_night()
    assert not account.suspended
    site.unenrol(3, account.id)
    for _ in range(2):
        nights.good_night()
    assert account.suspended


def test_a_role_that_the_centre_renamed_is_still_the_learners_role(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    assert enrolled
    site.roles[5] = "participant"
    assert nights.items(nights.good_night()) == []
