"""The report of a push: the outcome of each row, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import orjson

from lms_bridge.domain.document import Difference
from lms_bridge.domain.errors import Problem, RecordRefused
from lms_bridge.domain.plurals import counted
from lms_bridge.domain.rules import RuleFinding

LONGEST_ID = 255
MOST_BYTES = 16 * 1024 * 1024
"""Of an answer with the details of its rows; of the rows after that it shows the outcomes."""
_NOTHING: tuple[object, ...] = (None, "", [], ())


class RowOutcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HELD = "held"
    REFUSED = "refused"


class EndedOffering(StrEnum):
    """What becomes of an offering that a whole schedule no longer names."""

    ENDED = "ended"
    HELD = "held"
    KEPT = "kept"  # somebody decided that it stays


@dataclass(frozen=True, slots=True)
class RowReport:
    """``changes`` are filled in dry runs: {field: (before, after)}."""

    row: int
    external_id: str
    outcome: RowOutcome
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
                "warnings": [each.as_json() for each in self.warnings],
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
class PushReport:
    """What became of a push. Rows are JSON already: as objects they would take many times the
    room. ``hold`` is the number of the hold; in a dry run that would make one it is 0."""

    centre: str
    dry: bool
    whole: bool
    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rows: bytearray = field(default_factory=bytearray)
    reported: int = 0
    ended: list[Mapping[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hold: int | None = None
    _without_details: int = 0

    def add(self, report: RowReport) -> None:
        self.counts[report.outcome] += 1
        if len(self.rows) > MOST_BYTES:
            if not self._without_details:
                self._without_details = report.row
                self.notes.append(
                    f"From row {report.row} on, only the outcomes are shown: the answer would "
                    "be too large. Mend the rows above, or send the others by themselves."
                )
            report = replace(report, problems=(), warnings=(), changes={})
        self.rows += b"," if self.reported else b"["
        self.rows += report.as_json()
        self.reported += 1

    def add_ended(self, endings: Iterable[tuple[str, str, EndedOffering]]) -> None:
        """Each: external id, code, and what becomes of it."""
        for external_id, code, outcome in endings:
            self.ended.append({"id": external_id, "code": code, "outcome": outcome})

    def document(self) -> dict[str, Any]:
        """The whole report. It can be made once: it takes over the rows, which may be many."""
        rows, self.rows = self.rows or bytearray(b"["), bytearray()
        rows += b"]"
        counts = {str(each): self.counts[each] for each in RowOutcome}
        ended = sum(each["outcome"] is EndedOffering.ENDED for each in self.ended)
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
        parts = [f"{self.counts[each]} {each}" for each in RowOutcome if self.counts[each]]
        parts += [f"{ended} ended"] if ended else []
        return " ".join(
            [
                f"{counted(self.total, 'row')}: {', '.join(parts) or 'nothing to do'}.",
                *self._what_holds(),
            ]
        )

    def _what_holds(self) -> Iterable[str]:
        would = sum(each["outcome"] is EndedOffering.HELD for each in self.ended)
        if self.hold is not None:
            yield (
                "Nothing of it is applied yet. More offerings would end than the centre's settings "
                f"let go without a person's approval: {would}. Once it is approved, push the "
                "schedule again."
            )
            if self.hold:
                yield f"It waits as hold {self.hold}."
        elif self.counts[RowOutcome.REFUSED]:
            yield "Refused rows changed nothing. All other rows are applied."
        if self.dry:
            yield "This was a dry run: nothing was changed."
