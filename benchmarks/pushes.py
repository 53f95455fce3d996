"""A schedule pushed: the time of a push, of the same again, and its memory by the number of rows.

It is compared with what no way in can do without: loading the rows through the schema, and one bulk
insertion of them. Each measurement is a process of its own; the least of several rounds counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks import child
from benchmarks.catalogue import sample_offering
from benchmarks.databases import Databases, both
from benchmarks.pushing import CENTRE
from benchmarks.report import Row
from lms_bridge.domain.document import document
from lms_bridge.domain.model import Offering
from lms_bridge.domain.ports import RawRecord
from lms_bridge.intake.formats import CSV, JSON
from lms_bridge.schemas.csv.tables import OFFERINGS
from lms_bridge.schemas.csv.writer import pieces
from lms_bridge.store import centres, migrate
from lms_bridge.store.database import Database

ROWS, ROUNDS = 10_000, 3
FEW, MANY = 5_000, 20_000
MOST, MOST_UNCHANGED = 2.5, 0.3
MOST_GROWTH_MB = 16
"""What four times the rows may take more: ids and the answers, which are kept to the end."""
_SUFFIX = {JSON: "json", CSV: "csv"}


def pushes(folder: Path) -> list[Row]:
    folder.mkdir(parents=True)
    bodies = Bodies(folder)
    rows = []
    for kind in both(folder):
        rows += _times(kind, bodies)
        if kind.name == "SQLite":  # what is in memory is the same on both
            rows += [_memory(kind, bodies, media) for media in (CSV, JSON)]
    return rows


@dataclass(frozen=True, slots=True)
class Bodies:
    """Schedules as files: made once, and read by all."""

    folder: Path

    def path(self, many: int, media: str) -> str:
        path = self.folder / f"{many}.{_SUFFIX[media]}"
        if not path.exists():
            path.write_bytes(b"".join(_body(many, media)))
        return str(path)


def _times(kind: Databases, bodies: Bodies) -> list[Row]:
    """On SQLite the process does all the work, and its CPU time is what is least disturbed by
    others; on PostgreSQL the server has a share, and the time counts by the clock."""
    by_clock = kind.name != "SQLite"
    body = bodies.path(ROWS, JSON)
    times: list[dict[str, Any]] = []
    for number in range(ROUNDS):
        given = {"body": body, "by_clock": by_clock}
        base = child.run("load", address=_empty(kind, f"load{number}"), **given)
        times.append(base | child.run("push", address=_empty(kind, f"push{number}"), **given))
    base, first, again = (min(each[name] for each in times) for name in ("load", "first", "again"))
    given = {"body": bodies.path(ROWS, CSV), "by_clock": by_clock}
    table = child.run("push", address=_empty(kind, "table"), **given)
    what = f"{kind.name}, {'clock' if by_clock else 'CPU'}"
    return [
        Row(
            f"{what}: push of {ROWS:,} rows (JSON), of loading and one bulk insertion",
            f"{first / base:.2f} x ({first:.1f} s / {base:.1f} s)",
            f"<= {MOST} x",
            first / base <= MOST,
            {"rounds": times},
        ),
        Row(
            f"{what}: the same push again, unchanged, of the first",
            f"{again / first:.2f} x ({again:.1f} s)",
            f"<= {MOST_UNCHANGED} x",
            again / first <= MOST_UNCHANGED,
        ),
        Row(
            f"{what}: the same as CSV: first, again",
            f"{table['first']:.1f}, {table['again']:.1f} s",
        ),
    ]


def _memory(kind: Databases, bodies: Bodies, media: str) -> Row:
    beyond = {}
    for many in (FEW, MANY):
        address = _empty(kind, f"memory{many}{_SUFFIX[media]}")
        beyond[many] = child.run("push_memory", address=address, body=bodies.path(many, media))
    few, many = beyond[FEW], beyond[MANY]
    return Row(
        f"Push: memory beyond the body with {FEW:,} and {MANY:,} rows ({media})",
        f"{few:.0f}, {many:.0f} MB",
        f"at most {MOST_GROWTH_MB} MB more",
        many - few <= MOST_GROWTH_MB,
    )


def _body(many: int, media: str) -> Iterator[bytes]:
    records = (_raw(sample_offering(number)) for number in range(many))
    if media == CSV:
        yield from pieces(OFFERINGS, records, without=("centre",))
        return
    for number, record in enumerate(records):
        yield b"," if number else b"["
        yield orjson.dumps({"id": record.external_id, **record.fields})
    yield b"]"


def _raw(record: Offering) -> RawRecord:
    fields = document(record)
    name = str(fields.pop("code"))
    for each in ("centre", "listed"):
        fields.pop(each)
    return RawRecord(name.replace("C", "ROW-", 1), fields)


def _empty(kind: Databases, name: str) -> str:
    """A database with its tables and the centre."""
    address = kind.fresh(name)
    database = Database(address)
    migrate.upgrade(database)
    with database.writing() as tx:
        centres.add(tx, CENTRE, b"")
    database.close()
    return address
