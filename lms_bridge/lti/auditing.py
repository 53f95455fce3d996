"""The audit of connections: who added, approved, changed or ended one, and what it was before."""

from __future__ import annotations

from sqlalchemy import Connection

from lms_bridge.domain.document import Json, difference, document
from lms_bridge.lti.parties import Party, Status
from lms_bridge.sync.auditing import By, Changed, Subject, filled, keep

_LEFT_OUT = ("id", "created_at")


def note(tx: Connection, by: By, before: Party | None, after: Party | None) -> None:
    """Keeps what becomes of a connection: ``before`` is None where it is new, ``after`` where it is
    forgotten. What changes nothing is not kept. An approval names everything that is approved."""
    old, new = _told(before), _told(after)
    action = _action(before, after)
    fields = difference({} if action == "approve" else old, new)
    party = after or before
    if party is None or old == new:
        return
    changed = Changed(Subject.CONNECTION, party.id, party.name, party.centre)
    keep(tx, by, changed, action, fields)


def _told(party: Party | None) -> dict[str, Json]:
    if party is None:
        return {}
    fields = document(party)
    return filled({name: fields[name] for name in fields if name not in _LEFT_OUT})


def _action(before: Party | None, after: Party | None) -> str:
    if before is None:
        return "add"
    if after is None:
        return "forget"
    if after.status is before.status:
        return "change"
    return {Status.ACTIVE: "approve", Status.DISABLED: "disable"}.get(after.status, "change")
