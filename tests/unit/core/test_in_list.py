"""Offerings as lists show them: to the letter what the schema makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import orjson
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.domain.model import Level, Modality, Offering, OfferingStatus, RegistrationType
from lms_bridge.schemas.shown import ShownOfferingInList
from lms_bridge.store.in_list import shown
from tests.fakes.lists import dumped

texts = st.text(st.characters(codec="utf-8"), max_size=40)
lines = st.lists(texts, max_size=3).map(tuple)
moments = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])
).filter(lambda moment: 1 < moment.year < 9999)
amounts = st.none() | st.decimals(0, 1_000_000, places=4) | st.sampled_from([Decimal("1E+3")])
records = st.builds(
    Offering,
    **dict.fromkeys(("code", "centre", "course_code", "title", "location", "address"), texts),
    modality=st.none() | st.sampled_from(Modality),
    level=st.none() | st.sampled_from(Level),
    status=st.sampled_from(OfferingStatus),
    listed=st.booleans(),
    starts_at=st.none() | moments,
    ends_at=st.none() | moments,
    time_zone=st.sampled_from(["UTC", "Africa/Nairobi"]),
    hours=amounts,
    registration=st.sampled_from(RegistrationType),
    registration_opens=st.none() | moments,
    registration_closes=st.none() | moments,
    seats=st.none() | st.integers(0, 1_000_000),
    price=amounts,
    currency=st.sampled_from(["", "USD"]),
    languages=lines,
    topics=lines,
    coordinators=lines,
)


@given(records, moments)
def test_any_offering_is_shown_as_the_schema_shows_it(
    record: Offering, changed_at: datetime
) -> None:
    made = shown(record, changed_at)
    assert made == orjson.dumps(dumped(record, changed_at)).decode()
    assert list(orjson.loads(made)) == list(ShownOfferingInList().fields)


def test_the_form_is_the_one_that_databases_hold() -> None:
    """If this has to be changed, a migration has to empty the table ``offering_in_list``: what
    stands there has the old form, and is made anew only where there is nothing."""
    moment = datetime(2026, 3, 2, 6, 30, 15, 250_000, tzinfo=UTC)
    record = Offering(
        "S-1",
        "S",
        "C",
        "Title",
        Modality.BLENDED,
        Level.ADVANCED,
        starts_at=moment,
        hours=Decimal("7.50"),
        price=Decimal(100),
        currency="USD",
        languages=("en",),
        coordinators=("Sample Coordinator",),
        description="Long",
    )
    assert shown(record, moment) == (
        '{"title":"Title","course_code":"C","modality":"blended","level":"advanced",'
        '"status":"published","starts_at":"2026-03-02T06:30:15Z","ends_at":null,'
        '"time_zone":"UTC","hours":"7.5","registration":"direct","registration_opens":null,'
        '"registration_closes":null,"seats":null,"price":"100","currency":"USD",'
        '"languages":["en"],"topics":[],"location":"","address":"","code":"S-1","centre":"S",'
        '"listed":true,"changed_at":"2026-03-02T06:30:15Z"}'
    )
