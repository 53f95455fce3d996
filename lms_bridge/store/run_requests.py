"""Runs that an event or a person requested, from any process, until they are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from lms_bridge.domain.model import Flow
from lms_bridge.store.api_tables import run_request
from lms_bridge.store.bulk import upsert


@dataclass(frozen=True, slots=True)
class StoredRunRequest:
    """One centre's flows that are to run. Equal requests become one, with the last time. If one
    of them is ``by_person``, they all are. ``sends_only``: the run reads nothing."""

    centre: str
    flows: tuple[Flow, ...]
    requested_at: datetime
    by_person: bool = False
    sends_only: bool = False


def request_run(
    tx: Connection,
    centre_codes: Iterable[str],
    flows: Sequence[Flow],
    at: datetime,
    by: str,
    *,
    by_person: bool = False,
    sends_only: bool = False,
) -> None:
    about = {"flows": _text(flows), "sends_only": sends_only, "by_person": by_person}
    rows = [
        {"centre": code, **about, "requested_at": at, "requested_by": by[:100]}
        for code in centre_codes
    ]
    upsert(tx, run_request, rows, _KEY, ["requested_at", "requested_by"], _still_by_person)


def _still_by_person(new: Any) -> dict[str, ColumnElement[bool]]:
    return {"by_person": or_(run_request.c.by_person, new.by_person)}


def waiting(tx: Connection, stale: datetime) -> list[StoredRunRequest]:
    """Requests that no engine has yet, or that it has not carried out since ``stale``."""
    query = select(run_request).where(
        or_(
            run_request.c.submitted_at.is_(None),
            run_request.c.submitted_at < run_request.c.requested_at,
            run_request.c.submitted_at < stale,
        )
    )
    return [
        StoredRunRequest(
            row.centre,
            tuple(Flow(each) for each in row.flows.split(",")),
            row.requested_at,
            row.by_person,
            row.sends_only,
        )
        for row in tx.execute(query.order_by(run_request.c.requested_at))
    ]


def submitted(tx: Connection, request: StoredRunRequest, at: datetime) -> None:
    """An engine has it. A newer request for the same is submitted again."""
    tx.execute(
        update(run_request)
        .where(
            *_is(request.centre, request.flows, request.sends_only),
            run_request.c.requested_at == request.requested_at,
        )
        .values(submitted_at=at)
    )


def served(
    tx: Connection,
    centre: str,
    flows: Sequence[Flow],
    since: datetime,
    *,
    sends_only: bool = False,
) -> None:
    """A run that began at this time is over. It covers all earlier requests."""
    mine = _is(centre, flows, sends_only)
    tx.execute(delete(run_request).where(*mine, run_request.c.requested_at <= since))


def not_served(
    tx: Connection, centre: str, flows: Sequence[Flow], *, sends_only: bool = False
) -> None:
    """The run could not be: the centre is busy."""
    mine = _is(centre, flows, sends_only)
    tx.execute(update(run_request).where(*mine).values(submitted_at=None))


_KEY = ["centre", "flows", "sends_only"]


def _is(centre: str, flows: Sequence[Flow], sends_only: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        run_request.c.centre == centre,
        run_request.c.flows == _text(flows),
        run_request.c.sends_only.is_(sends_only),
    )


def _text(flows: Sequence[Flow]) -> str:
    return ",".join(flows)
