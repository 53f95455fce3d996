"""A push's answer, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lms_bridge.cli.diff import LONGEST
from lms_bridge.cli.output import clean, say, shortened

_COLOURS = {"created": "green", "updated": "yellow", "held": "yellow", "refused": "red"}


MOST_ALIKE = 20
"""Notes of one kind that are shown row by row; the others are counted."""


def show(answer: Mapping[str, Any]) -> None:
    """Rows that are refused or warned about, every change in a trial, and what it came to."""
    noted: Counter[str] = Counter()
    for row in answer["rows"]:
        noted.update(warning["message"] for warning in row["warnings"])
        told = {each for each, number in noted.items() if number > MOST_ALIKE}
        lines = list(_lines(row, told, whole=answer["dry_run"]))
        if lines or (answer["dry_run"] and row["outcome"] != "unchanged"):
            name = f" {clean(row['id'])}" if row["id"] else ""
            say(f"Row {row['row']}{name}: {row['outcome']}", _COLOURS.get(row["outcome"]))
        for line in lines:
            say(f"    {line}")
    for message, number in noted.items():
        if number > MOST_ALIKE:
            say(clean(f"note: {number - MOST_ALIKE:,} more rows: {message}"))
    for ended in answer["ended"]:
        say(f"{clean(ended['id'])} ({ended['code']}): {_ENDINGS[ended['outcome']]}", "red")
    for note in answer["notes"]:
        say(clean(note), "red")
    say(clean(answer["summary"]["message"]))
    if answer["hold"]:
        say(f"Look at it: lms-bridge hold show {answer['hold']}")


_ENDINGS = {
    "ended": "no longer named: ended",
    "held": "no longer named: would end",
    "kept": "no longer named: stays, as was decided",
}


def _lines(row: Mapping[str, Any], told: Collection[str], *, whole: bool) -> Iterator[str]:
    """``told`` are notes that enough rows were shown with."""
    for problem in row["problems"]:
        message = clean(problem["message"])
        yield f"{clean(problem['field'])} {message}" if problem["field"] else message
    for warning in row["warnings"]:
        if warning["message"] in told:
            continue
        yield clean(f"note: {warning['message']}")
    for change in row["changes"] if whole else ():
        before, after = (_text(change[side]) for side in ("before", "after"))
        arrow = f"{before} -> " if before else ""
        yield f"{clean(change['field'])}: {arrow}{after or '(empty)'}"


def _text(value: object) -> str:
    if value in (None, "", []):
        return ""
    if isinstance(value, list):
        return shortened("; ".join(_text(each) for each in value), LONGEST)
    if isinstance(value, Mapping):
        return " ".join(_text(each) for each in value.values())
    return shortened(clean(value), LONGEST)
