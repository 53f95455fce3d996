"""Loading a raw record through its schema, with one error that names every field at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from lms_bridge.domain.errors import RecordRefused

UNREADABLE = "problem"
"""The field by which a reader says that a record cannot be read, and why (a row of a file)."""


def load(schema: Schema, fields: Mapping[str, object]) -> Any:
    """What the schema makes of the fields.

    Raises:
        RecordRefused: with every field at fault and what is wrong with it; never with its value,
            which may be personal.
    """
    if not isinstance(fields, Mapping):
        raise RecordRefused("not-a-record", "The record is not a set of fields.")
    problem = fields.get(UNREADABLE)
    if isinstance(problem, str):
        raise RecordRefused("unreadable-record", problem)
    try:
        return schema.load(dict(fields))
    except ValidationError as error:
        problems = list(_problems(error.messages, ""))
        listed = "; ".join(f"{name} {complaint}" for name, complaint in problems)
        first = problems[0][0] if problems else ""
        raise RecordRefused("invalid-record", f"{listed}.", field=first) from None
    except RecursionError:
        raise RecordRefused("too-deep", "The record is nested too deeply.") from None


def _problems(messages: Any, prefix: str) -> Any:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _problems(inner, f"{prefix}.{name}" if prefix else str(name))
        return
    for message in messages if isinstance(messages, list) else [messages]:
        complaint = {
            "Missing data for required field.": "is missing",
            "Field may not be null.": "is empty",
            "Not a valid string.": "is not a text",
            "Not a valid list.": "is not a list",
            "Invalid input type.": "is not a set of fields",
        }.get(str(message), str(message))
        yield prefix, complaint
