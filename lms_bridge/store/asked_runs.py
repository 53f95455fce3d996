"""Runs that were asked for by an event, from any process: kept until they are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from lms_bridge.domain.model import Flow
from lms_bridge.store.api_tables import asked_run
from lms_bridge.store.rows import upsert


@dataclass(frozen=True, slots=True)
class AskedRun:
    """One centre's flows that are to run. Requests for the same become one, asked for last."""

    centre: str
    flows: tuple[Flow, ...]
    asked_at: datetime


def ask(
    tx: Connection, centre_codes: Iterable[str], flows: Sequence[Flow], at: datetime, by: str
) -> None:
    rows = [
        {"centre": code, "flows": _text(flows), "asked_at": at, "asked_by": by[:100]}
        for code in centre_codes
    ]
    upsert(tx, asked_run, rows, ["centre", "flows"], ["asked_at", "asked_by"])


def waiting(tx: Connection, stale: datetime) -> list[AskedRun]:
    """What no engine has yet, or what it was given before ``stale`` and did not carry out."""
    query = select(asked_run).where(
        or_(
            asked_run.c.submitted_at.is_(None),
            asked_run.c.submitted_at < asked_run.c.asked_at,
            asked_run.c.submitted_at < stale,
        )
    )
    return [
        AskedRun(row.centre, tuple(Flow(each) for each in row.flows.split(",")), row.asked_at)
        for row in tx.execute(query.order_by(asked_run.c.asked_at))
    ]


def submitted(tx: Connection, request: AskedRun, at: datetime) -> None:
    """An engine has it. One that was asked for again meanwhile is to be submitted again."""
    tx.execute(
        update(asked_run)
        .where(*_is(request.centre, request.flows), asked_run.c.asked_at == request.asked_at)
        .values(submitted_at=at)
    )


def served(tx: Connection, centre: str, flows: Sequence[Flow], since: datetime) -> None:
    """A run that began then is over: it saw everything that was asked for before."""
    tx.execute(delete(asked_run).where(*_is(centre, flows), asked_run.c.asked_at <= since))


def not_served(tx: Connection, centre: str, flows: Sequence[Flow]) -> None:
    """The run could not be: the centre is busy."""
    tx.execute(update(asked_run).where(*_is(centre, flows)).values(submitted_at=None))


def _is(centre: str, flows: Sequence[Flow]) -> tuple[ColumnElement[bool], ...]:
    return asked_run.c.centre == centre, asked_run.c.flows == _text(flows)


def _text(flows: Sequence[Flow]) -> str:
    return ",".join(flows)
