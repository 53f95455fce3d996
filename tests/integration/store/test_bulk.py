"""Many rows at a time, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import DBAPIError

from lms_bridge.store.bulk import insert_many, upsert_plain
from lms_bridge.store.database import Database
from lms_bridge.store.tables import course, source_digest


def rows(first: int, many: int) -> list[dict[str, str]]:
    return [{"centre": "SAMPLE", "code": f"C-{n}"} for n in range(first, first + many)]


def test_the_new_ids_are_those_of_the_rows_in_their_order(database: Database) -> None:
    with database.writing() as tx:
        assert insert_many(tx, course, []) == []
        first = insert_many(tx, course, rows(0, 1))
        many = insert_many(tx, course, rows(1, 2_500))
        tx.execute(insert(course), rows(2_501, 1))  # its number is the database's to give
        tx.execute(delete(course).where(course.c.id == many[7]))
        last = insert_many(tx, course, rows(2_502, 3))
    with database.reading() as tx:
        codes = {row.id: row.code for row in tx.execute(select(course.c.id, course.c.code))}
        assert tx.scalar(select(func.count(course.c.id))) == 2_504
    assert codes[first[0]] == "C-0"
    assert [codes.get(id_) for id_ in many if id_ != many[7]] == [
        f"C-{n}" for n in range(1, 2_501) if n != 8
    ]
    assert [codes[id_] for id_ in last] == ["C-2502", "C-2503", "C-2504"]
    assert sorted(codes.values()) == sorted(f"C-{n}" for n in range(2_505) if n != 8)


def test_an_undone_insert_leaves_no_row(database: Database) -> None:
    with database.trying() as tx:
        insert_many(tx, course, rows(0, 10))
    with database.writing() as tx:
        ids = insert_many(tx, course, rows(0, 10))
        assert list(tx.scalars(select(course.c.id).order_by(course.c.id))) == ids


KEY = ["system", "kind", "feed_name", "scope"]


def digests(*pairs: tuple[str, bytes]) -> list[dict[str, object]]:
    of = {"system": "academy", "kind": "offering", "feed_name": "source"}
    return [{**of, "scope": scope, "digest": digest} for scope, digest in pairs]


def test_an_upsert_of_many_inserts_and_changes(database: Database) -> None:
    with database.writing() as tx:
        upsert_plain(tx, source_digest, [], KEY, ["digest"])
        upsert_plain(tx, source_digest, digests(("a", b"1"), ("b", b"1")), KEY, ["digest"])
        rows = digests(("b", b"2"), ("c", b"2"), ("c", b"3"))  # the last one of several counts
        upsert_plain(tx, source_digest, rows, KEY, ["digest"])
    with database.reading() as tx:
        query = select(source_digest.c.scope, source_digest.c.digest, source_digest.c.cursor)
        found = [tuple(row) for row in tx.execute(query.order_by(source_digest.c.scope))]
    assert found == [("a", b"1", ""), ("b", b"2", ""), ("c", b"3", "")]


def test_an_upsert_cuts_no_text(database: Database) -> None:
    rows = digests(("x" * 300, b"1"), ("y", b"1"))
    if database.embedded:  # SQLite knows no bounds
        with database.writing() as tx:
            upsert_plain(tx, source_digest, rows, KEY, ["digest"])
            assert tx.scalar(select(func.max(func.length(source_digest.c.scope)))) == 300
        return
    with pytest.raises(DBAPIError), database.writing() as tx:
        upsert_plain(tx, source_digest, rows, KEY, ["digest"])
