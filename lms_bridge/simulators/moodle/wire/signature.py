r"""Declared parameters, in a small notation, and forms checked against them.

The notation: ``name:type`` is required, ``name:type?`` optional, ``name:type=1`` has a default
(JSON). ``[int]`` is a list of integers, ``[userid:int courseid:int]`` a list of structures,
``{userid:int}`` a structure.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lms_bridge.simulators.moodle.errors import invalid_parameter

from .cleaning import clean

Params = dict[str, Any]
MARK = re.compile(r'\s*([\w]+:|[\w]+|[\[\]{}]|\?|=(?:"[^"]*"|\[\]|\{\}|[\w.-]+))')


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of a Moodle type: ``int``, ``raw``, …"""

    type: str

    def check(self, value: Any) -> Any:
        """The value as int, bool or str."""
        return clean(self.type, value)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one kind of thing."""

    item: "Kind"

    def check(self, value: Any) -> list[Any]:
        """The list; forms bring it as a dict with numbers for keys, in the order sent."""
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, list):
            raise invalid_parameter()
        check = self.item.check
        return [check(item) for item in value]


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a structure. ``need`` is required, optional or default."""

    kind: "Kind"
    need: str = "required"
    default: Any = None


@dataclass(frozen=True, slots=True)
class Struct:
    """Named parts; an unexpected name is refused, as Moodle does."""

    fields: dict[str, Field]

    def check(self, value: Any) -> Params:
        """The parts that were sent, and defaults; optional ones stay away."""
        if value == []:
            value = {}
        if not isinstance(value, dict) or not value.keys() <= self.fields.keys():
            raise invalid_parameter()
        result: Params = {}
        for name, field in self.fields.items():
            if name in value:
                result[name] = field.kind.check(value[name])
            elif field.need == "required":
                raise invalid_parameter()
            elif field.need == "default":
                result[name] = field.kind.check(field.default)
        return result


Kind = Scalar | ListOf | Struct


def parse(notation: str) -> Struct:
    """Read the parameters of one function. Raises ValueError on a slip in the notation."""
    marks = MARK.findall(notation)
    if "".join(marks) != "".join(notation.split()):
        raise ValueError(f"not understood: {notation}")
    return _struct(iter([*marks, ""]), end="")


def _struct(marks: Iterator[str], end: str, first: str | None = None) -> Struct:
    fields: dict[str, Field] = {}
    mark = first or next(marks)
    while mark != end:
        name, kind = mark.removesuffix(":"), _kind(marks)
        mark = next(marks)
        if mark == "?":
            fields[name], mark = Field(kind, "optional"), next(marks)
        elif mark.startswith("="):
            fields[name] = Field(kind, "default", json.loads(mark[1:]))
            mark = next(marks)
        else:
            fields[name] = Field(kind)
    return Struct(fields)


def _kind(marks: Iterator[str]) -> Kind:
    mark = next(marks)
    if mark == "{":
        return _struct(marks, "}")
    if mark != "[":
        return Scalar(mark)
    first = next(marks)
    if first.endswith(":"):
        return ListOf(_struct(marks, "]", first))
    if next(marks) != "]":
        raise ValueError("a list of scalars has one type")
    return ListOf(Scalar(first))
