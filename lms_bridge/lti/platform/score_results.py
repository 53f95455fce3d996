"""Results from scores: tools are a source in the reconciliation of ``lms_bridge.sync``.

A score is stored when it arrives. It is applied under the lease of its centre, like all that a
centre's LMS shows. Two hashes of each score show which ones are pending, so that a busy
centre or a crash only delays them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from lms_bridge.domain.document import difference, digest, document
from lms_bridge.domain.model import Kind, Result
from lms_bridge.domain.ports import Action
from lms_bridge.lti.platform.scores import COMPLETED, FULLY_GRADED
from lms_bridge.lti.platform.storage import AnyRow, Rows
from lms_bridge.store import enrolments, links, results, source_links
from lms_bridge.store.enrolments import StoredEnrolment
from lms_bridge.store.lti_tables import line_item, registration, score
from lms_bridge.store.tables import offering
from lms_bridge.sync.context import RunContext
from lms_bridge.sync.desired_state import desire_results


@dataclass(frozen=True, slots=True)
class _ScoredEnrolment:
    """An enrolment with all its scores, the one that counts first."""

    enrolment: StoredEnrolment
    scores: Sequence[AnyRow]


def apply_scores(tx: Connection, context: RunContext) -> None:
    """Applies all pending scores of a centre to the results of its learners."""
    scored = list(_scored_enrolments(tx, context.centre.code))
    known = results.results_of(tx, [each.enrolment.id for each in scored])
    new: list[tuple[int, Result]] = []
    changed: dict[int, Result] = {}
    for each in scored:
        id_, before = known.get(each.enrolment.id, (0, None))
        record = _result(each, before)
        if before is None and (record.score is not None or record.completed):
            new.append((each.enrolment.id, record))
        elif before is not None and before != record:
            changed[id_] = record
            fields = difference(document(before), document(record))
            _note(context, Action.UPDATE, id_, record, fields)
    results.change_results(tx, changed)
    for (_, record), id_ in zip(new, results.add_results(tx, new), strict=True):
        changed[id_] = record
        _note(context, Action.CREATE, id_, record, None)
    desire_results(tx, context.centre.code, changed)
    _link_results(tx, context, changed)
    for each in scored:
        for row in each.scores:
            tx.execute(update(score).where(score.c.id == row.id).values(applied_digest=row.digest))


def _scored_enrolments(tx: Connection, centre: str) -> Iterator[_ScoredEnrolment]:
    """The enrolments of a centre with a score that was not applied yet."""
    pending = tx.execute(
        select(line_item.c.offering_id, score.c.learner_id)
        .join(line_item, line_item.c.id == score.c.line_item_id)
        .join(offering, offering.c.id == line_item.c.offering_id)
        .where(offering.c.centre == centre, score.c.digest != score.c.applied_digest)
        .distinct()
        .order_by(line_item.c.offering_id, score.c.learner_id)
    )
    ids = enrolments.enrolment_ids(tx, [(row.offering_id, row.learner_id) for row in pending])
    stored = enrolments.enrolments(tx, ids.values())
    for pair, id_ in ids.items():
        yield _ScoredEnrolment(stored[id_], _scores_of(tx, *pair))


def _scores_of(tx: Connection, offering_id: int, learner_id: int) -> Rows:
    """The scores of one learner in one offering. Those of active tools come first, then those of
    main line items, then the newest."""
    active = registration.c.status == "active"
    return tx.execute(
        select(score)
        .join(line_item, line_item.c.id == score.c.line_item_id)
        .join(registration, registration.c.id == line_item.c.registration_id)
        .where(line_item.c.offering_id == offering_id, score.c.learner_id == learner_id)
        .order_by(active.desc(), line_item.c.main.desc(), score.c.at.desc(), score.c.id.desc())
    ).all()


def _result(scored: _ScoredEnrolment, before: Result | None) -> Result:
    """The result that follows from the score that counts. A fully graded score sets score and
    completion, and can also withdraw the completion (AGS 2.0, sections 3.4.5 and 3.4.6: the latest
    progress counts)."""
    row = scored.scores[0]
    enrolment = scored.enrolment.record
    record = before or Result(enrolment.learner, enrolment.offering)
    values: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    if row.grading == FULLY_GRADED:
        values |= {"score": row.points, "graded_at": row.at.replace(microsecond=0)}
        if row.points is not None:
            values |= {"scale_min": 0 * row.maximum, "scale_max": row.maximum}
        if row.activity != COMPLETED:
            values |= {"completed": False, "completed_at": None}
    if row.activity == COMPLETED and not record.completed:
        values |= {"completed": True, "completed_at": row.at.replace(microsecond=0)}
    return Result(enrolment.learner, enrolment.offering, **values)


_FIELDS = ("score", "scale_min", "scale_max", "completed", "completed_at", "graded_at")


def _key(record: Result) -> str:
    return f"{record.offering}/{record.learner}"


def _note(context: RunContext, action: Action, record_id: int, record: Result, fields: Any) -> None:
    context.note(
        Kind.RESULT,
        context.centre.system,
        action,
        record_id=record_id,
        external_id=_key(record),
        fields=fields,
    )


def _link_results(tx: Connection, context: RunContext, changed: dict[int, Result]) -> None:
    """Links the results to the centre's system, unless it shows them under another key."""
    there = links.external_ids(tx, context.centre.system, Kind.RESULT, changed)
    rows = [
        {
            "system": context.centre.system,
            "kind": Kind.RESULT,
            "centre": context.centre.code,
            "record_id": record_id,
            "external_id": _key(record),
            "scope": "",
            "source_hash": digest(document(record)),
        }
        for record_id, record in changed.items()
        if there.get(record_id, _key(record)) == _key(record)
    ]
    source_links.showed(tx, rows)
