"""Offerings, the courses that they are editions of, and their topics and languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.clock import utc_now
from lms_bridge.domain.desired_state import is_public
from lms_bridge.domain.model import Kind, Offering, OfferingStatus
from lms_bridge.store import catalogue_changes, outbox, search
from lms_bridge.store.bulk import columns, insert_many, insert_plain, update_many
from lms_bridge.store.database import Database, first_row
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.tables import course, offering, offering_tag


class Tag(StrEnum):
    TOPIC = "topic"
    LANGUAGE = "language"


LONGEST = 500


def tag_key(text: str) -> str:
    """The form in which a tag is kept and looked for."""
    return text.lower()[:LONGEST]


def add_tags(tx: Connection, records: Mapping[int, Offering]) -> None:
    rows = [
        {"kind": kind, "value": value, "offering_id": record_id}
        for record_id, record in records.items()
        for kind, texts in ((Tag.TOPIC, record.topics), (Tag.LANGUAGE, record.languages))
        for value in sorted({tag_key(text) for text in texts})
    ]
    insert_plain(tx, offering_tag, rows)


def replace_tags(tx: Connection, records: Mapping[int, Offering]) -> None:
    for chunk in chunks(records):
        tx.execute(delete(offering_tag).where(offering_tag.c.offering_id.in_(chunk)))
    add_tags(tx, records)


_OFFERING = [offering.c[f.name] for f in fields(Offering)]
# Every launch asks for one: putting the question together costs more than its answer.
_BY_CODE = Prepared(
    select(offering.c.id, *_OFFERING).where(offering.c.code == bindparam("code_is"))
)
_BY_IDS = select(offering.c.id, *_OFFERING).where(
    offering.c.id.in_(bindparam("ids", expanding=True))
)
_BY_CODES = select(offering.c.id, *_OFFERING).where(
    offering.c.code.in_(bindparam("codes", expanding=True))
)


def _offering(row: Any) -> Offering:
    return Offering(*row[1:])  # by place: by name takes four times as long


def offerings(tx: Connection, ids: Iterable[int]) -> dict[int, Offering]:
    found: dict[int, Offering] = {}
    for chunk in chunks(ids):
        rows = tx.execute(_BY_IDS, {"ids": chunk}).all()
        found.update((row[0], _offering(row)) for row in rows)
    return found


def offerings_by_code(tx: Connection, codes: Iterable[str]) -> dict[str, tuple[int, Offering]]:
    found: dict[str, tuple[int, Offering]] = {}
    for chunk in chunks(codes):
        rows = tx.execute(_BY_CODES, {"codes": chunk}).all()
        found.update((row.code, (row[0], _offering(row))) for row in rows)
    return found


def offering_by_code(source: Connection | Database, code: str) -> tuple[int, Offering] | None:
    row = first_row(source, _BY_CODE, {"code_is": code})
    return None if row is None else (row[0], _offering(row))


def codes(tx: Connection, ids: Iterable[int]) -> dict[int, str]:
    """{record id: code}"""
    found: dict[int, str] = {}
    for chunk in chunks(ids):
        rows = tx.execute(select(offering.c.id, offering.c.code).where(offering.c.id.in_(chunk)))
        found.update((row.id, row.code) for row in rows)
    return found


def state_of(tx: Connection, centre: str) -> tuple[int, int]:
    """The number of a centre's offerings, and the sum of their revisions. Any change of an offering
    changes them, because none is ever deleted."""
    counted = select(func.count(), func.coalesce(func.sum(offering.c.revision), 0))
    row = tx.execute(counted.where(offering.c.centre == centre)).one()
    return row[0], int(row[1])


def offerings_of(tx: Connection, centre: str) -> dict[int, Offering]:
    rows = tx.execute(
        select(offering.c.id, *_OFFERING).where(offering.c.centre == centre).order_by(offering.c.id)
    )
    return {row.id: _offering(row) for row in rows}


def add_offerings(tx: Connection, records: Sequence[Offering]) -> list[int]:
    _keep_courses(tx, records)
    now = utc_now()
    rows = [
        {**columns(r), "changed_at": now, "published_at": now if _is_published(r) else None}
        for r in records
    ]
    ids = insert_many(tx, offering, rows)
    added = dict(zip(ids, records, strict=True))
    add_tags(tx, added)
    search.index_texts(tx, added)
    catalogue_changes.note(tx, ids)
    outbox.add_new(tx, Kind.OFFERING, ids)
    return ids


def change_offerings(tx: Connection, records: Mapping[int, Offering]) -> None:
    _keep_courses(tx, list(records.values()))
    outbox.add_changing(tx, records)
    now = utc_now()
    rows = [{"id": id_, **columns(r), "changed_at": now} for id_, r in records.items()]
    update_many(tx, offering, rows)
    _note_published(tx, [id_ for id_, record in records.items() if _is_published(record)], now)
    replace_tags(tx, records)
    search.index_texts(tx, records)
    catalogue_changes.note(tx, records)


def _is_published(record: Offering) -> bool:
    """Whether it is public, or was, by its status. It may be postponed before its publication."""
    return is_public(record) and record.status is not OfferingStatus.POSTPONED


def _note_published(tx: Connection, ids: Iterable[int], now: datetime) -> None:
    """Keeps when each was public for the first time; this is no change of the record."""
    same = {"changed_at": offering.c.changed_at, "revision": offering.c.revision}
    for chunk in chunks(ids):
        new = (offering.c.id.in_(chunk), offering.c.published_at.is_(None))
        tx.execute(update(offering).where(*new).values(published_at=now, **same))


def note_found(tx: Connection, ids: Iterable[int]) -> None:
    """These offerings can be found in the catalogue from now on. That is no change of the record,
    but one for whoever follows the catalogue: they asked in vain since it was made."""
    for chunk in chunks(ids):
        same = {"revision": offering.c.revision}
        tx.execute(
            update(offering).where(offering.c.id.in_(chunk)).values(changed_at=utc_now(), **same)
        )


def _keep_courses(tx: Connection, records: Sequence[Offering]) -> None:
    """A course is known by its offerings: its title is that of the last one seen."""
    titles = {(r.centre, r.course_code): r.title for r in records if r.course_code}
    known: dict[tuple[str, str], tuple[int, str]] = {}
    for centre_code in {centre for centre, _ in titles}:
        codes = [code for centre, code in titles if centre == centre_code]
        for chunk in chunks(codes):
            rows = tx.execute(
                select(course).where(course.c.centre == centre_code, course.c.code.in_(chunk))
            )
            known.update(((row.centre, row.code), (row.id, row.title)) for row in rows)
    new = [
        {"centre": key[0], "code": key[1], "title": title}
        for key, title in titles.items()
        if key not in known
    ]
    insert_many(tx, course, new)
    renamed = [
        {"id": known[key][0], "title": title}
        for key, title in titles.items()
        if key in known and known[key][1] != title
    ]
    update_many(tx, course, renamed)
