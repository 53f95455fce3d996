"""Links to targets: what each is to hold, what it acknowledged, and what is still to be sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)

from lms_bridge.domain.document import Document, digest
from lms_bridge.domain.model import ACADEMY, Kind, centre_system
from lms_bridge.store.links import KEY, chunks
from lms_bridge.store.rows import upsert
from lms_bridge.store.tables import EMPTY, link

UNKNOWN = {"state": "unknown"}
"""The document of a record of which it is not known what the target holds: all of it is sent."""
PENDING: ColumnElement[bool] = literal_column(
    "(wanted <> acknowledged OR sending)"
)  # to the letter the partial index's condition
"""What differs from what was acknowledged, and what is in doubt because an answer was lost: the
target may hold neither the old document nor the new one."""


def any_wanted(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int], gone: bytes
) -> bool:
    """Whether the target is to hold one of these records."""
    return any(
        tx.scalar(
            select(link.c.id)
            .where(
                link.c.system == system,
                link.c.kind == kind,
                link.c.record_id.in_(chunk),
                link.c.wanted.not_in([EMPTY, gone]),
            )
            .limit(1)
        )
        for chunk in chunks(record_ids)
    )


def want(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Sets the document that a target is to hold. Each row: system, kind, centre, record_id,
    wanted (a hash). What waited after a failure and is now another document is sent at once."""
    upsert(tx, link, rows, KEY, ["wanted"], _tried_anew)


def _tried_anew(new: Any) -> dict[str, ColumnElement[Any]]:
    same = link.c.wanted == new.wanted
    return {
        "next_attempt": case((same, link.c.next_attempt), else_=None),
        "attempts": case((same, link.c.attempts), else_=0),
    }


@dataclass(frozen=True, slots=True)
class Pending:
    """A record whose document at a target differs from what the target acknowledged."""

    link_id: int
    record_id: int
    external_id: str
    wanted: bytes
    acknowledged: bytes
    held_document: Document | None
    made: bool
    sending: bool
    attempts: int


_DUE = (
    select(
        link.c.id,
        link.c.record_id,
        link.c.external_id,
        link.c.wanted,
        link.c.acknowledged,
        link.c.held_document,
        link.c.made,
        link.c.sending,
        link.c.attempts,
    )
    .where(
        link.c.system == bindparam("in_system"),
        link.c.kind == bindparam("of_kind"),
        link.c.centre == bindparam("of_centre"),
        PENDING,
        link.c.id > bindparam("after"),
        (link.c.next_attempt.is_(None)) | (link.c.next_attempt <= bindparam("now")),
    )
    .order_by(link.c.id)
    .limit(bindparam("most"))
)


def pending(
    tx: Connection, system: str, kind: Kind, centre: str, now: datetime, *, after: int, most: int
) -> list[Pending]:
    """What is to be sent now: links above the id ``after``, in their order, at most so many.
    Records that failed wait for their next attempt."""
    rows = tx.execute(
        _DUE,
        {
            "in_system": system,
            "of_kind": kind,
            "of_centre": centre,
            "after": after,
            "now": now,
            "most": most,
        },
    )
    return [Pending(*row) for row in rows]


def pending_removals(
    tx: Connection, system: str, kind: Kind, centre: str, gone: bytes
) -> list[tuple[int, int]]:
    """(link id, record id) of what the bridge made there and is about to remove. ``gone`` is the
    hash of the document of a removed record."""
    rows = tx.execute(
        select(link.c.id, link.c.record_id).where(
            link.c.system == system,
            link.c.kind == kind,
            link.c.centre == centre,
            PENDING,
            link.c.wanted == gone,
            link.c.acknowledged != EMPTY,
            link.c.made,
        )
    )
    return [(row[0], row[1]) for row in rows]


def count_held(tx: Connection, system: str, kind: Kind, centre: str, gone: bytes) -> int:
    """How many of a centre's records the target holds by the bridge's doing."""
    return (
        tx.scalar(
            select(func.count())
            .select_from(link)
            .where(
                link.c.system == system,
                link.c.kind == kind,
                link.c.centre == centre,
                link.c.acknowledged != EMPTY,
                link.c.acknowledged != gone,
                link.c.made,
            )
        )
        or 0
    )


def sending(tx: Connection, link_ids: Iterable[int]) -> None:
    """Notes, before anything is sent, that these orders may reach the target from now on."""
    for chunk in chunks(link_ids):
        tx.execute(update(link).where(link.c.id.in_(chunk)).values(sending=True))


_ACKNOWLEDGE = (
    update(link)
    .where(link.c.id == bindparam("link_id"))
    .values(
        acknowledged=bindparam("new_hash"),
        held_document=bindparam("document"),
        external_id=bindparam("new_external_id"),
        scope=bindparam("new_scope"),
        made=bindparam("is_made"),
        sending=False,
        attempts=0,
        next_attempt=None,
        tolerated=EMPTY,
        error="",
    )
)


def acknowledged(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: link_id, new_hash, document, new_external_id, new_scope, is_made."""
    if rows:
        tx.execute(_ACKNOWLEDGE, list(rows))


_FAIL = (
    update(link)
    .where(link.c.id == bindparam("link_id"))
    .values(
        sending=bindparam("may_have_arrived"),
        attempts=link.c.attempts + 1,
        next_attempt=bindparam("again_at"),
        error=bindparam("complaint"),
    )
)


def failed(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: link_id, may_have_arrived, again_at, complaint."""
    if rows:
        tx.execute(_FAIL, list(rows))


@dataclass(frozen=True, slots=True)
class Held:
    """What a target acknowledged and still should hold, for comparison with what it shows."""

    link_id: int
    record_id: int
    external_id: str
    held_document: Document
    wanted: bytes
    acknowledged: bytes
    tolerated: bytes
    made: bool


_HELD_IN_SCOPE = select(
    link.c.id,
    link.c.record_id,
    link.c.external_id,
    link.c.held_document,
    link.c.wanted,
    link.c.acknowledged,
    link.c.tolerated,
    link.c.made,
).where(
    link.c.system == bindparam("in_system"),
    link.c.kind == bindparam("of_kind"),
    link.c.scope == bindparam("in_scope"),
    link.c.acknowledged != EMPTY,
    link.c.sending.is_(False),  # what is in doubt is about to be sent anyway
)


def held_in_scope(tx: Connection, system: str, kind: Kind, scope: str) -> list[Held]:
    rows = tx.execute(_HELD_IN_SCOPE, {"in_system": system, "of_kind": kind, "in_scope": scope})
    return [Held(*row) for row in rows.all()]


def set_acknowledged(tx: Connection, link_id: int, document: Document) -> None:
    """The target was seen to hold something else: from now on that counts as acknowledged."""
    tx.execute(
        update(link)
        .where(link.c.id == link_id)
        .values(acknowledged=digest(document), held_document=dict(document), tolerated=EMPTY)
    )


def tolerate(tx: Connection, link_id: int, shown: bytes) -> None:
    """A person or the centre's policy leaves what the target holds as it is."""
    tx.execute(update(link).where(link.c.id == link_id).values(tolerated=shown))


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


def try_again(tx: Connection, system: str, kind: Kind, record_ids: Collection[int]) -> None:
    """Lets records that wait after a failure be sent at the next run."""
    for chunk in chunks(record_ids):
        tx.execute(
            update(link)
            .where(link.c.system == system, link.c.kind == kind, link.c.record_id.in_(chunk))
            .values(next_attempt=None, attempts=0)
        )


@dataclass(frozen=True, slots=True)
class Failing:
    """A record that a target refused, and that waits for its next attempt."""

    system: str
    kind: str
    record_id: int
    attempts: int
    next_attempt: datetime | None
    error: str


def failing(tx: Connection, centre: str) -> list[Failing]:
    rows = tx.execute(
        select(*(link.c[name] for name in Failing.__slots__))
        .where(link.c.centre == centre, PENDING, link.c.attempts > 0)
        .order_by(link.c.id)
    )
    return [Failing(*row) for row in rows]


def wanted_hashes(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int]
) -> dict[int, tuple[bytes, bytes, bool]]:
    """{record id: (wanted, acknowledged, sending)} of the links that exist."""
    found: dict[int, tuple[bytes, bytes, bool]] = {}
    for chunk in chunks(record_ids):
        rows = tx.execute(
            select(link.c.record_id, link.c.wanted, link.c.acknowledged, link.c.sending).where(
                and_(
                    link.c.system == system,
                    link.c.kind == kind,
                    link.c.record_id.in_(chunk),
                )
            )
        )
        found.update((row[0], (row[1], row[2], row[3])) for row in rows)
    return found


def systems_that_want(
    tx: Connection, kind: Kind, record_ids: Iterable[int]
) -> list[tuple[int, str, str]]:
    """(record id, system, centre) of the targets that are to hold these records."""
    found: list[tuple[int, str, str]] = []
    for chunk in chunks(record_ids):
        rows = tx.execute(
            select(link.c.record_id, link.c.system, link.c.centre).where(
                link.c.record_id.in_(chunk), link.c.kind == kind, link.c.wanted != EMPTY
            )
        )
        found.extend((row[0], row[1], row[2]) for row in rows)
    return found


def systems_of(tx: Connection, centre: str, kind: Kind, record_ids: Iterable[int]) -> Iterable[str]:
    """The targets that records of a centre may be at: its LMS, the Academy, and gradebooks."""
    wanting = systems_that_want(tx, kind, record_ids)
    found = {system for _, system, of_centre in wanting if of_centre == centre}
    return sorted(found | {centre_system(centre), ACADEMY})


def adopt(tx: Connection, system: str, kind: Kind, record_id: int, external_id: str) -> None:
    """A person said that this is the record there: it counts as found, not as made."""
    tx.execute(
        update(link)
        .where(link.c.system == system, link.c.kind == kind, link.c.record_id == record_id)
        .values(
            external_id=external_id,
            acknowledged=link.c.wanted,
            made=False,
            sending=False,
            next_attempt=None,
            error="",
        )
    )


def create_at_next_run(tx: Connection, system: str, learner_id: int) -> None:
    """A person said that no account there is this learner's: the next run creates one."""
    tx.execute(
        update(link)
        .where(
            link.c.system == system,
            link.c.kind == Kind.LEARNER,
            link.c.record_id == learner_id,
        )
        .values(sending=True, next_attempt=None, attempts=0, error="")
    )
