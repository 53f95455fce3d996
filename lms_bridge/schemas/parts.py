"""Schemas made of dataclasses whose fields are numbers, flags, words or texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from marshmallow import RAISE, Schema, ValidationError, fields, validate

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Part = TypeVar("Part", bound="DataclassInstance")

_UNKNOWN = "is not a setting"


class StrictInteger(fields.Integer):
    """A whole number; from text too, as environment variables have it."""

    default_error_messages = {"invalid": "is not a whole number"}  # noqa: RUF012 (the library's form)

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid")
        return super()._validated(value)


_CENTURY = {
    "_days": 36_525,
    "_hours": 876_600,
    "_minutes": 52_596_000,
    "_seconds": 3_155_760_000,
}
"""A hundred years, by the end of a setting's name. Beyond a few thousand no time can be told."""


_ABOVE_ZERO = frozenset(
    {
        *("centres_at_once", "lease_seconds", "enrolments_minutes", "results_minutes", "threads"),
        *("calls_at_once", "connect_seconds", "read_seconds", "attempts", "break_after"),
        *("most_bytes", "id_token_seconds", "access_token_seconds", "login_seconds", "page_size"),
        *("requests_per_minute", "at_once", "answer_seconds"),
    }
)
"""Settings with which nothing would ever be done, were they zero."""


def _field(kind: type, name: str) -> fields.Field[Any]:
    if kind is bool:
        return fields.Boolean(error_messages={"invalid": "is not true or false"})
    if kind is int:
        return StrictInteger(validate=_bounds(name))
    if kind is float:
        return fields.Float(
            error_messages={"invalid": "is not a number", "special": "is not a number"},
            validate=_bounds(name),
        )
    if issubclass(kind, StrEnum):
        return fields.Enum(
            kind, by_value=True, error_messages={"unknown": "is not one of: {choices}"}
        )
    return fields.String(error_messages={"invalid": "is not a text"})


def _bounds(name: str) -> list[validate.Validator]:
    most = next((many for end, many in _CENTURY.items() if name.endswith(end)), None)
    return [
        validate.Range(min=0, error="is negative"),
        validate.Range(min=0, min_inclusive=name not in _ABOVE_ZERO, error="is not above zero"),
        validate.Range(max=most, error="is more than a hundred years"),
    ]


def read_part(
    part: type[Part], given: Mapping[str, object], name: str, base: Part | None = None
) -> tuple[Part, list[str]]:
    """A dataclass made of given values over those of ``base``, and every problem with its name.

    ``name`` is what the part is called in messages. With problems the base (or the defaults) is
    returned as it was.
    """
    start: Part = part() if base is None else base
    hints = get_type_hints(part)
    known = {f.name: hints[f.name] for f in fields_of(part)}
    schema = Schema.from_dict({key: _field(kind, key) for key, kind in known.items()})(
        unknown=RAISE
    )
    try:
        values = schema.load(dict(given))
    except ValidationError as error:
        return start, [
            f"{name}.{key} {_complaint(message)}" for key, message in error.messages_dict.items()
        ]
    current = {key: getattr(start, key) for key in known}
    return part(**{**current, **values}), []


def _complaint(messages: Any) -> str:
    text = str(messages[0] if isinstance(messages, list) else messages)
    return _UNKNOWN if text == "Unknown field." else text
