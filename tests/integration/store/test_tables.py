"""What goes into the tables comes out the same, on both databases."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Update, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from lms_bridge.domain.errors import SettingsInvalid
from lms_bridge.domain.model import (
    Centre,
    Enrolment,
    EnrolmentStatus,
    Kind,
    Learner,
    Level,
    Meeting,
    Modality,
    Offering,
    Result,
)
from lms_bridge.store import (
    centres,
    enrolments,
    learners,
    migrate,
    offerings,
    results,
    retries,
    runs,
    source_digests,
    source_links,
    target_links,
)
from lms_bridge.store.database import Database
from lms_bridge.store.search import is_search_index
from lms_bridge.store.tables import EMPTY, centre, metadata

START = datetime(2026, 3, 2, 6, 30, 15, tzinfo=UTC)
FULL = Offering(
    code="SAMPLE-a",
    centre="SAMPLE",
    course_code="C1",
    title="إدارة الطيف 频谱 Управление \U0001f4e1",
    modality=Modality.BLENDED,
    level=Level.ADVANCED,
    starts_at=START,
    ends_at=START.astimezone(timezone(timedelta(hours=5, minutes=45))),
    time_zone="Asia/Kathmandu",
    hours=Decimal("0.10"),
    registration_opens=datetime(1990, 1, 1, tzinfo=UTC),
    registration_closes=datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
    seats=0,
    price=Decimal("99999.99999999999999999999"),
    currency="USD",
    topics=("a;b", '"c"'),
    description="x" * 100_000,
    meetings=(Meeting(START, START + timedelta(hours=1), "Room 4"),),
)


def test_offerings_come_back_the_same(database: Database) -> None:
    bare = Offering("SAMPLE-b", "SAMPLE", "C1", "Bare")
    with database.writing() as tx:
        ids = offerings.add_offerings(tx, [FULL, bare])
        offerings.change_offerings(tx, {ids[1]: Offering("SAMPLE-b", "SAMPLE", "C2", "Renamed")})
    with database.reading() as tx:
        found = offerings.offerings(tx, ids)
        courses = {
            (row.code, row.title) for row in tx.execute(select(metadata.tables["course"])).all()
        }
        assert offerings.offerings_by_code(tx, ["SAMPLE-a", "x"]) == {"SAMPLE-a": (ids[0], FULL)}
    assert found[ids[0]] == FULL
    assert [m.tzinfo for m in (found[ids[0]].starts_at, found[ids[0]].ends_at) if m] == [UTC, UTC]
    assert found[ids[1]].title == "Renamed"
    assert courses == {("C1", "Bare"), ("C2", "Renamed")}


def test_people_enrolments_and_results_come_back_the_same(database: Database) -> None:
    person = Learner("SAMPLE-1", "Ana", "Person", "ANA@example.org", "pt", "BR")
    zero = Result("SAMPLE-1", "SAMPLE-a", Decimal("0.00"), graded_at=START)
    with database.writing() as tx:
        (offering_id,) = offerings.add_offerings(tx, [FULL])
        (learner_id,) = learners.add_learners(tx, [person])
        record = Enrolment("SAMPLE-1", "SAMPLE-a", EnrolmentStatus.STARTED, START)
        (enrolment_id,) = enrolments.add_enrolments(tx, [(learner_id, offering_id, record)])
        (result_id,) = results.add_results(tx, [(enrolment_id, zero)])
    with database.reading() as tx:
        assert learners.learners(tx, [learner_id]) == {learner_id: person}
        assert enrolments.enrolments(tx, [enrolment_id])[enrolment_id].record == record
        assert enrolments.enrolment_ids(tx, [(offering_id, learner_id), (offering_id, 99)]) == {
            (offering_id, learner_id): enrolment_id
        }
        found = results.results(tx, [result_id])[result_id]
        assert found == (enrolment_id, zero)
        assert found[1].score is not None  # zero is a score
        assert results.results_of(tx, [enrolment_id]) == {enrolment_id: (result_id, zero)}


def test_a_centre_comes_back_the_same_and_its_secret_apart(database: Database) -> None:
    record = Centre(
        "SAMPLE",
        "Sample centre",
        "africa",
        "moodle",
        languages=("fr", "en"),
        options={"category": [1, {"deep": None}]},
        policy={"removal": "keep"},
    )
    with database.writing() as tx:
        centres.add(tx, record, b"locked")
    with database.reading() as tx:
        assert centres.find(tx, "SAMPLE") == record
        assert centres.secret_of(tx, "SAMPLE") == b"locked"
        assert centres.find(tx, "OTHER") is None
        assert centres.secret_of(tx, "OTHER") == b""


def test_two_runs_may_bring_the_same_person_at_once(database: Database) -> None:
    """The second one waits for the first and takes its row."""
    barrier = threading.Barrier(2)
    ids: list[list[int]] = []
    people = [Learner(f"SAMPLE-{n}", "Ana", "Person", f"a{n}@example.org") for n in range(5)]

    def add(order: int) -> None:
        barrier.wait(timeout=120)
        with database.writing() as tx:
            ids.append(learners.add_learners(tx, people[::order]))

    threads = [threading.Thread(target=add, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(ids) == 2
    assert sorted(ids[0]) == sorted(ids[1])


def test_many_ids_are_looked_up_in_parts(database: Database) -> None:
    with database.reading() as tx:
        assert learners.learners(tx, range(100_000)) == {}


def test_digests_and_cursors_are_remembered_per_feed(database: Database) -> None:
    feed = ("centre:SAMPLE", Kind.OFFERING, "source")
    with database.writing() as tx:
        source_digests.keep_digests(tx, *feed, {"a": b"1" * 16, "b": b"2" * 16}, "cursor-1")
        source_digests.keep_digests(tx, *feed, {"a": b"3" * 16, "c": EMPTY}, "")
        source_digests.forget_digests(tx, *feed, ["b"])
        source_digests.keep_digests(tx, "centre:OTHER", *feed[1:], {"a": b"4" * 16})
    with database.reading() as tx:
        assert source_digests.digests(tx, *feed) == {"a": b"3" * 16, "c": EMPTY}
        assert source_digests.cursor(tx, *feed) == "cursor-1"
        assert source_digests.cursor(tx, "centre:OTHER", *feed[1:]) == ""


def test_a_record_that_waits_for_its_next_attempt_is_not_due(database: Database) -> None:
    with database.writing() as tx:
        target_links.set_desired(
            tx,
            [
                {
                    "system": "academy",
                    "kind": Kind.OFFERING,
                    "centre": "SAMPLE",
                    "record_id": number,
                    "desired": b"w" * 16,
                }
                for number in range(3)
            ],
        )
        due = target_links.pending(tx, "academy", Kind.OFFERING, "SAMPLE", START, after=0, most=9)
        assert [each.record_id for each in due] == [0, 1, 2]
        rows = [
            {
                "link_id": due[0].link_id,
                "may_have_arrived": True,
                "again_at": START + timedelta(minutes=5),
                "at": START,
                "why": "",
                "code": "slow",
                "complaint": "later",
            }
        ]
        retries.failed(tx, rows)
        later = target_links.pending(tx, "academy", Kind.OFFERING, "SAMPLE", START, after=0, most=9)
        assert [each.record_id for each in later] == [1, 2]
        then = START + timedelta(minutes=5)
        again = target_links.pending(tx, "academy", Kind.OFFERING, "SAMPLE", then, after=0, most=1)
        assert [(each.record_id, each.sending, each.attempts) for each in again] == [(0, True, 1)]


def test_a_record_in_doubt_is_due_although_nothing_differs(database: Database) -> None:
    with database.writing() as tx:
        row = {"system": "academy", "kind": Kind.RESULT, "centre": "SAMPLE", "record_id": 1}
        target_links.set_desired(tx, [{**row, "desired": b"w" * 16}])
        (due,) = target_links.pending(tx, "academy", Kind.RESULT, "SAMPLE", START, after=0, most=9)
        document = {
            "link_id": due.link_id,
            "old_hash": due.acknowledged,
            "new_hash": b"w" * 16,
            "document": {},
            "new_external_id": "r1",
            "new_scope": "",
            "is_created_by_us": True,
        }
        target_links.acknowledged(tx, [document])
        where = "academy", Kind.RESULT, "SAMPLE"
        assert not target_links.pending(tx, *where, START, after=0, most=9)
        target_links.sending(tx, [due.link_id])
        assert target_links.pending(tx, *where, START, after=0, most=9)


def test_an_error_undoes_the_whole_transaction(database: Database) -> None:
    def half() -> None:
        with database.writing() as tx:
            learners.add_learners(tx, [Learner("SAMPLE-1", "A", "B", "a@example.org")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    with database.trying() as tx:
        learners.add_learners(tx, [Learner("SAMPLE-1", "A", "B", "a@example.org")])
    with database.reading() as tx:
        assert learners.learners_by_academy_id(tx, ["SAMPLE-1"]) == {}


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    with database.writing() as tx:
        runs.start_run(tx, "SAMPLE", "offerings", "command", START)
        with database.reading() as other:
            assert runs.last_runs(other) == []


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.reading() as tx:
        context = MigrationContext.configure(
            tx,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or not is_search_index(name),
            },
        )
        assert compare_metadata(context, metadata) == []
        names = {index["name"] for index in inspect(tx).get_indexes("link")}
    assert "ix_link_pending" in names


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    migrate.upgrade(database)
    migrate.check_up_to_date(database)
    assert migrate.current(database) == migrate.newest()


def test_other_tables_have_another_revision() -> None:
    """Or a database of an earlier state passes for one of this state, until a column is missing."""
    file = Path(migrate.__file__).parent / "migrations/versions/0001_all_tables.py"
    text = file.read_text(encoding="utf-8").partition("def upgrade")[2]
    revision = f"0001_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    assert migrate.newest() == revision


def test_a_database_of_another_version_is_reported_with_its_remedy(
    tmp_path: Path, open_database: Callable[[str], Database]
) -> None:
    file = tmp_path / "empty.sqlite3"
    empty = open_database(f"sqlite:///{file}")
    with pytest.raises(SettingsInvalid, match=f"there is no file {file}"):
        migrate.check_up_to_date(empty)
    file.touch()
    with pytest.raises(SettingsInvalid, match="is empty; run"):
        migrate.check_up_to_date(empty)
    nowhere = open_database(f"sqlite:///{tmp_path / 'none' / 'x.sqlite3'}")
    with pytest.raises(SettingsInvalid, match="cannot be opened"):
        migrate.upgrade(nowhere)
    with empty.writing() as tx:
        tx.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        tx.exec_driver_sql("INSERT INTO alembic_version VALUES ('9999')")
    with pytest.raises(SettingsInvalid, match="of version 9999"):
        migrate.check_up_to_date(empty)


def test_the_index_of_what_is_due_is_used(sqlite_database: Database) -> None:
    """Its condition and the query's have to be the same to the letter."""
    plan: list[str] = []
    with sqlite_database.reading() as tx:
        raw = tx.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_trace_callback(plan.append)
        target_links.pending(tx, "academy", Kind.RESULT, "SAMPLE", START, after=0, most=9)
        raw.set_trace_callback(None)
        (query,) = [each for each in plan if each.startswith("SELECT")]
        steps = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert any("ix_link_pending" in step for step in steps), steps


def test_an_id_is_never_used_twice_for_one_thing(database: Database) -> None:
    row = {"system": "s", "kind": Kind.RESULT, "centre": "c", "record_id": 1, "external_id": "x"}
    with database.writing() as tx:
        tx.execute(insert(metadata.tables["link"]).values(**row))
        source_links.showed(
            tx, [{**row, "external_id": "y", "scope": "z", "source_hash": b"h" * 16}]
        )
        found = source_links.in_scope(tx, "s", Kind.RESULT, "z")
    assert [known.record_id for known in found.values()] == [1]


def test_others_write_while_something_is_tried_apart(
    sqlite_address: str, sqlite_database: Database
) -> None:
    """A dry run may take long, and SQLite has one writer."""
    database = sqlite_database

    def codes(of: Database) -> list[str]:
        with of.reading() as tx:
            return list(tx.scalars(select(centre.c.code).order_by(centre.c.code)))

    with database.writing() as tx:
        centres.add(tx, Centre("ONE", "Sample ONE", "africa", "files", sample=True), b"")
    folder = Path(sqlite_address.removeprefix("sqlite:///")).parent
    with database.apart() as copy, copy.trying() as tried:
        centres.add(tried, Centre("TWO", "Sample TWO", "africa", "files", sample=True), b"")
        assert tried.scalars(select(centre.c.code).order_by(centre.c.code)).all() == ["ONE", "TWO"]
        with database.writing_now() as tx:  # which waits for nobody
            centres.add(tx, Centre("NEW", "Sample NEW", "africa", "files", sample=True), b"")
        assert len(list(folder.glob(".apart-*"))) == 1
        assert all(each.stat().st_mode & 0o077 == 0 for each in folder.glob(".apart-*"))
    assert codes(database) == ["NEW", "ONE"]
    assert list(folder.glob(".apart-*")) == []


def test_a_trial_on_postgresql_makes_no_writer_wait(postgres_address: str) -> None:
    """Rows that a dry run changes are free for others, and it can change no real one."""
    database = Database(postgres_address)

    def add(tx: Connection, code: str) -> None:
        centres.add(tx, Centre(code, f"Sample {code}", "africa", "files", sample=True), b"")

    def renamed(name: str) -> Update:
        return update(centre).values(name=name)

    with database.writing() as tx:
        add(tx, "ONE")
        offerings.add_offerings(tx, [Offering("ONE-1", "ONE", "1", "First")])
    with database.apart() as copy:
        with copy.trying() as tried, database.writing() as tx:
            tried.execute(renamed("Tried"))
            add(tried, "TWO")
            (number,) = offerings.add_offerings(tried, [Offering("TWO-1", "TWO", "2", "Second")])
            tx.execute(text("SET LOCAL lock_timeout = '1ms'"))
            tx.execute(renamed("Changed meanwhile"))
            add(tx, "TWO")
            ids = offerings.add_offerings(tx, [Offering("TWO-1", "TWO", "2", "Second")])
            assert ids == [number] == [2]  # the numbers of the real table were not used up
        with copy.trying() as again:
            assert again.scalars(select(centre.c.name)).all() == ["Sample ONE"]
            schema = again.scalar(text("SELECT current_schema()"))
            with pytest.raises(DBAPIError, match="read-only"):
                again.execute(text(f"UPDATE {schema}.centre SET name = 'Real'"))
    with database.reading() as tx:
        assert set(tx.scalars(select(centre.c.name))) == {"Changed meanwhile", "Sample TWO"}
        left = text("SELECT count(*) FROM pg_class WHERE relname = 'centre' AND relkind = 'r'")
        assert tx.scalar(left) == 1
    database.close()


@pytest.mark.parametrize(
    ("denied", "reason"), [("file", "may not read the file"), ("folder", "the file's folder")]
)
def test_what_a_user_may_not_do_with_the_file_is_named(
    sqlite_address: str, monkeypatch: pytest.MonkeyPatch, denied: str, reason: str
) -> None:
    """As another user than the test's own sees it, which may do everything if it is root."""
    path = Path(sqlite_address.removeprefix("sqlite:///"))
    forbidden = path if denied == "file" else path.parent
    monkeypatch.setattr(
        "lms_bridge.store.migrate.os.access", lambda each, _: Path(each) != forbidden
    )

    def closed(_: Database) -> str:
        raise OperationalError("BEGIN", None, sqlite3.OperationalError("unable to open"))

    monkeypatch.setattr(migrate, "current", closed)
    with pytest.raises(SettingsInvalid, match=reason):
        migrate.check_up_to_date(Database(sqlite_address))
