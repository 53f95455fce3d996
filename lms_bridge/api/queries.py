"""Queries of the API. A page of a list begins after the last id of the page before it.

``reach`` is the codes of the centres whose data the caller may read; None: all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    Table,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)

from lms_bridge.domain.availability import CLOSING_SOON_DAYS
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.model import Kind
from lms_bridge.domain.search_words import SearchWord, search_words
from lms_bridge.schemas.responses import OfferingInListResponse
from lms_bridge.store import enrolments, learners, offerings
from lms_bridge.store import results as store_results
from lms_bridge.store.availability import availability
from lms_bridge.store.database import Database
from lms_bridge.store.offerings import Tag, tag_key
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.run_lists import newest_runs
from lms_bridge.store.search import centre_words, holds_word, named_type, word_values
from lms_bridge.store.tables import (
    IN_CATALOGUE,
    IS_SHOWN,
    centre,
    course,
    enrolment,
    hold,
    learner,
    offering,
    offering_tag,
    quarantine,
    result,
    unmatched,
)
from lms_bridge.store.types import Texts, Utc


def record_codes(tx: Connection, kind: Kind, record_ids: Collection[int]) -> dict[int, str]:
    """{record id: code}; records that do not exist are left out.

    A code is an offering's code, a learner's Academy id, or both. It never is a person's name.
    """
    if kind is Kind.OFFERING:
        return {id_: each.code for id_, each in offerings.offerings(tx, record_ids).items()}
    if kind is Kind.LEARNER:
        return {id_: each.academy_id for id_, each in learners.learners(tx, record_ids).items()}
    if kind is Kind.ENROLMENT:
        stored = enrolments.enrolments(tx, record_ids)
        return {
            id_: f"{each.record.offering}/{each.record.learner}" for id_, each in stored.items()
        }
    found = store_results.results(tx, record_ids)
    return {id_: f"{each.offering}/{each.learner}" for id_, (_, each) in found.items()}


Rows = Sequence[Row[Any]]
Reach = Collection[str] | None
Params = Mapping[str, Any]


def _within(query: Select[Any], column: Column[Any], reach: Reach) -> Select[Any]:
    return query if reach is None else query.where(column.in_(list(reach)))


def courses(tx: Connection, params: Params, after: int, most: int, reach: Reach) -> Rows:
    query = select(course).where(course.c.id > after).order_by(course.c.id).limit(most)
    if params.get("centre"):
        query = query.where(course.c.centre == params["centre"])
    return tx.execute(_within(query, course.c.centre, reach)).all()


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
    .where(IS_SHOWN)
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


def registrations(tx: Connection, params: Params, after: int, most: int, reach: Reach) -> Rows:
    query = _of_people(_REGISTRATION, enrolment, params, after, most, reach)
    if params.get("status"):
        query = query.where(enrolment.c.status == params["status"])
    return tx.execute(query).all()


def registration(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(_REGISTRATION.where(enrolment.c.id == number)).first()


def results(tx: Connection, params: Params, after: int, most: int, reach: Reach) -> Rows:
    return tx.execute(_of_people(_RESULT, result, params, after, most, reach)).all()


def result_of(tx: Connection, number: int) -> Row[Any] | None:
    """The result of the registration of that number."""
    return tx.execute(_RESULT.where(result.c.enrolment_id == number)).first()


def _of_people(
    query: Select[Any], table: Table, params: Params, after: int, most: int, reach: Reach
) -> Select[Any]:
    query = query.where(table.c.id > after).order_by(table.c.id).limit(most)
    for column, name in (
        (offering.c.centre, "centre"),
        (offering.c.code, "offering"),
        (learner.c.academy_id, "learner"),
    ):
        if params.get(name):
            query = query.where(column == params[name])
    if params.get("modified_since"):
        query = query.where(table.c.changed_at >= params["modified_since"])
    return _within(query, offering.c.centre, reach)


def runs(tx: Connection, params: Params, before: int, most: int, reach: Reach) -> Rows:
    return newest_runs(tx, centres=_of(params, reach), before=before, most=most)


def _of(params: Params, reach: Reach) -> list[str] | None:
    """The centres that are asked for and within reach; None: all of them."""
    code = params.get("centre")
    if code:
        return [code] if reach is None or code in reach else []
    return None if reach is None else list(reach)


def holds(tx: Connection, params: Params, before: int, most: int, reach: Reach) -> Rows:
    status = params["status"]
    where = [] if status == "all" else [hold.c.status == status]
    return _newest(tx, hold, params, before, most, reach, *where)


def quarantined(tx: Connection, params: Params, before: int, most: int, reach: Reach) -> Rows:
    return _newest(tx, quarantine, params, before, most, reach)


def _newest(
    tx: Connection, table: Table, params: Params, before: int, most: int, reach: Reach, *where: Any
) -> Rows:
    """What waits, of which there are some thousands at most: the newest first."""
    query = select(table).where(*where).order_by(table.c.id.desc()).limit(most)
    if before:
        query = query.where(table.c.id < before)
    return tx.execute(_within(query, table.c.centre, _of(params, reach))).all()


_UNMATCHED: Select[Any] = select(unmatched, learner.c.academy_id).join(
    learner, learner.c.id == unmatched.c.learner_id
)


def people(tx: Connection, params: Params, after: int, most: int, reach: Reach) -> Rows:
    query = _UNMATCHED.where(unmatched.c.id > after).order_by(unmatched.c.id).limit(most)
    if params.get("centre"):
        query = query.where(unmatched.c.centre == params["centre"])
    return tx.execute(_within(query, unmatched.c.centre, reach)).all()


def person(tx: Connection, number: int) -> Row[Any] | None:
    return tx.execute(_UNMATCHED.where(unmatched.c.id == number)).first()


Found = Sequence[tuple[int, str]]
"""A page: (id, the offering as JSON) of each, in the order of ids."""
_BETWEEN = "\x1f"
"""Is in no JSON as it stands."""


def catalogue(database: Database, params: Params, after: int, most: int) -> Found:
    """Offerings that the public may see."""
    names, words = _filters(params), search_words(params.get("text", ""))
    if _is_signs_alone(params):
        return []
    values = _values(params, names, after, most)
    if words:
        with database.reading() as tx:
            values |= _word_values(tx, words)
    query = _public(names, len(words), database.dialect.name)
    return _found(database.at_once(query, values, writing=False))


def mine(tx: Connection, params: Params, after: int, most: int, reach: Reach) -> Found:
    """All offerings within reach, whatever their status."""
    names, words = _filters(params), search_words(params.get("text", ""))
    if _is_signs_alone(params):
        return []
    values = {**_values(params, names, after, most), **_word_values(tx, words)}
    if reach is not None:
        values["reach"] = list(reach)
    query = _own(names, len(words), tx.dialect.name, everywhere=reach is None)
    return _found(tx.execute(query, values).first())


def _filters(params: Params) -> tuple[str, ...]:
    return tuple(name for name in _FILTERS if params.get(name))


def _is_signs_alone(params: Params) -> bool:
    text = params.get("text", "")
    return bool(text.strip()) and not search_words(text)


def _word_values(tx: Connection, words: Sequence[SearchWord]) -> dict[str, Any]:
    names = centre_words(tx) if words else {}
    found: dict[str, Any] = {}
    for place, word in enumerate(words):
        match, named = word_values(word, names, tx.dialect.name)
        found |= {f"word_{place}": match, f"named_{place}": named}
    return found


def _values(params: Params, names: Sequence[str], after: int, most: int) -> dict[str, Any]:
    values = {name: tag_key(params[name]) if name in _TAGS else params[name] for name in names}
    now = utc_now()
    soon = now + params.get("soon_after", timedelta(days=CLOSING_SOON_DAYS))
    return {**values, "after": after, "most": most, "now": now, "soon": soon}


_CENTRES = select(centre.c.code).where(centre.c.region == bindparam("region"))
_IN_REGION = {
    # Not by an index on the centre: the rows would have to be sorted by their ids again.
    "sqlite": offering.c.centre.concat(literal_column("''")).in_(_CENTRES),
    # Of an IN it would make a join, which it asks last.
    "postgresql": offering.c.centre
    == any_(func.array(_CENTRES.scalar_subquery(), type_=ARRAY(String))),
}
_JOINED: Mapping[str, Any] = {"sqlite": func.group_concat, "postgresql": func.string_agg}
_TAGS = {"topic": Tag.TOPIC, "language": Tag.LANGUAGE}
_AVAILABILITY = availability(bindparam("now", type_=Utc()), bindparam("soon", type_=Utc()))
_FILTERS: Mapping[str, Any] = {
    **{
        name: offering.c[name] == bindparam(name, type_=offering.c[name].type)
        for name in ("centre", "modality", "level", "status")
    },
    "region": None,
    "starts_from": offering.c.starts_at >= bindparam("starts_from", type_=Utc()),
    "starts_to": offering.c.starts_at <= bindparam("starts_to", type_=Utc()),
    "availability": bindparam("availability", type_=String) == _AVAILABILITY,
    "modified_since": offering.c.changed_at >= bindparam("modified_since", type_=Utc()),
    **dict.fromkeys(_TAGS),
}


@lru_cache(maxsize=1000)
def _public(names: tuple[str, ...], words: int, dialect: str) -> Prepared:
    """Made once for each set of filters: making costs more than asking."""
    return Prepared(_query(names, words, dialect, [IN_CATALOGUE]))


@lru_cache(maxsize=1000)
def _own(names: tuple[str, ...], words: int, dialect: str, *, everywhere: bool) -> Select[str, str]:
    """Kept, since SQLAlchemy takes longer over a new statement than the database."""
    where = [] if everywhere else [offering.c.centre.in_(bindparam("reach", expanding=True))]
    return _query(names, words, dialect, where)


def _query(
    names: Sequence[str], words: int, dialect: str, where: Sequence[ColumnElement[bool]]
) -> Select[str, str]:
    """The ids are found inside an index, and only what is shown of the page's is then read."""
    filters = {**_FILTERS, "region": _IN_REGION[dialect]}
    query = select(offering.c.id).where(
        *(filters[name] for name in names if name not in _TAGS),
        *where,
        *(
            holds_word(
                bindparam(f"word_{place}", type_=String),
                bindparam(f"named_{place}", type_=named_type(dialect)),
                dialect,
            )
            for place in range(words)
        ),
    )
    begun = [offering.c.id > bindparam("after")]
    order: Any = offering.c.id
    for name in names:
        if name in _TAGS:
            tag = offering_tag.alias()
            query = query.join(tag, tag.c.offering_id == offering.c.id).where(
                tag.c.kind == _TAGS[name], tag.c.value == bindparam(name)
            )
            order = tag.c.offering_id
            # Said of either: PostgreSQL may go through both from their beginnings.
            begun.append(order > bindparam("after"))
    found = query.where(*begun).order_by(order).limit(bindparam("most"))
    page = found.subquery()
    joined = _JOINED[dialect]
    ids = joined(cast(offering.c.id, String), literal_column("','"), type_=String)
    items = joined(_as_json(dialect), literal_column(f"'{_BETWEEN}'"), type_=String)
    return select(ids, items).select_from(offering).join(page, page.c.id == offering.c.id)


def _as_json(dialect: str) -> ColumnElement[str]:
    """An offering as ``OfferingInListResponse`` shows it, put together by the database.

    Without this, records and schema take most of the time of a page.
    """
    value = _json_value_sqlite if dialect == "sqlite" else _json_value_postgresql
    members: list[ColumnElement[Any]] = []
    for name in OfferingInListResponse().fields:
        shown = _AVAILABILITY if name == "availability" else value(offering.c[name])
        members += [literal_column(f"'{name}'"), shown]
    if dialect == "sqlite":
        return func.json_object(*members, type_=String)
    return cast(func.json_build_object(*members), String)


def _json_value_sqlite(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Utc):  # texts of one form: strftime takes a sixth of the page's time
        return func.replace(
            func.substr(column, literal_column("1"), literal_column("19")),
            literal_column("' '"),
            literal_column("'T'"),
            type_=String,
        ).concat(literal_column("'Z'"))
    if isinstance(column.type, Boolean):
        words = case((column, literal_column("'true'")), else_=literal_column("'false'"))
        return func.json(words, type_=String)
    if isinstance(column.type, Texts):
        return func.json(column, type_=String)
    return type_coerce(column, String)


def _json_value_postgresql(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Utc):
        form: ColumnElement[str] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS"Z"'""")
        return func.to_char(func.timezone(literal_column("'UTC'"), column), form, type_=String)
    return column


def _found(row: Sequence[Any] | None) -> Found:
    """The page of the one row that holds it: each row of SQLite's would be a turn at Python's lock,
    which threads hand around. Joined in whatever order."""
    if row is None or row[0] is None:
        return []
    return sorted(zip(map(int, row[0].split(",")), row[1].split(_BETWEEN), strict=True))


def one_offering(tx: Connection, code: str) -> Row[Any] | None:
    """Row: id, revision, changed_at, and whether the public may see it."""
    shown = IN_CATALOGUE.label("shown")
    query = select(offering.c.id, offering.c.revision, offering.c.changed_at, shown)
    return tx.execute(query.where(offering.c.code == code)).first()
