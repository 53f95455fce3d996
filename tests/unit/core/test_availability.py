"""The availability of offerings: one function for pages, API, feeds and guards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from lms_bridge.domain.availability import TAKES_REGISTRATIONS, Availability, availability
from lms_bridge.domain.dates import last_day, length_in_days, registration_end
from lms_bridge.domain.errors import BridgeError
from lms_bridge.domain.lifecycle import EnrolmentAction, EnrolmentPlace, move_enrolment
from lms_bridge.domain.model import Modality, Offering, OfferingStatus
from lms_bridge.store import offerings
from lms_bridge.store.availability import availability as in_sql
from lms_bridge.store.database import Database
from lms_bridge.store.tables import offering as table

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DATED = Offering(
    "A-1",
    "A",
    "C",
    "Course",
    modality=Modality.BLENDED,
    starts_at=NOW + 20 * DAY,
    ends_at=NOW + 30 * DAY,
)
SELF_PACED = Offering("A-2", "A", "C", "Course", modality=Modality.SELF_PACED)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "open"),
        ({"registration_opens": NOW + DAY}, "not_yet_open"),
        ({"registration_closes": NOW + 7 * DAY}, "closing_soon"),
        ({"registration_closes": NOW}, "closed"),
        ({"starts_at": NOW}, "running"),
        ({"starts_at": NOW, "registration_closes": NOW + 9 * DAY}, "open"),
        ({"starts_at": NOW - DAY, "ends_at": NOW}, "over"),
        ({"status": OfferingStatus.DELIVERED}, "over"),
        ({"status": OfferingStatus.POSTPONED}, "not_on_offer"),
        ({"status": OfferingStatus.REVIEWED}, "not_on_offer"),
        ({"listed": False}, "not_on_offer"),
        ({"starts_at": None, "ends_at": None}, "open_without_end"),
    ],
)
def test_a_course_with_dates(changes: dict[str, Any], expected: str) -> None:
    assert availability(replace(DATED, **changes), NOW) == expected


def test_a_self_paced_course_stays_open_until_its_end() -> None:
    assert availability(SELF_PACED, NOW) == "open_without_end"
    assert availability(replace(SELF_PACED, starts_at=NOW - 99 * DAY), NOW) == "open_without_end"
    ending = replace(SELF_PACED, ends_at=NOW + 3 * DAY)
    assert registration_end(ending) == ending.ends_at
    found = [availability(ending, NOW + days * DAY) for days in (-9, 0, 3)]
    assert found == ["open", "closing_soon", "over"]


def test_registration_ends_with_the_course_at_the_latest() -> None:
    ends = NOW + 3 * DAY
    for late in (
        replace(DATED, starts_at=NOW - DAY, ends_at=ends, registration_closes=NOW + 9 * DAY),
        replace(DATED, starts_at=None, ends_at=ends),
        replace(SELF_PACED, ends_at=ends, registration_closes=NOW + 9 * DAY),
    ):
        assert registration_end(late) == ends
        assert availability(late, NOW) == "closing_soon"


def test_an_end_at_midnight_is_the_day_before() -> None:
    zone = ZoneInfo("Africa/Nairobi")
    midnight = datetime(2026, 3, 12, tzinfo=zone)
    assert last_day(midnight, zone).day == 11
    assert last_day(midnight + timedelta(hours=1), zone).day == 12
    assert length_in_days(datetime(2026, 3, 11, 9, tzinfo=zone), midnight, zone) == 1


MOMENTS = st.none() | st.integers(-40, 40).map(lambda hours: NOW + timedelta(hours=hours))
OFFERINGS = st.builds(
    Offering,
    st.just("A-1"),
    st.just("A"),
    st.just("C"),
    st.just("Course"),
    modality=st.none() | st.sampled_from(Modality),
    status=st.sampled_from(OfferingStatus),
    listed=st.booleans(),
    starts_at=MOMENTS,
    ends_at=MOMENTS,
    registration_opens=MOMENTS,
    registration_closes=MOMENTS,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example is undone
@given(st.lists(OFFERINGS, min_size=1, max_size=30))
def test_the_database_says_the_same(database: Database, drawn: list[Offering]) -> None:
    records = [replace(each, code=f"A-{number}") for number, each in enumerate(drawn)]
    soon = timedelta(hours=20)
    with database.trying() as tx:
        offerings.add_offerings(tx, records)
        column = in_sql(NOW, NOW + soon).label("availability")
        rows = tx.execute(select(table.c.code, column)).all()
    assert {row.code: row.availability for row in rows} == {
        each.code: availability(each, NOW, soon) for each in records
    }


@given(OFFERINGS)
def test_whoever_reads_open_may_register(record: Offering) -> None:
    place = EnrolmentPlace(record, 0, NOW)
    try:
        move_enrolment(None, EnrolmentAction.REGISTER, place)
    except BridgeError:
        allowed = False
    else:
        allowed = True
    assert allowed == (availability(record, NOW) in TAKES_REGISTRATIONS)
    assert set(Availability) >= TAKES_REGISTRATIONS
