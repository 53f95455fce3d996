"""The programme's rules: each one fires on what it is about, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lms_bridge.domain.model import Level, Modality, Offering, RegistrationType, Result
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
LAX = Rules()
STRICT = Rules(lead_days=90, report_days=10, least_participants=5, pass_percent=60)


def codes(offering: Offering, rules: Rules = LAX, areas: tuple[str, ...] = ()) -> list[str]:
    return [each.code for each in check_offering(offering, rules, NOW, areas)]


def test_a_good_offering_has_nothing_to_mend() -> None:
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
        ({"ends_at": datetime(2026, 4, 27, 0, tzinfo=UTC)}, "too-long"),
        ({"seats": 20}, "direct-with-seats"),
        ({"registration_closes": datetime(2026, 3, 3, tzinfo=UTC)}, "registration-closes-late"),
        ({"modality": Modality.SELF_PACED}, "self-paced-ends"),
    ],
)
def test_each_rule(changes: dict[str, object], code: str) -> None:
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


def test_what_is_only_warned_about() -> None:
    found = check_offering(GOOD, STRICT, NOW, ("Digital services",))
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


def test_counts_of_a_centre() -> None:
    assert [each.code for each in check_year(1, LAX)] == ["too-few-courses"]
    assert check_year(2, LAX) == []
    assert [each.code for each in check_areas(("a", "b", "c"), 2)] == ["too-many-areas"]
    assert check_areas(("a", "b"), 2) == check_areas(("a", "b", "c"), None) == []
