"""A schedule pushed: the time of a push, of the same again, and its memory by the number of rows.

It is compared with what no way in can do without: loading the rows through the schema, and one bulk
insertion of them. Each measurement is a process of its own; the least of several rounds counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from benchmarks import child
from benchmarks.catalogue import sample_offering
from benchmarks.pushing import CENTRE
from benchmarks.report import Row
from lms_bridge.domain.document import document
from lms_bridge.domain.model import Offering
from lms_bridge.domain.ports import Raw
from lms_bridge.schemas.csv import OFFERINGS, pieces
from lms_bridge.schemas.schedule import CSV, JSON
from lms_bridge.store import centres, migrate
from lms_bridge.store.database import Database

ROWS, ROUNDS = 10_000, 3
FEW, MANY = 5_000, 20_000
MOST, MOST_UNCHANGED = 2.5, 0.3
MOST_GROWTH_MB = 16
"""What four times the rows may take more: ids and the answers, which are kept to the end."""


def pushes(folder: Path) -> list[Row]:
    folder.mkdir(parents=True)
    paths = {}
    for many in (FEW, ROWS, MANY):
        for media, name in ((JSON, "json"), (CSV, "csv")):
            paths[many, media] = folder / f"{many}.{name}"
            paths[many, media].write_bytes(b"".join(_body(many, media)))
    times: list[dict[str, float]] = []
    for number in range(ROUNDS):
        body = str(paths[ROWS, JSON])
        base = child.run("load", address=_empty(folder / f"load{number}"), body=body)
        times.append(base | child.run("push", address=_empty(folder / f"push{number}"), body=body))
    base, first, again = (min(each[name] for each in times) for name in ("load", "first", "again"))
    table = child.run("push", address=_empty(folder / "table"), body=str(paths[ROWS, CSV]))
    return [
        Row(
            f"Push of {ROWS:,} rows (JSON): CPU, of loading and one bulk insertion",
            f"{first / base:.2f} x ({first:.1f} s / {base:.1f} s)",
            f"<= {MOST} x",
            first / base <= MOST,
            {"rounds": times},
        ),
        Row(
            "The same push again, unchanged: CPU, of the first",
            f"{again / first:.2f} x ({again:.1f} s)",
            f"<= {MOST_UNCHANGED} x",
            again / first <= MOST_UNCHANGED,
        ),
        Row(
            "The same as CSV: first, again",
            f"{table['first']:.1f}, {table['again']:.1f} s",
        ),
        *(_memory(folder, paths, media) for media in (CSV, JSON)),
    ]


def _memory(folder: Path, paths: dict[Any, Path], media: str) -> Row:
    beyond = {}
    for many in (FEW, MANY):
        path = paths[many, media]
        address = _empty(folder / f"memory{many}{path.suffix}")
        beyond[many] = child.run("push_memory", address=address, body=str(path))
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


def _raw(record: Offering) -> Raw:
    fields = document(record)
    name = str(fields.pop("code"))
    for each in ("centre", "listed"):
        fields.pop(each)
    return Raw(name.replace("C", "ROW-", 1), fields)


def _empty(path: Path) -> str:
    address = f"sqlite:///{path}.sqlite3"
    database = Database(address)
    migrate.upgrade(database)
    with database.writing() as tx:
        centres.add(tx, CENTRE, b"")
    database.close()
    return address
