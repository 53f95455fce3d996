"""Whose account is whose: nobody gets the account of another person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lms_bridge.connectors.moodle.account_rows import username
from lms_bridge.connectors.moodle.centre import MoodleCentre
from lms_bridge.devtools.faults import SimulatedFault
from lms_bridge.devtools.moodle.state import MoodleState
from lms_bridge.domain.ports import WriteFailed, Written
from tests.integration.moodle.records import by_key, learner
from tests.integration.moodle.site_nights import MoodleNights

Open = Callable[..., MoodleCentre]
CREATE = "core_user_create_users"


def stranger(site: MoodleState, **values: Any) -> int:
    """Somebody else's account, under a user name that the bridge would choose."""
    values = {"email": "stranger@example.net", **values}
    return site.people.add(values.pop("username"), "Other", "Person", **values).id


def test_an_account_with_the_bridges_user_name_is_not_adopted(
    site: MoodleState, nights: MoodleNights
) -> None:
    """User names are free to choose where people register themselves."""
    there = stranger(site, username=username("SAMPLE-1"))
    nights.register(1)
    nights.night()
    assert nights.waiting() == {"SAMPLE-1": "user-name-taken"}
    account = site.people.get(there)
    assert account is not None
    assert (account.idnumber, account.email) == ("", "stranger@example.net")
    assert site.enrolments.of_user(there) == []
    (row,) = nights.contents()["unmatched"]
    assert [[str(there), "the bridge did not try to make it"]] in row


@pytest.mark.parametrize(
    ("values", "is_retry", "reason"),
    [
        ({"email": "1@example.net"}, False, "the bridge did not try to make it"),
        ({"email": "1@example.net", "idnumber": "somebody"}, True, "its ID number is another"),
        ({"email": "other@example.net"}, True, "its e-mail address is another"),
        ({"email": "other@example.net", "idnumber": "a.1"}, True, "its e-mail address is another"),
    ],
)
def test_an_account_is_adopted_only_if_all_signs_are_the_bridges(
    values: dict[str, str], is_retry: bool, reason: str, site: MoodleState, centre_of: Open
) -> None:
    there = stranger(site, username="itu-a.1", **values)
    before = site.people.get(there)
    found = by_key(centre_of().write_learners([learner(1, "a.1", is_retry=is_retry)]))
    assert isinstance(found[1], WriteFailed)
    assert (found[1].error.code, found[1].accounts) == ("user-name-taken", ((str(there), reason),))
    assert "a.1" in found[1].error.message
    assert site.people.get(there) == before


@pytest.mark.parametrize("idnumber", ["", "a.1"])
def test_the_account_of_an_earlier_attempt_is_adopted(
    idnumber: str, site: MoodleState, centre_of: Open
) -> None:
    there = stranger(site, username="itu-a.1", email="1@Example.net", idnumber=idnumber)
    found = by_key(centre_of().write_learners([learner(1, "a.1", is_retry=True)]))
    assert found[1] == Written(1, str(there))
    account = site.people.get(there)
    assert account is not None
    assert account.idnumber == "a.1"


def test_a_lost_answer_leaves_one_account_that_is_the_bridges(
    site: MoodleState, nights: MoodleNights
) -> None:
    nights.register(1)
    site.faults.next(CREATE, SimulatedFault.reset(after_work=True))
    nights.night()
    nights.good_night()  # the account of before gets its data, too
    account = nights.account(1)
    assert account is not None
    assert nights.linked_accounts() == {str(account.id)}
    nights.academy.change_person("SAMPLE-1", given_name="Renamed")
    nights.good_night()
    assert account.firstname == "Renamed"


def test_a_person_may_have_an_account_made_beside_the_one_with_the_name(
    site: MoodleState, nights: MoodleNights
) -> None:
    there = stranger(site, username=username("SAMPLE-1"))
    nights.register(1)
    nights.night()
    nights.match("SAMPLE-1", None)
    assert nights.waiting() == {}
    nights.good_night()
    account = nights.account(1)
    assert account is not None
    assert account.id != there
    assert account.username.startswith("itu-sample-1-")
    assert nights.linked_accounts() == {str(account.id)}


def test_a_decision_to_make_an_account_outlives_a_failure(
    site: MoodleState, nights: MoodleNights
) -> None:
    site.people.add("sister", "Sister", "Person", "sample1@example.org")
    nights.register(1)
    nights.night()
    assert nights.waiting() == {"SAMPLE-1": "same-email"}
    site.people.allow_shared_emails = True
    nights.match("SAMPLE-1", None)
    site.faults.next(CREATE, SimulatedFault.http(502))
    nights.night()
    assert nights.waiting() == {}
    nights.good_night()
    assert nights.account(1) is not None
