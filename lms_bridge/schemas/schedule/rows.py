"""One row of a pushed schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lms_bridge.domain.errors import Problem

ID = "id"


@dataclass(frozen=True, slots=True)
class PushedRow:
    """One offering as it was pushed.

    ``number`` counts as the sender does: from 1, in a table with the header as row 1.
    ``external_id`` is the centre's own id of the offering, empty where the row names none.
    ``problem`` says why the row could not be read. ``known`` is False where it might be about any
    offering: then none may be taken for ended because the schedule does not name it.
    """

    number: int
    external_id: str
    fields: Mapping[str, object] = field(default_factory=dict)
    problem: Problem | None = None
    known: bool = True


def bad_row(number: int, problem: Problem, external_id: str = "") -> PushedRow:
    """A row that cannot be read; with its id, if that at least is known."""
    return PushedRow(number, external_id, {}, problem, known=bool(external_id))


def without_id(number: int) -> PushedRow:
    return bad_row(
        number, Problem(ID, "missing", "is missing: every row needs the centre's own id for it")
    )
