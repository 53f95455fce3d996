"""What schemas complain of: a text for people, with a stable code for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any

from marshmallow import Schema, ValidationError, fields

from lms_bridge.domain.errors import Problem, RecordRefused

INVALID = "invalid"
"""The code of a complaint that has none of its own."""


class Complaint(str):
    """A text that goes on from a field's name, as "is not a date". Libraries take it for a plain
    text and hand it on."""

    __slots__ = ("allowed", "code")

    code: str
    allowed: tuple[str, ...]

    def __new__(cls, text: str, code: str, allowed: Sequence[str] = ()) -> Complaint:
        made = super().__new__(cls, text)
        made.code, made.allowed = code, tuple(allowed)
        return made


def complaint(
    text: str, code: str, field: str | None = None, allowed: Sequence[str] = ()
) -> ValidationError:
    """The error to raise in a schema; ``field`` is needed where a whole record is looked at."""
    made = Complaint(text, code, allowed)
    return ValidationError([made], field) if field else ValidationError([made])


MOST_PROBLEMS = 20
"""Of one record so many problems are reported; the others are counted."""
_MOST_LOOKED_AT = 100
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
        problems = _first_problems(error.messages, schema)
        listed = "; ".join(f"{each.field} {each.message}".strip() for each in problems)
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


def _first_problems(messages: Any, schema: Schema) -> list[Problem]:
    """The first problems, and how many others there are."""
    found = _said_once(list(islice(_problems(messages, "", schema), _MOST_LOOKED_AT)))
    more = len(found) - MOST_PROBLEMS
    if len(found) == _MOST_LOOKED_AT:
        more = _count(messages) - MOST_PROBLEMS
    problems = [_with_meant(each) for each in found[:MOST_PROBLEMS]]
    if more > 0:
        problems.append(Problem("", "more-problems", f"and {more:,} more"))
    return problems


def _count(messages: Any) -> int:
    if isinstance(messages, Mapping):
        return sum(_count(inner) for inner in messages.values())
    return len(messages) if isinstance(messages, list) else 1


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
    """An unknown time zone is reported at its own field, not with each of its times."""
    zones = [each.field for each in problems if each.field.rpartition(".")[2] == "time_zone"]
    return [
        each for each in problems if not zones or each.code != "no-such-zone" or each.field in zones
    ]


def _unknown(path: str, schema: Schema) -> Problem:
    """A field that does not exist, with those that do."""
    *parents, name = path.split(".")
    known = []
    for part in parents:
        if not (part in schema.fields or part.isdecimal()):
            break
        known.append(part)
        found = schema.fields.get(part)
        inner = found.inner if isinstance(found, fields.List) else found
        if isinstance(inner, fields.Nested):
            schema = inner.schema
    allowed = tuple(schema.fields)
    shown = name if _NAME_LIKE.fullmatch(name) and known == parents else "(unnamed)"
    return Problem(".".join([*known, shown]), "unknown-field", "is not a field here", allowed)


@lru_cache(maxsize=1024)
def _near(name: str, allowed: tuple[str, ...]) -> list[str]:
    return get_close_matches(name, allowed, n=2)


def _with_meant(problem: Problem) -> Problem:
    if problem.code != "unknown-field":
        return problem
    name = problem.field.rpartition(".")[2].casefold()
    near = ", ".join(_near(name, problem.allowed))
    return (
        replace(problem, message=f"is not a field here: did you mean {near}?") if near else problem
    )
