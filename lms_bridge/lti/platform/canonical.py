"""Scores become results: the source that tools are, in the reconciliation of ``lms_bridge.sync``.

A score is kept when it arrives, and taken in under its centre's lease like anything else that a
centre's LMS shows. What is still to be taken in is derived from two hashes, so that a run that is
under way, or a crash, only delays it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from lms_bridge.domain.document import digest, document
from lms_bridge.domain.model import Kind, Result
from lms_bridge.domain.ports import Action
from lms_bridge.lti.platform.scores import COMPLETED, FULLY_GRADED
from lms_bridge.store import enrolments, links, lti_scores, results, source_links
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.sync.wants import want_results
from lms_bridge.sync.work import Work, changed_fields


@dataclass(frozen=True, slots=True)
class _About:
    """A learner's place, and all scores about it."""

    enrolment: StoredEnrolment
    rows: Sequence[Any]

    @property
    def taken(self) -> dict[int, bytes]:
        return {row.id: row.digest for row in self.rows}


def take_in_scores(tx: Connection, work: Work) -> None:
    """Takes in all scores of a centre that are still to be."""
    pending = lti_scores.pending_scores(tx, work.centre.code)
    abouts = list(_abouts(tx, [(row.offering_id, row.learner_id) for row in pending]))
    known = results.results_of(tx, [about.enrolment.id for about in abouts])
    new: list[tuple[int, Result]] = []
    changed: dict[int, Result] = {}
    for about in abouts:
        id_, before = known.get(about.enrolment.id, (0, None))
        record = _result(about, before)
        if before is None and (record.score is not None or record.completed):
            new.append((about.enrolment.id, record))
        elif before is not None and before != record:
            changed[id_] = record
            fields = changed_fields(document(before), document(record))
            _note(work, Action.UPDATE, id_, record, fields)
    results.change_results(tx, changed)
    for (_, record), id_ in zip(new, results.add_results(tx, new), strict=True):
        changed[id_] = record
        _note(work, Action.CREATE, id_, record, None)
    want_results(tx, work.centre.code, changed)
    _remember(tx, work, changed)
    for about in abouts:
        lti_scores.scores_taken(tx, about.taken)


def _abouts(tx: Connection, pairs: list[tuple[int, int]]) -> Iterable[_About]:
    ids = enrolments.enrolment_ids(tx, pairs)
    stored = enrolments.enrolments(tx, ids.values())
    for pair, id_ in ids.items():
        yield _About(stored[id_], lti_scores.scores_about(tx, *pair))


def _result(about: _About, before: Result | None) -> Result:
    """The main line item's score; else the newest of the others. What a tool sent that is in use
    no more counts only where no other has sent anything.

    What is fully graded says how things stand: of the score, and of the completion, which it takes
    back where it says so (AGS 2.0, sections 3.4.5 and 3.4.6: of progress, too, the latest counts).
    What is not leaves both as they are (tools send it whenever a course is opened again), except
    that a completion counts at once.
    """
    row = about.rows[0]
    enrolment = about.enrolment.record
    record = before or Result(enrolment.learner, enrolment.offering)
    values: dict[str, Any] = {f: getattr(record, f) for f in _FIELDS}
    if row.grading == FULLY_GRADED:
        values |= {"score": row.given, "graded_at": row.at.replace(microsecond=0)}
        if row.given is not None:
            values |= {"scale_min": 0 * row.maximum, "scale_max": row.maximum}
        if row.activity != COMPLETED:
            values |= {"completed": False, "completed_at": None}
    if row.activity == COMPLETED and not record.completed:
        values |= {"completed": True, "completed_at": row.at.replace(microsecond=0)}
    return Result(enrolment.learner, enrolment.offering, **values)


_FIELDS = ("score", "scale_min", "scale_max", "completed", "completed_at", "graded_at")


def _key(record: Result) -> str:
    return f"{record.offering}/{record.learner}"


def _note(work: Work, action: Action, record_id: int, record: Result, fields: Any) -> None:
    work.note(
        Kind.RESULT,
        work.centre.system,
        action,
        "taken in",
        record_id=record_id,
        external_id=_key(record),
        fields=fields,
    )


def _remember(tx: Connection, work: Work, changed: dict[int, Result]) -> None:
    """Links to the centre's system, where it has not shown the results by itself."""
    there = links.external_ids(tx, work.centre.system, Kind.RESULT, changed)
    rows = [
        {
            "system": work.centre.system,
            "kind": Kind.RESULT,
            "centre": work.centre.code,
            "record_id": record_id,
            "external_id": _key(record),
            "scope": "",
            "source_hash": digest(document(record)),
        }
        for record_id, record in changed.items()
        if there.get(record_id, _key(record)) == _key(record)
    ]
    source_links.showed(tx, rows)
