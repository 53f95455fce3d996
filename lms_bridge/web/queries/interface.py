"""What the interface reads: pages in the order of ids, each beginning after the last one's end.

``reach`` is the codes of the centres whose data may be told, or None for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
)

from lms_bridge.domain.document import digest
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.domain.wanted import GONE, PUBLIC
from lms_bridge.schemas.shown import ShownOfferingInList
from lms_bridge.store.tables import (
    EMPTY,
    centre,
    course,
    enrolment,
    hold,
    item,
    learner,
    link,
    offering,
    offering_tag,
    result,
    run,
    unmatched,
)
from lms_bridge.store.tags import Tag, tag_key
from lms_bridge.store.types import Utc

Rows = Sequence[Row[Any]]
Reach = Collection[str] | None
Asked = Mapping[str, Any]

IN_LIST = tuple(ShownOfferingInList().fields)
"""Fields of an offering in a list, in the order of their schema."""


_SHOWN = and_(
    offering.c.listed,
    # Written out: parameters of a list are put together anew with every question.
    offering.c.status.in_([literal_column(f"'{word}'") for word in sorted(PUBLIC)]),
    select(link.c.id)
    .where(
        link.c.system == ACADEMY,
        link.c.kind == Kind.OFFERING,
        link.c.record_id == offering.c.id,
        link.c.acknowledged != EMPTY,
        link.c.acknowledged != digest(GONE),
    )
    .exists(),
)
"""What the public may see: the Academy has acknowledged it, and it is still to be shown."""


def _within(query: Select[Any], column: Column[Any], reach: Reach) -> Select[Any]:
    return query if reach is None else query.where(column.in_(list(reach)))


# ---- offerings -------------------------------------------------------------------------------


def catalogue(tx: Connection, asked: Asked, after: int, most: int) -> Rows:
    """Offerings that the public may see. Each row: id, then the fields of a list's entry."""
    return _offerings(tx, asked, after, most, None, public=True)


def mine(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    """The same of all offerings within reach, whatever their status."""
    return _offerings(tx, asked, after, most, reach, public=False)


def state(tx: Connection) -> tuple[object, ...]:
    """Another value once anything that a list of offerings shows may have changed: every change
    of an offering tells its time, and what the Academy acknowledged leaves an item."""
    return tuple(tx.exec_driver_sql(_STATE).one())


_STATE = "SELECT (SELECT max(changed_at) FROM offering), (SELECT max(id) FROM item)"


def _offerings(
    tx: Connection, asked: Asked, after: int, most: int, reach: Reach, *, public: bool
) -> Rows:
    values = {name: asked[name] for name in _FILTERS if asked.get(name)}
    words = asked.get("text", "").split()[:8]
    query = _query(tuple(values), len(words), reach is not None, public)
    for name, value in values.items():
        values[name] = tag_key(value) if name in _TAGS else value
    values |= {f"word_{place}": _like(word) for place, word in enumerate(words)}
    if reach is not None:
        values["reach"] = list(reach)
    return tx.execute(query, {**values, "after": after, "most": most}).all()


_TAGS = {"topic": Tag.TOPIC, "language": Tag.LANGUAGE}
_FILTERS: Mapping[str, Any] = {
    **{
        name: offering.c[name] == bindparam(name, type_=offering.c[name].type)
        for name in ("centre", "modality", "level", "status")
    },
    # Not by an index on the centre: the rows would have to be sorted by their ids again.
    "region": offering.c.centre.concat("").in_(
        select(centre.c.code).where(centre.c.region == bindparam("region"))
    ),
    "starts_from": offering.c.starts_at >= bindparam("starts_from", type_=Utc()),
    "starts_to": offering.c.starts_at <= bindparam("starts_to", type_=Utc()),
    "modified_since": offering.c.changed_at >= bindparam("modified_since", type_=Utc()),
    **dict.fromkeys(_TAGS),
}


@lru_cache(maxsize=1000)
def _query(names: tuple[str, ...], words: int, within: bool, public: bool) -> Select[Any]:
    """Made once for each set of filters: making costs more than asking. The ids are found inside
    an index, and only the page's rows are then read: they are long."""
    where = [_FILTERS[name] for name in names if name not in _TAGS]
    if public:
        where.append(_SHOWN)
    if within:
        where.append(offering.c.centre.in_(bindparam("reach", expanding=True)))
    where.extend(
        func.lower(offering.c.title).like(bindparam(f"word_{place}"), escape="/")
        for place in range(words)
    )
    query = select(offering.c.id).where(*where)
    order: Any = offering.c.id
    for name in names:
        if name in _TAGS:
            tag = offering_tag.alias()
            query = query.join(tag, tag.c.offering_id == offering.c.id).where(
                tag.c.kind == _TAGS[name], tag.c.value == bindparam(name)
            )
            order = tag.c.offering_id
    found = query.where(order > bindparam("after")).order_by(order).limit(bindparam("most"))
    page = found.subquery()
    columns = (offering.c.id, *(offering.c[name] for name in IN_LIST))
    rows = select(*columns).join(page, page.c.id == offering.c.id)
    return rows.order_by(offering.c.id)


def _like(word: str) -> str:
    """The pattern of a word anywhere. SQLite folds the case of ASCII letters only."""
    escaped = word.lower()
    for mark in "/%_":
        escaped = escaped.replace(mark, f"/{mark}")
    return f"%{escaped}%"


def one_offering(tx: Connection, code: str) -> Row[Any] | None:
    """Row: id, revision, changed_at, and whether the public may see it."""
    shown = _SHOWN.label("shown")
    query = select(offering.c.id, offering.c.revision, offering.c.changed_at, shown)
    return tx.execute(query.where(offering.c.code == code)).first()


def courses(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    query = select(course).where(course.c.id > after).order_by(course.c.id).limit(most)
    if asked.get("centre"):
        query = query.where(course.c.centre == asked["centre"])
    return tx.execute(_within(query, course.c.centre, reach)).all()


# ---- registrations and results ---------------------------------------------------------------

_REGISTRATION: Select[Any] = (
    select(
        enrolment.c.id,
        enrolment.c.revision,
        enrolment.c.changed_at,
        enrolment.c.status,
        enrolment.c.starts_at,
        enrolment.c.ends_at,
        offering.c.id.label("offering_id"),
        offering.c.code.label("offering"),
        offering.c.centre,
        *(learner.c[name] for name in ("academy_id", "given_name", "family_name", "email")),
        learner.c.language,
        learner.c.country,
    )
    .join(offering, offering.c.id == enrolment.c.offering_id)
    .join(learner, learner.c.id == enrolment.c.learner_id)
)
_RESULT: Select[Any] = (
    select(
        result.c.id,
        result.c.revision,
        result.c.changed_at,
        result.c.enrolment_id,
        *(result.c[name] for name in ("score", "scale_min", "scale_max", "completed")),
        result.c.completed_at,
        result.c.graded_at,
        offering.c.code.label("offering"),
        offering.c.centre,
        learner.c.academy_id,
    )
    .join(enrolment, enrolment.c.id == result.c.enrolment_id)
    .join(offering, offering.c.id == enrolment.c.offering_id)
    .join(learner, learner.c.id == enrolment.c.learner_id)
)


def registrations(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    query = _of_people(_REGISTRATION, enrolment, asked, after, most, reach)
    if asked.get("status"):
        query = query.where(enrolment.c.status == asked["status"])
    return tx.execute(query).all()


def registration(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(_REGISTRATION.where(enrolment.c.id == number)).first()


def results(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    return tx.execute(_of_people(_RESULT, result, asked, after, most, reach)).all()


def result_of(tx: Connection, number: int) -> Row[Any] | None:
    """The result of the registration of that number."""
    return tx.execute(_RESULT.where(result.c.enrolment_id == number)).first()


def _of_people(
    query: Select[Any], table: Table, asked: Asked, after: int, most: int, reach: Reach
) -> Select[Any]:
    query = query.where(table.c.id > after).order_by(table.c.id).limit(most)
    for column, name in (
        (offering.c.centre, "centre"),
        (offering.c.code, "offering"),
        (learner.c.academy_id, "learner"),
    ):
        if asked.get(name):
            query = query.where(column == asked[name])
    if asked.get("modified_since"):
        query = query.where(table.c.changed_at >= asked["modified_since"])
    return _within(query, offering.c.centre, reach)


# ---- operations: the newest first, but for people who wait -------------------------------------


def runs(tx: Connection, asked: Asked, before: int, most: int, reach: Reach) -> Rows:
    return _newest(tx, run, asked, before, most, reach)


def holds(tx: Connection, asked: Asked, before: int, most: int, reach: Reach) -> Rows:
    status = asked["status"]
    where = [] if status == "all" else [hold.c.status == status]
    return _newest(tx, hold, asked, before, most, reach, *where)


def _newest(
    tx: Connection, table: Table, asked: Asked, before: int, most: int, reach: Reach, *where: Any
) -> Rows:
    query = select(table).where(*where).order_by(table.c.id.desc()).limit(most)
    if before:
        query = query.where(table.c.id < before)
    if asked.get("centre"):
        query = query.where(table.c.centre == asked["centre"])
    return tx.execute(_within(query, table.c.centre, reach)).all()


def items(tx: Connection, run_id: int, after: int, most: int) -> Rows:
    query = select(item).where(item.c.run_id == run_id, item.c.id > after)
    return tx.execute(query.order_by(item.c.id).limit(most)).all()


_UNMATCHED: Select[Any] = select(unmatched, learner.c.academy_id).join(
    learner, learner.c.id == unmatched.c.learner_id
)


def people(tx: Connection, asked: Asked, after: int, most: int, reach: Reach) -> Rows:
    query = _UNMATCHED.where(unmatched.c.id > after).order_by(unmatched.c.id).limit(most)
    if asked.get("centre"):
        query = query.where(unmatched.c.centre == asked["centre"])
    return tx.execute(_within(query, unmatched.c.centre, reach)).all()


def person(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(_UNMATCHED.where(unmatched.c.id == number)).first()
