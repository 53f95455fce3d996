"""Large removals wait for a person: at the source and at the target."""

from __future__ import annotations

import pytest

from lms_bridge.domain.errors import NotFound, Refused
from lms_bridge.domain.model import ACADEMY, Flow, Kind
from lms_bridge.domain.policy import Policy
from lms_bridge.store import holds
from tests.databases import BOTH
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


def test_a_single_removal_is_not_held(night: Nights) -> None:
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


@BOTH
def test_the_same_hold_is_created_once(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:2])
    night.night(OFFERINGS)
    items = night.count("item")
    for _ in range(3):
        assert night.night(OFFERINGS).status == "held"
    assert statuses(night) == ["pending"]
    assert night.count("item") == items


@BOTH
def test_an_approved_plan_is_carried_out_once(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    assert night.decide(approve=True) == 1
    report = night.good_night(OFFERINGS)
    assert report.counts["offering.remove.applied"] == 3
    assert report.counts["offering.remove.acknowledged"] == 3  # and not asked again on sending
    assert len(night.academy.catalogue) == 7
    assert statuses(night) == ["approved"]
    night.good_night(OFFERINGS)
    before = night.contents()
    night.good_night(OFFERINGS)
    assert night.contents() == before


@BOTH
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


@BOTH
@pytest.mark.parametrize("approve", [True, False])
def test_a_record_that_came_back_and_vanishes_again_is_a_new_hold(
    night: Nights, approve: bool
) -> None:
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


def test_a_decision_does_not_cover_records_that_came_back(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:4])
    night.night(OFFERINGS)
    night.decide(approve=False)
    night.lms.hidden -= {courses[0], courses[1]}
    night.good_night(OFFERINGS)
    assert statuses(night) == ["settled"]
    night.lms.hidden.update(courses[:2])  # these two were never kept by anybody's decision
    assert night.night(OFFERINGS).status == "held"


def test_a_hold_for_other_removals_replaces_the_old_one(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:2])
    night.night(OFFERINGS)
    night.lms.hidden.add(courses[2])
    night.night(OFFERINGS)
    assert statuses(night) == ["outdated", "pending"]
    with pytest.raises(Refused, match="is outdated"):
        night.decide_one(night.holds()[0].id, approve=True)
    night.decide(approve=True)
    night.good_night(OFFERINGS)
    assert len(night.academy.catalogue) == 7


@pytest.mark.parametrize("edited", [True, False], ids=["edited", "to the byte"])
def test_a_hold_is_settled_when_the_source_is_whole_again(night: Nights, edited: bool) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:5])
    night.night(OFFERINGS)
    night.lms.hidden.clear()
    if edited:
        night.lms.courses[courses[0]]["title"] = "Renamed"
    night.good_night(OFFERINGS)
    assert statuses(night) == ["outdated"]


@BOTH
def test_a_run_of_changes_only_leaves_a_hold_pending(night: Nights) -> None:
    keys = ten_people(night)
    kept = {key: night.academy.registrations.pop(key) for key in keys[:5]}
    assert night.night().status == "held"
    night.academy.change_person("SAMPLE-9", given_name="Renamed")
    assert night.minutes().status == "held"
    assert statuses(night) == ["pending"]
    night.academy.registrations.update(kept)
    night.good_night()
    assert statuses(night) == ["outdated"]


def test_approved_withdrawals_are_not_held_again(night: Nights) -> None:
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


@pytest.mark.parametrize("approve", [True, False])
def test_held_withdrawals_stop_no_new_learner(night: Nights, approve: bool) -> None:
    keys = ten_people(night)
    code = night.academy.registrations[keys[0]].offering
    for key in keys[:5]:
        night.academy.forget(key)
    night.academy.register("SAMPLE", code, sample_person(20))
    night.academy.change_person("SAMPLE-9", given_name="Renamed")
    assert night.night().status == "held"
    assert states(night) == [ACTIVE] * 11
    assert any(person.name.startswith("Renamed") for person in night.lms.people.values())
    assert night.night().status == "held"  # the question stands, and the rest stays applied
    assert statuses(night) == ["pending"]
    night.academy.register("SAMPLE", code, sample_person(21))
    assert night.night().status == "held"
    assert states(night) == [ACTIVE] * 12
    night.decide(approve=approve)
    night.good_night()
    gone = 5 if approve else 0
    assert sorted(states(night)) == sorted([ACTIVE] * (12 - gone) + [SUSPENDED] * gone)


def withdraw(night: Nights, keys: list[str]) -> None:
    for key in keys:
        night.academy.change(key, "withdrawn")


@BOTH
def test_many_explicit_withdrawals_are_held_before_they_are_sent(
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


@BOTH
def test_rejected_withdrawals_stay_on_the_roster(night: Nights) -> None:
    keys = ten_people(night)
    withdraw(night, keys[:5])
    night.night()
    night.decide(approve=False)
    for _ in range(3):
        night.good_night()
    assert states(night) == [ACTIVE] * 10
    assert night.lms.trespasses == []


@BOTH
@pytest.mark.parametrize("decision", [None, True, False])
def test_reverted_withdrawals_settle_the_hold(night: Nights, decision: bool | None) -> None:
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


def test_a_dry_run_shows_the_hold_and_creates_none(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    report = night.run(OFFERINGS, dry=True)
    assert (report.status, report.held) == ("held", (0,))
    assert night.holds() == []
    assert [each["state"] for each in report.changes] == ["would be held"] * 3


def test_an_unknown_or_decided_hold_cannot_be_decided(night: Nights) -> None:
    with pytest.raises(NotFound):
        night.decide_one(999, approve=True)
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    night.decide(approve=False)
    with pytest.raises(Refused, match="is rejected"):
        night.decide_one(night.holds()[0].id, approve=True)


def test_the_decision_is_stored_with_its_actor_and_time(night: Nights) -> None:
    courses = ten_courses(night)
    night.lms.hidden.update(courses[:3])
    night.night(OFFERINGS)
    night.decide_one(night.holds()[0].id, approve=True, by="x" * 300)
    (row,) = night.holds(holds.APPROVED)
    assert (row.decided_by, row.decided_at) == ("x" * 100, night.now)


def test_a_hold_of_one_centre_does_not_affect_another(night: Nights) -> None:
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
