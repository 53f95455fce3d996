"""How each flow of a centre goes: well, or since when it fails. Only a change is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, func, select

from lms_bridge.domain.events import Event
from lms_bridge.domain.model import Flow
from lms_bridge.store.bulk import upsert
from lms_bridge.store.outbox import add_notice
from lms_bridge.store.run_tables import flow_state
from lms_bridge.store.run_tables import run as run_table

BAD = ("failed", "cut off")
READ_A_CENTRE = ("clock", "resume", "event", "request", "command", "demo")
"""Triggers of runs that read the centre. Imports, pushes and scores show nothing of it."""
CONNECTION = "connection"
"""Stands in the place of a flow for whether the centre's LMS answers at all."""
_State = tuple[str, datetime | None]


def note_end(
    tx: Connection,
    run: Row[Any],
    status: str,
    error: str,
    at: datetime,
    answered: bool | None = None,
    by_flow: Mapping[Flow, str] | None = None,
) -> None:
    """Notes the end of a run (its id, centre, flows and trigger), in its transaction. ``by_flow``
    is how each of its flows went; without it, all went as the run did. ``error`` is
    the code of a step that failed: it counts for each flow of the run, until a later run of this
    flow is without one. ``answered``: whether the centre's LMS did, if it was asked. Webhooks are
    told once of each flow that begins or ends to fail, and of a centre that falls silent."""
    of_run = [flow for flow in Flow if flow in run.flows.split(",")]
    flows = {str(flow): (by_flow or {}).get(flow, status) for flow in of_run}
    if run.trigger not in READ_A_CENTRE or not flows:
        return
    known = states_of(tx, run.centre)
    failing = [flow for flow in flows if known.get(flow, ("", None))[1] is not None]
    bad = [flow for flow, state in flows.items() if state in BAD or error]
    new = [flow for flow in bad if flow not in failing]
    well = [flow for flow in failing if flow not in bad]
    if new:
        why = {"flows": new, "status": status, "code": error}
        add_notice(tx, Event.RUN_FAILED, run.centre, at, run=run.id, **why)
    if well:
        add_notice(tx, Event.RUN_RECOVERED, run.centre, at, run=run.id, flows=well)
    states: dict[str, _State] = {}
    for flow, state in flows.items():
        since = known[flow][1] if flow in failing else at
        states[flow] = (state, since if flow in bad else None)
    if answered is not None:
        states |= _connection(tx, run, known, at, answered=answered)
    rows = [
        {"centre": run.centre, "flow": flow, "status": state, "failing_since": since}
        for flow, (state, since) in states.items()
        if known.get(flow) != (state, since)
    ]
    upsert(tx, flow_state, rows, ["centre", "flow"], ["status", "failing_since"])


def _connection(
    tx: Connection, run: Row[Any], known: Mapping[str, _State], at: datetime, *, answered: bool
) -> dict[str, _State]:
    silent_since = known.get(CONNECTION, ("", None))[1]
    if answered == (silent_since is None):
        return {}
    event = Event.CENTRE_REACHABLE if answered else Event.CENTRE_UNREACHABLE
    add_notice(tx, event, run.centre, at, run=run.id)
    return {CONNECTION: ("", None) if answered else ("unreachable", at)}


_STATES = select(flow_state.c.flow, flow_state.c.status, flow_state.c.failing_since).where(
    flow_state.c.centre == bindparam("of_centre")
)
"""Built once, because each run asks, and building costs more than the query."""


def states_of(tx: Connection, centre: str) -> dict[str, _State]:
    """{flow: (status of its last run, since when it fails)} of the flows that a centre has run."""
    rows = tx.execute(_STATES, {"of_centre": centre})
    return {row[0]: (row[1], row[2]) for row in rows}


def statuses(tx: Connection) -> dict[str, dict[str, str]]:
    """{centre: {flow: how it went in the last run that read the centre}}"""
    rows = tx.execute(
        select(flow_state.c.centre, flow_state.c.flow, flow_state.c.status)
        .where(flow_state.c.flow != CONNECTION)
        .order_by(flow_state.c.centre, flow_state.c.flow)
    )
    found: dict[str, dict[str, str]] = {}
    for centre, flow, status in rows:
        found.setdefault(centre, {})[flow] = status
    return found


def last_read(tx: Connection, code: str) -> datetime | None:
    """When the last run ended that read the centre, or tried to."""
    return tx.scalar(
        select(run_table.c.finished_at)
        .where(
            run_table.c.centre == code,
            run_table.c.finished_at.is_not(None),
            run_table.c.trigger.in_(READ_A_CENTRE),
        )
        .order_by(run_table.c.id.desc())
        .limit(1)
    )


FRESH_RUNS = 3000
"""A page of a centre looks for the last good run of a flow among so many: some weeks of them."""


@dataclass(frozen=True, slots=True)
class FlowFreshness:
    """How a flow of a centre goes. ``status``: how it went in its last run that read the centre.
    ``failing_since``: none if that went well. ``good_at``:
    when its last run that read the centre ended well, ``run``: the number of its last one that
    ended; none if there is none among the last ``FRESH_RUNS``."""

    flow: str
    status: str
    failing_since: datetime | None
    good_at: datetime | None
    run: int | None


def freshness(tx: Connection, code: str) -> list[FlowFreshness]:
    """One for each flow that the centre ran."""
    states = states_of(tx, code)
    last = _last_runs(tx, code, [flow for flow in Flow if flow in states])
    return [
        # A run in which only another flow failed is none that ended well: its flow's state tells.
        FlowFreshness(flow, *states[flow], ended if states[flow][0] in _GOOD else good, number)
        for flow, (good, ended, number) in last.items()
    ]


def _last_runs(
    tx: Connection, code: str, flows: Sequence[Flow]
) -> dict[Flow, tuple[datetime | None, datetime | None, int | None]]:
    """{flow: (when its last run that was good for each flow ended, when its last run ended, the
    number of that)}"""
    columns = (run_table.c[name] for name in ("id", "finished_at", "status", "trigger", "flows"))
    last = (
        select(*columns)
        .where(run_table.c.centre == code)
        .order_by(run_table.c.id.desc())
        .limit(FRESH_RUNS)
    )
    of = last.subquery()
    # In one pass: some thousands of rows are read for it.
    found: list[Any] = []
    for flow in flows:
        mine = of.c.flows.contains(flow)
        good = and_(mine, of.c.status.in_(_GOOD))
        found += [
            func.max(case((good, of.c.finished_at), else_=None)),
            func.max(case((mine, of.c.finished_at), else_=None)),
            func.max(case((mine, of.c.id), else_=None)),
        ]
    ended = (of.c.finished_at.is_not(None), of.c.trigger.in_(READ_A_CENTRE))
    row = tx.execute(select(*found).where(*ended)).one() if flows else ()
    return dict(zip(flows, zip(row[::3], row[1::3], row[2::3], strict=True), strict=True))


_GOOD = ("done", "waiting", "held")
