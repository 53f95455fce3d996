"""Runs that an event asked for: from the database, where any process may ask, to the engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from lms_bridge.jobs.engine import Engine
from lms_bridge.jobs.ticks import BY_EVENT
from lms_bridge.store import asked_runs
from lms_bridge.store.database import Database

_log = structlog.get_logger(__name__)
STALE = timedelta(minutes=2)
"""What an engine had for so long and did not carry out is given to it again: it may have died."""


def hand_over(
    database: Database, engine: Engine, fence: Callable[[Connection], None], now: datetime
) -> None:
    """Gives the engine what was asked for. What it does not take, because the same run waits or is
    at work already, is asked for again the next time: that run may have read too early.

    Raises:
        LeaseLost: another process ticks now.
    """
    with database.reading() as tx:
        waiting = asked_runs.waiting(tx, now - STALE)
    for request in waiting:
        try:
            taken = engine.submit(request.centre, request.flows, False, BY_EVENT)
        except Exception as error:  # a queue that is away must not stop the clock
            _log.error("engine refused", centre=request.centre, error=type(error).__name__)
            continue
        if taken:
            with database.writing() as tx:
                fence(tx)
                asked_runs.submitted(tx, request, now)
