"""Schemas made of dataclasses whose fields are numbers, flags, words or texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from marshmallow import RAISE, Schema, ValidationError, fields

from lms_bridge.domain.bounds import Bounds
from lms_bridge.schemas import codes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Part = TypeVar("Part", bound="DataclassInstance")

_UNKNOWN = "is not a setting"
_NO_NUMBER = "is not a number"


class StrictInteger(fields.Integer):
    """A whole number; from text too, as environment variables have it."""

    default_error_messages = {"invalid": "is not a whole number"}  # noqa: RUF012 (the library's form)
    example = "is not a whole number such as 20"

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid")
        if isinstance(value, str):  # 20.0, as a spreadsheet writes 20
            value = re.sub(r"\.0+$", "", value.strip())
            if value and not re.fullmatch(r"[+-]?\d+", value):
                raise ValidationError(codes.refusal(value, self.example))
        return super()._validated(value)


def _field(kind: type, bounds: Bounds | None) -> fields.Field[Any]:
    if kind is bool:
        return fields.Boolean(error_messages={"invalid": "is not true or false"})
    if kind is int:
        return StrictInteger(validate=_within(bounds))
    if kind is float:
        return fields.Float(
            error_messages={"invalid": _NO_NUMBER, "special": _NO_NUMBER, "too_large": _NO_NUMBER},
            validate=_within(bounds),
        )
    if issubclass(kind, StrEnum):
        return fields.Enum(
            kind, by_value=True, error_messages={"unknown": "is not one of: {choices}"}
        )
    return fields.String(error_messages={"invalid": "is not a text"})


def _within(bounds: Bounds | None) -> list[Callable[[float], None]]:
    def check(value: float) -> None:
        if bounds is not None and (complaint := bounds.complaint(value)):
            raise ValidationError(complaint)

    return [check]


@cache
def fields_of(part: type[DataclassInstance]) -> dict[str, tuple[type, Bounds | None]]:
    """The kind of every field of a dataclass, and the bounds that stand beside it."""
    hints = get_type_hints(part, include_extras=True)
    return {each.name: _kind_and_bounds(hints[each.name]) for each in dataclass_fields(part)}


def _kind_and_bounds(hint: Any) -> tuple[type, Bounds | None]:
    if get_origin(hint) is not Annotated:
        return hint, None
    kind, *beside = get_args(hint)
    return kind, next((each for each in beside if isinstance(each, Bounds)), None)


@cache
def _schema_of(part: type[DataclassInstance]) -> Schema:
    known = fields_of(part)
    return Schema.from_dict({key: _field(*of) for key, of in known.items()})(unknown=RAISE)


def read_part(
    part: type[Part], given: Mapping[str, object], name: str, base: Part | None = None
) -> tuple[Part, list[str]]:
    """A dataclass made of given values over those of ``base``, and every problem with its name.

    ``name`` is what the part is called in messages. With problems the base (or the defaults) is
    returned as it was.
    """
    start: Part = part() if base is None else base
    try:
        values = _schema_of(part).load(dict(given))
    except ValidationError as error:
        return start, [
            f"{name}.{key} {_complaint(message)}" for key, message in error.messages_dict.items()
        ]
    current = {key: getattr(start, key) for key in fields_of(part)}
    return part(**{**current, **values}), []


def _complaint(messages: Any) -> str:
    text = str(messages[0] if isinstance(messages, list) else messages)
    return _UNKNOWN if text == "Unknown field." else text
