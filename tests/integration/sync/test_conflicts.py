"""The target changed something by itself: the source wins, it is kept, or a person decides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import Kind
from lms_bridge.domain.policy import OnConflict
from lms_bridge.store.run_tables import item
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, SUSPENDED
from tests.fakes.nights import NEVER_HOLD, Nights

ROSTER, CATALOGUE = "roster", "catalogue"


def enrolled(night: Nights, conflict: OnConflict) -> tuple[tuple[str, str], str]:
    night.policy = replace(NEVER_HOLD, conflict=conflict)
    course = night.lms.add_course("Spectrum")
    night.good_night()
    key = night.academy.register("SAMPLE", night.codes()[course], sample_person(1))
    night.good_night()
    night.good_night()
    return next(iter(night.lms.roster)), key


def change(night: Nights, place: tuple[str, str], what: str) -> None:
    if what == "suspended":
        night.lms.roster[place].state = SUSPENDED
    else:
        del night.lms.roster[place]


def shown(night: Nights, place: tuple[str, str]) -> str:
    found = night.lms.roster.get(place)
    return "gone" if found is None else found.state


@pytest.mark.parametrize("what", ["suspended", "gone"])
def test_the_source_wins_every_time(night: Nights, what: str) -> None:
    place, _ = enrolled(night, OnConflict.SOURCE)
    for _ in range(3):  # to the byte the same change as before
        change(night, place, what)
        report = night.good_night()
        assert report.counts["enrolment.conflict.source wins"] == 1
        assert shown(night, place) == ACTIVE
    assert night.good_night().counts.get("enrolment.conflict.source wins", 0) == 0


@pytest.mark.parametrize("what", ["suspended", "gone"])
def test_a_change_is_kept_until_the_source_changes(night: Nights, what: str) -> None:
    place, key = enrolled(night, OnConflict.KEEP)
    change(night, place, what)
    assert night.good_night().counts["enrolment.conflict.kept"] == 1
    before = night.contents()
    assert night.good_night().counts.get("enrolment.conflict.kept", 0) == 0
    assert night.contents() == before
    assert shown(night, place) == what
    night.academy.change(key, "withdrawn")
    night.good_night()
    night.academy.change(key, "enrolled")
    night.good_night()
    assert shown(night, place) == ACTIVE


@BOTH
def test_a_person_decides_for_the_bridges_record(night: Nights) -> None:
    place, _ = enrolled(night, OnConflict.HOLD)
    change(night, place, "suspended")
    report = night.night()
    assert (report.status, len(report.held)) == ("held", 1)
    assert shown(night, place) == SUSPENDED
    assert night.night().status == "held"  # left alone, and not asked again
    (row,) = night.holds()
    with night.database.reading() as tx:
        of = select(item.c.hold_id, item.c.centre).where(item.c.action == "conflict")
        assert tx.execute(of).all() == [(row.id, "SAMPLE")]
    assert (row.reason, row.status, row.kind, len(row.record_ids)) == (
        "conflict",
        "pending",
        "enrolment",
        1,
    )
    night.decide(approve=True)
    night.good_night()
    assert shown(night, place) == ACTIVE
    night.good_night()


@BOTH
def test_a_person_decides_for_what_the_target_holds(night: Nights) -> None:
    place, _ = enrolled(night, OnConflict.HOLD)
    change(night, place, "suspended")
    night.night()
    night.decide(approve=False)
    for _ in range(2):
        night.good_night()
        assert shown(night, place) == SUSPENDED
    change(night, place, "gone")  # another change is another question
    assert night.night().status == "held"


@BOTH
def test_nobody_has_to_decide_about_what_the_target_took_back(night: Nights) -> None:
    place, _ = enrolled(night, OnConflict.HOLD)
    other = sample_person(2)
    night.academy.register("SAMPLE", next(iter(night.codes().values())), other, key="other")
    night.good_night()
    both = sorted(night.lms.roster)
    for each in both:
        change(night, each, "suspended")
    assert night.night().status == "held"
    night.lms.roster[place].state = ACTIVE
    assert night.night().status == "held"
    (row,) = night.holds()
    assert len(row.record_ids) == 1
    for each in both:
        night.lms.roster[each].state = ACTIVE
    night.good_night()
    assert [row.status for row in night.holds()] == ["outdated"]
    change(night, place, "suspended")  # once more is another question
    assert night.night().status == "held"


def test_an_edit_in_the_catalogue_that_is_taken_back_needs_no_decision(night: Nights) -> None:
    enrolled(night, OnConflict.HOLD)
    (offering,) = night.academy.offerings.values()
    for _ in range(2):
        offering["title"] = "Edited at the Academy"
        assert night.night().status == "held"
        offering["title"] = "Spectrum"
        night.good_night()
    assert [row.status for row in night.holds()] == ["outdated", "outdated"]


@BOTH
def test_an_edit_in_the_catalogue_is_a_conflict(night: Nights) -> None:
    enrolled(night, OnConflict.SOURCE)
    (offering,) = night.academy.offerings.values()
    for _ in range(2):
        offering["title"] = "Edited at the Academy"
        report = night.good_night()
        assert report.counts["offering.conflict.source wins"] == 1
        assert offering["title"] == "Spectrum"


def test_an_edit_in_the_catalogue_may_be_kept(night: Nights) -> None:
    place, _ = enrolled(night, OnConflict.KEEP)
    (offering,) = night.academy.offerings.values()
    offering["title"] = "Edited at the Academy"
    assert night.good_night().counts["offering.conflict.kept"] == 1
    night.good_night()
    assert offering["title"] == "Edited at the Academy"
    night.lms.courses[place[0]]["title"] = "Edited at the centre"
    night.good_night()
    assert offering["title"] == "Edited at the centre"


def test_a_change_on_both_sides_is_sent_without_a_question(night: Nights) -> None:
    """The source's change is on its way anyway: there is nothing to ask."""
    place, _ = enrolled(night, OnConflict.HOLD)
    (offering,) = night.academy.offerings.values()
    offering["title"] = "Edited at the Academy"
    night.lms.courses[place[0]]["title"] = "Edited at the centre"
    assert night.good_night().held == ()
    assert offering["title"] == "Edited at the centre"


def test_the_bridges_own_change_is_no_conflict(night: Nights) -> None:
    _, key = enrolled(night, OnConflict.HOLD)
    night.academy.change(key, "withdrawn")
    night.good_night()
    night.good_night()
    assert night.holds() == []


@pytest.mark.parametrize(
    ("dates", "state", "conflict"),
    [
        ({"starts_at": "2027-01-01"}, SUSPENDED, False),  # it has not begun
        ({"starts_at": "2026-03-01"}, SUSPENDED, True),
        ({"starts_at": "2026-01-01", "ends_at": "2026-02-01"}, SUSPENDED, False),  # it is over
        ({"starts_at": "2026-01-01", "ends_at": "2027-02-01"}, SUSPENDED, True),
        ({"starts_at": "2026-01-01", "ends_at": "2026-02-01"}, ACTIVE, False),
    ],
)
def test_a_suspension_outside_the_enrolments_dates_is_no_conflict(
    night: Nights, dates: dict[str, str], state: str, conflict: bool
) -> None:
    course = night.lms.add_course("Spectrum")
    night.good_night()
    code = night.codes()[course]
    night.academy.register("SAMPLE", code, sample_person(1), **dates)
    night.good_night()
    (place,) = night.lms.roster.values()
    place.state = state
    report = night.good_night()
    assert report.counts.get("enrolment.conflict.source wins", 0) == int(conflict)


def new_dates(night: Nights, key: str, **dates: str) -> None:
    night.academy.registrations[key].fields.update(dates)
    night.academy.change(key, "enrolled")


def test_new_dates_alone_have_no_roster_read_again(night: Nights) -> None:
    place, key = enrolled(night, OnConflict.SOURCE)
    new_dates(night, key, ends_at="2027-03-01")
    assert night.good_night().counts["enrolment.update.acknowledged"] == 1
    night.lms.parsed.clear()
    night.good_night()
    assert night.lms.parsed == []
    change(night, place, "suspended")
    assert night.good_night().counts["enrolment.conflict.source wins"] == 1


@pytest.mark.parametrize("what", ["suspended", "gone"])
def test_what_new_dates_undid_by_chance_is_a_conflict_when_it_comes_again(
    night: Nights, what: str
) -> None:
    place, key = enrolled(night, OnConflict.SOURCE)
    change(night, place, what)
    new_dates(night, key, ends_at="2027-03-01")
    night.good_night()
    assert shown(night, place) == ACTIVE
    change(night, place, what)
    assert night.good_night().counts["enrolment.conflict.source wins"] == 1


def test_an_enrolment_that_begins_anew_has_its_roster_read_again(night: Nights) -> None:
    course = night.lms.add_course("Spectrum")
    night.good_night()
    dates = {"starts_at": "2026-01-01", "ends_at": "2026-02-01"}
    key = night.academy.register("SAMPLE", night.codes()[course], sample_person(1), **dates)
    night.good_night()
    (place,) = night.lms.roster
    change(night, place, "suspended")  # for it is over
    night.good_night()
    new_dates(night, key, ends_at="2027-03-01")
    night.good_night()
    assert shown(night, place) == ACTIVE
    change(night, place, "suspended")
    assert night.good_night().counts["enrolment.conflict.source wins"] == 1


@BOTH
def test_the_conflicts_of_one_night_are_one_hold(night: Nights) -> None:
    place, _ = enrolled(night, OnConflict.HOLD)
    code = next(iter(night.academy.registrations.values())).offering
    for number in range(2, 5):
        night.academy.register("SAMPLE", code, sample_person(number))
    night.good_night()
    night.good_night()
    for each in night.lms.roster.values():
        each.state = SUSPENDED
    assert len(night.night().held) == 1
    (row,) = night.holds()
    assert len(row.record_ids) == 4
    night.decide(approve=True)
    night.good_night()
    assert {each.state for each in night.lms.roster.values()} == {ACTIVE}
    assert place in night.lms.roster


def test_a_run_of_changes_only_reads_no_roster(night: Nights) -> None:
    place, _ = enrolled(night, OnConflict.SOURCE)
    change(night, place, "suspended")
    night.lms.read_scopes.clear()
    night.minutes()
    assert night.lms.read_scopes == []
    assert shown(night, place) == SUSPENDED
    assert night.links(night.centre.system, Kind.ENROLMENT)[0].attempts == 0
