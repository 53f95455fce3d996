"""People at a centre: whose account is whose, whose is made, and who has to wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lms_bridge.domain.errors import NotFound, RecordRefused, Refused, Unreachable
from lms_bridge.domain.model import Kind
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import BRIDGE
from tests.fakes.nights import NEVER_HOLD, Nights


def registered(night: Nights, *people: int) -> str:
    """A published course and people registered for it; gives the course."""
    course: str = night.lms.add_course("Spectrum")
    night.good_night()
    for number in people:
        night.academy.register(
            "SAMPLE", night.codes()[course], sample_person(number), key=f"r{number}"
        )
    return course


def account(night: Nights, number: int = 1) -> str:
    """The account to which the bridge has linked a person."""
    with night.database.reading() as tx:
        from lms_bridge.store.learners import learners_by_academy_id

        ids = {row_id for row_id, _ in learners_by_academy_id(tx, [f"SAMPLE-{number}"]).values()}
    links = night.links(night.centre.system, Kind.LEARNER)
    return next((link.external_id for link in links if link.record_id in ids), "")


def test_an_account_is_created_with_the_academys_id(night: Nights) -> None:
    registered(night, 1)
    night.good_night()
    (person,) = night.lms.people.values()
    assert (person.stable_id, person.email, person.by) == (
        "SAMPLE-1",
        "sample1@example.org",
        BRIDGE,
    )


def test_an_account_with_the_academys_id_is_theirs_whatever_its_address(night: Nights) -> None:
    course = registered(night, 1)
    there = night.lms.add_person("SAMPLE-1", "another@example.org", "Another Name")
    night.good_night()
    assert list(night.lms.people) == [there]
    assert list(night.lms.roster) == [(course, there)]
    assert night.lms.people[there].email == "another@example.org"  # the centre's own data


@BOTH
def test_a_new_name_and_address_keep_the_person(night: Nights) -> None:
    course = registered(night, 1)
    night.good_night()
    (there,) = night.lms.people
    night.academy.change_person("SAMPLE-1", given_name="Renamed", email="new@example.org")
    night.good_night()
    assert list(night.lms.people) == [there]
    person = night.lms.people[there]
    assert (person.email, person.name) == ("new@example.org", "Renamed Person")
    assert list(night.lms.roster) == [(course, there)]
    assert night.count("learner") == 1


@BOTH
def test_a_dry_run_tells_whose_accounts_are_there(night: Nights) -> None:
    """And a run then does just that."""
    registered(night, 1, 2, 3)
    there = night.lms.add_person("SAMPLE-1", "another@example.org")
    night.lms.add_person("", "sample2@example.org")
    before, people = night.contents(), dict(night.lms.people)
    report = night.run(dry=True)
    assert (night.contents(), night.lms.people, night.lms.roster) == (before, people, {})
    assert report.status == "waiting"
    told = {(c["kind"], c["state"]): c["code"] for c in report.changes if c["state"] != "applied"}
    assert told == {
        ("learner", "would be found"): "",
        ("learner", "would wait"): "unmatched-same-email",
        ("learner", "would be sent"): "",
        ("enrolment", "would be sent"): "",
        ("enrolment", "would wait"): "",
    }
    assert report.counts["enrolment.create.would be sent"] == 2
    assert night.night().status == "waiting"
    assert (account(night, 1), night.waiting()) == (there, {"SAMPLE-2": "same-email"})
    assert len(night.lms.roster) == 2


def test_a_dry_run_without_a_look_up_names_the_failure(night: Nights) -> None:
    registered(night, 1)
    night.lms.steps.fail("find", Unreachable("down", "It is down."))
    report = night.run(dry=True)
    assert [stage for stage, _ in report.errors] == ["people looked up"]
    assert report.counts["learner.create.would be sent"] == 1


def test_an_account_of_the_centre_is_not_renamed(night: Nights) -> None:
    registered(night, 1)
    there = night.lms.add_person("SAMPLE-1", "own@example.org", "Own Name")
    night.good_night()
    night.academy.change_person("SAMPLE-1", given_name="Renamed")
    night.good_night()
    assert night.lms.people[there].name == "Own Name"
    assert night.lms.trespasses == []


def test_a_centre_may_keep_all_its_data(night: Nights) -> None:
    night.policy = replace(NEVER_HOLD, update_accounts=False)
    registered(night, 1)
    night.good_night()
    night.academy.change_person("SAMPLE-1", given_name="Renamed")
    night.good_night()
    assert [person.name for person in night.lms.people.values()] == ["Sample1 Person"]


@BOTH
def test_an_address_only_suggests_and_the_person_waits(night: Nights) -> None:
    registered(night, 1, 2)
    there = night.lms.add_person("", "Sample1@Example.org", "Sample1 Person")
    night.night()
    assert night.waiting() == {"SAMPLE-1": "same-email"}
    assert len(night.lms.roster) == 1  # the other one is enrolled
    (row,) = night.contents()["unmatched"]
    assert [[there, "same-email, same name"]] in row
    night.match("SAMPLE-1", there)
    night.good_night()
    assert night.waiting() == {}
    assert account(night) == there
    assert len(night.lms.roster) == 2
    assert night.lms.people[there].by == "centre"


@BOTH
def test_an_operator_may_have_an_account_created(night: Nights) -> None:
    registered(night, 1)
    there = night.lms.add_person("", "sample1@example.org", "Somebody Else")
    night.night()
    night.lms.people[there].email = "other@example.org"
    night.match("SAMPLE-1", None)
    night.good_night()
    assert account(night) not in ("", there)
    assert len(night.lms.people) == 2


def test_a_new_address_ends_the_waiting(night: Nights) -> None:
    registered(night, 1)
    night.lms.add_person("", "sample1@example.org", "Somebody Else")
    night.night()
    assert night.waiting()
    night.academy.change_person("SAMPLE-1", email="new@example.org")
    night.good_night()
    assert night.waiting() == {}
    assert len(night.lms.roster) == 1


def test_trusted_addresses_match(night: Nights) -> None:
    night.policy = replace(NEVER_HOLD, trust_email=True)
    course = registered(night, 1)
    there = night.lms.add_person("", "SAMPLE1@example.org", "Whoever")
    night.good_night()
    assert list(night.lms.roster) == [(course, there)]
    assert len(night.lms.people) == 1


@pytest.mark.parametrize("trust", [True, False])
def test_a_shared_address_makes_a_person_wait(night: Nights, trust: bool) -> None:
    night.policy = replace(NEVER_HOLD, trust_email=trust)
    registered(night, 1)
    for name in ("Sample1 Person", "Sister Person"):
        night.lms.add_person("", "sample1@example.org", name)
    night.night()
    assert night.waiting() == {"SAMPLE-1": "shared-email"}
    assert night.lms.roster == {}


def test_two_learners_never_share_an_account_by_address(night: Nights) -> None:
    night.policy = replace(NEVER_HOLD, trust_email=True)
    course = registered(night, 1)
    there = night.lms.add_person("", "sample1@example.org", "Shared")
    night.good_night()
    twin = sample_person(2, email="sample1@example.org")
    night.academy.register("SAMPLE", night.codes()[course], twin)
    night.night()
    assert night.waiting() == {"SAMPLE-2": "account-taken"}
    assert list(night.lms.roster) == [(course, there)]
    with pytest.raises(Refused, match="linked to another learner"):
        night.match("SAMPLE-2", there)


def test_two_new_learners_with_one_address_share_no_account(night: Nights) -> None:
    night.policy = replace(NEVER_HOLD, trust_email=True)
    course = registered(night, 1)
    twin = sample_person(2, email="Sample1@example.org")
    night.academy.register("SAMPLE", night.codes()[course], twin)
    there = night.lms.add_person("", "sample1@example.org", "Shared")
    for _ in range(3):
        night.night()
    linked = [link.external_id for link in night.links(night.centre.system, Kind.LEARNER)]
    assert sorted(linked) == ["", there]
    assert len(night.waiting()) == 1


def test_an_account_that_may_not_be_created_makes_the_learner_wait(night: Nights) -> None:
    night.policy = replace(NEVER_HOLD, create_accounts=False)
    registered(night, 1)
    report = night.night()
    assert night.waiting() == {"SAMPLE-1": "none"}
    assert report.counts["learner.create.waits"] == 1
    assert night.lms.people == {}
    there = night.lms.add_person("SAMPLE-1", "", "")  # the centre makes it
    night.good_night()
    assert account(night) == there
    assert night.waiting() == {}


@BOTH
def test_an_account_that_the_target_refuses_waits_for_a_person(night: Nights) -> None:
    registered(night, 1, 2)
    night.lms.refused["SAMPLE-1"] = RecordRefused("bad-name", "Bad name.")
    night.night()
    assert night.waiting() == {"SAMPLE-1": "bad-name"}
    assert len(night.lms.roster) == 1
    night.lms.refused.clear()
    night.run(tries_all=False)  # at once: it waits for its next attempt
    assert len(night.lms.roster) == 1
    with night.database.reading() as tx:
        from lms_bridge.store.learners import learners_by_academy_id

        record_id = learners_by_academy_id(tx, ["SAMPLE-1"])["SAMPLE-1"][0]
    night.resend(Kind.LEARNER, [record_id])
    night.run()
    assert len(night.lms.roster) == 2
    assert night.waiting() == {}


def test_a_correction_is_sent_although_its_last_attempt_was_refused(night: Nights) -> None:
    registered(night, 1)
    night.lms.refused["Bad"] = RecordRefused("bad-name", "Bad name.")
    night.academy.people["SAMPLE-1"]["given_name"] = "Bad"
    for _ in range(4):  # by now its next attempt is hours away
        night.night()
    assert night.lms.people == {}
    night.academy.change_person("SAMPLE-1", given_name="Good")
    night.minutes()
    assert [person.name for person in night.lms.people.values()] == ["Good Person"]


def test_only_a_waiting_person_can_be_matched(night: Nights) -> None:
    registered(night, 1)
    night.good_night()
    for nobody in ("SAMPLE-1", "SAMPLE-9"):
        with pytest.raises(NotFound):
            night.match(nobody, "u1")


def test_a_lost_answer_makes_no_second_account(night: Nights) -> None:
    registered(night, 1, 2, 3, 4)
    night.lms.steps.fail("sent", Unreachable("timed-out", "No answer.", applied=True))
    night.night()
    assert len(night.lms.people) == 3  # a batch whose answer was lost
    night.good_night()  # the accounts of before get their data, too
    ids = [person.stable_id for person in night.lms.people.values()]
    assert sorted(ids) == ["SAMPLE-1", "SAMPLE-2", "SAMPLE-3", "SAMPLE-4"]
    assert all(link.created_by_us for link in night.links(night.centre.system, Kind.LEARNER))
    assert len(night.lms.roster) == 4


def test_a_change_after_a_lost_answer_reaches_the_account_that_was_made(night: Nights) -> None:
    """The next attempt finds the account of the first one, with the data of that time."""
    registered(night, 1)
    night.lms.steps.fail("learner.after", Unreachable("timed-out", "No answer.", applied=True))
    night.night()
    assert [person.email for person in night.lms.people.values()] == ["sample1@example.org"]
    night.academy.change_person("SAMPLE-1", email="new@example.org")
    night.good_night()
    assert [person.email for person in night.lms.people.values()] == ["new@example.org"]


def test_a_learner_without_a_place_needs_no_account(night: Nights) -> None:
    registered(night, 1)
    night.academy.change("r1", "withdrawn")
    night.good_night()
    assert night.lms.people == {}
    night.academy.change("r1", "enrolled")
    night.good_night()
    assert len(night.lms.people) == 1


def test_one_person_at_two_courses_has_one_account(night: Nights) -> None:
    first = registered(night, 1)
    second = night.lms.add_course("Broadband")
    night.good_night()
    night.academy.register("SAMPLE", night.codes()[second], sample_person(1))
    night.good_night()
    assert len(night.lms.people) == 1
    assert {course for course, _ in night.lms.roster} == {first, second}


class WithoutAccounts:
    """A centre that knows people by their Academy ids alone."""

    def __init__(self, night: Nights) -> None:
        self.read_offerings = night.lms.read_offerings
        self.written: list[str] = []
        self._night = night

    def write_enrolments(self, requests: Any, removal: object) -> object:
        from lms_bridge.domain.ports import Written

        for request in requests:
            name = f"{request.desired['offering']}/{request.desired['account']}"
            self.written.append(name)
            yield Written(request.key, name)


def test_a_centre_without_accounts_knows_people_by_their_ids(night: Nights) -> None:
    course = registered(night, 1)
    plain = WithoutAccounts(night)
    night.lms = plain
    night.good_night()
    assert plain.written == [f"{course}/SAMPLE-1"]
    night.good_night()
    assert len(plain.written) == 1


@BOTH
def test_who_leaves_before_they_are_matched_waits_no_longer(night: Nights) -> None:
    night.lms.add_person("SAMPLE-9", "sample1@example.org")
    registered(night, 1)
    assert night.night().status == "waiting"
    night.academy.change("r1", "withdrawn")
    night.good_night()
    night.academy.change("r1", "enrolled")
    assert night.night().status == "waiting"
