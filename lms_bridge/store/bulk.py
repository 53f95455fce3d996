"""Reading and writing many rows of one table at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Select,
    String,
    Table,
    Update,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def columns(record: DataclassInstance) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(record)}


def update_many(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each row: ``id`` and every column to set; all rows set the same columns."""
    if not rows:
        return
    names = tuple(name for name in rows[0] if name != "id")
    tx.execute(
        _update(table, names),
        [{"row_id": row["id"], **{f"new_{name}": row[name] for name in names}} for row in rows],
    )


@lru_cache(256)
def _update(table: Table, names: tuple[str, ...]) -> Update:
    return (
        update(table)
        .where(table.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names})
    )


def insert_many(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Inserts rows and returns their new ids, in the same order.

    The ids are reserved first. If the insertion returned them, the drivers could not use one
    prepared statement for all rows. That would take up to four times as long.
    """
    if not rows:
        return []
    ids = _new_ids(tx, table, len(rows))
    tx.execute(insert(table), [{**row, "id": id_} for id_, row in zip(ids, rows, strict=True)])
    return ids


def insert_plain(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts many short rows of one form, whose columns are numbers and texts.

    On PostgreSQL this is one statement with an array for each column. It takes a fifth of the time
    of single statements, even prepared ones.
    """
    if not rows:
        return
    if tx.dialect.name == "sqlite":
        tx.execute(insert(table), list(rows))
        return
    tx.execute(insert(table).from_select(list(rows[0]), _as_arrays(table, rows)))


def _as_arrays(table: Table, rows: Sequence[Mapping[str, Any]]) -> Select[Any]:
    """The rows as a query, whose parameters are an array for each column (PostgreSQL only)."""
    names = list(rows[0])
    arrays = (
        bindparam(name, [row[name] for row in rows], type_=_array(table.c[name].type))
        for name in names
    )
    each = func.unnest(*arrays).table_valued(*names).render_derived()
    return select(*each.c)


def _array(kind: TypeEngine[Any]) -> postgresql.ARRAY[Any]:
    """Texts without their bound: a cast to it would cut them in silence."""
    return postgresql.ARRAY(String() if isinstance(kind, String) else kind)


def _new_ids(tx: Connection, table: Table, many: int) -> list[int]:
    if tx.dialect.name == "sqlite":  # whose one writer at a time numbers rows from the last on
        last: int = tx.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
        return list(range(last + 1, last + 1 + many))
    next_id = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
    taken = tx.scalars(select(next_id).select_from(func.generate_series(1, many).alias("place")))
    return sorted(taken)


def upsert(
    tx: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    names: Sequence[str],
    also: Callable[[Any], Mapping[str, Any]] = lambda new: {},
) -> None:
    """Inserts the rows. If the key exists already, it sets the named columns instead, and those
    that ``also`` makes from the new row."""
    if rows:
        statement = _upsert(tx.dialect.name, table, tuple(key), tuple(names), also)
        tx.execute(statement, list(rows))


def upsert_plain(
    tx: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    names: Sequence[str],
    also: Callable[[Any], Mapping[str, Any]] = lambda new: {},
) -> None:
    """``upsert`` for such rows as those of ``insert_plain``. Of several rows with one key the last
    one counts."""
    if not rows or tx.dialect.name == "sqlite":
        upsert(tx, table, rows, key, names, also)
        return
    last = {tuple(row[name] for name in key): row for row in rows}
    new = _as_arrays(table, list(last.values()))
    inserted = postgresql.insert(table).from_select(list(rows[0]), new)
    tx.execute(_or_update(inserted, key, names, also))


@lru_cache(256)
def _upsert(
    dialect: str,
    table: Table,
    key: tuple[str, ...],
    names: tuple[str, ...],
    also: Callable[[Any], Mapping[str, Any]],
) -> Any:
    """Built once, because building one costs more than its work."""
    inserted: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    return _or_update(inserted, key, names, also)


def _or_update(
    inserted: Any,
    key: Sequence[str],
    names: Sequence[str],
    also: Callable[[Any], Mapping[str, Any]],
) -> Any:
    return inserted.on_conflict_do_update(
        index_elements=list(key),
        set_={name: inserted.excluded[name] for name in names} | dict(also(inserted.excluded)),
    )


def insert_missing(
    tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]
) -> None:
    """Inserts rows whose key is new; leaves the others to whoever was quicker."""
    if rows:
        dialect: Any = sqlite if tx.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(table).on_conflict_do_nothing(index_elements=list(key))
        tx.execute(statement, list(rows))
