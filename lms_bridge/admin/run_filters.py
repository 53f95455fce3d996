"""Which runs a page lists: of a centre, a flow, a state, a course, a learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, false, or_, select

from lms_bridge.audit import FLOWS
from lms_bridge.domain.model import Flow, Kind
from lms_bridge.store import enrolments, learners, offerings, results
from lms_bridge.store.record_names import record_names
from lms_bridge.store.run_lists import IS_DECISION, newest_runs, runs_among
from lms_bridge.store.run_tables import item, run

STATES = ("failed", "partial", "held", "waiting", "running", "cut off", "done")
NAMES = ("centre", "flow", "status", "course", "learner")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Empty: whatever it is. ``course`` is an offering's code, ``learner`` an Academy id: then only
    runs that did something to such a record. ``before``: only runs older than this number."""

    centre: str = ""
    flow: str = ""
    status: str = ""
    course: str = ""
    learner: str = ""
    before: int = 0


def runs(
    tx: Connection, wanted: RunFilter, *, within: Sequence[str] | None, most: int
) -> Sequence[Row[Any]]:
    """Runs, the newest first, of the centres that the reader may see (None: all)."""
    where: list[ColumnElement[bool]] = []
    if wanted.flow in set(Flow):
        where.append(run.c.flows.contains(wanted.flow))
    elif wanted.flow in FLOWS:
        where += [IS_DECISION, run.c.flows == wanted.flow]
    elif wanted.flow:
        return []
    if wanted.status:
        where.append(run.c.status == wanted.status)
    centres = within
    if wanted.centre:
        centres = [wanted.centre] if within is None or wanted.centre in within else []
    if wanted.course or wanted.learner:
        of_centres = [] if centres is None else [run.c.centre.in_(centres)]
        return runs_among(tx, _about(tx, wanted), [*where, *of_centres], most=most)
    return newest_runs(tx, where, centres=centres, before=wanted.before, most=most)


def _about(tx: Connection, wanted: RunFilter) -> list[int]:
    """The numbers of the runs that did something to the course or the learner, from the newest."""
    query = select(item.c.run_id).where(_records(tx, wanted)).distinct()
    if wanted.before:
        query = query.where(item.c.run_id < wanted.before)
    return list(tx.scalars(query.order_by(item.c.run_id.desc())))


def _records(tx: Connection, wanted: RunFilter) -> ColumnElement[bool]:
    """The items of the course, of the learner, or of the one in the other."""
    course = offerings.offerings_by_code(tx, [wanted.course]).get(wanted.course)
    person = learners.learners_by_academy_id(tx, [wanted.learner]).get(wanted.learner)
    if (wanted.course and course is None) or (wanted.learner and person is None):
        return false()
    ids: dict[Kind, list[int]] = {}
    if person is not None:
        stored = enrolments.enrolments(tx, enrolments.ids_of_learner(tx, person[0]))
        places = [
            each.id for each in stored.values() if course is None or each.offering_id == course[0]
        ]
        found = results.results_of(tx, places)
        ids = {Kind.ENROLMENT: places, Kind.RESULT: [number for number, _ in found.values()]}
        if course is None:
            ids[Kind.LEARNER] = [person[0]]
    elif course is not None:
        ids = {Kind.OFFERING: [course[0]]}
    return or_(
        false(),
        *(and_(item.c.kind == kind, item.c.record_id.in_(of)) for kind, of in ids.items() if of),
    )


def item_names(tx: Connection, items: Sequence[Row[Any]]) -> Mapping[tuple[str, int], str]:
    """{(kind, record id): what people call it}: titles and Academy ids, never a name."""
    ids: dict[Kind, set[int]] = {}
    for each in items:
        if each.record_id is not None and each.kind in set(Kind):
            ids.setdefault(Kind(each.kind), set()).add(each.record_id)
    return {
        (kind, id_): name
        for kind, of_kind in ids.items()
        for id_, name in record_names(tx, kind, of_kind).items()
    }
