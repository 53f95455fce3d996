"""Parts of messages: forgiving in form, never guessed."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.lti import json_parts
from lms_bridge.lti.errors import LtiRefused
from lms_bridge.lti.platform.claims import substitute


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T17:53:39+0000", "2026-11-23T17:53:39+00:00"),
        ("2026-11-23T18:00:00.000Z", "2026-11-23T18:00:00+00:00"),
        ("2026-11-23T18:00:00.1234567Z", "2026-11-23T18:00:00.123456+00:00"),
        ("2026-11-23T18:00:00+05:45", "2026-11-23T12:15:00+00:00"),
        ("2026-11-23 18:00:00-0330", "2026-11-23T21:30:00+00:00"),
    ],
)
def test_a_valid_time_is_read(text: str, expected: str) -> None:
    at = json_parts.moment({"at": text}, "at", "bad")
    assert at is not None
    assert at.isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["2026-11-23", "2026-11-23T18:00:00", "2026-02-30T00:00:00Z", "x", "2026-11-23T18:00:00+9999"],
)
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(LtiRefused):
        json_parts.moment({"at": text}, "at", "bad")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, Decimal(0)), ("0.00", Decimal(0)), ("15.50000", Decimal("15.5")), (1e2, Decimal(100))],
)
def test_a_valid_number_is_read(value: Any, expected: Decimal) -> None:
    assert json_parts.number({"n": value}, "n", "bad") == expected


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_number_is_not_zero(value: Any) -> None:
    assert json_parts.number({"n": value}, "n", "bad") is None


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(json)
def test_any_value_is_read_or_refused(value: Any) -> None:
    for read in (
        json_parts.number,
        json_parts.moment,
        json_parts.text,
        json_parts.texts,
        json_parts.section,
        json_parts.custom,
    ):
        with suppress(LtiRefused):
            read({"it": value}, "it", "bad")


def test_known_variables_are_substitute() -> None:
    custom = {"a": "$Context.id", "b": "$Unknown.variable", "c": "plain", "d": "x $Context.id"}
    assert substitute(custom, {"Context.id": "OFF"}) == {**custom, "a": "OFF"}
