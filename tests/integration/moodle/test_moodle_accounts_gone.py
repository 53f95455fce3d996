"""An account that was deleted in Moodle: its learner is matched anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.devtools.moodle.records import MoodleUser
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.model import Flow
from lms_bridge.domain.ports import Page, Removal, Written
from tests.integration.moodle.records import by_key, enrol, records
from tests.integration.moodle.replay import MORE
from tests.integration.moodle.site_nights import MoodleNights

Open = Callable[..., MoodleCentre]
Person = Callable[[int], int]


@pytest.fixture
def enrolled(nights: MoodleNights) -> MoodleUser:
    """Sample person 1, in course 2 by an account that the bridge made."""
    nights.register(1)
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    return account


def test_the_learner_gets_a_new_account_and_their_place(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.delete_person(enrolled.id)
    report = nights.good_night()
    account = nights.account(1)
    assert account is not None
    assert account.id != enrolled.id
    assert [each.user_id for each in site.enrolments.of_course(2)] == [account.id]
    assert ("learner", "compare", "account deleted there") in nights.items(report)
    report = nights.good_night()
    assert "account deleted there" not in str(nights.items(report))


def test_an_account_of_theirs_that_is_there_by_now_is_found(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.delete_person(enrolled.id)
    other = site.people.add("second", "Sample1", "Person", "second@x.org", idnumber="SAMPLE-1")
    nights.good_night()
    assert nights.linked_accounts() == {str(other.id)}
    assert [each.user_id for each in site.enrolments.of_course(2)] == [other.id]


def test_a_learner_whose_address_somebody_else_has_by_now_waits(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.delete_person(enrolled.id)
    site.people.add("sister", "Sister", "Person", "sample1@example.org")
    nights.night()
    assert nights.waiting() == {"SAMPLE-1": "same-email"}


def test_a_write_to_a_deleted_account_starts_the_matching_anew(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    """The next full run would see it, too, but other runs write in the meantime."""
    site.delete_person(enrolled.id)
    nights.academy.change_person("SAMPLE-1", given_name="Renamed")
    nights.register(1, course=3)
    nights.minutes([Flow.ENROLMENTS])
    nights.minutes([Flow.ENROLMENTS])
    account = nights.account(1)
    assert account is not None
    courses = {each.course_id for each in site.enrolments.of_user(account.id)}
    assert courses == {2, 3}


def test_an_enrolment_of_a_deleted_account_starts_the_matching_anew(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.delete_person(enrolled.id)
    nights.register(1, course=3)
    nights.minutes([Flow.ENROLMENTS])
    nights.minutes([Flow.ENROLMENTS])
    assert nights.account(1) is not None


def test_accounts_that_are_not_shown_count_as_neither_there_nor_deleted(
    site: MoodleState, nights: MoodleNights, enrolled: MoodleUser
) -> None:
    site.revoke("moodle/user:viewdetails")
    nights.night()
    assert nights.linked_accounts() == {str(enrolled.id)}


def test_a_deleted_account_is_recognised(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.people.change(person(1), suspended=True)
    gone, kept = person(2), person(3)
    site.delete_person(gone)
    shown = records(
        centre_of().show_accounts({str(id_): {} for id_ in (person(1), gone, kept, 999999)})
    )
    states = {key: fields["state"] for key, fields in shown.items()}
    assert states == {str(person(1)): "suspended", str(gone): "gone", str(kept): "active"}


def test_the_recorded_accounts_are_distinguished() -> None:
    from lms_bridge.connectors.moodle.shown_accounts import state_of

    (deleted,) = MORE["account_deleted_looked_up"]["response"]
    (suspended,) = MORE["account_suspended"]["response"]
    assert (state_of(deleted), state_of(suspended)) == ("gone", "suspended")


@pytest.mark.parametrize("refusal", ["invaliduser", "codingerror", "invalidparameter"])
def test_an_enrolment_of_an_unknown_or_deleted_account_is_reported_on_every_release(
    refusal: str, site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.unknown_account = refusal
    gone = person(1)
    site.delete_person(gone)
    requests = [enrol(1, 99_999), enrol(2, gone), enrol(3, person(2))]
    found = by_key(centre_of().write_enrolments(requests, Removal.SUSPEND))
    assert [found[key].error.code for key in (1, 2)] == ["account-gone"] * 2
    assert isinstance(found[3], Written)


def test_a_release_that_does_not_name_what_is_missing_tells_an_unknown_account(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    site.names_tables = False
    requests = [enrol(1, 99_999), enrol(2, person(2))]
    found = by_key(centre_of().write_enrolments(requests, Removal.SUSPEND))
    assert found[1].error.code == "account-gone"
    assert isinstance(found[2], Written)


def test_writes_to_a_deleted_account_report_it(
    site: MoodleState, centre_of: Open, person: Person
) -> None:
    gone = person(1)
    site.delete_person(gone)
    found = by_key(centre_of().write_enrolments([enrol(1, gone)], Removal.SUSPEND))
    assert found[1].error.code == "account-gone"
    assert str(gone) in found[1].error.message
    assert isinstance(next(centre_of().show_accounts({str(gone): {}})), Page)
