"""The programme's rules: each one fires on what it is about, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from lms_bridge.domain.model import (
    Level,
    Modality,
    Offering,
    OfferingStatus,
    RegistrationType,
    Result,
)
from lms_bridge.domain.network import Cycle, Membership, Standing
from lms_bridge.domain.rules import (
    Rules,
    check_areas,
    check_offering,
    check_report,
    check_result,
    check_year,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = Offering(
    "SAMPLE-1",
    "SAMPLE",
    "C1",
    "Sample course",
    modality=Modality.INSTRUCTOR_LED,
    level=Level.INTRODUCTORY,
    starts_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
    ends_at=datetime(2026, 3, 6, 17, tzinfo=UTC),
    topics=("Cybersecurity",),
)
PLACE: dict[str, object] = {"location": "Nairobi"}
LAX = Rules()
STRICT = Rules(lead_days=90, report_days=10, least_participants=5, pass_percent=60)


def codes(offering: Offering, rules: Rules = LAX, areas: tuple[str, ...] = ()) -> list[str]:
    return [each.code for each in check_offering(offering, rules, NOW, member(*areas))]


def member(*areas: str, ends_on: date | None = None, **former: str) -> Standing:
    """A member since 2023, in a cycle whose areas were once called otherwise."""
    place = Membership("SAMPLE", "2023-", date(2023, 1, 1), ends_on, areas)
    return Standing((place,), {"2023-": former})


def test_a_good_offering_breaks_no_rule() -> None:
    assert codes(GOOD, areas=("CYBERSECURITY", "Spectrum management")) == []
    self_paced = replace(GOOD, modality=Modality.SELF_PACED, starts_at=None, ends_at=None)
    assert codes(self_paced) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"modality": None}, "no-modality"),
        ({"level": None}, "no-level"),
        ({"ends_at": None}, "no-dates"),
        ({"starts_at": None}, "no-dates"),
        ({"ends_at": datetime(2026, 3, 2, 17, tzinfo=UTC)}, "too-short"),
        ({"ends_at": datetime(2026, 4, 27, 9, tzinfo=UTC)}, "too-long"),
        ({"seats": 20}, "direct-with-seats"),
        ({"registration_closes": datetime(2026, 3, 3, tzinfo=UTC)}, "registration-closes-late"),
        ({"modality": Modality.SELF_PACED}, "self-paced-ends"),
        (
            {"modality": Modality.BLENDED, "ends_at": datetime(2026, 3, 2, 17, tzinfo=UTC)} | PLACE,
            "too-short",
        ),
        (
            {"modality": Modality.FACE_TO_FACE, "ends_at": datetime(2026, 4, 27, 9, tzinfo=UTC)}
            | PLACE,
            "too-long",
        ),
        ({"modality": Modality.FACE_TO_FACE}, "no-place"),
        ({"price": Decimal(9), "payment_methods": ("Bank transfer",)}, "no-currency"),
        ({"price": Decimal(9), "currency": "KES"}, "no-payment-method"),
        ({"seats": 0, "registration": RegistrationType.APPLICATION}, "no-seats"),
        (
            {"status": OfferingStatus.PLANNED, "starts_at": NOW, "ends_at": NOW + 3 * DAY},
            "outline-in-the-past",
        ),
    ],
)
def test_each_broken_rule_is_found(changes: dict[str, object], code: str) -> None:
    assert codes(replace(GOOD, **changes)) == [code]  # type: ignore[arg-type]  # any fields


def test_two_days_are_counted_where_the_course_is() -> None:
    late, early = datetime(2026, 3, 2, 21, 30, tzinfo=UTC), datetime(2026, 3, 3, 4, tzinfo=UTC)
    short = replace(GOOD, starts_at=late, ends_at=early)
    assert codes(short) == []
    assert codes(replace(short, time_zone="Africa/Nairobi")) == ["too-short"]
    eight_weeks = replace(GOOD, ends_at=datetime(2026, 4, 26, 23, 59, 59, tzinfo=UTC))
    assert codes(eight_weeks) == []


def test_seats_are_for_those_who_apply() -> None:
    assert codes(replace(GOOD, seats=20, registration=RegistrationType.APPLICATION)) == []


@pytest.mark.parametrize("seats", [0, 4, 5, None])
def test_fewer_seats_than_people_who_have_one_are_a_warning(seats: int | None) -> None:
    apply = replace(GOOD, seats=seats, registration=RegistrationType.APPLICATION)
    found = check_offering(apply, LAX, NOW, taken=5)
    warned = [each for each in found if each.code == "seats-below-taken"]
    assert [each.warning for each in warned] == ([True] if seats in (0, 4) else [])


def test_some_rules_are_only_warnings() -> None:
    found = check_offering(GOOD, STRICT, NOW, member("Digital services"))
    assert [(each.code, each.warning) for each in found] == [
        ("lead-time", True),
        ("topic-outside-areas", True),
    ]
    late = (GOOD.ends_at or NOW) + 11 * DAY
    assert [each.code for each in check_report(GOOD, 4, STRICT, late)] == [
        "few-participants",
        "report-late",
    ]
    assert check_report(GOOD, 5, STRICT, late - 2 * DAY) == []
    assert check_report(GOOD, 0, LAX, late + 999 * DAY) == []


def test_the_pass_mark_is_a_share_of_the_scale() -> None:
    passed = Result("L", "O", Decimal(8), Decimal(5), Decimal(10), completed=True)
    assert check_result(passed, STRICT) == []
    below = replace(passed, score=Decimal("7.9"))
    assert [each.code for each in check_result(below, STRICT)] == ["below-pass-mark"]
    assert check_result(replace(below, completed=False), STRICT) == []
    assert check_result(below, LAX) == []


def test_the_counts_of_a_centre_are_checked() -> None:
    assert [each.code for each in check_year(1, LAX)] == ["too-few-courses"]
    assert check_year(2, LAX) == []
    cycle = Cycle("2015-2018", "Sample", date(2015, 1, 1), most_per_centre=2)
    assert [each.code for each in check_areas(("a", "b", "c"), cycle)] == ["too-many-areas"]
    unlimited = replace(cycle, most_per_centre=None)
    assert check_areas(("a", "b"), cycle) == check_areas(("a", "b", "c"), unlimited) == []


def test_the_membership_of_the_first_day_counts() -> None:
    """A course that starts on its last day is covered, in the course's own time zone, and may run
    on; one that starts a day later is not."""
    last = member("Cybersecurity", ends_on=date(2026, 3, 2))
    assert [each.code for each in check_offering(GOOD, LAX, NOW, last)] == []
    over = member("Cybersecurity", ends_on=date(2026, 3, 1))
    (found,) = check_offering(GOOD, LAX, NOW, over)
    assert (found.code, found.warning, found.field) == ("no-membership", False, "starts_at")
    assert "2026-03-02" in found.message
    assert "2023-01-01 to 2026-03-01" in found.message
    late = replace(GOOD, starts_at=datetime(2026, 3, 2, 22, tzinfo=UTC))
    assert check_offering(late, LAX, NOW, last) == []
    zoned = replace(late, time_zone="Africa/Nairobi", ends_at=datetime(2026, 3, 6, tzinfo=UTC))
    assert [each.code for each in check_offering(zoned, LAX, NOW, last)] == ["no-membership"]
    undated = replace(GOOD, modality=Modality.SELF_PACED, starts_at=None, ends_at=None)
    assert check_offering(undated, LAX, NOW, last) == []
    later = datetime(2026, 3, 3, tzinfo=UTC)
    assert [each.code for each in check_offering(undated, LAX, later, last)] == ["no-membership"]


def test_a_topic_fits_an_area_by_its_present_and_its_former_name() -> None:
    renamed = member("Digital trust", Cybersecurity="Digital trust")
    assert check_offering(GOOD, LAX, NOW, renamed) == []
    other = member("Digital services", Cybersecurity="Digital trust")
    assert [each.code for each in check_offering(GOOD, LAX, NOW, other)] == ["topic-outside-areas"]


def test_where_two_cycles_share_days_the_areas_of_both_count() -> None:
    old = Membership("SAMPLE", "old", date(2023, 1, 1), date(2026, 12, 31), ("Digital services",))
    new = Membership("SAMPLE", "new", date(2026, 1, 1), None, ("Cybersecurity",))
    assert check_offering(GOOD, LAX, NOW, Standing((old, new))) == []
