"""Bad records: out of the way, shown with a reason, never taken for removed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from lms_bridge.domain.model import Flow
from lms_bridge.store import runs
from lms_bridge.store.run_tables import item
from lms_bridge.sync.diff import LONGEST_SHOWN
from lms_bridge.sync.offerings import offering_code
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import FakeCentre
from tests.fakes.nights import Nights, sample_centre

OFFERINGS = [Flow.OFFERINGS]


def three(night: Nights) -> list[str]:
    courses = [night.lms.add_course(f"Course {n}", category="k0") for n in range(3)]
    night.good_night()
    return courses


def test_a_bad_record_keeps_its_old_version_and_stops_no_other(night: Nights) -> None:
    courses = three(night)
    night.lms.courses[courses[0]] = {"title": "", "seats": "many"}
    night.lms.courses[courses[1]]["title"] = "Renamed"
    report = night.night()
    assert report.status == "partial"
    assert night.quarantined() == {courses[0]: "invalid-record"}
    codes = night.codes()
    assert night.academy.catalogue == {
        codes[courses[0]]: "Course 0",
        codes[courses[1]]: "Renamed",
        codes[courses[2]]: "Course 2",
    }
    for _ in range(3):  # and it is never removed
        assert night.night().status == "waiting"
    assert codes[courses[0]] in night.academy.catalogue


def test_quarantine_keeps_what_a_person_needs_to_mend_an_offering(night: Nights) -> None:
    course = night.lms.add_course("")
    bad = {"title": "Bad\x00 " + "x" * 900, "seats": "many", "coordinators": "ann@example.org"}
    night.lms.courses[course] = {**bad, "hours": "soon, ask bob@example.org"}
    night.night()
    with night.database.reading() as tx:
        (row,) = runs.quarantine_of(tx)
    assert row.shown["title"].startswith("Bad xxx")
    assert len(row.shown["title"]) == LONGEST_SHOWN
    assert row.shown["fields"].pop("title") == row.shown["title"]
    assert row.shown["fields"] == {"seats": "many", "hours": "soon, ask [e-mail]"}


def test_a_bad_registration_keeps_its_value_until_it_is_mended(night: Nights) -> None:
    course = night.lms.add_course("Spectrum")
    night.good_night()
    person = sample_person(1, email="ann@@example.org", country="Atlantis")
    night.academy.register("SAMPLE", night.codes()[course], person)
    night.night()
    with night.database.reading() as tx:
        (row,) = runs.quarantine_of(tx)
        lines = tx.scalars(select(item.c.message)).all()
    assert row.shown == {
        "fields": {"learner.email": "ann@@example.org", "learner.country": "Atlantis"}
    }
    assert not [line for line in [*lines, row.reason] if "ann@" in line or "Atlantis" in line]
    night.academy.change_person("SAMPLE-1", email="ann@example.org", country="KE")
    night.good_night()
    with night.database.reading() as tx:
        assert runs.quarantine_of(tx) == []


def test_a_record_that_was_always_bad_is_not_sent(night: Nights) -> None:
    course = night.lms.add_course("")
    good = night.lms.add_course("Good")
    night.night()
    assert night.quarantined() == {course: "invalid-record"}
    assert list(night.codes()) == [good]
    night.lms.courses[course]["title"] = "Good at last"
    night.good_night()
    assert night.quarantined() == {}
    assert len(night.academy.catalogue) == 2


@pytest.mark.parametrize("fields", [{"title": "Course 0"}, {"title": "New and good"}])
def test_a_record_is_released_when_it_is_good_again(night: Nights, fields: dict[str, Any]) -> None:
    courses = three(night)
    night.lms.courses[courses[0]] = {"title": ""}
    night.night()
    night.lms.courses[courses[0]] = fields
    night.good_night()
    assert night.quarantined() == {}
    assert night.academy.catalogue[night.codes()[courses[0]]] == fields["title"]


def test_a_record_is_released_when_it_is_gone(night: Nights) -> None:
    courses = three(night)
    night.lms.courses[courses[0]] = {"title": ""}
    night.night()
    night.lms.delete_course(courses[0])
    night.good_night()
    assert night.quarantined() == {}
    assert len(night.academy.catalogue) == 2


def test_a_record_is_released_when_its_whole_category_is_gone(night: Nights) -> None:
    three(night)
    alone = night.lms.add_course("", category="k1")
    night.night()
    assert alone in night.quarantined()
    night.lms.delete_course(alone)
    night.good_night()
    assert night.quarantined() == {}


def test_a_bad_record_that_moves_stays_in_quarantine(night: Nights) -> None:
    courses = three(night)
    night.lms.courses[courses[0]] = {"title": ""}
    night.night()
    night.lms.categories[courses[0]] = "k1"
    night.night()
    assert night.quarantined() == {courses[0]: "invalid-record"}
    assert night.codes()[courses[0]] in night.academy.catalogue
    night.lms.courses[courses[0]] = {"title": "Course 0"}  # back, as it was known elsewhere
    night.lms.categories[courses[0]] = "k0"
    night.good_night()
    assert night.quarantined() == {}


@BOTH
def test_a_bad_record_is_reported_once(night: Nights) -> None:
    courses = three(night)
    night.lms.courses[courses[0]] = {"title": ""}
    night.night()
    items = night.count("item")
    night.lms.courses[courses[1]]["title"] = "Renamed"  # the same answer, the same bad record
    report = night.night()
    assert report.status == "waiting"
    assert report.counts.get("offering.read.quarantined", 0) == 0
    assert night.count("item") == items + 2
    night.lms.courses[courses[0]] = {"title": "", "seats": -1}  # bad in another way
    assert night.night().counts["offering.read.quarantined"] == 1


def test_two_records_with_one_id_are_quarantined(night: Nights) -> None:
    courses = three(night)
    night.lms.extra["k0"] = [(courses[0], {"title": "Another course"})]
    report = night.night()
    assert report.status == "partial"
    assert night.quarantined() == {courses[0]: "duplicate-id"}
    assert night.academy.catalogue[night.codes()[courses[0]]] == "Course 0"
    night.lms.extra.clear()
    night.good_night()
    assert night.quarantined() == {}


def test_a_record_sent_twice_unchanged_counts_once(night: Nights) -> None:
    courses = three(night)
    night.lms.extra["k0"] = [(courses[0], {"title": "Course 0"})]
    night.good_night()
    assert night.quarantined() == {}


@BOTH
@pytest.mark.parametrize("bad", ["", "x" * 256, "a\x00b", "a\nb", "b\ufffd"])
def test_an_id_that_cannot_be_stored_is_quarantined(night: Nights, bad: str) -> None:
    three(night)
    night.lms.extra["k0"] = [(bad, {"title": "Nobody can name me"})]
    report = night.night()
    assert report.counts["offering.read.quarantined"] == 1
    assert list(night.quarantined().values()) == ["bad-id"]
    assert len(night.academy.catalogue) == 3


def test_a_registration_for_an_unknown_offering_waits_and_is_cured(night: Nights) -> None:
    three(night)
    night.academy.register("SAMPLE", "SAMPLE-unknown", sample_person(1))
    course = night.lms.add_course("Late")
    night.lms.hidden.add(course)
    for _ in range(2):
        report = night.night()
        assert report.counts["enrolment.read.quarantined"] == 1
        assert list(night.quarantined().values()) == ["unknown-offering"]
    registration = next(iter(night.academy.registrations.values()))
    registration.offering = offering_code("SAMPLE", course)
    night.night()
    assert list(night.quarantined().values()) == ["unknown-offering"]
    night.lms.hidden.clear()  # the same registration, to the byte
    night.good_night()
    assert night.quarantined() == {}
    assert [key[0] for key in night.lms.roster] == [course]


def test_an_offering_of_another_centre_is_an_unknown_one(night: Nights) -> None:
    other = Nights(night.database, sample_centre("OTHER"), FakeCentre(), night.academy)
    course = other.lms.add_course("Elsewhere")
    other.good_night()
    night.academy.register("SAMPLE", other.codes()[course], sample_person(1))
    night.night()
    assert list(night.quarantined().values()) == ["unknown-offering"]
    assert other.lms.roster == {}


def test_a_page_that_waits_for_an_offering_still_ends(night: Nights) -> None:
    """Its registrations are withdrawn when the page is no more, although it was never whole."""
    courses = three(night)
    night.academy.page = 2
    code = night.codes()[courses[0]]
    for number in range(3):
        night.academy.register("SAMPLE", code, sample_person(number), key=f"r{number}")
    night.academy.register("SAMPLE", "SAMPLE-unknown", sample_person(9), key="r9")
    night.night()
    assert len(night.lms.roster) == 3
    night.academy.forget("r2")
    night.academy.forget("r9")
    night.good_night()
    assert sorted(place.state for place in night.lms.roster.values()) == [
        "active",
        "active",
        "suspended",
    ]
    assert night.quarantined() == {}


@BOTH
def test_a_bad_result_keeps_the_old_one(night: Nights) -> None:
    courses = three(night)
    night.academy.register("SAMPLE", night.codes()[courses[0]], sample_person(1))
    night.good_night()
    place = next(iter(night.lms.roster))
    night.lms.grades[place] = {"score": "5"}
    night.good_night()
    night.lms.grades[place] = {"score": "five"}
    assert night.night().status == "partial"
    assert list(night.quarantined()) == [f"{place[0]}/{place[1]}"]
    assert [document["score"] for document in night.academy.results.values()] == ["5"]
    night.lms.grades[place] = {"score": "6"}
    night.good_night()
    assert [document["score"] for document in night.academy.results.values()] == ["6"]
    assert night.quarantined() == {}


def test_the_reason_names_the_field_and_not_the_value(night: Nights) -> None:
    courses = three(night)
    person = sample_person(1, email="not-an-address secret")
    night.academy.register("SAMPLE", night.codes()[courses[0]], person)
    night.night()
    (row,) = night.contents()["quarantine"]
    assert "learner.email is not an e-mail address." in row
    kept = night.contents()
    assert repr(kept).count("secret") == repr(kept["quarantine"]).count("secret") == 1
