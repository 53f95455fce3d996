"""Cycles of the partner programme, and their priority areas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from lms_bridge.domain.document import Document, document, plain
from lms_bridge.domain.network import Cycle, area_key
from lms_bridge.store.catalogue_changes import note_centres
from lms_bridge.store.network_tables import cycle, priority_area

_OWN = ("name", "programme", "starts_on", "ends_on", "complete", "most_per_centre")
_LOCK = text("LOCK TABLE cycle IN SHARE ROW EXCLUSIVE MODE")


def all_cycles(tx: Connection) -> dict[str, Cycle]:
    """{name: cycle}, the earliest first."""
    areas: dict[str, list[Any]] = {}
    for row in tx.execute(select(priority_area).order_by(priority_area.c.id)):
        areas.setdefault(row.cycle, []).append(row)
    rows = tx.execute(select(cycle).order_by(cycle.c.starts_on, cycle.c.name))
    return {row.name: _cycle(row, areas.get(row.name, ())) for row in rows}


def find_cycle(tx: Connection, name: str) -> Cycle | None:
    row = tx.execute(select(cycle).where(cycle.c.name == name)).first()
    if row is None:
        return None
    mine = select(priority_area).where(priority_area.c.cycle == name).order_by(priority_area.c.id)
    return _cycle(row, tx.execute(mine).all())


def _cycle(row: Any, areas: Iterable[Any]) -> Cycle:
    rows = list(areas)
    names = {each.id: each.name for each in rows}
    return Cycle(
        **{name: getattr(row, name) for name in _OWN},
        areas=tuple(each.name for each in rows if each.now_id is None),
        former={each.name: names[each.now_id] for each in rows if each.now_id is not None},
    )


def former_names(tx: Connection) -> dict[str, dict[str, str]]:
    """{cycle: {name before: area now}} of all areas that were renamed or merged."""
    found: dict[str, dict[str, str]] = {}
    now = priority_area.alias()
    query = select(priority_area.c.cycle, priority_area.c.name, now.c.name.label("now"))
    for row in tx.execute(query.join(now, now.c.id == priority_area.c.now_id)):
        found.setdefault(row.cycle, {})[row.name] = row.now
    return found


def lock_network(tx: Connection) -> None:
    """Whoever else changes cycles or memberships waits until the transaction ends. The whole table
    is locked, since there may be no cycle yet. SQLite has one writer at a time anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(_LOCK)


def add_cycle(tx: Connection, record: Cycle, seed: Mapping[str, Any] | None = None) -> None:
    values = {name: getattr(record, name) for name in _OWN}
    tx.execute(insert(cycle).values(**values, seed=seed))
    for name in record.areas:
        add_area(tx, record.name, name)
    note_centres(tx)


def change_cycle(tx: Connection, record: Cycle) -> None:
    """Changes everything but its name and its areas."""
    values = {name: getattr(record, name) for name in _OWN[1:]}
    tx.execute(update(cycle).where(cycle.c.name == record.name).values(**values))
    note_centres(tx)


def seeds(tx: Connection) -> dict[str, Document]:
    """{cycle: what config/ said when it was seeded} of those that were."""
    rows = tx.execute(select(cycle.c.name, cycle.c.seed))
    return {row.name: row.seed for row in rows if row.seed is not None}


def seed_document(record: Cycle) -> Document:
    """What is kept of a cycle of config/, to see later what changed there. The order of its areas
    means nothing."""
    whole = {**document(record), "areas": plain(sorted(record.areas))}
    return {name: value for name, value in whole.items() if name not in ("name", "former")}


def add_area(tx: Connection, cycle_name: str, name: str) -> None:
    """Adds an area; one of that name which became another is one of its own again."""
    row = {"cycle": cycle_name, "name": name, "key": area_key(name)}
    known = _area_id(tx, cycle_name, name)
    if known is None:
        tx.execute(insert(priority_area).values(row))
    else:
        again = update(priority_area).where(priority_area.c.id == known)
        tx.execute(again.values(name=name, now_id=None))
    note_centres(tx)


def replace_area(tx: Connection, cycle_name: str, old: str, new: str) -> None:
    """From now on the area ``old`` is the area ``new`` of the cycle, which exists already. What
    became ``old`` before becomes ``new``, too."""
    old_id, new_id = _area_id(tx, cycle_name, old), _area_id(tx, cycle_name, new)
    replaced = (priority_area.c.id == old_id) | (priority_area.c.now_id == old_id)
    tx.execute(update(priority_area).where(replaced).values(now_id=new_id))
    tx.execute(
        update(priority_area).where(priority_area.c.id == new_id).values(now_id=None, name=new)
    )
    note_centres(tx)


def spell_area(tx: Connection, cycle_name: str, name: str) -> None:
    """Spells an area's name otherwise: its key stays."""
    tx.execute(
        update(priority_area)
        .where(priority_area.c.cycle == cycle_name, priority_area.c.key == area_key(name))
        .values(name=name)
    )
    note_centres(tx)


def _area_id(tx: Connection, cycle_name: str, name: str) -> int | None:
    return tx.scalar(
        select(priority_area.c.id).where(
            priority_area.c.cycle == cycle_name, priority_area.c.key == area_key(name)
        )
    )
