"""Loading a raw record through its schema, with one error that names every field at fault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from marshmallow import Schema, ValidationError, fields

from lms_bridge.domain.errors import Problem, RecordRefused
from lms_bridge.schemas.complaints import INVALID, Complaint

UNREADABLE = "problem"
"""The field by which a reader says that a record cannot be read, and why (a row of a file)."""


def load(schema: Schema, given: Mapping[str, object]) -> Any:
    """What the schema makes of the fields.

    Raises:
        RecordRefused: with every field at fault and what is wrong with it; never with its value,
            which may be personal.
    """
    if not isinstance(given, Mapping):
        raise RecordRefused("not-a-record", "The record is not a set of fields.")
    problem = given.get(UNREADABLE)
    if isinstance(problem, str):
        raise RecordRefused("unreadable-record", problem)
    try:
        return schema.load(dict(given))
    except ValidationError as error:
        problems = _said_once(list(_problems(error.messages, "", schema)))
        listed = "; ".join(f"{each.field} {each.message}" for each in problems)
        first = problems[0].field if problems else ""
        raise RecordRefused(
            "invalid-record", f"{listed}.", field=first, problems=problems
        ) from None
    except RecursionError:
        raise RecordRefused("too-deep", "The record is nested too deeply.") from None


# What looks like no name might be anything, personal data too: it is not repeated.
_NAME_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,39}")
_IN_OUR_WORDS = {
    "Missing data for required field.": Complaint("is missing", "missing"),
    "Field may not be null.": Complaint("is empty", "empty"),
    "Not a valid string.": Complaint("is not a text", "not-a-text"),
    "Not a valid list.": Complaint("is not a list", "not-a-list"),
    "Invalid input type.": Complaint("is not a set of fields", "not-a-record"),
}


def _problems(messages: Any, prefix: str, schema: Schema) -> Iterator[Problem]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _problems(inner, f"{prefix}.{name}" if prefix else str(name), schema)
        return
    for message in messages if isinstance(messages, list) else [messages]:
        said = _IN_OUR_WORDS.get(str(message), message)
        if str(message) == "Unknown field.":
            yield _unknown(prefix, schema)
        elif isinstance(said, Complaint):
            yield Problem(prefix, said.code, str(said), said.allowed)
        else:
            yield Problem(prefix, INVALID, str(said))


def _said_once(problems: list[Problem]) -> list[Problem]:
    """A time zone that does not exist is told of where it stands, not with each of its times."""
    zones = [each.field for each in problems if each.field.rpartition(".")[2] == "time_zone"]
    return [
        each for each in problems if not zones or each.code != "no-such-zone" or each.field in zones
    ]


def _unknown(path: str, schema: Schema) -> Problem:
    """A field that does not exist, with those that do."""
    *parents, name = path.split(".")
    for part in parents:
        found = schema.fields.get(part)
        inner = found.inner if isinstance(found, fields.List) else found
        if isinstance(inner, fields.Nested):
            schema = inner.schema
    allowed = tuple(schema.fields)
    near = get_close_matches(name.casefold(), allowed, n=2)
    meant = f": did you mean {' or '.join(near)}?" if near else ""
    shown = name if _NAME_LIKE.fullmatch(name) else "(unnamed)"
    where = ".".join([*parents, shown])
    return Problem(where, "unknown-field", f"is not a field here{meant}", allowed)
