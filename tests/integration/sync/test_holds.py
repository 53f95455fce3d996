"""Large removals wait for a person: at the source and at the target."""

from __future__ import annotations

import pytest

from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store import holds
from lms_bridge.sync.decisions import decide_hold
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, SUSPENDED
from tests.fakes.nights import Nights

CAREFUL = Policy(hold_percent=10.0, hold_records=20, hold_floor=1)
OFFERINGS = [Flow.OFFERINGS]


def ten_courses(night: Nights) -> list[str]:
    courses = [night.lms.add_course(f"Course {n}") for n in range(10)]
    night.good_night()
    night.good_night()
    night.policy = CAREFUL
    return courses


def ten_people(night: Nights) -> list[str]:
    """Registered for one course; gives the registrations."""
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    keys = [night.academy.register("SAMPLE", code, sample_person(n)) for n in range(10)]
    night.good_night()
    night.good_night()
    night.policy = CAREFUL
    return keys


def states(night: Nights) -> list[str]:
    return sorted(place.state for place in night.lms.roster.values())


def statuses(night: Nights) -> list[str]:
    return [row.status for row in night.holds()]


def test_a_single_removal_is_everyday_business(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.add(courses[0])
    night.good_night(OFFERINGS)
    assert len(night.academy.catalogue) == 9
    assert night.holds() == []


def test_a_held_plan_changes_nothing_at_all(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:2])
    night.lms.courses[courses[5]]["title"] = "Renamed"
    night.lms.add_course("New")
    before = night.contents()
    report = night.night(OFFERINGS)
    assert (report.status, len(report.held)) == ("held", 1)
    assert len(night.academy.catalogue) == 10
    assert "Renamed" not in night.academy.catalogue.values()
    after = night.contents()
    assert {name for name in before if before[name] != after[name]} == {"hold", "item"}
    (row,) = night.holds()
    assert (row.centre, row.system, row.kind) == ("SAMPLE", "centre:SAMPLE", "offering")
    assert (row.reason, row.status, row.out_of, len(row.record_ids)) == (
        "removals",
        "pending",
        10,
        2,
    )


def test_the_same_question_is_asked_once(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:2])
    night.night(OFFERINGS)
    items = night.count("item")
    for _ in range(3):
        assert night.night(OFFERINGS).status == "held"
    assert statuses(night) == ["pending"]
    assert night.count("item") == items


def test_an_approved_plan_is_carried_out_once(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    assert night.decide(approve=True) == 1
    report = night.good_night(OFFERINGS)
    assert report.counts["offering.remove.taken in"] == 3
    assert report.counts["offering.remove.acknowledged"] == 3  # and not asked again on sending
    assert len(night.academy.catalogue) == 7
    assert statuses(night) == ["approved"]
    night.good_night(OFFERINGS)
    before = night.contents()
    night.good_night(OFFERINGS)
    assert night.contents() == before


def test_a_rejected_plan_keeps_the_records_and_lets_the_rest_through(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.lms.courses[courses[5]]["title"] = "Renamed"
    night.night(OFFERINGS)
    night.decide(approve=False)
    night.good_night(OFFERINGS)
    assert len(night.academy.catalogue) == 10
    assert "Renamed" in night.academy.catalogue.values()
    for _ in range(2):  # and nobody is asked again
        night.good_night(OFFERINGS)
    assert statuses(night) == ["settled"]
    assert len(night.academy.catalogue) == 10


@pytest.mark.parametrize("approve", [True, False])
def test_what_came_back_and_vanishes_again_is_a_new_question(night: Nights, approve: bool) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    night.decide(approve=approve)
    night.good_night(OFFERINGS)
    night.lms.hidden.clear()
    night.good_night(OFFERINGS)
    assert len(night.academy.catalogue) == 10
    night.lms.hidden.update(courses[:3])
    assert night.night(OFFERINGS).status == "held"
    assert len(night.academy.catalogue) == 10
    assert statuses(night) == ["settled", "pending"]


@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_that_was_not_needed_any_more_does_not_linger(
    night: Nights, approve: bool
) -> None:
    """The source is whole again, to the byte, before the decision is carried out."""
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    night.decide(approve=approve)
    night.lms.hidden.clear()
    night.good_night(OFFERINGS)
    assert statuses(night) == ["settled"]
    night.lms.hidden.update(courses[:3])
    assert night.night(OFFERINGS).status == "held"


def test_a_decision_about_records_of_which_some_came_back(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:4])
    night.night(OFFERINGS)
    night.decide(approve=False)
    night.lms.hidden -= {courses[0], courses[1]}
    night.good_night(OFFERINGS)
    assert statuses(night) == ["settled"]
    night.lms.hidden.update(courses[:2])  # these two were never kept by anybody's decision
    assert night.night(OFFERINGS).status == "held"


def test_a_question_about_other_removals_replaces_the_old_one(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:2])
    night.night(OFFERINGS)
    night.lms.hidden.add(courses[2])
    night.night(OFFERINGS)
    assert statuses(night) == ["outdated", "pending"]
    with pytest.raises(Refused, match="is outdated"):
        decide_hold(night.database, night.holds()[0].id, approve=True, by="x", at=night.now)
    night.decide(approve=True)
    night.good_night(OFFERINGS)
    assert len(night.academy.catalogue) == 7


@pytest.mark.parametrize("edited", [True, False], ids=["edited", "to the byte"])
def test_a_question_is_taken_back_when_the_source_is_whole_again(
    night: Nights, edited: bool
) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:5])
    night.night(OFFERINGS)
    night.lms.hidden.clear()
    if edited:
        night.lms.courses[courses[0]]["title"] = "Renamed"
    night.good_night(OFFERINGS)
    assert statuses(night) == ["outdated"]


def test_following_changes_neither_answers_nor_forgets_a_question(night: Nights) -> None:
    keys = ten_people(night)
    kept = {key: night.academy.registrations.pop(key) for key in keys[:5]}
    assert night.night().status == "held"
    night.academy.change_person("SAMPLE-9", given_name="Renamed")
    assert night.minutes().status == "done"
    assert statuses(night) == ["pending"]
    night.academy.registrations.update(kept)
    night.good_night()
    assert statuses(night) == ["outdated"]


def test_approved_withdrawals_are_not_asked_about_twice(night: Nights) -> None:
    """Once where they vanish at the Academy, and not again where they are sent to the centre."""
    keys = ten_people(night)
    for key in keys[:5]:
        night.academy.forget(key)
    assert night.night().status == "held"
    assert states(night) == [ACTIVE] * 10
    night.decide(approve=True)
    night.good_night()
    assert states(night) == [ACTIVE] * 5 + [SUSPENDED] * 5
    assert statuses(night) == ["approved"]


def withdraw(night: Nights, keys: list[str]) -> None:
    for key in keys:
        night.academy.change(key, "withdrawn")


def test_many_withdrawals_said_outright_are_asked_about_before_they_are_sent(
    night: Nights,
) -> None:
    keys = ten_people(night)
    withdraw(night, keys[:5])
    code = night.academy.registrations[keys[0]].offering
    night.academy.register("SAMPLE", code, sample_person(20))
    report = night.night()
    assert report.status == "held"
    assert states(night) == [ACTIVE] * 11  # the new one is let through
    (row,) = night.holds()
    assert (row.system, row.kind, len(row.record_ids)) == ("centre:SAMPLE", "enrolment", 5)
    night.decide(approve=True)
    night.good_night()
    assert states(night) == [ACTIVE] * 6 + [SUSPENDED] * 5


def test_rejected_withdrawals_stay_on_the_roster(night: Nights) -> None:
    keys = ten_people(night)
    withdraw(night, keys[:5])
    night.night()
    night.decide(approve=False)
    for _ in range(3):
        night.good_night()
    assert states(night) == [ACTIVE] * 10
    assert night.lms.trespasses == []


@pytest.mark.parametrize("decision", [None, True, False])
def test_withdrawals_that_were_taken_back_close_the_question(
    night: Nights, decision: bool | None
) -> None:
    keys = ten_people(night)
    withdraw(night, keys[:5])
    night.night()
    if decision is not None:
        night.decide(approve=decision)
    for key in keys[:5]:
        night.academy.change(key, "enrolled")
    night.good_night()
    assert states(night) == [ACTIVE] * 10
    assert statuses(night) == ["outdated" if decision is None else "settled"]
    withdraw(night, keys[:5])
    assert night.night().status == "held"
    assert states(night) == [ACTIVE] * 10


def test_a_dry_run_tells_what_would_be_held_and_asks_nobody(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    report = night.run(OFFERINGS, dry=True)
    assert (report.status, report.held) == ("held", (0,))
    assert night.holds() == []
    assert [each["state"] for each in report.changes] == ["held"] * 3


def test_deciding_about_nothing(night: Nights) -> None:
    with pytest.raises(NotFound):
        decide_hold(night.database, 999, approve=True, by="x", at=night.now)
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    night.decide(approve=False)
    with pytest.raises(Refused, match="is rejected"):
        decide_hold(night.database, night.holds()[0].id, approve=True, by="x", at=night.now)


def test_who_decided_and_when_is_kept(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    decide_hold(night.database, night.holds()[0].id, approve=True, by="x" * 300, at=night.now)
    (row,) = night.holds(holds.APPROVED)
    assert (row.decided_by, row.decided_at) == ("x" * 100, night.now)


def test_holds_of_one_centre_are_no_other_centres_business(night: Nights) -> None:
    with night.database.writing() as tx:
        for centre in ("SAMPLE", "OTHER"):
            holds.ask(
                tx,
                centre=centre,
                system=ACADEMY,
                kind=Kind.ENROLMENT,
                reason=holds.REMOVALS,
                record_ids=[1, 2],
                out_of=5,
                run_id=1,
                at=night.now,
            )
        holds.decide(tx, 1, holds.APPROVED, "x", night.now)
    with night.database.reading() as tx:
        found = [
            holds.decided(tx, centre, kind)
            for centre, kind in (
                ("SAMPLE", Kind.ENROLMENT),
                ("OTHER", Kind.ENROLMENT),
                ("SAMPLE", Kind.OFFERING),
            )
        ]
    assert [[sorted(ids) for ids in each] for each in found] == [[[1, 2], []], [[], []], [[], []]]
