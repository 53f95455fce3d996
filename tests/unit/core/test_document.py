"""Documents, their hashes and their differences."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.domain.document import DIGEST_SIZE, difference, digest, document, plain
from lms_bridge.domain.model import Level, Meeting, Offering

BASE = Offering("SAMPLE-a", "SAMPLE", "C1", "Spectrum", hours=Decimal("24.50"))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)

FLAT = st.dictionaries(st.text(max_size=3), st.integers())


def test_times_are_utc_and_days_do_not_shift() -> None:
    nairobi = timezone(timedelta(hours=3))
    assert plain(datetime(2026, 3, 31, 1, 30, tzinfo=nairobi)) == "2026-03-30T22:30:00Z"
    assert plain(datetime(2026, 3, 31, tzinfo=UTC)) == "2026-03-31T00:00:00Z"


@pytest.mark.parametrize(
    ("number", "text"),
    [("24.50", "24.5"), ("100", "100"), ("1E+2", "100"), ("0.00", "0"), ("0.10", "0.1")],
)
def test_a_number_has_one_form(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


def test_every_field_has_its_place() -> None:
    start = datetime(2026, 3, 2, 6, tzinfo=UTC)
    record = replace(
        BASE,
        level=Level.ADVANCED,
        topics=("Radio", "Satellites"),
        meetings=(Meeting(start, start + timedelta(hours=2), "Room 4"),),
    )
    made = document(record)
    assert made["level"] == "advanced"
    assert made["topics"] == ["Radio", "Satellites"]
    assert made["hours"] == "24.5"
    assert made["meetings"] == [
        {"starts_at": "2026-03-02T06:00:00Z", "ends_at": "2026-03-02T08:00:00Z", "place": "Room 4"}
    ]
    assert set(made) == set(Offering.__slots__)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_a_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no place in a document"):
        plain(value)
    with pytest.raises(TypeError):
        document("text")


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_a_hash_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert digest(value) == digest(dict(reversed(list(value.items()))))
    assert len(digest(value)) == DIGEST_SIZE


@given(JSON, JSON)
def test_two_values_have_one_hash_only_when_they_are_one(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (repr(plain_keys(one)) == repr(plain_keys(other)))


def plain_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain_keys(value[key]) for key in sorted(value)}
    return [plain_keys(item) for item in value] if isinstance(value, list) else value


@given(
    st.dictionaries(st.text(max_size=3), st.integers()),
    st.dictionaries(st.text(max_size=3), st.integers()),
)
def test_a_difference_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    changes = difference(old, new)
    after = {**old, **{name: then for name, (_, then) in changes.items()}}
    assert {name: value for name, value in after.items() if value is not None} == new
    assert difference(new, new) == {}
    assert all(now != then for now, then in changes.values())


def test_a_difference_names_both_values_and_missing_ones() -> None:
    assert difference({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": (2, 3), "c": (None, 4)}
    assert difference({"a": 1}, {}) == {"a": (1, None)}
