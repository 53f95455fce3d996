"""Lists show any offering as the schema shows it, although the database puts the JSON together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lms_bridge.domain.model import Level, Modality, Offering, OfferingStatus, RegistrationType
from lms_bridge.store import offerings
from lms_bridge.store.database import Database
from tests.fakes.lists import check_lists

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
lines = st.lists(texts, max_size=3).map(tuple)
moments = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])
).filter(lambda moment: 1000 < moment.year < 9999)
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


@given(st.lists(records, min_size=1, max_size=20))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_offering_is_listed_as_the_schema_shows_it(
    database: Database, found: list[Offering]
) -> None:
    new = [replace(each, code=f"{each.code[:20]}{uuid4()}") for each in found]
    with database.writing() as tx:
        offerings.add_offerings(tx, new)
    assert {each.code for each in new} <= check_lists(database).keys()
