"""Pages of registrations of which some changed in their places: only these are parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from lms_bridge.domain.ports import Pages
from lms_bridge.sync.offerings import offering_code
from tests.databases import BOTH
from tests.fakes.academy import sample_person
from tests.fakes.centre import ACTIVE, SUSPENDED
from tests.fakes.nights import Nights

MANY = 7
"""Two pages: the simulated Academy shows five at once."""


@pytest.fixture
def keys(night: Nights) -> list[str]:
    """Registrations that a good night brought."""
    night.lms.add_course("Spectrum")
    night.good_night()
    (code,) = night.codes().values()
    keys = [night.academy.register("SAMPLE", code, sample_person(n)) for n in range(MANY)]
    night.good_night()
    night.academy.parsed.clear()
    return keys


def states(night: Nights) -> list[str]:
    return sorted(place.state for place in night.lms.roster.values())


@BOTH
def test_of_a_page_only_the_changed_records_are_parsed(night: Nights, keys: list[str]) -> None:
    for changed in (1, 3, 1):  # again and again
        night.academy.parsed.clear()
        status = "enrolled" if states(night).count(SUSPENDED) == 2 else "withdrawn"
        night.academy.change(keys[changed], status)
        night.good_night()
        assert night.academy.parsed == [keys[changed]]
    assert states(night) == [ACTIVE] * (MANY - 1) + [SUSPENDED]
    assert night.academy.registrations[keys[3]].status == "withdrawn"


def test_a_record_in_the_place_of_another_has_the_page_read_whole(
    night: Nights, keys: list[str]
) -> None:
    (code,) = night.codes().values()
    night.academy.forget(keys[1])
    night.academy.register("SAMPLE", code, sample_person(MANY))
    night.good_night()
    assert sorted(set(night.academy.parsed)) == sorted(night.academy.registrations)
    assert states(night) == [ACTIVE] * MANY + [SUSPENDED]


def test_records_that_change_places_are_still_there(night: Nights, keys: list[str]) -> None:
    registrations = night.academy.registrations
    first, second = registrations[keys[0]], registrations[keys[1]]
    order = [keys[1], keys[0], *keys[2:]]
    second.status = "withdrawn"
    night.academy.registrations = {key: registrations[key] for key in order}
    night.good_night()
    assert first.status == "enrolled"
    assert states(night) == [ACTIVE] * (MANY - 1) + [SUSPENDED]


def test_a_bad_record_beside_changed_ones_stays_bad_until_it_is_mended(
    night: Nights, keys: list[str]
) -> None:
    registrations = night.academy.registrations
    registrations[keys[0]].status = "perhaps"
    assert night.night().status == "partial"
    night.academy.change(keys[1], "withdrawn")
    night.night()
    assert night.quarantined() == {keys[0]: "invalid-record"}
    registrations[keys[0]].status = "withdrawn"
    night.good_night()
    assert night.quarantined() == {}
    assert states(night) == [ACTIVE] * (MANY - 2) + [SUSPENDED] * 2


def test_a_record_that_waits_for_its_offering_is_read_again(night: Nights, keys: list[str]) -> None:
    course = night.lms.add_course("Later")
    hidden = night.lms.courses.pop(course)
    code = offering_code("SAMPLE", course)
    night.academy.registrations[keys[2]].offering = code
    night.night()
    assert night.quarantined() == {keys[2]: "unknown-offering"}
    night.lms.courses[course] = hidden
    night.academy.change(keys[1], "withdrawn")
    night.good_night()
    assert night.codes()[course] == code
    assert [place.state for (c, _), place in night.lms.roster.items() if c == course] == [ACTIVE]


def test_the_same_record_in_other_bytes_is_no_change(night: Nights, keys: list[str]) -> None:
    each = night.academy.people["SAMPLE-0"]
    night.academy.people["SAMPLE-0"] = dict(reversed(each.items()))
    report = night.good_night()
    assert night.academy.parsed == [keys[0]]
    assert "enrolment.update" not in report.counts
    night.academy.parsed.clear()
    night.good_night()
    assert night.academy.parsed == []


def test_other_settings_of_the_centre_have_everything_read(night: Nights, keys: list[str]) -> None:
    object.__setattr__(night.centre, "time_zone", "Africa/Nairobi")
    night.academy.change(keys[1], "withdrawn")
    night.good_night()
    assert set(night.academy.parsed) > set(keys)


def test_a_record_on_two_pages_is_named(night: Nights, keys: list[str]) -> None:
    """Another record of its old page changed in its place, so that page was not read whole."""
    read = night.academy.read_registrations

    def twice(centre: str, offerings: Mapping[str, str]) -> Pages:
        first, second = read(centre, offerings)
        double = [first.slices.cut()[0], *second.slices.cut()]
        slices = replace(second.slices, cut=lambda: double)
        yield first
        yield replace(second, body=tuple(double), slices=slices)

    night.academy.change(keys[1], "withdrawn")
    night.academy.read_registrations = twice
    night.night()
    assert night.night().counts["enrolment.read.quarantined"] == 1
    assert states(night).count(SUSPENDED) == 1
