"""Many rows at a time, on both databases."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select

from lms_bridge.store.bulk import insert_many
from lms_bridge.store.database import Database
from lms_bridge.store.tables import course


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
