"""The audit of connections: who added, approved, changed or ended one, and what it was before.

Each change is a run of its own with one item, so that it stands among what else was done for the
centre: on `/runs`, in `lms-bridge run` and in the interface.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from lms_bridge.domain.document import Json, difference, document
from lms_bridge.domain.model import ACADEMY, centre_system
from lms_bridge.lti.parties import Party, Status
from lms_bridge.store import reports
from lms_bridge.sync.run import DONE

KIND, FLOW = "connection", "connections"
_LEFT_OUT = ("id", "created_at")
_EMPTY: tuple[Json, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class By:
    """Who changes a connection, as the audit calls them, by what (``command``, ``page``, …), and
    when (UTC)."""

    who: str
    means: str
    at: datetime


def note(tx: Connection, by: By, before: Party | None, after: Party | None) -> None:
    """Keeps what becomes of a connection: ``before`` is None where it is new, ``after`` where it is
    forgotten. What changes nothing is not kept. An approval names everything that is approved."""
    old, new = _told(before), _told(after)
    action = _action(before, after)
    fields = difference({} if action == "approve" else old, new)
    party = after or before
    if party is None or old == new:
        return
    counts = {f"{KIND}.{action}.{DONE}": 1}
    run = reports.start_run(tx, party.centre, FLOW, by.means, by.at, by.who)
    item = {
        "run_id": run,
        "system": centre_system(party.centre) if party.centre else ACADEMY,
        "kind": KIND,
        "record_id": party.id,
        "external_id": party.name,
        "action": action,
        "state": DONE,
        "fields": {name: list(values) for name, values in fields.items()},
        "at": by.at,
    }
    reports.add_items(tx, [item])
    reports.finish_run(tx, run, DONE, counts, by.at)


def _told(party: Party | None) -> dict[str, Json]:
    if party is None:
        return {}
    return {
        name: value
        for name, value in document(party).items()
        if name not in _LEFT_OUT and value not in _EMPTY
    }


def _action(before: Party | None, after: Party | None) -> str:
    if before is None:
        return "add"
    if after is None:
        return "forget"
    if after.status is before.status:
        return "change"
    return {Status.ACTIVE: "approve", Status.DISABLED: "disable"}.get(after.status, "change")
