"""Whatever a source sends, a schema takes it or refuses the record: it never breaks a run."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema

from lms_bridge.domain.document import digest, plain
from lms_bridge.domain.errors import RecordRefused
from lms_bridge.schemas.load import load
from lms_bridge.schemas.records import (
    LearnerSchema,
    MeetingSchema,
    OfferingSchema,
    RegistrationSchema,
    ResultSchema,
)

SCHEMAS: list[type[Schema]] = [
    OfferingSchema,
    MeetingSchema,
    RegistrationSchema,
    LearnerSchema,
    ResultSchema,
]
TRICKY = [
    *("", " ", "0", "-0", "NaN", "Infinity", "1e-400", "1e400", "9" * 400, "\x00", "\ud800", "٣"),
    *("2026-03-29T02:30:00", "2024-04-26", "0001-01-01", "9999-12-31", "2026-W13-2", "true"),
    *("<script>", "&#0;", "&#xD800;", "&lt;b&gt;", "\u202e", "a@example.org", "Europe/Paris"),
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(TRICKY)
    | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


MADE = {schema: schema() for schema in SCHEMAS}
RECORDS = {
    schema: st.dictionaries(
        st.sampled_from([*made.fields, "time_zone", "other"]), VALUES, max_size=8
    )
    for schema, made in MADE.items()
}


@pytest.mark.parametrize("schema", SCHEMAS)
@settings(max_examples=60)
@given(st.data())
def test_any_record_is_loaded_or_refused(schema: type[Schema], data: st.DataObject) -> None:
    record = data.draw(RECORDS[schema])
    if schema is OfferingSchema:
        record.setdefault("title", "T")
    made, refusal = taken(schema, record)
    if refusal is not None:
        assert refusal.message.endswith(".")
        assert len(refusal.message) < 5000
    elif isinstance(made, dict):
        digest(plain(made))
        for value in made.values():
            check_fits(value)


def taken(schema: type[Schema], record: dict[str, Any]) -> tuple[Any, RecordRefused | None]:
    try:
        return load(MADE[schema], record), None
    except RecordRefused as error:
        return None, error


def check_fits(value: Any) -> None:
    """What was taken has a place in every database."""
    if isinstance(value, str):
        assert "\x00" not in value
        value.encode()
    elif isinstance(value, Decimal):
        assert len(format(value.normalize(), "f")) <= 40
    elif isinstance(value, datetime):
        assert value.tzinfo is UTC
        assert 1990 <= value.year <= 2100
