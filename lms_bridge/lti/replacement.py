"""A connection that ended: what hangs on it moves to a new one, or is forgotten.

A system that registers the bridge anew, or moves to another address, gets a new connection. Of a
platform, its courses, the origins of launches, and the columns of its gradebook still hang on the
old one; of a tool, its resources, and the line items with their scores. Learners keep the ids by
which tools know them: those belong to the centre.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, exists, func, select, update
from sqlalchemy.sql import ColumnElement

from lms_bridge.audit import Actor, Change, Subject, record
from lms_bridge.domain.errors import Refused
from lms_bridge.domain.model import ACADEMY, Kind, gradebook_system
from lms_bridge.http.origins import origin
from lms_bridge.lti import registrations
from lms_bridge.lti.approval import find_registration, reject_registration
from lms_bridge.lti.platform import chosen_resources
from lms_bridge.lti.registrations import LtiRegistration, Side, Status
from lms_bridge.store.lti_tables import (
    chosen_resource,
    course,
    launch_origin,
    line_item,
    resource,
    score,
)
from lms_bridge.store.tables import EMPTY, link

_COURSE = ("context", "offering_id")
_ORIGIN = ("offering_id", "learner_id")
_LINK = ("kind", "record_id")


@dataclass(frozen=True, slots=True)
class Attached:
    """How much hangs on a connection: {what it is for people: number}."""

    counts: Mapping[str, int]

    @property
    def words(self) -> str:
        return ", ".join(f"{name}: {number}" for name, number in self.counts.items())


def attached(tx: Connection, registration: LtiRegistration) -> Attached:
    """What hangs on a connection."""
    rows = _rows_of(registration)
    counts = {
        name: tx.scalar(select(func.count()).select_from(table).where(mine)) or 0
        for name, table, mine in rows
    }
    if registration.side is Side.PLATFORM:
        from_rosters = select(func.count()).where(
            link.c.system == ACADEMY,
            link.c.kind == Kind.ENROLMENT,
            link.c.source_hash != EMPTY,
            link.c.scope.endswith(f"@{registration.id}"),
        )
        counts["enrolments from its rosters"] = tx.scalar(from_rosters) or 0
    return Attached(counts)


def _rows_of(of: LtiRegistration) -> list[tuple[str, Table, ColumnElement[bool]]]:
    """(what they are for people, their table, which rows), what refers to others first."""
    if of.side is Side.TOOL:
        items = select(line_item.c.id).where(line_item.c.registration_id == of.id)
        return [
            ("scores", score, score.c.line_item_id.in_(items)),
            ("line items", line_item, line_item.c.registration_id == of.id),
            ("resources", resource, resource.c.registration_id == of.id),
            ("chosen offerings", chosen_resource, chosen_resource.c.registration_id == of.id),
        ]
    return [
        ("courses", course, course.c.registration_id == of.id),
        ("launch origins", launch_origin, launch_origin.c.registration_id == of.id),
        ("results in its gradebook", link, link.c.system == gradebook_system(of.id)),
    ]


def move(tx: Connection, old_number: int, new_number: int, by: Actor) -> Attached:
    """Moves all that hangs on an old connection to a new one of the same owner, and ends the old
    one. Where both know a course, a launch origin or a result, the new one's stays.

    Raises:
        NotFound: there is no such connection.
        Refused: the new one is another owner's, of the other side, or not active.
    """
    old, new = (find_registration(tx, number) for number in (old_number, new_number))
    if old.id == new.id or (old.centre, old.side) != (new.centre, new.side):
        raise Refused(
            "not-the-same-owner",
            f"Connection {old.id} cannot move to connection {new.id}.",
            "Both must belong to the same centre, or both to the Academy, and both must be "
            "platforms, or both tools.",
        )
    if not new.active:
        raise Refused(
            f"{new.side}-not-active",
            f"Connection {new.id} is not active.",
            f"Approve it first: `lms-bridge lti approve {new.id}`.",
        )
    moved = attached(tx, old)
    if old.side is Side.TOOL:
        _move_tool(tx, old, new)
    else:
        _move_rows(tx, old, new)
        _move_addresses(tx, old, new)
    _record(tx, by, "move", old, moved, {"moved_to": (None, new.id)})
    if old.status is not Status.DISABLED:
        reject_registration(tx, old, by)
    return moved


def _move_tool(tx: Connection, old: LtiRegistration, new: LtiRegistration) -> None:
    """Resources and line items keep their ids, by which the tool knows them. An offering has one
    main line item: that of the new connection stays the main one."""
    theirs = line_item.alias()
    same = theirs.c.offering_id == line_item.c.offering_id
    twice = exists().where(theirs.c.registration_id == new.id, theirs.c.main, same)
    mine = line_item.c.registration_id == old.id
    tx.execute(update(line_item).where(mine, twice).values(main=False))
    for table in (line_item, resource, chosen_resource):
        mine = table.c.registration_id == old.id
        tx.execute(update(table).where(mine).values(registration_id=new.id))
    before, after = _places(old.initiate_login_uri, new.initiate_login_uri)
    if before == after:
        return

    def moved(address: str) -> str:
        rest = address.removeprefix(before)
        return f"{after}{rest}" if address.startswith(before) and rest[:1] in _ENDS else address

    chosen_resources.move(tx, new.id, moved)
    there = select(resource.c.id, resource.c.address).where(resource.c.registration_id == new.id)
    for id_, address in tx.execute(there).all():
        if moved(address) != address:
            values = {"address": moved(address)}
            tx.execute(update(resource).where(resource.c.id == id_).values(values))


_ENDS = ("", "/", "?", "#")
"""What may follow the address of a place: nothing else is below it."""


def _places(old: str, new: str) -> tuple[str, str]:
    """Where a tool was and is: its two addresses without the end of the path that they share, or
    only their servers where they share none."""
    before, after = (each.partition("?")[0] for each in (old, new))
    shared = False
    while True:
        (old, _, last), (new, _, same) = before.rpartition("/"), after.rpartition("/")
        if last != same or not (origin(old) and origin(new)):
            return (before, after) if shared else (origin(before), origin(after))
        before, after, shared = old, new, True


def _move_rows(tx: Connection, old: LtiRegistration, new: LtiRegistration) -> None:
    for table, key in ((course, _COURSE), (launch_origin, _ORIGIN)):
        theirs = table.alias()
        same = [theirs.c[name] == table.c[name] for name in key]
        twice = exists().where(theirs.c.registration_id == new.id, *same)
        tx.execute(delete(table).where(table.c.registration_id == old.id, twice))
        mine = table.c.registration_id == old.id
        tx.execute(update(table).where(mine).values(registration_id=new.id))
    theirs = link.alias()
    same = [theirs.c[name] == link.c[name] for name in _LINK]
    mine = link.c.system == gradebook_system(old.id)
    twice = exists().where(theirs.c.system == gradebook_system(new.id), *same)
    tx.execute(delete(link).where(mine, twice))
    tx.execute(update(link).where(mine).values(system=gradebook_system(new.id)))


def _move_addresses(tx: Connection, old: LtiRegistration, new: LtiRegistration) -> None:
    """The same platform at another address: its services' addresses follow. Tokens of the new
    platform go to no server that neither of the two named."""
    if origin(old.token_endpoint) == origin(new.token_endpoint):
        return
    before, after = origin(old.token_endpoint), origin(new.token_endpoint)
    for table, name in (
        (course, "memberships"),
        (launch_origin, "line_item"),
        (launch_origin, "line_items"),
    ):
        column = table.c[name]
        rows = tx.execute(
            select(table.c.id, column).where(table.c.registration_id == new.id, column != "")
        ).all()
        for id_, address in rows:
            if origin(address) == after:
                continue
            path = address.removeprefix(before) if origin(address) == before else None
            there = "" if path is None or path == address else f"{after}{path}"
            tx.execute(update(table).where(table.c.id == id_).values({name: there}))


def forget(tx: Connection, number: int, by: Actor) -> Attached:
    """Deletes a connection that is not active, with all that hangs on it. What came from it alone
    (enrolments of a platform's rosters, offerings chosen from a tool) is withdrawn by the next run,
    which holds many of them. Results that were applied stay.

    Raises:
        NotFound: there is no such connection.
        Refused: it is active.
    """
    old = find_registration(tx, number)
    if old.active:
        raise Refused(
            "connection-active",
            f"Connection {number} is active.",
            f"End it first: `lms-bridge lti reject {number}`.",
        )
    gone = attached(tx, old)
    for _, table, mine in _rows_of(old):
        tx.execute(delete(table).where(mine))
    registrations.remove(tx, number)
    _record(tx, by, "forget", old, gone, {"issuer": (old.issuer, None)})
    return gone


def _record(
    tx: Connection,
    by: Actor,
    action: str,
    old: LtiRegistration,
    counts: Attached,
    more: Mapping[str, tuple[str | int | None, str | int | None]],
) -> None:
    numbers = {name: (number, 0) for name, number in counts.counts.items()}
    fields = {**numbers, **more}
    record(tx, by, Change(Subject.CONNECTION, action, old.id, old.name, fields, old.centre))
