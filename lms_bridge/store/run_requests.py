"""Runs that an event or a person requested, from any process, until they are carried out."""

from __future__ import annotations

import secrets
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
    """One centre's flows that are to run. Equal requests become one, with the last time and
    ``mark``. If one of them is ``by_person``, they all are. ``sends_only``: the run reads
    nothing."""

    centre: str
    flows: tuple[Flow, ...]
    mark: str
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
    """Asks for a run, in the transaction of what it is asked for. No engine has this request yet,
    whatever became of an equal one."""
    about = {"flows": _text(flows), "sends_only": sends_only, "by_person": by_person}
    asked = {"mark": secrets.token_hex(8), "requested_at": at, "requested_by": by[:100]}
    rows = [{"centre": code, **about, **asked, "submitted_at": None} for code in centre_codes]
    upsert(tx, run_request, rows, _KEY, [*asked, "submitted_at"], _still_by_person)


def _still_by_person(new: Any) -> dict[str, ColumnElement[bool]]:
    return {"by_person": or_(run_request.c.by_person, new.by_person)}


def waiting(tx: Connection, stale: datetime) -> list[StoredRunRequest]:
    """Requests that no engine has yet, or that it has not carried out since ``stale``."""
    query = select(run_request).where(
        or_(
            run_request.c.submitted_at.is_(None),
            run_request.c.submitted_at < stale,
        )
    )
    return [
        StoredRunRequest(
            row.centre,
            tuple(Flow(each) for each in row.flows.split(",")),
            row.mark,
            row.by_person,
            row.sends_only,
        )
        for row in tx.execute(query.order_by(run_request.c.requested_at))
    ]


def submitted(tx: Connection, request: StoredRunRequest, at: datetime) -> None:
    """An engine has it. A newer request for the same is yet to be submitted."""
    tx.execute(
        update(run_request)
        .where(
            *_is(request.centre, request.flows, request.sends_only),
            run_request.c.mark == request.mark,
        )
        .values(submitted_at=at)
    )


def mark_of(tx: Connection, centre: str, flows: Sequence[Flow], *, sends_only: bool = False) -> str:
    """The mark of the last such request, before a run begins; "" where there is none. What that
    request and those before it were about is committed, so that the run sees it."""
    mine = _is(centre, flows, sends_only)
    return tx.scalar(select(run_request.c.mark).where(*mine)) or ""


def served(
    tx: Connection, centre: str, flows: Sequence[Flow], mark: str, *, sends_only: bool = False
) -> None:
    """A run is over that began when this was the last request. One with another mark came later,
    and stays. Times cannot tell: another transaction may have asked earlier, and still be open."""
    mine = _is(centre, flows, sends_only)
    tx.execute(delete(run_request).where(*mine, run_request.c.mark == mark))


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
