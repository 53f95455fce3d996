"""What operators look at is found through indexes, also among millions of runs and items."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select

from lms_bridge.admin import queries
from lms_bridge.api import queries as api_queries
from lms_bridge.audit import FLOWS
from lms_bridge.domain.model import Centre
from lms_bridge.store import centres, runs
from lms_bridge.store.database import Database
from lms_bridge.store.run_tables import item, run
from tests.databases import BOTH

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)


def add_run(tx: Connection, centre: str, flows: str = "results", *, days: int = 0) -> int:
    row: dict[str, Any] = {"centre": centre, "flows": flows, "status": "done", "counts": {}}
    row["started_at"] = NOW - timedelta(days=days)
    number: int = tx.execute(insert(run).values(row).returning(run.c.id)).scalar_one()
    return number


def add_item(tx: Connection, run_id: int, key: str, code: str = "") -> None:
    row = {"run_id": run_id, "kind": "enrolment", "external_id": key, "code": code, "at": NOW}
    tx.execute(insert(item).values(row))


@BOTH
def test_the_last_run_of_each_centre_is_no_decision_and_of_no_other_centre(
    database: Database,
) -> None:
    with database.writing() as tx:
        for code in ("A", "B", "C"):
            centres.add(tx, Centre(code, code, "africa", "files"), b"")
        add_run(tx, "A")
        silent = add_run(tx, "B")
        last = add_run(tx, "A")
        add_run(tx, "A", FLOWS[0])
        add_run(tx, "", "tokens")
        found = queries.last_run_of_each(tx)
    assert {code: row.id for code, row in found.items()} == {"A": last, "B": silent}


@BOTH
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10])
def test_pages_of_items_show_each_once_and_failures_first(database: Database, limit: int) -> None:
    with database.writing() as tx:
        number, other = add_run(tx, "A"), add_run(tx, "A")
        for key, code in (("1", ""), ("2", "late"), ("3", ""), ("4", "absent"), ("5", "late")):
            add_item(tx, number, key, code)
            add_item(tx, other, "other", code)
        shown = [
            row.external_id
            for offset in range(0, 10, limit)
            for row in queries.items_of(tx, number, limit=limit, offset=offset)
        ]
    assert shown == ["4", "2", "5", "1", "3"]


QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "last runs": queries.last_run_of_each,
    "failed runs": lambda tx: queries.runs_before(tx, status="failed", most=50),
    "runs of a centre": lambda tx: queries.runs_before(tx, centre_code="A", most=50),
    "failed runs of a centre": lambda tx: queries.runs_before(
        tx, centre_code="A", status="failed", before=7, most=50
    ),
    "last runs of a centre": lambda tx: runs.last_runs(tx, centre="A"),
    "a page of items": lambda tx: queries.items_of(tx, 1, limit=200, offset=400),
    "items of the interface": lambda tx: api_queries.items(tx, 1, 5, 50),
    "number of items": lambda tx: runs.count_items(tx, 1),
    "quiet runs": lambda tx: runs.forget_quiet_runs(tx, NOW),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_reads_all_runs_or_items_or_sorts_them(
    sqlite_database: Database, question: str
) -> None:
    plans: list[str] = []

    def explain(conn: Connection, _: Any, statement: str, values: Any, *__: Any) -> None:
        if not statement.startswith("EXPLAIN"):
            rows = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(row[3] for row in rows)

    with sqlite_database.writing() as tx:
        add_run(tx, "A")
        event.listen(tx, "before_cursor_execute", explain)
        QUESTIONS[question](tx)
    assert plans
    read_whole = [step for step in plans if step.startswith(("SCAN run", "SCAN item"))]
    assert not read_whole
    assert not [step for step in plans if "TEMP B-TREE" in step]


@BOTH
def test_only_old_quiet_runs_are_forgotten(database: Database) -> None:
    with database.writing() as tx:
        quiet, changed = add_run(tx, "A", days=90), add_run(tx, "A", days=80)
        add_item(tx, changed, "1")
        young = add_run(tx, "A", days=10)
        assert runs.forget_quiet_runs(tx, NOW - timedelta(days=60)) == 1
        assert list(tx.scalars(select(run.c.id).order_by(run.c.id))) == [changed, young]
        assert runs.forget_quiet_runs(tx, NOW) == 1
        assert quiet not in tx.scalars(select(run.c.id)).all()
