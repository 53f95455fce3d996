"""JSON as other systems write it: half a character does not cost the document."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms_bridge.http.foreign_json import check, loads

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"a\uD83D\\n"', "a\ufffd\\n"),
        (rb'"\udc00\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\\ud83d \ud83d"', "\\ud83d \ufffd"),
        (rb'{"\ud83d": 1}', {"\ufffd": 1}),
    ],
)
def test_half_a_character_becomes_an_unreadable_one(text: bytes, expected: Any) -> None:
    assert loads(text) == expected


@given(ANY_TEXT)
def test_any_text_is_read(text: str) -> None:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert loads(json.dumps(text).encode()) == whole


@pytest.mark.parametrize("text", [b"", b"{", rb'"\ud83d', b"NaN", rb'"\x"', b"\xff"])
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(text)


ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def test_an_answer_with_half_a_character_is_checked_as_it_is_read() -> None:
    (row,) = check(rb'[{"id": 1, "name": "a\ud83d"}]', ROWS)
    assert {name: loads(bytes(value)) for name, value in row.items()} == {
        "id": 1,
        "name": "a\ufffd",
    }


@pytest.mark.parametrize(
    "text", [b"", b"[{]", b"<html>", b'{"id": 1}', b'[{"id": ' + b"[" * 99_999]
)
def test_what_is_not_the_answer_fails_its_check(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Input|nested|Expected"):
        check(text, ROWS)
