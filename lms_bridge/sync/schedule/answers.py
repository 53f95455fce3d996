"""What a push is answered: each row's outcome, and in a sentence or two what it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from lms_bridge.domain.document import Difference
from lms_bridge.domain.errors import Problem, RecordRefused
from lms_bridge.domain.rules import RuleFinding

LONGEST_ID = 255
_NOTHING: tuple[object, ...] = (None, "", [], ())


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HELD = "held"
    REFUSED = "refused"


class Ending(StrEnum):
    """What becomes of an offering that a whole schedule no longer names."""

    ENDED = "ended"
    HELD = "held"
    KEPT = "kept"  # somebody decided that it stays


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """``changes`` are shown by trials: {field: (before, after)}."""

    row: int
    external_id: str
    outcome: Outcome
    code: str = ""
    problems: Sequence[Problem] = ()
    warnings: Sequence[RuleFinding] = ()
    changes: Difference = field(default_factory=dict)

    def as_json(self) -> bytes:
        return orjson.dumps(
            {
                "row": self.row,
                "id": _shown(self.external_id),
                "code": self.code,
                "outcome": self.outcome,
                "problems": [
                    {
                        "field": each.field,
                        "code": each.code,
                        "message": each.message,
                        "allowed": each.allowed,
                    }
                    for each in self.problems
                ],
                "warnings": [each.told() for each in self.warnings],
                "changes": [
                    {"field": name, "before": before, "after": after}
                    for name, (before, after) in self.changes.items()
                    if not (before in _NOTHING and (after in _NOTHING or name == "listed"))
                ],
            }
        )


def _shown(external_id: str) -> str:
    """An id that may be anything, as UTF-8 can hold it."""
    return external_id[:LONGEST_ID].encode("utf-8", "replace").decode()


def problems_of(error: RecordRefused) -> Sequence[Problem]:
    """Every problem of a refused record; one with the whole of it has no field."""
    if error.problems:
        return error.problems
    return (Problem(error.field, error.code, str(error)),)


@dataclass
class Answer:
    """What became of a push. Rows are JSON already: as objects they would take many times the
    room. ``hold`` is the number of the question to a person, 0 in a trial that would ask one."""

    centre: str
    dry: bool
    whole: bool
    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rows: bytearray = field(default_factory=bytearray)
    answered: int = 0
    ended: list[Mapping[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hold: int | None = None

    def add(self, answer: RowAnswer) -> None:
        self.counts[answer.outcome] += 1
        self.rows += b"," if self.answered else b"["
        self.rows += answer.as_json()  # copied: what makes it leaves room for a page around it
        self.answered += 1

    def add_ended(self, endings: Iterable[tuple[str, str, Ending]]) -> None:
        """Each: external id, code, and what becomes of it."""
        for external_id, code, outcome in endings:
            self.ended.append({"id": external_id, "code": code, "outcome": outcome})

    def document(self) -> dict[str, Any]:
        """The whole answer. It can be made once: its rows, which may be many, go into it."""
        rows, self.rows = self.rows or bytearray(b"["), bytearray()
        rows += b"]"
        counts = {str(each): self.counts[each] for each in Outcome}
        ended = sum(each["outcome"] is Ending.ENDED for each in self.ended)
        return {
            "centre": self.centre,
            "dry_run": self.dry,
            "whole": self.whole,
            "summary": {
                "rows": self.total,
                **counts,
                "ended": ended,
                "message": self.message(ended),
            },
            "hold": self.hold,
            "notes": self.notes,
            "rows": orjson.Fragment(bytes(rows)),
            "ended": self.ended,
        }

    def message(self, ended: int) -> str:
        told = [f"{self.counts[each]} {each}" for each in Outcome if self.counts[each]]
        told += [f"{ended} ended"] if ended else []
        rows = f"{self.total} row" + ("" if self.total == 1 else "s")
        return " ".join([f"{rows}: {', '.join(told) or 'nothing to do'}.", *self._what_holds()])

    def _what_holds(self) -> Iterable[str]:
        would = sum(each["outcome"] is Ending.HELD for each in self.ended)
        if self.hold is not None:
            number = f" (hold {self.hold})" if self.hold else ""
            yield (
                f"Nothing of it is applied yet: {would} offerings would end, more than the "
                f"centre's settings let go without a person's approval{number}. Once it is "
                "approved, push the schedule again."
            )
        elif self.counts[Outcome.REFUSED]:
            yield "What is refused changed nothing; everything else is applied."
        if self.dry:
            yield "This was a trial: nothing was changed."
