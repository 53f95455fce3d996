"""Rows of JSON: a list of offerings, or an object that has it as ``offerings``.

The list is decoded one element at a time. As objects it would take many times the memory of its
text.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from lms_bridge.domain.errors import Problem, Refused
from lms_bridge.intake.rows import (
    LONGEST_ROW,
    Octets,
    PushedRow,
    bad_row,
    guess,
    is_utf8,
    line_at,
    line_of_first_bad,
    row_too_long,
    without_id,
)
from lms_bridge.schemas.load import UNREADABLE

LIST = "offerings"
_SPACE = re.compile(rb"[ \t\r\n]*")


def read_json(octets: Octets, time_zone: str) -> Iterator[PushedRow]:
    """The rows; local times are meant in their own zone or, by the schema, in the centre's.

    Raises:
        Refused: the body is not UTF-8, or not JSON of this form. Only what comes before the
            broken place has been given then.
    """
    del time_zone
    text = _Text(_checked(octets))
    in_object = text.next_is("{")
    if in_object:
        if text.value() != LIST:
            text.fail(f'An object has to have the list as "{LIST}", and nothing else')
        text.expect(":")
    if not text.next_is("["):
        text.fail(f'It is neither a list of offerings nor an object with "{LIST}"')
    number = 0
    if not text.next_is("]"):
        while True:
            number += 1
            text.row = number
            yield _row(number, text.value())
            if not text.next_is(","):
                break
        text.expect("]")
    if in_object:
        text.expect("}")
    text.end()


def _checked(octets: Octets) -> Octets:
    if not is_utf8(octets):
        line, likely = line_of_first_bad(octets), guess(octets)
        raise Refused(
            "wrong-encoding",
            f"JSON is UTF-8, and line {line} of this file has other bytes. They look like "
            f"{likely}. Nothing was changed.",
            "Write it as UTF-8.",
        )
    if octets.find(b"\x00") >= 0:
        likely = guess(octets)
        raise Refused(
            "wrong-encoding",
            f"JSON holds no NUL characters. This looks like {likely}. Nothing was changed.",
            "Write it as UTF-8.",
        )
    return octets


_LOOKS = (16_384, 131_072, LONGEST_ROW)
"""Bytes that are decoded to find a value: more only where fewer do not hold it."""


_PLAIN = {
    "Expecting value": "a value is missing",
    "Expecting property name enclosed in double quotes": "the name of a field is missing",
    "Expecting ',' delimiter": "a comma is missing, or a bracket",
    "Expecting ':' delimiter": "a colon is missing",
    "Illegal trailing comma before end of object": "a comma stands before the end",
    "Illegal trailing comma before end of array": "a comma stands before the end",
    "Invalid control character at": "a text holds a control character",
    "Unterminated string starting at": "a text that begins here has no end",
}
"""What Python's decoder says, in plain words."""


class _Text:
    """A JSON text as UTF-8, and a place in it. Only one value of it is decoded at a time."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        mark = len(codecs.BOM_UTF8)
        self._at = mark if octets[:mark] == codecs.BOM_UTF8 else 0
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)
        self.row = 0

    def value(self) -> Any:
        self._skip()
        for size in _LOOKS:
            text = self._octets[self._at : self._at + size].decode(errors="ignore")
            whole = self._at + size >= len(self._octets)
            try:
                value, end = self._decoder.raw_decode(text)
            except json.JSONDecodeError as error:
                if not whole and (size < LONGEST_ROW or _is_cut(error)):
                    continue
                self._at += len(text[: error.pos].encode())
                self.fail(_PLAIN.get(error.msg, error.msg))
            except RecursionError:
                self.fail("It is nested too deeply")
            except ValueError as error:  # NaN, or a number of thousands of digits
                self.fail("This is no number" if not isinstance(error, _Constant) else str(error))
            if whole or end < len(text):  # else a number may go on
                self._at += len(text[:end].encode())
                return value
        raise row_too_long(f"Row {self.row}" if self.row else "A value before the first row")

    def next_is(self, mark: str) -> bool:
        self._skip()
        if self._octets[self._at : self._at + 1] != mark.encode():
            return False
        self._at += 1
        return True

    def expect(self, mark: str) -> None:
        if not self.next_is(mark):
            self.fail(f"Here should be “{mark}”")

    def end(self) -> None:
        self._skip()
        if self._at != len(self._octets):
            self.fail("Something follows after the end")

    def fail(self, why: str) -> NoReturn:
        line = line_at(self._octets, self._at)
        begins = self._octets.rfind(b"\n", 0, self._at) + 1
        column = len(self._octets[begins : self._at].decode("utf-8-sig", "ignore")) + 1
        message = f"The JSON is broken at line {line}, column {column}: {why}. Nothing was changed."
        if self.row:
            message = (
                f"The JSON is broken at line {line}, column {column}, in row {self.row}: {why}. "
                "Nothing was changed."
            )
        raise Refused(
            "file-unreadable",
            message,
            "Mend it, or let a program write it.",
        ) from None

    def _skip(self) -> None:
        found = _SPACE.match(self._octets, self._at)
        self._at = found.end() if found else self._at


def _is_cut(error: json.JSONDecodeError) -> bool:
    """Whether the text may only be broken because its end was not looked at."""
    return error.msg.startswith("Unterminated string") or error.pos > len(error.doc) - 20


class _Constant(ValueError):
    """A word that Python takes for a number, and JSON does not."""


def _no_constant(word: str) -> NoReturn:
    raise _Constant(f"{word} is not JSON")


def _row(number: int, value: object) -> PushedRow:
    if not isinstance(value, dict):
        return bad_row(number, Problem("", "not-a-record", "is not an object with fields"))
    named = value.pop("id", None)
    if isinstance(named, bool) or not isinstance(named, (str, int)) or not str(named).strip():
        return without_id(number)
    external_id = str(named).strip()
    if UNREADABLE in value:
        problem = Problem(UNREADABLE, "unknown-field", "is not a field of an offering")
        return bad_row(number, problem, external_id)
    return PushedRow(number, external_id, value)
