"""Rows of JSON: a list of offerings, or an object that has it as ``offerings``.

The list is decoded one element at a time: the whole of it as objects would take many times the room
of its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from lms_bridge.domain.errors import Problem, Refused
from lms_bridge.schemas.load import UNREADABLE
from lms_bridge.schemas.schedule.encodings import guess, line_of_first_bad
from lms_bridge.schemas.schedule.rows import PushedRow, bad_row, without_id

LIST = "offerings"
_SPACE = re.compile(r"[ \t\r\n]*")


def read_json(octets: bytes, time_zone: str) -> Iterator[PushedRow]:
    """The rows; local times are meant in their own zone or, by the schema, in the centre's.

    Raises:
        Refused: the body is not UTF-8, or not JSON of this form. Only what comes before the
            broken place has been given then.
    """
    del time_zone
    text = _Text(_decoded(octets))
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


def _decoded(octets: bytes) -> str:
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(
            "wrong-encoding",
            f"JSON is UTF-8; in line {line_of_first_bad(octets)} this one has other bytes. They "
            f"look like {guess(octets)}. Nothing was changed.",
            "Write it as UTF-8.",
        ) from None
    if "\x00" in text:
        raise Refused(
            "wrong-encoding",
            f"JSON holds no NUL characters. This looks like {guess(octets)}. Nothing was changed.",
            "Write it as UTF-8.",
        )
    return text


class _Text:
    """A JSON text, and a place in it."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)
        self.row = 0

    def value(self) -> Any:
        self._skip()
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            self._at = error.pos
            self.fail(error.msg)
        except RecursionError:
            self.fail("It is nested too deeply")
        except ValueError as error:  # NaN, or a number of thousands of digits
            self.fail("A number is none" if not isinstance(error, _Constant) else str(error))
        return value

    def next_is(self, mark: str) -> bool:
        self._skip()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += 1
        return True

    def expect(self, mark: str) -> None:
        if not self.next_is(mark):
            self.fail(f"Here should be “{mark}”")

    def end(self) -> None:
        self._skip()
        if self._at != len(self._text):
            self.fail("Something follows after the end")

    def fail(self, why: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        column = self._at - (self._text.rfind("\n", 0, self._at) + 1) + 1
        where = f"line {line}, column {column}" + (f", in row {self.row}" if self.row else "")
        raise Refused(
            "file-unreadable",
            f"The JSON is broken at {where}: {why}. Nothing was changed.",
            "Mend it, or let a program write it.",
        ) from None

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at


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
