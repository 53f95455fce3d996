"""Whether the seeded database is what real runs leave, and a quiet night leaves it alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from benchmarks.answers import write_answers
from benchmarks.bridge import READ, MeasuredBridge, Sources, measured_bridge
from benchmarks.seeding import seed
from benchmarks.world import World, centre_of
from lms_bridge.store import centres, migrate
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import flow_state, item, lease, run, run_day
from lms_bridge.store.tables import metadata

Contents = dict[str, list[Any]]
_OF_RUNS = {each.name for each in (run, item, lease, flow_state, run_day)}
_TIMES = {"changed_at", "published_at"}


def differences(folder: Path, world: World) -> tuple[str, ...]:
    """Names of the tables in which one seeded centre differs from one after two real nights, and
    of those that a third night changes (after "quiet: "). None are expected."""
    seeded, lived = folder / "seeded", folder / "lived"
    seeded.mkdir(parents=True)
    lived.mkdir()
    seed(_address(seeded), seeded, world, [0])
    write_answers(lived, world, 0)
    bridge = measured_bridge(_address(lived), Sources(lived, READ, empty=True))
    migrate.upgrade(bridge.database)
    with bridge.database.writing() as tx:
        centres.add(tx, centre_of(0), b"")
    _night(bridge)  # accounts are found and everybody is enrolled
    bridge = replace(bridge, sources=Sources(lived, READ))
    _night(bridge)  # the rosters show them
    after = _contents(bridge.database)
    _night(bridge)
    again = _contents(bridge.database)
    bridge.close()
    other = Database(_address(seeded))
    expected = _contents(other)
    other.close()
    return (
        *(name for name in after if after[name] != expected[name]),
        *(f"quiet: {name}" for name in after if after[name] != again[name]),
    )


def _address(folder: Path) -> str:
    return f"sqlite:///{folder / 'bridge.db'}"


def _night(bridge: MeasuredBridge) -> None:
    (report,) = bridge.run_all([bridge.request(centre_of(0))])
    if report.status != "done":
        raise RuntimeError(f"verifying: {report.status} {report.counts} {report.errors}")


def _contents(database: Database) -> Contents:
    with database.reading() as tx:
        return {
            table.name: sorted(repr(_compared(table, row)) for row in tx.execute(select(table)))
            for table in metadata.sorted_tables
            if table.name not in _OF_RUNS
        }


def _compared(table: Table, row: Any) -> dict[str, Any]:
    """The order in which links are made says nothing, nor does the time of a night."""
    left_out = _TIMES | ({"id"} if table.name == "link" else set())
    return {name: value for name, value in row._mapping.items() if name not in left_out}
