"""Links to targets: what each is to hold, what it acknowledged, and what is still to be sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.desired_state import GONE_HASH
from lms_bridge.domain.document import Document, digest
from lms_bridge.domain.model import ACADEMY, Kind, centre_system
from lms_bridge.store import catalogue_changes, open_imports
from lms_bridge.store.bulk import upsert_plain
from lms_bridge.store.links import KEY, any_such
from lms_bridge.store.tables import EMPTY, HELD, IS_SHOWN, enrolment, link

UNKNOWN = {"state": "unknown"}
"""The document of a record of which it is not known what the target holds: all of it is sent."""
PENDING: ColumnElement[bool] = literal_column(
    "(desired <> acknowledged OR sending)"
)  # to the letter the partial index's condition
"""Links whose desired hash is not acknowledged, and links in doubt after a lost response. The
target may then hold neither the old document nor the new one."""

LATER, DENIED = "later", "denied"
"""Why a record failed, if it is not for itself: the target asked to wait, or a right is missing."""


def any_desired(tx: Connection, system: str, kind: Kind, record_ids: Iterable[int]) -> bool:
    """Whether the target is to hold one of these records."""
    return any_such(tx, system, kind, record_ids, link.c.desired.not_in([EMPTY, GONE_HASH]))


def set_desired(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Sets the document that a target is to hold. Each row: system, kind, centre, record_id,
    wanted (a hash). What waited after a failure and is now another document is sent at once."""
    upsert_plain(tx, link, rows, KEY, ["desired"], _tried_anew)


def _tried_anew(new: Any) -> dict[str, ColumnElement[Any]]:
    same = link.c.desired == new.desired
    return {
        "next_attempt": case((same, link.c.next_attempt), else_=None),
        "attempts": case((same, link.c.attempts), else_=0),
    }


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A record whose document at a target differs from what the target acknowledged."""

    link_id: int
    record_id: int
    external_id: str
    desired: bytes
    acknowledged: bytes
    held_document: Document | None
    created_by_us: bool
    sending: bool
    attempts: int
    tolerated: bytes


_PENDING_WRITE: tuple[ColumnElement[Any], ...] = (
    link.c.id,
    link.c.record_id,
    link.c.external_id,
    link.c.desired,
    link.c.acknowledged,
    link.c.held_document,
    link.c.created_by_us,
    link.c.sending,
    link.c.attempts,
    link.c.tolerated,
)
_DUE = (
    select(*_PENDING_WRITE)
    .where(
        link.c.system == bindparam("in_system"),
        link.c.kind == bindparam("of_kind"),
        link.c.centre == bindparam("of_centre"),
        PENDING,
        link.c.id > bindparam("after"),
    )
    .order_by(link.c.id)
    .limit(bindparam("most"))
)


_NOW: BindParameter[datetime] = bindparam("now")
_DUE_NOW = _DUE.where(link.c.next_attempt.is_(None) | (link.c.next_attempt <= _NOW))
_DUE_AT_ALL = _DUE.where(
    link.c.next_attempt.is_(None) | (link.c.next_attempt <= _NOW) | (link.c.refusal != LATER)
)
_OF_IMPORTS = (Kind.ENROLMENT, Kind.LEARNER)


def pending(
    tx: Connection,
    system: str,
    kind: Kind,
    centre: str,
    now: datetime,
    *,
    after: int,
    most: int,
    tries_all: bool = False,
) -> list[PendingWrite]:
    """What is to be sent now: links above the id ``after``, in their order, at most so many.
    Records that failed wait for their next attempt, those of an import until it is whole.
    ``tries_all`` ignores back-off, but not the wait that the target itself asked for."""
    query = _DUE_AT_ALL if tries_all else _DUE_NOW
    if kind in _OF_IMPORTS and open_imports.hides_any(tx, centre):
        record = enrolment.c.id if kind is Kind.ENROLMENT else enrolment.c.learner_id
        query = query.where(link.c.record_id.not_in(select(record).where(~IS_SHOWN)))
    rows = tx.execute(query, _due_of(system, kind, centre, now, after=after, most=most))
    return [PendingWrite(*row) for row in rows]


def pending_of(tx: Connection, link_ids: Iterable[int]) -> list[PendingWrite]:
    """These links, as ``pending`` gives them."""
    rows = tx.execute(select(*_PENDING_WRITE).where(link.c.id.in_(list(link_ids)), PENDING))
    return [PendingWrite(*row) for row in rows]


def _due_of(
    system: str, kind: Kind, centre: str, now: datetime, *, after: int, most: int
) -> dict[str, Any]:
    """The parameters of ``_DUE``."""
    which = {"in_system": system, "of_kind": kind, "of_centre": centre}
    return {**which, "after": after, "now": now, "most": most}


def any_due(tx: Connection, system: str, kind: Kind, centre: str, now: datetime) -> bool:
    """Whether anything of a centre is to be sent now, removals apart: these may be held."""
    shown = link.c.desired != GONE_HASH
    rows = tx.execute(_DUE_NOW.where(shown), _due_of(system, kind, centre, now, after=0, most=1))
    return rows.first() is not None


_PENDING_REMOVALS = select(link.c.id, link.c.record_id).where(
    link.c.system == bindparam("in_system"),
    link.c.kind == bindparam("of_kind"),
    link.c.centre == bindparam("of_centre"),
    PENDING,
    link.c.desired == GONE_HASH,
    link.c.acknowledged != EMPTY,
    link.c.created_by_us,
)


def pending_removals(tx: Connection, system: str, kind: Kind, centre: str) -> list[tuple[int, int]]:
    """(link id, record id) of what the bridge made there and is about to remove."""
    which = {"in_system": system, "of_kind": kind, "of_centre": centre}
    rows = tx.execute(_PENDING_REMOVALS, which).all()
    return [(row[0], row[1]) for row in rows]


def count_held(tx: Connection, system: str, kind: Kind, centre: str) -> int:
    """How many of a centre's records the target holds by the bridge's doing."""
    return (
        tx.scalar(
            select(func.count())
            .select_from(link)
            .where(
                link.c.system == system,
                link.c.kind == kind,
                link.c.centre == centre,
                HELD,
                link.c.created_by_us,
            )
        )
        or 0
    )


_SENDING = update(link).where(link.c.id.in_(bindparam("ids", expanding=True))).values(sending=True)


def sending(tx: Connection, link_ids: Iterable[int]) -> None:
    """Notes, before anything is sent, that these requests may reach the target from now on."""
    for chunk in chunks(link_ids):
        tx.execute(_SENDING, {"ids": chunk})


NO_FAILURE: dict[str, Any] = {
    "attempts": 0,
    "next_attempt": None,
    "refusal": "",
    "error_code": "",
    "error": "",
}
_ACKNOWLEDGE = (
    update(link)
    .where(link.c.id == bindparam("link_id"), link.c.acknowledged == bindparam("old_hash"))
    .values(
        acknowledged=bindparam("new_hash"),
        held_document=bindparam("document"),
        external_id=bindparam("new_external_id"),
        scope=bindparam("new_scope"),
        created_by_us=bindparam("is_created_by_us"),
        sending=False,
        tolerated=EMPTY,
        **NO_FAILURE,
    )
)


def acknowledged(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keeps what a target confirmed. Each row: link_id, old_hash, new_hash, document,
    new_external_id, new_scope, is_created_by_us. A link whose acknowledged hash is not the old one
    any more was decided about while its request was under way. It stays as it was decided, and in
    doubt if it was."""
    if rows:
        tx.execute(_ACKNOWLEDGE, list(rows))


@dataclass(frozen=True, slots=True)
class TargetLink:
    """What a target acknowledged and still should hold, for comparison with what it shows."""

    link_id: int
    record_id: int
    external_id: str
    held_document: Document  # None after a person matched the record by hand
    desired: bytes
    acknowledged: bytes
    tolerated: bytes
    created_by_us: bool


TARGET_LINK = (
    link.c.id,
    link.c.record_id,
    link.c.external_id,
    link.c.held_document,
    link.c.desired,
    link.c.acknowledged,
    link.c.tolerated,
    link.c.created_by_us,
)
_HELD_IN_SCOPE = select(*TARGET_LINK).where(
    link.c.system == bindparam("in_system"),
    link.c.kind == bindparam("of_kind"),
    link.c.scope == bindparam("in_scope"),
    link.c.acknowledged != EMPTY,
    link.c.sending.is_(False),  # what is in doubt is about to be sent anyway
)


def held_in_scope(tx: Connection, system: str, kind: Kind, scope: str) -> list[TargetLink]:
    rows = tx.execute(_HELD_IN_SCOPE, {"in_system": system, "of_kind": kind, "in_scope": scope})
    return [TargetLink(*row) for row in rows.all()]


def held_of_centre(
    tx: Connection, system: str, kind: Kind, centre: str, after: int, most: int
) -> list[TargetLink]:
    """What a centre's system holds, in the order of the links, from after the one with that id."""
    rows = tx.execute(
        select(*TARGET_LINK)
        .where(
            link.c.system == system,
            link.c.kind == kind,
            link.c.centre == centre,
            link.c.id > after,
            link.c.external_id != "",
            link.c.sending.is_(False),
            HELD,
        )
        .order_by(link.c.id)
        .limit(most)
    )
    return [TargetLink(*row) for row in rows]


def set_acknowledged(tx: Connection, link_id: int, document: Document) -> None:
    """The target was seen to hold something else: from now on that counts as acknowledged."""
    tx.execute(
        update(link)
        .where(link.c.id == link_id)
        .values(acknowledged=digest(document), held_document=dict(document), tolerated=EMPTY)
    )
    catalogue_changes.note_links(tx, [link_id])


def tolerate(tx: Connection, link_id: int, shown: bytes) -> None:
    """A person or the centre's policy leaves what the target holds as it is."""
    tx.execute(update(link).where(link.c.id == link_id).values(tolerated=shown))


def no_longer_tolerated(tx: Connection, link_ids: Collection[int]) -> None:
    """The target holds again what it acknowledged."""
    for chunk in chunks(link_ids):
        tx.execute(update(link).where(link.c.id.in_(chunk)).values(tolerated=EMPTY))


def send_again(tx: Connection, system: str, kind: Kind, record_ids: Collection[int]) -> None:
    """What the target holds of these records is no longer taken for granted: they are sent."""
    for chunk in chunks(record_ids):
        tx.execute(
            update(link)
            .where(
                link.c.system == system,
                link.c.kind == kind,
                link.c.record_id.in_(chunk),
                link.c.acknowledged != EMPTY,
            )
            .values(
                acknowledged=digest(UNKNOWN),
                held_document=UNKNOWN,
                tolerated=EMPTY,
                next_attempt=None,
            )
        )
        catalogue_changes.note_records(tx, system, kind, chunk)


_HASHES = select(link.c.record_id, link.c.desired, link.c.acknowledged, link.c.sending).where(
    link.c.system == bindparam("in_system"),
    link.c.kind == bindparam("of_kind"),
    link.c.record_id.in_(bindparam("ids", expanding=True)),
)


def desired_hashes(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int]
) -> dict[int, tuple[bytes, bytes, bool]]:
    """{record id: (wanted, acknowledged, sending)} of the links that exist."""
    found: dict[int, tuple[bytes, bytes, bool]] = {}
    for chunk in chunks(record_ids):
        which = {"in_system": system, "of_kind": kind, "ids": chunk}
        rows = tx.execute(_HASHES, which).all()
        found.update((row[0], (row[1], row[2], row[3])) for row in rows)
    return found


def made_by_us(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int]
) -> dict[int, bool]:
    """{record id: whether the bridge made it there} of what the target is to hold or once held."""
    found: dict[int, bool] = {}
    for chunk in chunks(record_ids):
        rows = tx.execute(
            select(link.c.record_id, link.c.created_by_us).where(
                link.c.system == system,
                link.c.kind == kind,
                link.c.record_id.in_(chunk),
            )
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def systems_with_desired(
    tx: Connection, kind: Kind, record_ids: Iterable[int], *, besides: bytes = EMPTY
) -> list[tuple[int, str, str]]:
    """(record id, system, centre) of the targets that are to hold these records, without those
    whose desired hash is ``besides``."""
    found: list[tuple[int, str, str]] = []
    for chunk in chunks(record_ids):
        rows = tx.execute(
            select(link.c.record_id, link.c.system, link.c.centre).where(
                link.c.record_id.in_(chunk),
                link.c.kind == kind,
                link.c.desired.not_in([EMPTY, besides]),
            )
        )
        found.extend((row[0], row[1], row[2]) for row in rows)
    return found


def systems_of(tx: Connection, centre: str, kind: Kind, record_ids: Iterable[int]) -> Iterable[str]:
    """The targets that records of a centre may be at: its LMS, the Academy, and gradebooks."""
    wanting = systems_with_desired(tx, kind, record_ids)
    found = {system for _, system, of_centre in wanting if of_centre == centre}
    return sorted(found | {centre_system(centre), ACADEMY})


def adopt(tx: Connection, system: str, kind: Kind, record_id: int, external_id: str) -> None:
    """A person said that this is the record there: it counts as found, not as made."""
    tx.execute(
        update(link)
        .where(link.c.system == system, link.c.kind == kind, link.c.record_id == record_id)
        .values(
            external_id=external_id,
            acknowledged=link.c.desired,
            created_by_us=False,
            sending=False,
            **NO_FAILURE,
        )
    )
    catalogue_changes.note_records(tx, system, kind, [record_id])


def not_there(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int], *, ended: bool
) -> None:
    """The target does not hold these records any more. Those that ``ended`` are not sent again."""
    values: dict[str, Any] = {
        "acknowledged": GONE_HASH
        if ended
        else case((link.c.desired == GONE_HASH, GONE_HASH), else_=EMPTY),
        "held_document": None,
        "external_id": "",
        "scope": "",
        "created_by_us": False,
        "sending": False,
        "tolerated": EMPTY,
        **NO_FAILURE,
    }
    if ended:
        values["desired"] = GONE_HASH
    for chunk in chunks(record_ids):
        tx.execute(
            update(link)
            .where(link.c.system == system, link.c.kind == kind, link.c.record_id.in_(chunk))
            .values(values)
        )
        catalogue_changes.note_records(tx, system, kind, chunk)
