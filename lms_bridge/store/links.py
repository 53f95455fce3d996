"""Links: which record stands where in which system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, text

from lms_bridge.domain.batches import chunks
from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.store import catalogue_changes
from lms_bridge.store.tables import link

KEY = ("system", "kind", "record_id")


@dataclass(frozen=True, slots=True)
class SourceLink:
    """The facts of a source link."""

    link_id: int
    record_id: int
    external_id: str
    scope: str
    source_hash: bytes


KNOWN = (link.c.id, link.c.record_id, link.c.external_id, link.c.scope, link.c.source_hash)
_OF_SYSTEM = select(*KNOWN).where(
    link.c.system == bindparam("in_system"), link.c.kind == bindparam("of_kind")
)
_BY_EXTERNAL_ID = _OF_SYSTEM.where(
    link.c.external_id.in_(bindparam("names", expanding=True))
).order_by(link.c.source_hash)  # those that are shown no longer have an empty one
_OF_RECORDS = _OF_SYSTEM.where(link.c.record_id.in_(bindparam("ids", expanding=True)))
_EXTERNAL_IDS = _OF_RECORDS.with_only_columns(link.c.record_id, link.c.external_id).where(
    link.c.external_id != ""
)


@contextmanager
def _planned_by_values(tx: Connection) -> Iterator[None]:
    """Inside, PostgreSQL plans each statement for its actual values. Without statistics, just after
    thousands of new rows, its general plan compares all links of a system with each value."""
    if tx.dialect.name == "sqlite":
        yield
        return
    tx.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    yield
    tx.execute(text("SET LOCAL plan_cache_mode TO DEFAULT"))


def by_external_id(
    tx: Connection, system: str, kind: Kind, external_ids: Iterable[str], *, within: str = ""
) -> dict[str, SourceLink]:
    """{external id: link}, with ``within`` only of scopes that begin with it. If an id has named
    several records in turn, the link is that of the current one."""
    found: dict[str, SourceLink] = {}
    there = [link.c.scope.startswith(within, autoescape=True)] if within else []
    query = _BY_EXTERNAL_ID.where(*there) if there else _BY_EXTERNAL_ID
    with _planned_by_values(tx):
        for chunk in chunks(external_ids):
            rows = tx.execute(query, {"in_system": system, "of_kind": kind, "names": chunk})
            found.update((row.external_id, SourceLink(*row)) for row in rows)
    return found


def of_centre(
    tx: Connection, system: str, kind: Kind, centre: str, external_ids: Iterable[str]
) -> dict[str, SourceLink]:
    """The same where ids are each centre's own: two may use one for different records."""
    found: dict[str, SourceLink] = {}
    query = select(*KNOWN).where(
        link.c.system == system, link.c.kind == kind, link.c.centre == centre
    )
    with _planned_by_values(tx):
        for chunk in chunks(external_ids):
            rows = tx.execute(query.where(link.c.external_id.in_(chunk)))
            found.update((row.external_id, SourceLink(*row)) for row in rows)
    return found


def of_records(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int]
) -> dict[int, SourceLink]:
    """{record id: what is known} of the records that have a link to the system."""
    found: dict[int, SourceLink] = {}
    for chunk in chunks(record_ids):
        rows = tx.execute(_OF_RECORDS, {"in_system": system, "of_kind": kind, "ids": chunk})
        found.update((row.record_id, SourceLink(*row)) for row in rows)
    return found


def external_ids(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int]
) -> dict[int, str]:
    """{record id: external id} of the records that the system is known to hold."""
    found: dict[int, str] = {}
    for chunk in chunks(record_ids):
        rows = tx.execute(_EXTERNAL_IDS, {"in_system": system, "of_kind": kind, "ids": chunk})
        found.update((row.record_id, row.external_id) for row in rows)
    return found


def any_such(
    tx: Connection, system: str, kind: Kind, record_ids: Iterable[int], such: ColumnElement[bool]
) -> bool:
    """Whether the link of one of these records is such a one."""
    query = select(link.c.id).where(link.c.system == system, link.c.kind == kind, such).limit(1)
    return any(tx.scalar(query.where(link.c.record_id.in_(ids))) for ids in chunks(record_ids))


def insert_links(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Plain insertion of many links, for imports of whole data sets."""
    if rows:
        tx.execute(insert(link), list(rows))
        mine = (row for row in rows if (row["system"], row["kind"]) == (ACADEMY, Kind.OFFERING))
        catalogue_changes.note(tx, [row["record_id"] for row in mine])
