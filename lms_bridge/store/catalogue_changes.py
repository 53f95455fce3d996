"""Which offerings changed for the catalogue: written in the transaction of the change, and read by
every process that keeps counts of the catalogue in memory (``catalogue/index.py``).

A stamp is the number of the transaction. PostgreSQL's transactions overlap: whoever reads asks next
time for everything from the oldest one that was still open. SQLite has one writer at a time, so its
stamps count up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, String, bindparam, cast, func, literal_column, select

from lms_bridge.domain.model import ACADEMY, Kind
from lms_bridge.store.bulk import upsert_plain
from lms_bridge.store.database import Database
from lms_bridge.store.prepared import Prepared
from lms_bridge.store.tables import catalogue_change, link

CENTRES = 0
"""In the place of an offering's number: names, regions or priority areas."""
_STAMP = catalogue_change.c.stamp
_LAST = select(func.coalesce(func.max(_STAMP), 0)).scalar_subquery()
_NEXT: Mapping[str, Any] = {"sqlite": _LAST + 1, "postgresql": func.txid_current()}


def note(tx: Connection, numbers: Iterable[int]) -> None:
    """These offerings changed, or what the Academy holds of them."""
    changed = sorted(set(numbers))  # so that no two writers wait for each other
    if changed:
        stamp = tx.scalar(select(_NEXT[tx.dialect.name]))
        rows = [{"offering_id": number, "stamp": stamp} for number in changed]
        upsert_plain(tx, catalogue_change, rows, ["offering_id"], ["stamp"])


def note_centres(tx: Connection) -> None:
    """What the catalogue says of centres changed."""
    note(tx, [CENTRES])


def note_records(tx: Connection, system: str, kind: Kind, numbers: Iterable[int]) -> None:
    """What a target holds of these records changed; only the Academy's offerings matter."""
    if system == ACADEMY and kind is Kind.OFFERING:
        note(tx, numbers)


def note_links(tx: Connection, link_ids: Sequence[int]) -> None:
    """The same by the links, of whatever target."""
    mine = link.c.id.in_(link_ids), link.c.system == ACADEMY, link.c.kind == Kind.OFFERING
    note(tx, tx.scalars(select(link.c.record_id).where(*mine)).all())


_ENTRY = cast(catalogue_change.c.offering_id, String).concat(":").concat(cast(_STAMP, String))
_FROM = bindparam("mark", type_=BigInteger) <= _STAMP
_SNAPSHOT = "txid_current_snapshot()"
_SINCE: Mapping[str, Prepared] = {
    "sqlite": Prepared(
        select(_LAST + 1, func.group_concat(_ENTRY, ",", type_=String)).where(_FROM)
    ),
    "postgresql": Prepared(
        select(
            literal_column(f"txid_snapshot_xmin({_SNAPSHOT})", BigInteger),
            func.string_agg(_ENTRY, ",", type_=String),
        ).where(_FROM, literal_column(f"txid_snapshot_xmax({_SNAPSHOT})") > _STAMP)
    ),
}
NOTHING_YET = 1 << 62
"""A mark after which nothing ever changed."""


def changes_since(tx: Connection, mark: int) -> tuple[int, dict[int, int]]:
    """(mark for the next time, {offering's number: stamp} of what changed since this mark). What
    changed while others were still writing comes again, with the same stamp."""
    return _changes(_SINCE[tx.dialect.name].first(tx, {"mark": mark}), mark)


def changes_at_once(database: Database, mark: int) -> tuple[int, dict[int, int]]:
    """The same as a transaction of its own, which is several times as quick."""
    statement = _SINCE[database.dialect.name]
    return _changes(database.at_once(statement, {"mark": mark}, writing=False), mark)


def _changes(row: Sequence[Any] | None, mark: int) -> tuple[int, dict[int, int]]:
    if row is None:
        return mark, {}
    pairs = (each.split(":") for each in row[1].split(",")) if row[1] else ()
    return row[0], {int(number): int(stamp) for number, stamp in pairs}
