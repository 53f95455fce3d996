"""What needs attention, as counts: one query for each kind, whatever the number of centres."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, null, select

from lms_bridge.store.account_tables import mail_failure
from lms_bridge.store.api_tables import webhook
from lms_bridge.store.database import Database
from lms_bridge.store.holds import PENDING as UNDECIDED_HOLD
from lms_bridge.store.holds import UNDECIDED
from lms_bridge.store.lti_tables import registration
from lms_bridge.store.run_tables import flow_state
from lms_bridge.store.tables import centre, hold, link, quarantine, unmatched
from lms_bridge.store.waits import FAILING

FAILING_HOURS = 3
"""A flow that fails for a shorter time may be well again at its next run."""
KEPT_SECONDS = 10.0
"""So long the counts of ``AttentionCounts`` count."""
MOST_KEPT = 200
"""Sets of centres whose counts are kept: each region and each centre makes one."""


class Matter(StrEnum):
    """The kinds of what needs attention; people decide about those in ``DECISIONS``."""

    CENTRES_FAILING = "centres_failing"
    CENTRES_NEVER_RAN = "centres_never_ran"
    RECORDS_FAILING = "records_failing"
    QUARANTINED = "quarantined"
    WEBHOOKS_OFF = "webhooks_off"
    MAIL_FAILING = "mail_failing"
    HOLDS = "holds"
    PEOPLE_UNMATCHED = "people_unmatched"
    CONNECTIONS_WAITING = "connections_waiting"


DECISIONS = frozenset({Matter.HOLDS, Matter.PEOPLE_UNMATCHED, Matter.CONNECTIONS_WAITING})


@dataclass(frozen=True, slots=True)
class Finding:
    """How many there are of one kind, at which centres ("": the Academy; none: it is the bridge's
    own), and since when."""

    matter: Matter
    count: int
    since: datetime | None = None
    centres: tuple[str, ...] = ()


Within = Collection[str] | None
"""The centres that a reader may see; None: all of them, and what belongs to none."""


def findings(tx: Connection, now: datetime, within: Within = None) -> list[Finding]:
    """Every kind of which there is something."""
    found = [_finding(tx, matter, query(now), within) for matter, query in _QUERIES.items()]
    return [each for each in found if each.count]


def _finding(tx: Connection, matter: Matter, query: Select[Any], within: Within) -> Finding:
    """``query`` gives a row for each centre: its code, how many, since when."""
    rows = [row for row in tx.execute(query) if within is None or row[0] in within]
    centres = () if matter is Matter.MAIL_FAILING else sorted(row[0] for row in rows)
    return Finding(
        matter,
        sum(row[1] for row in rows),
        min((row[2] for row in rows if row[2] is not None), default=None),
        tuple(centres),
    )


def _of_each(
    code: ColumnElement[str],
    *where: ColumnElement[bool],
    many: ColumnElement[int] | None = None,
    since: ColumnElement[Any] | None = None,
) -> Select[Any]:
    """Counts of each centre that is not paused: no run could mend what a paused one has."""
    paused = select(centre.c.code).where(centre.c.active.is_(False))
    return (
        select(
            code,
            func.count() if many is None else many,
            null() if since is None else func.min(since),
        )
        .where(code.not_in(paused), *where)
        .group_by(code)
    )


def _failing(now: datetime) -> Select[Any]:
    long_ago = now - timedelta(hours=FAILING_HOURS)
    return _of_each(
        flow_state.c.centre,
        flow_state.c.failing_since <= long_ago,
        many=func.count(flow_state.c.centre.distinct()),
        since=flow_state.c.failing_since,
    )


def failed_lately(tx: Connection, now: datetime) -> list[str]:
    """The centres that began to fail so lately that the next run may be good."""
    since = flow_state.c.failing_since
    query = _of_each(flow_state.c.centre, since > now - timedelta(hours=FAILING_HOURS))
    return sorted(row[0] for row in tx.execute(query))


def _never_ran(_: datetime) -> Select[Any]:
    return _of_each(centre.c.code, centre.c.code.not_in(select(flow_state.c.centre)))


_MAIL_FAILING: Select[*tuple[Any, ...]] = select(
    literal(""), func.sum(mail_failure.c.requests), func.min(mail_failure.c.since)
).having(func.count() > 0)
_QUERIES: dict[Matter, Callable[[datetime], Select[Any]]] = {
    Matter.CENTRES_FAILING: _failing,
    Matter.CENTRES_NEVER_RAN: _never_ran,
    Matter.RECORDS_FAILING: lambda _: _of_each(link.c.centre, FAILING, since=link.c.failed_since),
    Matter.QUARANTINED: lambda _: _of_each(quarantine.c.centre, since=quarantine.c.since),
    Matter.WEBHOOKS_OFF: lambda _: _of_each(
        webhook.c.centre, webhook.c.active.is_(False), since=webhook.c.failing_since
    ),
    Matter.MAIL_FAILING: lambda _: _MAIL_FAILING,
    Matter.HOLDS: lambda _: _of_each(
        hold.c.centre, hold.c.status == UNDECIDED_HOLD, since=hold.c.created_at
    ),
    Matter.PEOPLE_UNMATCHED: lambda _: _of_each(
        unmatched.c.centre, UNDECIDED, since=unmatched.c.since
    ),
    Matter.CONNECTIONS_WAITING: lambda _: _of_each(
        registration.c.centre,
        registration.c.status == "pending",
        since=registration.c.created_at,
    ),
}


class AttentionCounts:
    """Counts for all who ask: who asks more often causes no more queries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: dict[frozenset[str] | None, tuple[float, dict[str, int]]] = {}

    def counts(self, now: datetime, within: Within = None) -> Mapping[str, int]:
        """{each kind: how many}. Readers who see the same centres share what is counted."""
        reach = None if within is None else frozenset(within)
        with self._lock:
            until, counts = self._kept.get(reach, (0.0, {}))
            if time.monotonic() >= until:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                with self._database.reading() as tx:
                    found = {str(each.matter): each.count for each in findings(tx, now, within)}
                counts = {str(each): found.get(each, 0) for each in Matter}
                self._kept[reach] = (time.monotonic() + KEPT_SECONDS, counts)
            return counts
