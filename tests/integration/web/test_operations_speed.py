"""What operators look at is found through indexes, also among millions of runs and items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select

from lms_bridge.admin import held, queries, run_filters
from lms_bridge.admin.held import ListParams
from lms_bridge.admin.run_filters import RunFilter
from lms_bridge.api import queries as api_queries
from lms_bridge.api.documents import hold_documents
from lms_bridge.audit import FLOWS
from lms_bridge.domain.model import (
    Centre,
    Enrolment,
    EnrolmentStatus,
    Kind,
    Learner,
    Offering,
    Result,
)
from lms_bridge.store import centres, enrolments, learners, offerings, results, runs
from lms_bridge.store.database import Database
from lms_bridge.store.run_items import ItemFilter, count_items, items_by_number, items_page
from lms_bridge.store.run_lists import newest_runs
from lms_bridge.store.run_tables import item, run
from lms_bridge.store.tables import hold
from tests.databases import BOTH

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)


def add_run(tx: Connection, centre: str, flows: str = "results", *, days: int = 0) -> int:
    row: dict[str, Any] = {"centre": centre, "flows": flows, "status": "done", "counts": {}}
    row["started_at"] = NOW - timedelta(days=days)
    number: int = tx.execute(insert(run).values(row).returning(run.c.id)).scalar_one()
    return number


def add_item(tx: Connection, run_id: int, key: str, code: str = "", **more: Any) -> None:
    row = {"run_id": run_id, "kind": "enrolment", "external_id": key, "code": code, "at": NOW}
    tx.execute(insert(item).values(row | more))


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
@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 10])
def test_pages_of_items_show_each_once_and_failures_first_in_both_directions(
    database: Database, most: int
) -> None:
    with database.writing() as tx:
        number, other = add_run(tx, "A"), add_run(tx, "A")
        for key, code in (("1", ""), ("2", "late"), ("3", ""), ("4", "absent"), ("5", "late")):
            add_item(tx, number, key, code)
            add_item(tx, other, "other", code)
        page = items_page(tx, number, most=most)
        pages = [page]
        while page.next and len(pages) < 9:
            page = items_page(tx, number, after=page.rows[-1].id, most=most)
            pages.append(page)
            assert page.previous
        back = [page]
        while page.previous and len(back) < 9:
            page = items_page(tx, number, before=page.rows[0].id, most=most)
            back.insert(0, page)
            assert page.next
    shown = [row.external_id for page in pages for row in page.rows]
    assert shown == ["4", "2", "5", "1", "3"]
    assert [page.rows for page in back[-2:]] == [page.rows for page in pages[-2:]]
    assert back[0].rows == pages[0].rows


def test_a_page_of_items_after_none_of_the_run_is_the_first(sqlite_database: Database) -> None:
    with sqlite_database.writing() as tx:
        number, other = add_run(tx, "A"), add_run(tx, "A")
        for key in ("1", "2", "3"):
            add_item(tx, number, key)
            add_item(tx, other, key)
        foreign = items_page(tx, other, most=1).rows[0].id
        for where in ({"after": foreign}, {"before": foreign}, {"after": 10**17}):
            page = items_page(tx, number, most=2, **where)
            assert ([row.external_id for row in page.rows], page.previous) == (["1", "2"], False)


@BOTH
def test_items_are_filtered_by_kind_state_course_and_learner(database: Database) -> None:
    with database.writing() as tx:
        centres.add(tx, Centre("A", "A", "africa", "files"), b"")
        courses = offerings.add_offerings(tx, [Offering(f"O{n}", "A", f"O{n}", "x") for n in "12"])
        people = learners.add_learners(tx, [Learner(f"P{n}", "x", "y", "") for n in "12"])
        pairs = [(person, course) for course in courses for person in people]
        places = enrolments.add_enrolments(
            tx, [(*pair, Enrolment("", "", EnrolmentStatus.ENROLLED)) for pair in pairs]
        )
        (score,) = results.add_results(tx, [(places[3], Result("", ""))])
        number = add_run(tx, "A")
        for record in courses:
            add_item(tx, number, f"offering {record}", kind=Kind.OFFERING, record_id=record)
        for record in people:
            add_item(tx, number, f"learner {record}", kind=Kind.LEARNER, record_id=record)
        for record in places:
            add_item(tx, number, f"place {record}", "x", record_id=record, state="failed")
        add_item(tx, number, "score", kind=Kind.RESULT, record_id=score)

        def found(**wanted: str) -> set[str]:
            asked = ItemFilter(**wanted)
            by_page = {row.external_id for row in items_page(tx, number, asked, most=50).rows}
            assert by_page == {
                row.external_id for row in items_by_number(tx, number, asked, most=50)
            }
            assert count_items(tx, number, asked) == len(by_page)
            return by_page

        assert len(found()) == 9
        assert found(kind="learner") == {f"learner {record}" for record in people}
        assert found(state="failed") == {f"place {record}" for record in places}
        of_course = {f"offering {courses[1]}", "score", *(f"place {each}" for each in places[2:])}
        assert found(course="O2") == of_course
        of_person = {f"learner {people[1]}", "score", f"place {places[1]}", f"place {places[3]}"}
        assert found(learner="P2") == of_person
        assert found(learner="P2", course="O2") == {f"place {places[3]}", "score"}
        assert found(learner="P2", course="O2", state="failed") == {f"place {places[3]}"}
        assert found(kind="offering", learner="P2") == set()
        assert found(course="nothing") == found(learner="nobody", kind="result") == set()


def listed(
    tx: Connection, *, within: Sequence[str] | None = None, before: int = 0, **wanted: str
) -> list[int]:
    asked = RunFilter(**wanted, before=before)
    return [row.id for row in run_filters.runs(tx, asked, within=within, most=50)]


@BOTH
def test_runs_of_several_centres_come_in_one_order_and_go_on_from_a_number(
    database: Database,
) -> None:
    with database.writing() as tx:
        numbers = [add_run(tx, code) for code in "ABCABCABC"]
        among = [number for number, code in zip(numbers, "ABCABCABC", strict=True) if code != "B"]
        assert [row.id for row in newest_runs(tx, centres=["A", "C"], most=4)] == among[:1:-1]
        rest = newest_runs(tx, centres=["A", "C"], before=among[2], most=4)
        assert [row.id for row in rest] == [among[1], among[0]]
        assert [row.id for row in newest_runs(tx, most=50)] == numbers[::-1]
        assert newest_runs(tx, centres=[], most=4) == []


@BOTH
def test_every_kind_of_decision_is_found_by_its_flow(database: Database) -> None:
    with database.writing() as tx:
        numbers = {flow: add_run(tx, "A", flow) for flow in FLOWS}
        add_run(tx, "A", "offerings,results")
        assert {flow: listed(tx, flow=flow) for flow in FLOWS} == {
            flow: [number] for flow, number in numbers.items()
        }
        assert listed(tx, flow="unknown") == []
        assert listed(tx, flow="tokens", within=("B",)) == []
        assert listed(tx, flow="tokens", centre="A", within=("B",)) == []


QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "last runs": queries.last_run_of_each,
    "failed runs": lambda tx: listed(tx, status="failed"),
    "failed runs of a flow": lambda tx: listed(tx, status="failed", flow="results"),
    "runs of a centre": lambda tx: listed(tx, centre="A"),
    "runs of a flow of a centre": lambda tx: listed(tx, centre="A", flow="results"),
    "failed runs of a centre": lambda tx: listed(tx, centre="A", status="failed", before=7),
    "decisions": lambda tx: listed(tx, flow="tokens"),
    "decisions at a centre": lambda tx: listed(tx, flow="webhooks", centre="A"),
    "runs of several centres": lambda tx: listed(tx, within=("A", "B", "C"), flow="results"),
    "runs of several centres by the interface": lambda tx: api_queries.runs(
        tx, {}, 0, 50, ["A", "B", "C"]
    ),
    "last runs of a centre": lambda tx: runs.last_runs(tx, centre="A"),
    "the first page of items": lambda tx: items_page(tx, 1, most=200),
    "a page of items": lambda tx: items_page(tx, 1, after=1, most=200),
    "the page before": lambda tx: items_page(tx, 1, before=2, most=200),
    "items of a kind": lambda tx: items_page(tx, 1, ItemFilter("enrolment", "done"), most=200),
    "items of the interface": lambda tx: items_by_number(tx, 1, after=5, most=50),
    "number of items": lambda tx: count_items(tx, 1),
    "settled conflicts": lambda tx: held.settled_conflicts(tx, ListParams()),
    "settled conflicts of a centre": lambda tx: held.settled_conflicts(
        tx, ListParams(centre="A", before=9)
    ),
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
        add_item(tx, 1, "1")
        add_item(tx, 1, "2", "late")
        event.listen(tx, "before_cursor_execute", explain)
        QUESTIONS[question](tx)
    assert plans
    read_whole = [step for step in plans if step.startswith(("SCAN run", "SCAN item"))]
    few = ("ix_run_decision", "ix_item_conflict")  # small indexes, whose newest end is read
    assert not [step for step in read_whole if not step.endswith(few)]
    sorted_ = [step for step in plans if "TEMP B-TREE" in step]
    # Of several centres, a page of each is put together.
    assert bool(sorted_) == ("several" in question)


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


def test_a_list_of_holds_asks_once_whatever_their_number(sqlite_database: Database) -> None:
    asked: list[str] = []
    with sqlite_database.writing() as tx:
        row = {"kind": "enrolment", "reason": "removals", "record_ids": [1, 2], "run_id": 1}
        tx.execute(insert(hold), [row | {"created_at": NOW} for _ in range(5)])
        rows = tx.execute(select(hold)).all()
        event.listen(tx, "before_cursor_execute", lambda *given: asked.append(given[2]))
        assert len(hold_documents(tx, rows)) == 5
    assert len(asked) == 1
