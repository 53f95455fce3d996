"""Loading a raw record through its schema, with one error that names every field at fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from lms_bridge.domain.errors import Problem, RecordRefused
from lms_bridge.schemas.complaints import INVALID, Complaint

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
        listed = "; ".join(f"{each.field} {each.message}" for each in problems)
        first = problems[0].field if problems else ""
        raise RecordRefused(
            "invalid-record", f"{listed}.", field=first, problems=problems
        ) from None
    except RecursionError:
        raise RecordRefused("too-deep", "The record is nested too deeply.") from None


_IN_OUR_WORDS = {
    "Missing data for required field.": Complaint("is missing", "missing"),
    "Field may not be null.": Complaint("is empty", "empty"),
    "Not a valid string.": Complaint("is not a text", "not-a-text"),
    "Not a valid list.": Complaint("is not a list", "not-a-list"),
    "Invalid input type.": Complaint("is not a set of fields", "not-a-record"),
}


def _problems(messages: Any, prefix: str) -> Iterator[Problem]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _problems(inner, f"{prefix}.{name}" if prefix else str(name))
        return
    for message in messages if isinstance(messages, list) else [messages]:
        said = _IN_OUR_WORDS.get(str(message), message)
        if isinstance(said, Complaint):
            yield Problem(prefix, said.code, str(said), said.allowed)
        else:
            yield Problem(prefix, INVALID, str(said))
